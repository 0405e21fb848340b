package effect

import (
	"net/netip"
	"strconv"
	"time"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/model"
)

// Contact is whom a device spoke with.
type Contact struct {
	Device  model.DeviceID
	Name    string     // of the other end, as the traffic gave it; may be empty
	Addr    netip.Addr // of the other end; may be unset
	Port    uint16     // of the other end, or of the device when Inbound
	Proto   string     // "tcp", "udp", …
	Inbound bool       // the other end began
	Flows   uint64
	First   time.Time
	Last    time.Time
}

// ContactOf reads a contact's event, or a group of them with the same
// observables, whose texts it shares. ok is false when it names nobody.
func ContactOf(device model.DeviceID, observables []model.Observable) (c Contact, ok bool) {
	c.Device = device
	for _, o := range observables {
		switch o.Type {
		case model.ObservableDomain:
			c.Name = o.Value
		case model.ObservableIP:
			if a, err := netip.ParseAddr(o.Value); err == nil {
				c.Addr = a.Unmap().WithZone("")
			}
		case model.ObservablePort:
			if n, err := strconv.ParseUint(o.Value, 10, 16); err == nil {
				c.Port = uint16(n)
			}
		case model.ObservableProto:
			c.Proto = o.Value
		case model.ObservableClass:
			c.Inbound = o.Value == model.ClassInbound
		}
	}
	return c, c.Name != "" || c.Addr.IsValid()
}

// Remote is the other end as people call it.
func (c *Contact) Remote() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Addr.String()
}

// Service is the port as people write it, or "".
func (c *Contact) Service() string {
	if c.Port == 0 {
		return c.Proto
	}
	return c.Proto + "/" + strconv.Itoa(int(c.Port))
}

// Objects appends what a contact can be listed by: its name, and its address
// when that is a stranger's, each also with the other end's port.
func (c *Contact) Objects(to []intel.Object) []intel.Object {
	if c.Name != "" {
		if o, err := canon.Domain(c.Name); err == nil {
			to = append(to, o)
		}
	}
	if c.Addr.IsValid() && canon.Outside(c.Addr) {
		to = append(to, canon.FromAddr(c.Addr))
	}
	return endpoints(to, c.Name, c.Addr, c.Port, c.Inbound)
}

// Blocks says whether what is known of an object suffices for a least score.
func Blocks(b intel.Brief, least uint8) bool { return b.Listed() && b.Score >= least }

// endpoints appends what is listed by its port.
func endpoints(to []intel.Object, name string, addr netip.Addr, port uint16, inbound bool) []intel.Object {
	if port == 0 || inbound {
		return to
	}
	if name != "" {
		if o, err := canon.Endpoint(name + ":" + strconv.Itoa(int(port))); err == nil {
			to = append(to, o)
		}
	}
	if addr.IsValid() && canon.Outside(addr) {
		to = append(to, canon.FromAddrPort(netip.AddrPortFrom(addr, port)))
	}
	return to
}

// matched is what a hit is about: the first observable that can be listed.
func matched(e *model.Event) (intel.Object, bool) {
	for _, x := range e.Observables {
		var o intel.Object
		var err error
		switch x.Type {
		case model.ObservableIP:
			o, err = canon.Address(x.Value)
		case model.ObservableDomain:
			o, err = canon.Domain(x.Value)
		case model.ObservableURL:
			o, err = canon.URL(x.Value)
		case model.ObservableSHA256, model.ObservableSHA1, model.ObservableMD5:
			o, err = canon.File(x.Value)
		case model.ObservableJA4:
			o, err = canon.JA4(x.Value)
		case model.ObservableCert:
			o, err = canon.Cert(x.Value)
		default:
			continue
		}
		if err == nil {
			return o, true
		}
	}
	return intel.Object{}, false
}
