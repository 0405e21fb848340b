package reputation

import (
	"net/netip"
	"strings"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/model"
)

// seen is what an event says against a thing outside, before it is known whose
// word it is.
type seen struct {
	part      model.PartID
	object    intel.Object
	kind      intel.Kind
	count     uint32
	forgeable bool
	// between is set when both ends have public addresses, as with IPv6: then
	// object and kind are open until it is known which end is a device of ours.
	between *between
}

// between is traffic of which one end should be ours.
type between struct {
	from, to netip.Addr
	said     class
}

// settle says who is bad, given which addresses are our devices'.
func (b *between) settle(x *seen, ours func(netip.Addr) bool) bool {
	from, to := ours(b.from), ours(b.to)
	switch {
	case to && !from:
		x.object, x.kind = address(b.from), b.said.from
	case from && !to && b.said.to != intel.KindNone:
		x.object, x.kind = address(b.to), b.said.to
	default:
		return false
	}
	return true
}

// sightingsOf hands on what an event says of things outside of the network.
// What a device of ours floods is a victim and is never handed on, nor is what
// it merely talks to; of a flood only the program that sends it counts.
func sightingsOf(e *model.Event, yield func(seen)) {
	switch e.Kind {
	case model.KindIntrusion, model.KindBlocked:
		intrusion(e, yield)
	case model.KindFloodOutbound:
		if e.Flood != nil && e.Flood.Process != nil {
			program(e, e.Flood.Process, yield)
		}
	}
}

// class is what rules of a classification say of the two ends of the traffic.
type class struct {
	from intel.Kind // of who sent it, when that is outside
	to   intel.Kind // of whom it went to; KindNone: it may be a victim
}

// classes are the classifications that name somebody bad, by their short and
// their long names as in https://docs.suricata.io (classification.config). All
// others say what the traffic is and not who is to blame.
var classes = classesByName()

func classesByName() map[string]class {
	out := map[string]class{}
	for _, c := range []struct {
		class
		names []string
	}{
		{class{from: intel.KindScanner}, []string{"attempted-recon", "attempted information leak", "network-scan", "detection of a network scan"}},
		{class{from: intel.KindExploit}, []string{"attempted-admin", "attempted administrator privilege gain", "attempted-user", "attempted user privilege gain",
			"web-application-attack", "web application attack", "shellcode-detect", "executable code was detected", "exploit-kit", "exploit kit activity detected"}},
		{class{from: intel.KindFlood}, []string{"attempted-dos", "attempted denial of service", "denial-of-service", "detection of a denial of service attack"}},
		{class{from: intel.KindBruteForce}, []string{"suspicious-login", "an attempted login using a suspicious username was detected",
			"default-login-attempt", "attempt to login by a default username and password"}},
		{class{from: intel.KindBot}, []string{"trojan-activity", "a network trojan was detected"}},
		{class{from: intel.KindC2, to: intel.KindC2}, []string{"command-and-control", "malware command and control activity detected",
			"domain-c2", "domain observed used for c2 detected"}},
		{class{from: intel.KindMining, to: intel.KindMining}, []string{"coin-mining", "crypto currency mining activity detected"}},
	} {
		for _, name := range c.names {
			out[name] = c.class
		}
	}
	return out
}

// proven are the protocols that nobody speaks before a TCP handshake, so that
// the sender's address is his own.
var proven = map[string]bool{"http": true, "http1": true, "http2": true, "tls": true, "ssh": true, "telnet": true, "ftp": true, "smtp": true,
	"imap": true, "pop3": true, "rdp": true, "smb": true, "mqtt": true, "rtsp": true, "modbus": true}

// intrusion reads an inspection rule's alert. Its addresses are the source and
// the destination of the packet, in this order.
func intrusion(e *model.Event, yield func(seen)) {
	var ends []netip.Addr
	var name, c string
	spoken := false
	for _, o := range e.Observables {
		switch o.Type {
		case model.ObservableIP:
			if a, err := netip.ParseAddr(o.Value); err == nil {
				ends = append(ends, a.Unmap().WithZone(""))
			}
		case model.ObservableDomain:
			name = o.Value
		case model.ObservableClass:
			c = o.Value
		case model.ObservableProto:
			spoken = proven[strings.ToLower(o.Value)]
		}
	}
	said, ok := classes[strings.ToLower(c)]
	if !ok || len(ends) != 2 {
		return
	}
	s := seen{part: e.Reporter, count: e.Count, forgeable: !spoken}
	from, to := canon.Outside(ends[0]), canon.Outside(ends[1])
	switch {
	case from && !to:
		s.kind = said.from
		s.object = address(ends[0])
	case to && !from && said.to != intel.KindNone:
		s.kind = said.to
		s.object = address(ends[1])
	case from && to:
		s.between = &between{from: ends[0], to: ends[1], said: said}
	default:
		return
	}
	yield(s)
	s.between = nil
	if name == "" || said.to == intel.KindNone {
		return
	}
	if o, err := canon.Domain(name); err == nil {
		s.object, s.kind = o, said.to
		yield(s)
	}
}

func address(a netip.Addr) intel.Object {
	return intel.Object{Type: intel.TypePrefix, Prefix: netip.PrefixFrom(a, a.BitLen())}
}

// dropped are where programs lie that did not come with a device's firmware.
var dropped = [...]string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/", "/var/run/"}

// program reads the program that sends a flood. A program of the firmware may
// be an ordinary tool in wrong hands, which is not listed by its hash.
func program(e *model.Event, p *model.ProcessEvidence, yield func(seen)) {
	for _, dir := range dropped {
		if strings.HasPrefix(p.Path, dir) {
			if o, err := canon.File(p.SHA256); err == nil {
				yield(seen{part: e.Reporter, object: o, kind: intel.KindMalware, count: e.Count})
			}
			return
		}
	}
}
