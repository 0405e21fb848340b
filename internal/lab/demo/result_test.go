package demo

import (
	"net/netip"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/lab/attack"
	"github.com/masugata/masugata/internal/lab/staging"
	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// flow is a bot that sends 100 packets a step for n steps, of which let(step)
// arrive.
func flow(n int, let func(step int) uint32) staging.Outcome {
	start := time.Unix(1000, 0)
	o := staging.Outcome{Sent: &attack.Log{First: start, Last: start.Add(time.Duration(n-1) * attack.Step)}}
	for i := range n {
		o.Sent.Steps = append(o.Sent.Steps, 100)
		o.Sent.Sent += 100
		k := let(i)
		if k == 0 {
			continue
		}
		at := start.Add(time.Duration(i) * attack.Step)
		if o.Arrived.Packets == 0 {
			o.Arrived.First = at
		}
		for len(o.Arrived.Steps) <= int(at.Sub(o.Arrived.First)/attack.Step) {
			o.Arrived.Steps = append(o.Arrived.Steps, 0)
		}
		o.Arrived.Steps[len(o.Arrived.Steps)-1] = k
		o.Arrived.Packets += uint64(k)
		o.Arrived.Last = at
	}
	return o
}

func TestJudge(t *testing.T) {
	upTo := func(n int) func(int) uint32 {
		return func(i int) uint32 {
			if i < n {
				return 100
			}
			return 0
		}
	}
	for name, c := range map[string]struct {
		o       staging.Outcome
		stopped bool
		blocked time.Duration
		leaked  uint64
	}{
		"cut after 20 steps": {flow(400, upTo(20)), true, 20 * attack.Step, 0},
		"never let through":  {flow(400, upTo(0)), true, 0, 0},
		"never stopped":      {flow(400, upTo(400)), false, 0, 40000},
		"stopped at the end": {flow(400, upTo(395)), false, 0, 39500},
		"a leak of 0.02 %": {flow(1000, func(i int) uint32 {
			return map[bool]uint32{true: 100, false: map[bool]uint32{true: 20, false: 0}[i == 500]}[i < 10]
		}), true, 10 * attack.Step, 20},
		"a leak of 1 %":       {flow(1000, func(i int) uint32 { return map[bool]uint32{true: 100, false: 1}[i < 10] }), false, 0, 1990},
		"half let through":    {flow(400, func(int) uint32 { return 50 }), false, 0, 20000},
		"broken off too soon": {flow(1, upTo(1)), false, 0, 100},
	} {
		var r Result
		r.judge(c.o)
		if r.Stopped != c.stopped || r.Blocked != c.blocked || r.Leaked != c.leaked {
			t.Errorf("%s: stopped %v, blocked after %s, leaked %d; want %v, %s, %d", name, r.Stopped, r.Blocked, r.Leaked, c.stopped, c.blocked, c.leaked)
		}
	}
}

func TestDetectAndGeneral(t *testing.T) {
	first := time.Unix(1000, 0)
	target := topology.VictimAddr(5)
	device := model.NewDeviceID(topology.MAC(topology.CameraA), 0)
	event := func(after time.Duration, by model.PartID, dev model.DeviceID, dst netip.Prefix) model.Event {
		return model.Event{ID: model.NewID(first.Add(after)), Kind: model.KindFloodOutbound, Device: dev, Reporter: by, Flood: &model.FloodEvidence{Shape: model.Shape{Dst: dst}}}
	}
	here, other := netip.PrefixFrom(target, 32), netip.PrefixFrom(topology.VictimAddr(6), 32)
	events := []model.Event{
		event(5200*time.Millisecond, "gate-1", device, here),
		event(180*time.Millisecond, "gate-1", device, here),
		event(120*time.Millisecond, "agent-1", device, here),
		event(50*time.Millisecond, "gate-1", device, other),
		event(60*time.Millisecond, "gate-1", "mac-000000000001", here),
		event(-2*time.Second, "gate-1", device, here),
	}
	r := Result{Device: topology.CameraA, First: first}
	r.detect(target.String(), events, first.Add(3*time.Second))
	if r.Detected != 120*time.Millisecond || r.DetectedBy != "agent-1" {
		t.Errorf("detected after %s by %s, want 120ms by agent-1", r.Detected, r.DetectedBy)
	}
	applied := []model.PartStatus{{Part: "gate-1", Applied: true, At: first.Add(250 * time.Millisecond)}}
	actions := []model.Action{
		{ID: model.ID{1}, Author: "gate:gate-1", Shape: model.Shape{Dst: here}, Parts: applied},
		{ID: model.ID{2}, Author: "correlator", Shape: model.Shape{Dst: other}, Parts: applied},
		{ID: model.ID{3}, Author: "correlator", Shape: model.Shape{Dst: here}, Scope: model.Scope{Device: device}, Parts: applied},
		{ID: model.ID{4}, Author: "correlator", Shape: model.Shape{Dst: here}},
		{ID: model.ID{5}, Author: "correlator", Shape: model.Shape{Dst: here}, Parts: applied},
	}
	r.general(target.String(), actions, first.Add(3*time.Second))
	if !r.General || r.ActionID != (model.ID{5}) || r.Arrived != 250*time.Millisecond {
		t.Errorf("general action %v %s after %s, want the fifth after 250ms", r.General, r.ActionID, r.Arrived)
	}
}

func TestFailuresNameWhatDidNotHold(t *testing.T) {
	good := Result{Mode: WithAgent, Stopped: true, General: true, Retired: true, Through: 10, DetectedBy: "gate-1"}
	if f := (&Report{Results: []Result{good}}).Failures(); len(f) != 0 {
		t.Errorf("failures of a good report: %q", f)
	}
	for name, spoil := range map[string]func(*Report){
		"not stopped":   func(r *Report) { r.Results[0].Stopped = false },
		"too late":      func(r *Report) { r.Results[0].Blocked = BlockGoal + 1 },
		"no general":    func(r *Report) { r.Results[0].General = false },
		"not retired":   func(r *Report) { r.Results[0].Retired = false },
		"not told":      func(r *Report) { r.Results[0].DetectedBy = "" },
		"lost traffic":  func(r *Report) { r.Losses = []Loss{{Kind: "dns", Count: tally.Count{Total: 9, Lost: 1}}} },
		"wrong traffic": func(r *Report) { r.Losses = []Loss{{Kind: "dns", Count: tally.Count{Total: 9, Wrong: 1}}} },
		"slow line":     func(r *Report) { r.SpeedBefore, r.SpeedDuring = Speed{60, 60}, Speed{20, 60} },
	} {
		r := &Report{Results: []Result{good}}
		spoil(r)
		if f := r.Failures(); len(f) != 1 {
			t.Errorf("%s: failures %q, want one", name, f)
		}
	}
}
