package inspection

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
	"github.com/masugata/masugata/internal/model"
)

// Bounds of alerts.
const (
	joinFor   = 5 * time.Second // repeats are told together
	maxAlarms = 128             // different alerts within that time
)

// key is what makes alerts one.
type key struct {
	gid, sid, rev uint32
	src, dst      netip.Addr
	port          uint16
	proto         uint8
	blocked       bool
}

// alarm is an alert that was told, and its repeats since, which were not.
type alarm struct {
	began time.Time
	rest  *model.Event
}

// alarms is the engine's Sink: it tells the first alert of a kind at once and
// joins its repeats.
type alarms struct {
	cfg     *Config
	list    map[key]*alarm
	total   uint64
	harm    bool   // packets can be stopped
	told    uint64 // of total, to Status
	packets uint64 // the engine's, told to Status
}

// Alerts implements engine.Sink.
func (a *alarms) Alerts(c *rule.Context, v *rule.Verdict) {
	if !a.harm {
		soften(v)
	}
	for i := range v.Alerts {
		if x := &v.Alerts[i]; !x.Quiet {
			a.one(x, c)
		}
	}
}

// soften makes a verdict one that stops nothing, so that the flow is inspected on.
func soften(v *rule.Verdict) {
	if v.Action >= rule.ActionDrop && v.Action <= rule.ActionRejectBoth {
		v.Action = rule.ActionAlert
	}
	v.DropFlow = false
	for i := range v.Alerts {
		v.Alerts[i].Drop = false
	}
}

func (a *alarms) one(x *rule.Alert, c *rule.Context) {
	p, m, at := c.Packet, x.Rule, time.Unix(0, c.Now)
	a.total++
	k := key{gid: m.GID, sid: m.SID, rev: m.Rev, port: p.DstPort, proto: p.Proto, blocked: x.Drop}
	if p.IPVersion != 0 {
		k.src, k.dst = netip.AddrFrom16(p.Src).Unmap(), netip.AddrFrom16(p.Dst).Unmap()
	}
	old := a.list[k]
	switch {
	case old == nil && len(a.list) >= maxAlarms:
		return // counted; so many kinds at once are a scan, of which enough is told
	case old == nil:
		a.list[k] = &alarm{began: at}
		a.cfg.Log.Info("rule fired", "rule", m.SID, "message", m.Message, "source", k.src, "destination", k.dst, "blocked", x.Drop)
		a.cfg.Submit(a.event(&k, m, at))
	case old.rest == nil:
		old.rest = a.event(&k, m, at)
	default:
		old.rest.Count++
		old.rest.Last = at
	}
}

// flush tells the repeats whose time is over.
func (a *alarms) flush(now time.Time) {
	for k, x := range a.list {
		if now.Sub(x.began) < joinFor {
			continue
		}
		if x.rest == nil {
			delete(a.list, k)
			continue
		}
		a.cfg.Submit(x.rest)
		x.began, x.rest = now, nil
	}
}

// event has the same fields as the gate's for the same rule.
func (a *alarms) event(k *key, m *rule.Meta, at time.Time) *model.Event {
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	e := &model.Event{ID: model.NewID(at), Time: at, Last: at, Device: a.cfg.Device(), Layer: model.LayerDevice,
		Kind: model.KindIntrusion, Subject: m.Message, Rule: number(k.gid) + ":" + number(k.sid) + ":" + number(k.rev), Count: 1}
	switch m.Priority {
	case 1:
		e.Severity = model.SeverityHigh
	case 2:
		e.Severity = model.SeverityMedium
	case 3:
		e.Severity = model.SeverityLow
	}
	for _, addr := range [...]netip.Addr{k.src, k.dst} {
		if addr.IsValid() {
			e.Observables = append(e.Observables, model.Observable{Type: model.ObservableIP, Value: addr.String()})
		}
	}
	if k.port != 0 && (k.proto == 6 || k.proto == 17) {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservablePort, Value: strconv.Itoa(int(k.port))})
	}
	if m.Classification != "" {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableClass, Value: m.Classification})
	}
	what, did := m.Message, "The agent let it pass: the rule or the mode only observes."
	if m.Classification != "" {
		what += " (" + m.Classification + ")"
	}
	if k.blocked {
		e.Kind, did = model.KindBlocked, "The agent stopped it."
	}
	e.Explanation = "Traffic from " + k.src.String() + " to " + k.dst.String() + " fits a rule of the inspection: " + what + ". " + did
	e.Advice = "Look whether the device that was attacked, or that attacks, is up to date, and whether it behaves differently since."
	return e
}

// Transaction implements engine.Sink; the agent writes no records.
func (a *alarms) Transaction(*flow.Flow, *protocol.Spec, protocol.Tx, packet.Direction, *packet.Packet) {
}

// File implements engine.Sink.
func (a *alarms) File(*flow.Flow, *protocol.Spec, protocol.Tx, *protocol.File, packet.Direction, *packet.Packet) {
}

// Anomaly implements engine.Sink.
func (a *alarms) Anomaly(*flow.Flow, *protocol.Spec, protocol.Tx, string, packet.Direction, *packet.Packet) {
}

// FlowEnd implements engine.Sink.
func (a *alarms) FlowEnd(*flow.Flow, flow.Reason, int64) {}
