package block

import (
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/detect/flood"
	"github.com/masugata/masugata/internal/model"
)

var start = time.Unix(1_800_000_000, 0)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

func newDesk(mode model.Mode, protected ...string) *Desk {
	p := model.Policy{FloodMode: mode, BlockTTL: time.Hour}
	for _, s := range protected {
		p.Protected = append(p.Protected, netip.MustParsePrefix(s))
	}
	return New(Config{Part: "gate-1", RetireAfter: 10 * time.Second, Policy: p})
}

var (
	cam   = flood.Device{MAC: [6]byte{2, 0, 0, 0, 10, 1}}
	shape = model.Shape{Proto: 17, Dst: netip.MustParsePrefix("203.0.113.10/32"), DstPort: 9, LenMin: 540, LenMax: 540}
)

func verdict(p flood.Phase, id uint32) *flood.Verdict {
	return &flood.Verdict{ID: id, Phase: p, Device: cam, Vector: model.VectorUDP, Shape: shape, Devices: 1, PPS: 5000}
}

func install(d *Desk, now time.Time) []Fate {
	d.Installed(nil, now)
	return d.Fates(nil)
}

func TestFloodIsDroppedForItsDeviceUntilItEnds(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	d.Flood(verdict(flood.Started, 1), at(0))
	want := []datapath.Rule{{ID: 1, Device: datapath.DeviceKey(cam), Shape: shape, Verdict: datapath.VerdictDrop, Deadline: at(3600)}}
	if diff := cmp.Diff(want, d.Rules(), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Fatalf("rules (-want +got):\n%s", diff)
	}
	f := install(d, at(0.1))
	if len(f) != 1 || !f[0].Applied || f[0].Block.Applied != at(0.1) || f[0].Block.Source != "mac-020000000a01" {
		t.Fatalf("fates %+v", f)
	}
	if again := d.Fates(nil); len(again) != 0 {
		t.Errorf("told twice: %+v", again)
	}
	id, fresh := d.Hit(&datapath.RuleHits{ID: 1, Packets: 100, Bytes: 54000, Last: at(1)})
	if id != 1 || fresh != 100 {
		t.Errorf("hit gave flood %d and %d packets", id, fresh)
	}
	d.Flood(verdict(flood.Ended, 1), at(20))
	if len(d.Rules()) != 0 || !d.Dirty() {
		t.Errorf("rules after the end: %+v", d.Rules())
	}
}

func TestHitsAreKeptWhenTheRuleIsRewritten(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	d.Flood(verdict(flood.Started, 1), at(0))
	install(d, at(0))
	d.Hit(&datapath.RuleHits{ID: 1, Packets: 100})
	d.Hit(&datapath.RuleHits{ID: 1, Packets: 30}) // the counter began again
	if b := d.Blocks()[0]; b.Packets != 130 {
		t.Errorf("%d packets, want 130", b.Packets)
	}
}

func TestLongFloodIsRenewed(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	d.Flood(verdict(flood.Started, 1), at(0))
	install(d, at(0))
	for s := 5.0; s < 7200; s += 5 {
		d.Flood(verdict(flood.Going, 1), at(s))
		d.Tick(at(s))
	}
	if len(d.Rules()) != 1 || d.Rules()[0].Deadline.Before(at(7200)) {
		t.Errorf("rules after two hours: %+v", d.Rules())
	}
}

func TestModes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		desk    *Desk
		verdict datapath.Verdict
		told    int
	}{
		{"enforce", newDesk(model.ModeEnforce), datapath.VerdictDrop, 1},
		{"observe", newDesk(model.ModeObserve), datapath.VerdictCount, 0},
		{"propose", newDesk(model.ModePropose), datapath.VerdictCount, 0},
		{"protected", newDesk(model.ModeEnforce, "203.0.113.0/24"), datapath.VerdictCount, 0},
	} {
		tc.desk.Flood(verdict(flood.Started, 1), at(0))
		if r := tc.desk.Rules(); len(r) != 1 || r[0].Verdict != tc.verdict {
			t.Errorf("%s: rules %+v", tc.name, r)
		}
		if f := install(tc.desk, at(0)); len(f) != tc.told {
			t.Errorf("%s: told %+v", tc.name, f)
		}
	}
}

func TestLimitWhereTheDeviceUsesTheTarget(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	v := verdict(flood.Started, 1)
	v.LimitPPS = 60
	d.Flood(v, at(0))
	if r := d.Rules(); r[0].Verdict != datapath.VerdictLimit || r[0].PPS != 60 {
		t.Errorf("rules %+v", r)
	}
}

func TestSecondDeviceSpreadsTheBlockUnlessOthersUseTheTarget(t *testing.T) {
	for others, want := range map[int]bool{0: true, 3: false} {
		d := newDesk(model.ModeEnforce)
		v := verdict(flood.Started, 1)
		v.Devices, v.Others = 2, others
		d.Flood(v, at(0))
		if all := d.Rules()[0].Device == (datapath.DeviceKey{}); all != want {
			t.Errorf("%d others: for all devices %v, want %v", others, all, want)
		}
	}
}

func action(n byte) model.Action {
	return model.Action{ID: model.ID{n}, Kind: model.ActionDrop, Mode: model.ModeEnforce, Shape: shape, Expires: at(600), Author: "correlator"}
}

func TestActionsOfTheControlPlane(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	limit := action(2)
	limit.Kind, limit.PPS, limit.Scope.Device = model.ActionRateLimit, 20, "mac-020000000a02.v7"
	observe := action(3)
	observe.Mode = model.ModeObserve
	other := action(4)
	other.Scope.Gate = "gate-2"
	kill := model.Action{ID: model.ID{5}, Kind: model.ActionKillProcess, Mode: model.ModeEnforce}
	d.SetActions([]model.Action{action(1), limit, observe, other, kill}, nil, at(0))
	want := []datapath.Rule{
		{ID: 1, Shape: shape, Verdict: datapath.VerdictDrop, Deadline: at(600)},
		{ID: 2, Shape: shape, Verdict: datapath.VerdictLimit, PPS: 20, Deadline: at(600), Device: datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 10, 2}, VLAN: 7}},
		{ID: 3, Shape: shape, Verdict: datapath.VerdictCount, Deadline: at(600)},
	}
	if diff := cmp.Diff(want, d.Rules(), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Fatalf("rules (-want +got):\n%s", diff)
	}
	if f := install(d, at(0)); len(f) != 3 {
		t.Errorf("fates %+v", f)
	}
	d.SetActions([]model.Action{action(1)}, nil, at(1))
	if r := d.Rules(); len(r) != 1 || r[0].ID != 1 {
		t.Errorf("rules after the set shrank: %+v", r)
	}
	if f := install(d, at(1)); len(f) != 0 {
		t.Errorf("an unchanged action was told again: %+v", f)
	}
	d.Tick(at(601))
	if len(d.Rules()) != 0 {
		t.Error("an expired action still holds")
	}
}

func TestActionsThatMustNotHold(t *testing.T) {
	everything := action(1)
	everything.Shape = model.Shape{}
	noRate := action(2)
	noRate.Kind = model.ActionRateLimit
	badDevice := action(3)
	badDevice.Scope.Device = "fridge"
	protected := action(4)
	unknown := action(5)
	unknown.Kind = "teleport"
	d := newDesk(model.ModeEnforce, "203.0.113.10/32")
	d.SetActions([]model.Action{everything, noRate, badDevice, protected, unknown}, nil, at(0))
	if len(d.Rules()) != 0 {
		t.Fatalf("rules %+v", d.Rules())
	}
	f := install(d, at(0))
	if len(f) != 5 {
		t.Fatalf("%d fates, want 5", len(f))
	}
	for _, x := range f {
		if x.Applied || x.Block.Error == "" {
			t.Errorf("told as applied: %+v", x)
		}
	}
	for _, s := range d.Statuses() {
		if s.Applied || s.Error == "" {
			t.Errorf("status %+v", s)
		}
	}
}

func TestFailedWriteIsToldAndTriedAgain(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	d.Flood(verdict(flood.Started, 1), at(0))
	d.Installed(errors.New("table full"), at(0))
	if f := d.Fates(errors.New("table full")); len(f) != 1 || f[0].Applied || f[0].Block.Error != "table full" {
		t.Fatalf("fates %+v", f)
	}
	d.Retry()
	if !d.Dirty() {
		t.Error("not tried again")
	}
	if f := install(d, at(1)); len(f) != 1 || !f[0].Applied {
		t.Errorf("fates after the second try %+v", f)
	}
}

func TestUndoneBlockStaysAway(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	d.Flood(verdict(flood.Started, 1), at(0))
	install(d, at(0))
	id := d.Blocks()[0].ID
	d.SetActions(nil, []model.ID{id}, at(1))
	if len(d.Rules()) != 0 {
		t.Fatal("the block still holds")
	}
	d.Flood(verdict(flood.Going, 1), at(5))
	d.Flood(verdict(flood.Ended, 1), at(20))
	d.Flood(verdict(flood.Started, 2), at(21)) // the flood comes back while the incident lasts
	if len(d.Rules()) != 0 {
		t.Error("made again though a person took it back")
	}
	d.Flood(verdict(flood.Ended, 2), at(40))
	d.SetActions(nil, nil, at(50)) // the incident is over
	d.Flood(verdict(flood.Started, 3), at(60))
	if len(d.Rules()) != 1 {
		t.Error("not made for a new flood")
	}
}

func TestRestoreAfterRestart(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	d.Flood(verdict(flood.Started, 1), at(0))
	d.SetActions([]model.Action{action(9)}, nil, at(0))
	install(d, at(0))
	b, err := json.Marshal(d.Blocks())
	if err != nil {
		t.Fatal(err)
	}
	var blocks []Block
	if err := json.Unmarshal(b, &blocks); err != nil {
		t.Fatal(err)
	}
	rules := append(d.Rules(), datapath.Rule{ID: 77, Shape: model.Shape{Proto: 1}, Verdict: datapath.VerdictLimit, PPS: 5})
	n := newDesk(model.ModeEnforce)
	n.Restore(blocks, rules, at(5))
	if diff := cmp.Diff(rules, n.Rules(), cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Fatalf("rules (-want +got):\n%s", diff)
	}
	if f := install(n, at(5)); len(f) != 0 {
		t.Errorf("told again: %+v", f)
	}
	// The flood is seen again: its block goes on under its old name.
	if got := n.Flood(verdict(flood.Started, 1), at(6)); got == nil || got.ID != blocks[0].ID {
		t.Errorf("got %+v, want the restored block", got)
	}
	n.Hit(&datapath.RuleHits{ID: 77, Packets: 1, Last: at(12)})
	n.Tick(at(16))
	if len(n.Rules()) != 3 {
		t.Errorf("%d rules, want all 3: one was hit lately, one floods, one is the control plane's", len(n.Rules()))
	}
	n.Tick(at(23))
	if r := n.Rules(); len(r) != 2 {
		t.Errorf("rules %+v, want the unhit one gone", r)
	}
}

// TestRefusedRuleLeavesTheOthersInForce: what the data path has no room for is
// made simpler, then left out, and tried again when another block goes.
func TestRefusedRuleLeavesTheOthersInForce(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	d.Flood(verdict(flood.Started, 1), at(0))
	a := model.Action{ID: model.NewID(at(0)), Kind: model.ActionDrop, Mode: model.ModeEnforce, Shape: shape, Author: "user:a"}
	d.SetActions([]model.Action{a}, nil, at(0))
	full := errors.New("no room")
	plain := model.Shape{Dst: shape.Dst}

	if !d.Refuse(1, full, at(1)) || !d.Refuse(2, full, at(1)) {
		t.Fatal("a rule in force is not known")
	}
	if r := d.Rules(); len(r) != 1 || r[0].ID != 1 || r[0].Shape != plain {
		t.Fatalf("rules %+v, want the gate's own by device and target", r)
	}
	f := install(d, at(1))
	if len(f) != 2 || !f[0].Applied || f[1].Applied || f[1].Block.Error != "no room" {
		t.Errorf("fates %+v", f)
	}
	d.SetActions([]model.Action{a}, nil, at(2))
	if len(d.Rules()) != 1 {
		t.Error("a refused rule came back though nothing had changed")
	}
	if !d.Refuse(1, full, at(2)) || len(d.Rules()) != 0 || d.Refuse(1, full, at(2)) {
		t.Errorf("rules %+v, want none left to refuse", d.Rules())
	}
	d.Flood(verdict(flood.Ended, 1), at(20))
	if r := d.Rules(); len(r) != 1 || r[0].ID != 2 || r[0].Shape != shape {
		t.Errorf("rules %+v, want the refused one tried again", r)
	}
	if f := install(d, at(20)); len(f) != 1 || !f[0].Applied || f[0].Block.Error != "" {
		t.Errorf("fates %+v", f)
	}
}

// TestModeSwitchIsTold: a block that only counted comes into force with the
// policy, and the control plane hears of it.
func TestModeSwitchIsTold(t *testing.T) {
	d := newDesk(model.ModeObserve)
	d.Flood(verdict(flood.Started, 1), at(0))
	if f := install(d, at(0)); len(f) != 0 {
		t.Fatalf("fates while observing: %+v", f)
	}
	p := d.cfg
	p.Policy.FloodMode = model.ModeEnforce
	d.Configure(p, at(5))
	if f := install(d, at(5)); len(f) != 1 || !f[0].Applied || !f[0].Block.Applied.Equal(at(5)) {
		t.Errorf("fates after the switch: %+v", f)
	}
	d.Configure(p, at(6))
	if f := install(d, at(6)); len(f) != 0 {
		t.Errorf("told again without a change: %+v", f)
	}
}

// TestLimitCountsWhatItDropped: what a limit lets through was not stopped.
func TestLimitCountsWhatItDropped(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	v := verdict(flood.Started, 1)
	v.LimitPPS = 20
	d.Flood(v, at(0))
	install(d, at(0))
	if _, met := d.Hit(&datapath.RuleHits{ID: 1, Packets: 100, Bytes: 1000, Stopped: 80, StoppedBytes: 800}); met != 100 {
		t.Errorf("met %d, want 100", met)
	}
	d.Hit(&datapath.RuleHits{ID: 1, Packets: 110, Bytes: 1100, Stopped: 80, StoppedBytes: 800})
	if b := d.Blocks()[0]; b.Packets != 80 || b.Bytes != 800 {
		t.Errorf("stopped %d packets and %d bytes, want 80 and 800", b.Packets, b.Bytes)
	}
}

// TestUndoneBlockStaysAwayAfterRestart: when the control plane forgets that a
// block was taken back, the block does not come back without a flood.
func TestUndoneBlockStaysAwayAfterRestart(t *testing.T) {
	d := newDesk(model.ModeEnforce)
	b := d.Flood(verdict(flood.Started, 1), at(0))
	d.SetActions(nil, []model.ID{b.ID}, at(1))
	again := newDesk(model.ModeEnforce)
	record, err := json.Marshal(d.Blocks())
	var blocks []Block
	if err := errors.Join(err, json.Unmarshal(record, &blocks)); err != nil {
		t.Fatal(err)
	}
	again.Restore(blocks, nil, at(2))
	again.SetActions(nil, []model.ID{b.ID}, at(2))
	if len(again.Rules()) != 0 || len(again.Blocks()) != 1 {
		t.Fatalf("after the restart: rules %+v of %+v", again.Rules(), again.Blocks())
	}
	again.SetActions(nil, nil, at(3))
	if n := len(again.Blocks()); n != 0 {
		t.Errorf("%d blocks came back: %+v", n, again.Rules())
	}
}
