package inline

import (
	"net/netip"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// Alert is a rule that fired, joined with its repeats.
type Alert struct {
	Key
	Message, Class string
	App            string // what the flow speaks, "" when it is not known
	Priority       uint8
	Count          uint32
	First, Last    time.Time
}

// join adds another alert of the same key.
func (a *Alert) join(b *Alert) {
	a.Count += b.Count
	if b.First.Before(a.First) {
		a.First = b.First
	}
	if b.Last.After(a.Last) {
		a.Last = b.Last
	}
}

// Key is what makes alerts one.
type Key struct {
	GID, SID, Rev uint32
	Device        datapath.DeviceKey // zero when it is not known
	Src, Dst      netip.Addr
	DstPort       uint16
	Proto         uint8
	Blocked       bool // the packet was stopped
}

// maxAlerts is how many different alerts are kept until they are fetched.
const maxAlerts = 4096

// alerts is the Sink that gathers alerts by what makes them one. In modes that
// stop nothing it takes the sting out of verdicts, so that flows are inspected
// on.
type alerts struct {
	records *engine.Records // nil for none
	harm    bool            // the device of the frame under inspection may be stopped
	device  datapath.DeviceKey
	side    datapath.Side // from which the frame came
	slots   []slot        // by flow slot

	mu    sync.Mutex
	list  map[Key]*Alert
	total uint64
	lost  uint64 // that found the list full
	hits  hits
	names names
}

// Alerts implements engine.Sink.
func (a *alerts) Alerts(c *rule.Context, v *rule.Verdict) {
	device := a.whose(c.Packet, c.Flow)
	if !a.harm {
		soften(v)
	}
	for i := range v.Alerts {
		if x := &v.Alerts[i]; !x.Quiet {
			a.note(x, c, device)
		}
	}
	if a.records != nil {
		a.records.Alerts(c, v)
	}
}

// whose gives the device that a packet is of: one that the engine made at a
// flow's end has nothing to do with the frame at hand.
func (a *alerts) whose(p *packet.Packet, f *flow.Flow) datapath.DeviceKey {
	if !onWire(p) && f != nil {
		return a.deviceOf(f.Slot)
	}
	return a.device
}

// onWire says whether a packet is, or is in, the frame at hand.
func onWire(p *packet.Packet) bool {
	return p.Source == packet.SourceWire || p.Source == packet.SourceTunnel || p.Source == packet.SourceDefrag
}

// soften makes a verdict one that stops nothing.
func soften(v *rule.Verdict) {
	if v.Action >= rule.ActionDrop && v.Action <= rule.ActionRejectBoth {
		v.Action = rule.ActionAlert
	}
	v.DropFlow = false
	for i := range v.Alerts {
		v.Alerts[i].Drop = false
	}
}

// slot is what is kept of a flow beside the engine.
type slot struct {
	device datapath.DeviceKey
	told   uint64 // the flow of which the kernel was told
}

func (a *alerts) deviceOf(n int32) datapath.DeviceKey {
	if int(n) < len(a.slots) {
		return a.slots[n].device
	}
	return datapath.DeviceKey{}
}

// belongs notes whose flow is in a slot.
func (a *alerts) belongs(n int32) {
	for int(n) >= len(a.slots) {
		a.slots = append(a.slots, slot{})
	}
	a.slots[n].device = a.device
}

// fresh says whether the kernel hears of a flow for the first time.
func (a *alerts) fresh(f *flow.Flow) bool {
	s := &a.slots[f.Slot]
	old := s.told
	s.told = f.ID
	return old != f.ID
}

func (a *alerts) note(x *rule.Alert, c *rule.Context, device datapath.DeviceKey) {
	p, m, at := c.Packet, x.Rule, time.Unix(0, c.Now)
	k := Key{GID: m.GID, SID: m.SID, Rev: m.Rev, Device: device, DstPort: p.DstPort, Proto: p.Proto, Blocked: x.Drop}
	if p.IPVersion != 0 {
		k.Src, k.Dst = netip.AddrFrom16(p.Src).Unmap(), netip.AddrFrom16(p.Dst).Unmap()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total++
	if old := a.list[k]; old != nil {
		old.Count++
		old.Last = at
		return
	}
	if len(a.list) >= maxAlerts {
		a.lost++
		return
	}
	app := ""
	if id := c.App; id != protocol.Unknown && id != protocol.Failed {
		app = id.String()
	}
	a.list[k] = &Alert{Key: k, App: app, Message: m.Message, Class: m.Classification, Priority: m.Priority, Count: 1, First: at, Last: at}
}

// fetch gives the alerts since the last call, and how many found no room.
func (a *alerts) fetch() (list map[Key]*Alert, lost uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == 0 {
		return nil, 0
	}
	list, lost = a.list, a.lost
	a.list, a.lost = make(map[Key]*Alert), 0
	return list, lost
}

func (a *alerts) count() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total
}

// Transaction implements engine.Sink.
func (a *alerts) Transaction(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, d packet.Direction, p *packet.Packet) {
	a.name(f, spec.ID, tx, d, p)
	if a.records != nil {
		a.records.Transaction(f, spec, tx, d, p)
	}
}

// File implements engine.Sink.
func (a *alerts) File(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, file *protocol.File, d packet.Direction, p *packet.Packet) {
	if a.records != nil {
		a.records.File(f, spec, tx, file, d, p)
	}
}

// Anomaly implements engine.Sink.
func (a *alerts) Anomaly(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, event string, d packet.Direction, p *packet.Packet) {
	if a.records != nil {
		a.records.Anomaly(f, spec, tx, event, d, p)
	}
}

// FlowEnd implements engine.Sink.
func (a *alerts) FlowEnd(f *flow.Flow, why flow.Reason, now int64) {
	if a.records != nil {
		a.records.FlowEnd(f, why, now)
	}
}
