package correlate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/masugata/masugata/internal/decide/policy"
	"github.com/masugata/masugata/internal/model"
)

const (
	camA = model.DeviceID("mac-020000000a01")
	camB = model.DeviceID("mac-020000000a02")
	gate = model.PartID("gate-000000000001")
	agnt = model.PartID("agent-000000000001")
)

var start = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }

func udp(length uint16) model.Shape {
	return model.Shape{Proto: 17, Dst: netip.MustParsePrefix("203.0.113.10/32"), DstPort: 9000, LenMin: length, LenMax: length}
}

func enforce(t *testing.T, edit string) model.Policy {
	t.Helper()
	p, err := policy.Parse("test", []byte("flood: {mode: enforce, block_ttl: 60s}\n"+edit))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run is one correlator with the help to play a story to it.
type run struct {
	t         *testing.T
	c         *Correlator
	incidents map[model.ID]model.Incident
	actions   map[model.ID]model.Action
}

func newRun(t *testing.T, p model.Policy) *run {
	return &run{t, New(Config{RetireAfter: 10 * time.Second}, p), map[model.ID]model.Incident{}, map[model.ID]model.Action{}}
}

func (r *run) take() Changes {
	ch := r.c.Take()
	for _, i := range ch.Incidents {
		r.incidents[i.ID] = i
	}
	for _, a := range ch.Actions {
		r.actions[a.ID] = a
	}
	return ch
}

func (r *run) flood(s float64, d model.DeviceID, l model.Layer, shape model.Shape, edit func(*model.FloodEvidence)) {
	e := &model.Event{ID: model.NewID(at(s)), Time: at(s), Device: d, Layer: l, Kind: model.KindFloodOutbound, Reporter: gate,
		Flood: &model.FloodEvidence{Vector: model.VectorUDP, Shape: shape, PPS: 20000}}
	if l == model.LayerDevice {
		e.Reporter = agnt
		e.Flood.Process = &model.ProcessEvidence{PID: 7, Start: 99, Path: "/tmp/.x"}
	}
	if edit != nil {
		edit(e.Flood)
	}
	r.c.Event(e, at(s))
	r.take()
}

func (r *run) one(kind model.ActionKind) model.Action {
	r.t.Helper()
	var found []model.Action
	for _, a := range r.actions {
		if a.Kind == kind && !isLocal(&a) {
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d actions of kind %s, want 1", len(found), kind)
	}
	return found[0]
}

func (r *run) incident() model.Incident {
	r.t.Helper()
	if len(r.incidents) != 1 {
		r.t.Fatalf("%d incidents, want 1", len(r.incidents))
	}
	for _, i := range r.incidents {
		return i
	}
	panic("unreachable")
}

func codes(i model.Incident) []string {
	var out []string
	for _, l := range i.Story {
		out = append(out, l.Code)
	}
	return out
}

// TestWholeStory plays a flood from the agent's word to the retired block.
func TestWholeStory(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	r.flood(0, camA, model.LayerDevice, udp(540), nil)
	a := r.one(model.ActionDrop)
	if a.State != model.ActionPending || a.Mode != model.ModeEnforce || a.Scope != (model.Scope{}) || a.Shape != udp(540) {
		t.Fatalf("want a pending drop for all devices, got %+v", a)
	}
	if k := r.one(model.ActionKillProcess); k.State != model.ActionProposed || k.Scope.Device != camA {
		t.Errorf("want the kill proposed for camera A, got %+v", k)
	}
	r.c.Status(gate, []StatusOf{{a.ID, model.PartStatus{Applied: true, At: at(0.2)}}}, at(0.21))
	r.flood(0.3, camA, model.LayerNetwork, udp(540), nil)
	r.flood(0.4, camB, model.LayerNetwork, udp(540), nil)
	if i := r.incident(); i.State != model.IncidentContained || !slices.Equal(i.Devices, []model.DeviceID{camA, camB}) {
		t.Fatalf("want it contained with both cameras, got %s %v", i.State, i.Devices)
	}
	r.c.Status(gate, []StatusOf{{a.ID, model.PartStatus{Applied: true, At: at(0.2), Packets: 500, Bytes: 9, LastHit: at(5)}}}, at(5))
	for _, d := range []model.DeviceID{camA, camB} {
		r.c.Event(&model.Event{ID: model.NewID(at(6)), Kind: model.KindFloodEnded, Device: d}, at(6))
	}
	r.c.Tick(at(14))
	r.take()
	if got := r.one(model.ActionDrop); got.State != model.ActionActive || got.Packets != 500 {
		t.Fatalf("8 s after the end the block must still hold, got %s", got.State)
	}
	r.c.Tick(at(16.5))
	r.take()
	if got := r.one(model.ActionDrop); got.State != model.ActionRetired {
		t.Errorf("block is %s, want it retired", got.State)
	}
	i := r.incident()
	if i.State != model.IncidentEnded {
		t.Errorf("incident is %s, want it ended", i.State)
	}
	want := []string{"incident.opened", "flood.seen.agent", "shape.learned", "action.sent", "action.proposed", "action.applied",
		"flood.seen.gate", "device.joined", "flood.seen.gate", "flood.ended", "flood.ended", "action.retired", "action.retired", "incident.ended"}
	if d := cmp.Diff(want, codes(i)); d != "" {
		t.Error(d)
	}
	if live, _ := r.c.Live(); len(live) != 0 {
		t.Errorf("still live: %+v", live)
	}
}

func TestHitsKeepABlock(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	r.flood(0, camB, model.LayerNetwork, udp(540), nil)
	a := r.one(model.ActionDrop)
	for s := 1.0; s < 40; s++ {
		r.c.Status(gate, []StatusOf{{a.ID, model.PartStatus{Applied: true, Packets: uint64(s), LastHit: at(s)}}}, at(s))
		r.c.Tick(at(s))
		r.take()
	}
	if got := r.one(model.ActionDrop).State; got != model.ActionActive {
		t.Fatalf("%s while packets still hit it", got)
	}
	r.c.Tick(at(50))
	r.take()
	if got := r.one(model.ActionDrop).State; got != model.ActionRetired {
		t.Errorf("%s after the last hit, want retired", got)
	}
}

func TestDecisions(t *testing.T) {
	dns := model.Shape{Proto: 17, Dst: netip.MustParsePrefix("203.0.113.53/32"), DstPort: 53}
	wide := model.Shape{Proto: 17, Dst: netip.MustParsePrefix("203.0.0.0/16")}
	tests := []struct {
		name   string
		policy string
		shape  model.Shape
		edit   func(*model.FloodEvidence)
		kind   model.ActionKind
		mode   model.Mode
		state  model.ActionState
	}{
		{"drop", "", dns, nil, model.ActionDrop, model.ModeEnforce, model.ActionPending},
		{"others use the target", "", dns, func(f *model.FloodEvidence) { f.OtherDevices = 3 }, model.ActionRateLimit, model.ModeEnforce, model.ActionPending},
		{"too wide to enforce alone", "", wide, nil, model.ActionDrop, model.ModePropose, model.ActionProposed},
		{"protected", "  #\n", model.Shape{Dst: netip.MustParsePrefix("192.0.2.1/32")}, nil, model.ActionDrop, model.ModeObserve, model.ActionPending},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := enforce(t, tt.policy)
			p.Protected = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			r := newRun(t, p)
			r.flood(0, camA, model.LayerNetwork, tt.shape, tt.edit)
			if a := r.one(tt.kind); a.Mode != tt.mode || a.State != tt.state {
				t.Errorf("%s %s, want %s %s", a.Mode, a.State, tt.mode, tt.state)
			}
		})
	}
}

func TestOneActionForOneFlood(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	r.flood(0, camA, model.LayerNetwork, udp(540), nil)
	r.flood(1, camB, model.LayerNetwork, udp(600), nil)
	if a := r.one(model.ActionDrop); a.Shape.LenMin != 540 || a.Shape.LenMax != 600 {
		t.Errorf("lengths %d to %d, want them joined", a.Shape.LenMin, a.Shape.LenMax)
	}
	syn := model.Shape{Proto: 6, Dst: udp(0).Dst, DstPort: 80, TCPFlags: model.TCPSyn, TCPMask: model.TCPSyn | model.TCPAck}
	r.flood(2, camB, model.LayerNetwork, syn, nil)
	if len(r.actions) != 2 {
		t.Errorf("%d actions, want a second one for the SYN flood of the same incident", len(r.actions))
	}
	r.incident()
}

func TestDeliveredTwice(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	e := &model.Event{ID: model.NewID(start), Time: start, Device: camA, Layer: model.LayerNetwork, Kind: model.KindFloodOutbound,
		Flood: &model.FloodEvidence{Shape: udp(100)}}
	r.c.Event(e, start)
	r.take()
	r.c.Event(e, start)
	if ch := r.take(); !ch.Empty() {
		t.Errorf("the second delivery changed %+v", ch)
	}
}

func TestUndoIsNotDecidedAgain(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	r.flood(0, camA, model.LayerDevice, udp(540), nil)
	a := r.one(model.ActionDrop)
	if _, err := r.c.Undo(a.ID, "ann", "our own test", at(1)); err != nil {
		t.Fatal(err)
	}
	r.take()
	r.flood(2, camA, model.LayerDevice, udp(544), nil)
	if got := r.one(model.ActionDrop).State; got != model.ActionUndone {
		t.Errorf("%s, want undone", got)
	}
	if _, err := r.c.Undo(a.ID, "ann", "", at(3)); !errors.Is(err, ErrNoAction) {
		t.Errorf("second undo: %v", err)
	}
}

func TestGatesOwnBlock(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	id := model.NewID(at(0.2))
	r.c.Event(&model.Event{ID: model.NewID(at(0.2)), Time: at(0.2), Device: camB, Reporter: gate, Layer: model.LayerNetwork,
		Kind: model.KindActionApplied, Subject: id.String(), Flood: &model.FloodEvidence{Vector: model.VectorUDP, Shape: udp(540)}}, at(0.3))
	r.take()
	a := r.actions[id]
	if a.Author != "gate:"+string(gate) || a.State != model.ActionActive || a.Scope.Device != camB {
		t.Fatalf("adopted as %+v", a)
	}
	if live, _ := r.c.Live(); len(live) != 0 {
		t.Errorf("a gate's own block must not be sent back: %+v", live)
	}
	if _, err := r.c.Undo(id, "ann", "", at(1)); err != nil {
		t.Fatal(err)
	}
	if _, undone := r.c.Live(); !slices.Equal(undone, []model.ID{id}) {
		t.Errorf("undone %v, want %v", undone, id)
	}
	r.c.Tick(at(60))
	r.c.Tick(at(80))
	if _, undone := r.c.Live(); len(undone) != 0 {
		t.Errorf("the word to the gate outlives the incident: %v", undone)
	}
}

func TestApproveAndCreate(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	r.flood(0, camA, model.LayerDevice, udp(540), nil)
	k := r.one(model.ActionKillProcess)
	if a, err := r.c.Approve(k.ID, "ann", at(1)); err != nil || a.State != model.ActionPending || a.Mode != model.ModeEnforce {
		t.Errorf("approved: %+v, %v", a, err)
	}
	if _, err := r.c.Approve(k.ID, "ann", at(1)); !errors.Is(err, ErrNotProposed) {
		t.Errorf("approved twice: %v", err)
	}
	good := model.Action{Kind: model.ActionDrop, Mode: model.ModeEnforce, Shape: udp(0), Expires: at(100)}
	if a, err := r.c.Create(good, "ann", at(2)); err != nil || a.Author != "user:ann" || a.State != model.ActionPending {
		t.Errorf("created %+v, %v", a, err)
	}
	for want, edit := range map[string]func(*model.Action){
		"kind:":    func(a *model.Action) { a.Kind = model.ActionKillProcess },
		"mode:":    func(a *model.Action) { a.Mode = model.ModePropose },
		"shape:":   func(a *model.Action) { a.Shape = model.Shape{} },
		"expires:": func(a *model.Action) { a.Expires = at(1) },
		"pps:":     func(a *model.Action) { a.Kind = model.ActionRateLimit },
	} {
		bad := good
		edit(&bad)
		if _, err := r.c.Create(bad, "ann", at(2)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want a problem at %s, got %v", want, err)
		}
	}
}

func TestFailedAndExpired(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	r.flood(0, camA, model.LayerNetwork, udp(540), nil)
	a := r.one(model.ActionDrop)
	r.c.Status(gate, []StatusOf{{a.ID, model.PartStatus{Error: "table full"}}}, at(1))
	r.take()
	if got := r.one(model.ActionDrop); got.State != model.ActionFailed || !got.State.Live() {
		t.Errorf("%s, want failed and still live, so that it is tried again", got.State)
	}
	for s := 5.0; s <= 120; s += 5 {
		r.flood(s, camA, model.LayerNetwork, udp(540), nil)
		r.c.Tick(at(s))
	}
	r.take()
	if got := r.one(model.ActionDrop); got.Expires.Before(at(120)) {
		t.Errorf("not renewed while the flood goes on: expires %v", got.Expires)
	}
	own, err := r.c.Create(model.Action{Kind: model.ActionDrop, Mode: model.ModeEnforce, Shape: udp(1), Expires: at(140)}, "ann", at(120))
	if err != nil {
		t.Fatal(err)
	}
	r.c.Tick(at(140))
	r.take()
	if got := r.actions[own.ID].State; got != model.ActionExpired {
		t.Errorf("%s at the end of its life, want expired", got)
	}
}

func TestRestore(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	r.flood(0, camA, model.LayerNetwork, udp(540), nil)
	a, i := r.one(model.ActionDrop), r.incident()
	again := newRun(t, enforce(t, ""))
	again.c.Restore([]model.Incident{i}, []model.Action{a}, at(5))
	if live, _ := again.c.Live(); len(live) != 1 || live[0].ID != a.ID {
		t.Fatalf("live after restore: %+v", live)
	}
	again.flood(6, camB, model.LayerNetwork, udp(540), nil)
	if got := again.incident(); got.ID != i.ID || len(again.actions) != 0 {
		t.Errorf("a restored incident is not joined: %+v, %d new actions", got, len(again.actions))
	}
	for s := 7.0; s < 60; s++ {
		again.c.Tick(at(s))
	}
	again.take()
	if got := again.one(model.ActionDrop).State; got != model.ActionRetired {
		t.Errorf("%s, want retired after the restart too", got)
	}
}

func TestFileTamper(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	for n, sev := range []model.Severity{model.SeverityLow, model.SeverityHigh, model.SeverityCritical} {
		r.c.Event(&model.Event{ID: model.NewID(at(float64(n))), Time: at(float64(n)), Device: camA, Layer: model.LayerDevice,
			Kind: model.KindFileChanged, Severity: sev, Subject: fmt.Sprintf("/etc/%d", n)}, at(float64(n)))
	}
	r.take()
	if i := r.incident(); i.Kind != model.IncidentFileTamper || i.EventCount != 2 || i.Severity != model.SeverityCritical {
		t.Errorf("got %+v", i)
	}
	r.c.Tick(at(700))
	r.take()
	if i := r.incident(); i.State != model.IncidentEnded {
		t.Errorf("%s after a quiet time, want ended", i.State)
	}
}

// TestBadContact: what is surely bad makes one incident a device, which tells each thing
// once and ends after an hour; what is doubtful, or comes from outside, makes none.
func TestBadContact(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	meet := func(sec float64, kind model.Kind, sev model.Severity, object string) {
		r.c.Event(&model.Event{ID: model.NewID(at(sec)), Time: at(sec), Device: camA, Layer: model.LayerNetwork, Kind: kind, Severity: sev,
			Subject: object, Observables: []model.Observable{{Type: model.ObservableDomain, Value: object}}}, at(sec))
	}
	meet(0, model.KindListedBlocked, model.SeverityMedium, "doubtful.example")
	if r.take(); len(r.c.incidents) != 0 {
		t.Fatal("an incident of what is doubtful")
	}
	for n := range 3 {
		meet(float64(60*n+1), model.KindListedBlocked, model.SeverityHigh, "c2.example")
	}
	meet(200, model.KindListedSeen, model.SeverityHigh, "c2.example")
	r.take()
	i := r.incident()
	if i.Kind != model.IncidentBadContact || i.State != model.IncidentOpen || i.EventCount != 4 || len(i.Story) != 2 || i.Target != "c2.example" {
		t.Errorf("got %+v", i)
	}
	r.c.Tick(at(3700))
	if r.take(); r.incident().State != model.IncidentOpen {
		t.Error("ended within the hour")
	}
	r.c.Tick(at(3900))
	if r.take(); r.incident().State != model.IncidentEnded {
		t.Errorf("%s after a quiet hour, want ended", r.incident().State)
	}
	for n := range 2000 {
		r.c.Event(&model.Event{ID: model.NewID(at(4000)), Time: at(4000), Device: model.NewDeviceID([6]byte{2, 0, 0, 2, byte(n >> 8), byte(n)}, 0),
			Kind: model.KindListedBlocked, Severity: model.SeverityHigh, Observables: []model.Observable{{Type: model.ObservableIP, Value: "192.0.2.1"}}}, at(4000))
	}
	if n := len(r.c.incidents); n > Default().MaxOpen/badContactShare+1 {
		t.Errorf("%d incidents of bad contacts are open", n)
	}
}

// TestBounded plays very many targets and devices and looks at what is held.
func TestBounded(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	for n := range 3000 {
		s := udp(100)
		s.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(n >> 8), byte(n)}), 32)
		r.flood(float64(n)/1000, model.NewDeviceID([6]byte{2, 0, 0, 1, byte(n >> 8), byte(n)}, 0), model.LayerNetwork, s, nil)
	}
	if n := len(r.c.incidents); n > Default().MaxOpen {
		t.Errorf("%d incidents are open, want at most %d", n, Default().MaxOpen)
	}
	if n := len(r.c.seen); n > seenIDs {
		t.Errorf("%d event ids are remembered, want at most %d", n, seenIDs)
	}
}
