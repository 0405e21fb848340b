package correlate

import (
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/decide/policy"
	"github.com/masugata/masugata/internal/model"
)

func textPolicy(t *testing.T, text string) model.Policy {
	t.Helper()
	p, err := policy.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// held plays a flood whose block is in force.
func held(t *testing.T) (*run, model.Action) {
	t.Helper()
	r := newRun(t, enforce(t, ""))
	r.flood(0, camA, model.LayerNetwork, udp(540), nil)
	a := r.one(model.ActionDrop)
	r.c.Status(gate, []StatusOf{{a.ID, model.PartStatus{Applied: true, At: at(0.2)}}}, at(0.2))
	r.take()
	return r, a
}

// TestPolicyChangeMidIncident changes the policy while a flood is held.
func TestPolicyChangeMidIncident(t *testing.T) {
	for name, c := range map[string]struct {
		policy   string
		mode     model.Mode
		state    model.ActionState
		incident model.IncidentState
		live     int // actions that parts hold after the change
		next     int // actions after the flood's next event
	}{
		"the same":        {"flood: {mode: enforce}", model.ModeEnforce, model.ActionActive, model.IncidentContained, 1, 1},
		"observe":         {"flood: {mode: observe}", model.ModeObserve, model.ActionActive, model.IncidentOpen, 1, 1},
		"protect":         {"flood: {mode: enforce, protected: [203.0.113.0/24]}", model.ModeObserve, model.ActionActive, model.IncidentOpen, 1, 1},
		"protect another": {"flood: {mode: enforce, protected: [198.51.100.0/24]}", model.ModeEnforce, model.ActionActive, model.IncidentContained, 1, 1},
		"propose":         {"flood: {mode: propose}", model.ModeEnforce, model.ActionRetired, model.IncidentOpen, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r, a := held(t)
			r.c.SetPolicy(textPolicy(t, c.policy), at(1))
			r.take()
			got := r.actions[a.ID]
			live, _ := r.c.Live()
			if got.Mode != c.mode || got.State != c.state || len(live) != c.live || r.incident().State != c.incident {
				t.Errorf("action %s %s, %d live, incident %s", got.Mode, got.State, len(live), r.incident().State)
			}
			r.flood(2, camA, model.LayerNetwork, udp(540), nil)
			if len(r.actions) != c.next {
				t.Errorf("%d actions after the next event, want %d", len(r.actions), c.next)
			}
		})
	}
}

func TestPolicyRaised(t *testing.T) {
	r := newRun(t, textPolicy(t, "flood: {mode: propose}"))
	r.flood(0, camA, model.LayerNetwork, udp(540), nil)
	if a := r.one(model.ActionDrop); a.State != model.ActionProposed {
		t.Fatalf("%s, want proposed", a.State)
	}
	r.c.SetPolicy(enforce(t, ""), at(1))
	r.take()
	if a := r.one(model.ActionDrop); a.State != model.ActionPending || a.Mode != model.ModeEnforce {
		t.Errorf("%s %s, want it sent to be enforced", a.State, a.Mode)
	}
}

// TestPersonStandsAboveModes lowers the mode under an action that a person
// approved: only a protected prefix takes it away.
func TestPersonStandsAboveModes(t *testing.T) {
	r := newRun(t, textPolicy(t, "flood: {mode: propose}"))
	r.flood(0, camA, model.LayerNetwork, udp(540), nil)
	a := r.one(model.ActionDrop)
	if _, err := r.c.Approve(a.ID, "ann", at(1)); err != nil {
		t.Fatal(err)
	}
	for _, lower := range []string{"flood: {mode: propose}", "flood: {mode: observe}"} {
		r.c.SetPolicy(textPolicy(t, lower), at(2))
		r.take()
		if got := r.actions[a.ID]; got.Mode != model.ModeEnforce || got.State != model.ActionPending {
			t.Errorf("%s: %s %s", lower, got.Mode, got.State)
		}
	}
	r.c.SetPolicy(textPolicy(t, "flood: {mode: propose, protected: [203.0.113.10]}"), at(3))
	r.take()
	if got := r.actions[a.ID]; got.Mode != model.ModeObserve {
		t.Errorf("a protected destination is blocked: %s", got.Mode)
	}
}

// TestUndoneStaysUndone takes a block back in an incident with a full story,
// and over a restart of the control plane.
func TestUndoneStaysUndone(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	for n := range 300 {
		r.flood(float64(n)/1000, model.NewDeviceID([6]byte{2, 0, 0, 9, byte(n >> 8), byte(n)}, 0), model.LayerNetwork, udp(540), nil)
	}
	a := r.one(model.ActionDrop)
	undone, err := r.c.Undo(a.ID, "ann", "our own test", at(1))
	if err != nil {
		t.Fatal(err)
	}
	r.take()
	narrow := udp(544)
	narrow.SrcPort = 4000
	r.flood(2, camA, model.LayerNetwork, narrow, nil)
	if len(r.actions) != 1 || !slices.Contains(codes(r.incident()), "action.undone") {
		t.Errorf("%d actions after the undo, want 1, told in the story", len(r.actions))
	}
	again := newRun(t, enforce(t, ""))
	again.c.Restore([]model.Incident{r.incident()}, []model.Action{undone}, at(3))
	again.flood(4, camA, model.LayerNetwork, udp(540), nil)
	if len(again.actions) != 0 {
		t.Errorf("decided again after a restart: %+v", again.actions)
	}
}

// TestGatesBlockStaysUndone restarts the control plane after a gate's own
// block was taken back: the gate must still be told.
func TestGatesBlockStaysUndone(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	id := model.NewID(at(0.2))
	r.c.Event(&model.Event{ID: model.NewID(at(0.2)), Time: at(0.2), Device: camB, Reporter: gate, Layer: model.LayerNetwork,
		Kind: model.KindActionApplied, Subject: id.String(), Flood: &model.FloodEvidence{Vector: model.VectorUDP, Shape: udp(540)}}, at(0.3))
	r.take()
	local, err := r.c.Undo(id, "ann", "", at(1))
	if err != nil {
		t.Fatal(err)
	}
	r.take()
	again := newRun(t, enforce(t, ""))
	again.c.Restore([]model.Incident{r.incident()}, []model.Action{local}, at(3))
	if _, undone := again.c.Live(); !slices.Equal(undone, []model.ID{id}) {
		t.Errorf("undone after a restart: %v, want %v", undone, id)
	}
	if _, err := again.c.Close(local.Incident, "ann", "", at(4)); err != nil {
		t.Fatal(err)
	}
	again.take()
	again.c.Tick(at(10))
	if _, undone := again.c.Live(); len(undone) != 1 {
		t.Error("closing the incident gives the block back while the flood may go on")
	}
	again.c.Tick(at(70))
	if _, undone := again.c.Live(); len(undone) != 0 {
		t.Errorf("kept for ever: %v", undone)
	}
}

// TestAgentsSpeakOfTheirOwn has an agent that was taken over pass the block
// off as in force, and make a block up.
func TestAgentsSpeakOfTheirOwn(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	r.flood(0, camA, model.LayerNetwork, udp(540), nil)
	a := r.one(model.ActionDrop)
	r.c.Status(agnt, []StatusOf{{a.ID, model.PartStatus{Applied: true, At: at(0.2)}}}, at(0.2))
	for n, id := range []model.ID{a.ID, model.NewID(at(1))} {
		r.c.Event(&model.Event{ID: model.NewID(at(float64(n))), Time: at(1), Device: camA, Reporter: agnt, Layer: model.LayerDevice,
			Kind: model.KindActionApplied, Subject: id.String(), Flood: &model.FloodEvidence{Vector: model.VectorUDP, Shape: udp(540)}}, at(1))
	}
	r.take()
	if got := r.one(model.ActionDrop); got.State != model.ActionPending || r.incident().State != model.IncidentOpen || len(r.actions) != 1 {
		t.Errorf("the agent's word counts: %s, incident %s, %d actions", got.State, r.incident().State, len(r.actions))
	}
}

// TestLocalBlockOutlivesItsTTL keeps a gate's own block as long as the gate
// says that it holds it.
func TestLocalBlockOutlivesItsTTL(t *testing.T) {
	r := newRun(t, enforce(t, ""))
	id := model.NewID(at(0))
	r.c.Event(&model.Event{ID: id, Time: at(0), Device: camB, Reporter: gate, Layer: model.LayerNetwork,
		Kind: model.KindActionApplied, Subject: id.String(), Flood: &model.FloodEvidence{Vector: model.VectorUDP, Shape: udp(540)}}, at(0))
	for s := 5.0; s <= 200; s += 5 {
		r.flood(s, camB, model.LayerNetwork, udp(540), nil)
		r.c.Status(gate, []StatusOf{{id, model.PartStatus{Applied: true, At: at(0), Packets: uint64(s), LastHit: at(s)}}}, at(s))
		r.c.Tick(at(s))
		r.take()
	}
	if a := r.actions[id]; a.State != model.ActionActive || a.Packets != 200 {
		t.Errorf("%s with %d packets after 200 s, want active with 200", a.State, a.Packets)
	}
}

// TestBlockThatNoPartHoldsAnyMore has the only gate lose a block that it held.
func TestBlockThatNoPartHoldsAnyMore(t *testing.T) {
	r, a := held(t)
	lost := model.PartStatus{Error: "table full", At: at(1)}
	r.c.Status("gate-000000000002", []StatusOf{{a.ID, lost}}, at(1))
	r.take()
	if got := r.actions[a.ID]; got.State != model.ActionActive || r.incident().State != model.IncidentContained {
		t.Errorf("one gate of two fails: action %s, incident %s", got.State, r.incident().State)
	}
	r.c.Status(gate, []StatusOf{{a.ID, lost}}, at(2))
	r.take()
	if got := r.actions[a.ID]; got.State != model.ActionFailed || r.incident().State != model.IncidentOpen {
		t.Errorf("nobody holds it: action %s, incident %s", got.State, r.incident().State)
	}
	r.c.Status(gate, []StatusOf{{a.ID, model.PartStatus{Applied: true, At: at(3)}}}, at(3))
	r.take()
	if got := r.actions[a.ID]; got.State != model.ActionActive || r.incident().State != model.IncidentContained {
		t.Errorf("held again: action %s, incident %s", got.State, r.incident().State)
	}
}
