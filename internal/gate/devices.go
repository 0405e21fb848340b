package gate

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/model"
)

const (
	maxAddrs   = 8                // addresses kept of one device, the latest
	repeatIdle = time.Minute      // a device is told again so often though nothing of note changed
	repeatBusy = 5 * time.Second  // and so often while it sends
	saveEvery  = 10 * time.Second // how often new devices go to disk
	silentFor  = 10 * time.Minute // a device gives way to a new one in a full table after so long
	maxKnown   = 8                // devices remembered, in multiples of those counted; more are not told as new
)

// devices is the table of devices seen inside. The loop fills it, the link
// reads it; the gate's mutex guards it.
type devices struct {
	max   int
	path  string
	log   *slog.Logger
	list  map[datapath.DeviceKey]*deviceEntry
	known map[model.DeviceID]knownDevice
	dirty bool
	saved time.Time
	swept time.Time // when silent ones were last looked for
}

type deviceEntry struct {
	model.Device
	news  bool // an address or a name changed since it was last told
	moved bool // its counters did
	told  time.Time
}

// knownDevice is what is kept on disk of a device.
type knownDevice struct {
	First    time.Time `json:"first_seen"`
	Hostname string    `json:"hostname,omitempty"`
}

func newDevices(n int, path string, log *slog.Logger) *devices {
	d := &devices{max: n, path: path, log: log,
		list: make(map[datapath.DeviceKey]*deviceEntry), known: make(map[model.DeviceID]knownDevice)}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &d.known)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("list of known devices unreadable; every device counts as new", "error", err)
	}
	return d
}

// count takes a device counter; it gives the device when it was never seen
// before.
func (d *devices) count(c *datapath.DeviceCounter, now time.Time) *model.Device {
	e := d.list[c.DeviceKey]
	var fresh *model.Device
	if e == nil {
		if e = d.meet(c.DeviceKey, c.First, now); e == nil {
			return nil
		}
		if _, ok := d.known[e.ID]; !ok && len(d.known) < maxKnown*d.max {
			d.known[e.ID] = knownDevice{First: e.FirstSeen}
			d.dirty = true
			fresh = &e.Device
		}
	}
	if e.TxPackets != c.TxPackets || e.RxPackets != c.RxPackets {
		e.TxPackets, e.TxBytes, e.RxPackets, e.RxBytes = c.TxPackets, c.TxBytes, c.RxPackets, c.RxBytes
		e.LastSeen, e.moved = c.Last, true
		if c.LastSource != c.LastSpoofed {
			e.address(c.LastSource)
		}
	}
	return fresh
}

func (d *devices) meet(k datapath.DeviceKey, first, now time.Time) *deviceEntry {
	if k.MAC[0]&1 != 0 {
		return nil
	}
	if len(d.list) >= d.max && !d.makeRoom(now) {
		return nil
	}
	id := model.NewDeviceID(k.MAC, k.VLAN)
	e := &deviceEntry{news: true, Device: model.Device{
		ID: id, MAC: net.HardwareAddr(k.MAC[:]).String(), VLAN: k.VLAN, FirstSeen: first, State: model.DeviceOK,
	}}
	if old, ok := d.known[id]; ok {
		e.FirstSeen, e.Hostname = old.First, old.Hostname
	}
	d.list[k] = e
	return e
}

// makeRoom forgets the devices that were silent for long; it looks for them
// now and then only.
func (d *devices) makeRoom(now time.Time) bool {
	if now.Sub(d.swept) < saveEvery {
		return false
	}
	d.swept = now
	for k, e := range d.list {
		if now.Sub(e.LastSeen) > silentFor {
			delete(d.list, k)
		}
	}
	return len(d.list) < d.max
}

// address notes an address that the device sends from. Public IPv4 sources
// are not taken: without prefixes of the inside they may be forged.
func (e *deviceEntry) address(a netip.Addr) {
	a = a.Unmap()
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is4() && !a.IsPrivate() && !a.IsLinkLocalUnicast() {
		return
	}
	if n := len(e.Addrs); n > 0 && e.Addrs[n-1] == a || slices.Contains(e.Addrs, a) {
		return
	}
	e.Addrs = append(e.Addrs, a)
	if len(e.Addrs) > maxAddrs {
		e.Addrs = e.Addrs[1:]
	}
	e.news = true
}

// hostname notes the name that a device gives itself.
func (d *devices) hostname(k datapath.DeviceKey, name string) {
	e := d.list[k]
	if e == nil || e.Hostname == name || name == "" {
		return
	}
	e.Hostname, e.news, d.dirty = name, true, true
	old := d.known[e.ID]
	old.Hostname = name
	d.known[e.ID] = old
}

// changed gives copies of the devices to tell now.
func (d *devices) changed(now time.Time) []model.Device {
	var out []model.Device
	for _, e := range d.list {
		idle := now.Sub(e.told)
		if e.news || e.moved && idle >= repeatBusy || idle >= repeatIdle {
			e.news, e.moved, e.told = false, false, now
			v := e.Device
			v.Addrs = slices.Clone(e.Addrs)
			out = append(out, v)
		}
	}
	return out
}

// tick saves the list of known devices now and then.
func (d *devices) tick(now time.Time) {
	if !d.dirty || now.Sub(d.saved) < saveEvery {
		return
	}
	d.dirty, d.saved = false, now
	b, err := json.Marshal(d.known)
	if err != nil {
		d.log.Error("list of known devices", "error", err)
		return
	}
	path, log := d.path, d.log
	go func() {
		if err := writeWhole(path, b); err != nil {
			log.Error("list of known devices not written", "error", err)
		}
	}()
}
