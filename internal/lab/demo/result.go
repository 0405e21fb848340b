package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/lab/attack"
	"github.com/masugata/masugata/internal/lab/staging"
	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// Mode is what is there to stop the attack.
type Mode string

// The modes of the demonstration.
const (
	WithAgent    Mode = "agent"        // gate, agent on camera A, control plane
	WithoutAgent Mode = "no-agent"     // gate and control plane
	ControlDown  Mode = "control-down" // gate and agent; the control plane was killed
)

// Modes are all modes in the order they are shown.
func Modes() []Mode { return []Mode{WithAgent, WithoutAgent, ControlDown} }

// Goals of the demonstration.
const (
	DetectGoal  = 300 * time.Millisecond
	BlockGoal   = time.Second
	StoppedGoal = 0.999
)

// Result is what became of one device's share of one attack. Times are
// measured from its first attack packet.
type Result struct {
	Mode   Mode          `json:"mode"`
	Vector model.Vector  `json:"vector"`
	Run    int           `json:"run"`
	Device topology.Node `json:"device"`

	First      time.Time     `json:"first"` // wall clock of the first attack packet
	Sent       uint64        `json:"sent"`
	Through    uint64        `json:"through"` // reached the victim, all together
	Detected   time.Duration `json:"detected_ns"`
	DetectedBy string        `json:"detected_by"` // part whose event was first; empty when none told of this device
	Blocked    time.Duration `json:"blocked_ns"`  // from then on StoppedGoal of what was sent no longer arrived; 0: none ever arrived
	Stopped    bool          `json:"stopped"`
	After      uint64        `json:"sent_after_block"`
	Leaked     uint64        `json:"leaked_after_block"`

	General  bool          `json:"general"` // the control plane's action for all devices was in force at the gate
	Arrived  time.Duration `json:"general_ns"`
	Retired  bool          `json:"retired"` // and it ended by itself
	ActionID model.ID      `json:"action,omitzero"`
}

// judge fills in what the bot's log and the victim's count tell.
func (r *Result) judge(o staging.Outcome) {
	r.First, r.Sent, r.Through = o.Sent.First, o.Sent.Sent, o.Arrived.Packets
	enough := max(o.Sent.Sent/20, 100) // what is sent after the block must be enough to prove it
	if o.Arrived.Packets == 0 {
		r.Stopped, r.After = o.Sent.Sent >= enough, o.Sent.Sent
		return
	}
	for i := range len(o.Arrived.Steps) + 1 {
		t := o.Arrived.First.Add(time.Duration(i) * attack.Step)
		sent, arrived := o.Sent.After(t), o.Arrived.After(t)
		if sent < enough {
			break
		}
		if float64(arrived) <= (1-StoppedGoal)*float64(sent) {
			r.Stopped, r.Blocked, r.After, r.Leaked = true, t.Sub(o.Sent.First), sent, arrived
			return
		}
	}
	r.Leaked = o.Arrived.Packets
}

// detect finds the first event that told of this device's flood.
func (r *Result) detect(target string, events []model.Event, until time.Time) {
	device := model.NewDeviceID(topology.MAC(r.Device), 0)
	for i := range events {
		e := &events[i]
		at := e.ID.Time()
		if e.Kind != model.KindFloodOutbound || e.Device != device || e.Flood == nil {
			continue
		}
		if at.Before(r.First.Add(-5*time.Millisecond)) || at.After(until) || !aims(e.Flood.Shape, target) {
			continue
		}
		if after := max(at.Sub(r.First), 0); r.DetectedBy == "" || after < r.Detected {
			r.Detected, r.DetectedBy = after, string(e.Reporter)
		}
	}
}

// aims says whether a shape covers the target.
func aims(s model.Shape, target string) bool {
	return !s.Dst.IsValid() || s.Dst.Addr().String() == target || strings.HasPrefix(s.Dst.String(), target+"/")
}

// General finds the control plane's action against this attack for all devices.
func (r *Result) general(target string, actions []model.Action, until time.Time) {
	for i := range actions {
		a := &actions[i]
		if !strings.HasPrefix(a.Author, "correlator") || a.Scope.Device != "" || a.Kind == model.ActionKillProcess || !aims(a.Shape, target) {
			continue
		}
		if a.Created.After(until) || !a.Ended.IsZero() && a.Ended.Before(r.First) {
			continue
		}
		for _, p := range a.Parts {
			if !p.Applied || !strings.HasPrefix(string(p.Part), "gate-") {
				continue
			}
			at := max(p.At.Sub(r.First), 0)
			if !r.General || at < r.Arrived {
				r.General, r.Arrived, r.ActionID = true, at, a.ID
			}
		}
	}
}

// Loss is what one kind of ordinary traffic lost while the attacks went on.
type Loss struct {
	Host topology.Node `json:"host"`
	Kind string        `json:"kind"`
	tally.Count
}

// Speed is what the line gave.
type Speed struct {
	DownMbit float64 `json:"down_mbit"`
	UpMbit   float64 `json:"up_mbit"`
}

// Report is the whole demonstration.
type Report struct {
	Results     []Result      `json:"results"`
	Losses      []Loss        `json:"losses"`
	SpeedBefore Speed         `json:"speed_before"` // median
	SpeedDuring Speed         `json:"speed_during"` // median while attacks went on
	SpeedLowest Speed         `json:"speed_lowest"` // of a single reading then
	Retired     time.Duration `json:"retired_ns"`   // longest time from an attack's last packet to the end of its last block
	Took        time.Duration `json:"took_ns"`
}

// BenignBad gives the units of ordinary traffic that were lost or wrong, and
// all.
func (r *Report) BenignBad() (bad, total uint64) {
	for _, l := range r.Losses {
		bad += l.Bad()
		total += l.Total
	}
	return bad, total
}

// Failures says in words what did not hold; none means success.
func (r *Report) Failures() []string {
	var out []string
	for _, x := range r.Results {
		where := fmt.Sprintf("%s, %s, run %d, %s", x.Mode, x.Vector, x.Run, x.Device)
		if !x.Stopped {
			out = append(out, where+fmt.Sprintf(": not stopped: %d of %d attack packets reached the victim", x.Through, x.Sent))
		}
		if x.Stopped && x.Blocked > BlockGoal {
			out = append(out, where+fmt.Sprintf(": stopped only after %d ms, the goal is %d", x.Blocked.Milliseconds(), BlockGoal.Milliseconds()))
		}
		if x.Mode != ControlDown && !x.General {
			out = append(out, where+": the control plane's action for all devices did not arrive at the gate")
		}
		if x.General && !x.Retired {
			out = append(out, where+": the action did not end by itself")
		}
		if x.DetectedBy == "" && x.Through > 0 {
			out = append(out, where+": nobody told of the flood")
		}
	}
	for _, l := range r.Losses {
		if l.Bad() > 0 {
			out = append(out, fmt.Sprintf("ordinary traffic: %s of %s: %d lost and %d wrong of %d (%s)", l.Kind, l.Host, l.Lost, l.Wrong, l.Total, l.Note))
		}
	}
	if r.SpeedBefore.DownMbit > 0 && (r.SpeedDuring.DownMbit < r.SpeedBefore.DownMbit/2 || r.SpeedDuring.UpMbit < r.SpeedBefore.UpMbit/2) {
		out = append(out, fmt.Sprintf("speed test: fell from %.0f/%.0f to %.0f/%.0f Mbit/s", r.SpeedBefore.DownMbit, r.SpeedBefore.UpMbit, r.SpeedDuring.DownMbit, r.SpeedDuring.UpMbit))
	}
	return out
}

// median and worst of durations; both 0 for none.
func spread(d []time.Duration) (median, worst time.Duration) {
	if len(d) == 0 {
		return 0, 0
	}
	s := slices.Sorted(slices.Values(d))
	return s[(len(s)-1)/2], s[len(s)-1]
}
