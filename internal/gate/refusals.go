package gate

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/model"
)

// refusals joins what the blocklist stopped, so that a device that tries again
// and again is told of at once and then every repeatTold.
type refusals struct {
	list   map[refusalKey]*refused
	inward int    // pairs of the list that came from outside
	lost   uint64 // packets of pairs that found the list full
}

// maxRefusals bounds the pairs that are kept; half of it is for what devices
// sent, which nobody outside can fill.
const maxRefusals = 8192

type refusalKey struct {
	device  datapath.DeviceKey
	outside netip.Addr
	inward  bool
	proto   uint8
}

type refused struct {
	port        uint16
	count       uint64 // not told yet
	first, last time.Time
	told        time.Time
}

// add joins what the data path gave.
func (r *refusals) add(x *datapath.Refusal) {
	k := refusalKey{x.Device, x.Outside, x.Inward, x.Proto}
	e := r.list[k]
	if e == nil {
		if len(r.list) >= maxRefusals || k.inward && r.inward >= maxRefusals/2 {
			r.lost += x.Packets
			return
		}
		if r.list == nil {
			r.list = make(map[refusalKey]*refused)
		}
		e = &refused{}
		r.list[k] = e
		if k.inward {
			r.inward++
		}
	}
	if e.count == 0 {
		e.first = x.Last
	}
	e.count += x.Packets
	e.last, e.port = x.Last, x.Port
}

// due calls yield with what is to be told now, and forgets what is quiet or may
// not be told.
func (r *refusals) due(now time.Time, may *tellings, yield func(k refusalKey, e *refused)) {
	for k, e := range r.list {
		switch {
		case now.Sub(e.told) < repeatTold:
		case e.count == 0 || !may.may(tellingKey{k.device, k.inward}, e.count):
			delete(r.list, k)
			if k.inward {
				r.inward--
			}
		default:
			yield(k, e)
			e.told, e.count = now, 0
		}
	}
}

// reportRefusals tells what the blocklist stopped. Call it with mu held.
func (g *Gate) reportRefusals(now time.Time) {
	if err := g.dp.TakeRefusals(g.refused.add); err != nil {
		g.fault("take refusals", err)
	}
	logged := 0
	g.refused.due(now, &g.tellings, func(k refusalKey, e *refused) {
		g.submit(g.refusalEvent(k, e))
		if logged++; logged <= maxAlertsLogged {
			g.log.Info("stopped: an address of bad reputation", "value", k.outside, "device", deviceName(k.device), "inward", k.inward, "count", e.count)
		}
	})
	if logged > maxAlertsLogged {
		g.log.Info("more addresses of bad reputation stopped", "count", logged-maxAlertsLogged)
	}
	if g.refused.lost > 0 {
		g.log.Warn("more addresses of bad reputation stopped than are told apart", "packets", g.refused.lost)
		g.refused.lost = 0
	}
}

// refusalEvent is the event of a refusal. What comes from outside was not asked
// for by the device, so it is of low severity.
func (g *Gate) refusalEvent(k refusalKey, e *refused) *model.Event {
	value, score := k.outside.String(), uint8(0)
	if set := g.blocklist.set; set != nil {
		score = set.Address(k.outside).Score()
	}
	out := &model.Event{
		ID: model.NewID(e.first), Time: e.first, Last: e.last, Device: deviceName(k.device), Layer: model.LayerNetwork,
		Kind: model.KindListedBlocked, Severity: severityOfScore(score), Subject: value, Rule: ruleReputation, Count: uint32(min(e.count, 1<<32-1)),
		Observables: []model.Observable{{Type: model.ObservableIP, Value: value}},
	}
	if e.port != 0 {
		out.Observables = append(out.Observables, model.Observable{Type: model.ObservablePort, Value: strconv.Itoa(int(e.port))})
	}
	if name := spokenOf("", k.proto); name != "" {
		out.Observables = append(out.Observables, model.Observable{Type: model.ObservableProto, Value: name})
	}
	what := "The device sent to " + value
	out.Advice = "Ask why the address is listed (masugata reputation explain), and look whether the device has been taken over: what else it speaks with, and whether it is up to date. If it is harmless, allow it (masugata reputation allow)."
	if k.inward {
		out.Severity = model.SeverityLow
		what = value + " sent to the device"
		out.Advice = "Nothing, unless the address is harmless: then allow it (masugata reputation allow)."
	}
	says := "which reputation lists"
	if score > 0 {
		says += fmt.Sprintf(" with a score of %d or more", score)
	}
	out.Explanation = fmt.Sprintf("%s, %s. The gate stopped it in the kernel.", what, says)
	return out
}
