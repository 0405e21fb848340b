package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/decide/correlate"
	"github.com/masugata/masugata/internal/decide/policy"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// caseStore keeps incidents, actions and how devices stand.
type caseStore interface {
	SaveCases(ctx context.Context, incidents []model.Incident, actions []model.Action) error
	SetDeviceState(ctx context.Context, id model.DeviceID, st model.DeviceState) (model.Device, error)
}

// announcer shows changes to people who look on.
type announcer interface {
	Incident(*model.Incident)
	Action(*model.Action)
	Device(*model.Device)
}

// desk runs the correlator: it feeds it events, answers of parts, people's
// words and the time, keeps what changed, and sends out what parts must hold.
// Whoever brings events or answers never waits for the store: what follows
// from them is settled by run. Safe for concurrent use.
type desk struct {
	store caseStore
	sets  *setBook
	live  announcer
	log   *slog.Logger
	now   func() time.Time
	woken chan struct{} // something is to be settled

	mu     sync.Mutex // guards c and policy, never held over a call of the store
	c      *correlate.Correlator
	policy model.Policy

	// settling guards what follows; mu may be taken while it is held.
	settling sync.Mutex
	standing map[model.DeviceID]model.DeviceState
	// unsaved are changes that the store did not take, and unsent says that
	// the policy was not signed and sent; both are tried again.
	unsaved correlate.Changes
	unsent  bool
	failing failures
	leftOut map[model.ID]bool // actions that parts would refuse
	// onLeftOut hears of each of them once.
	onLeftOut func(a *model.Action, err error)
}

func newDesk(store caseStore, sets *setBook, live announcer, c *correlate.Correlator, log *slog.Logger) *desk {
	return &desk{store: store, sets: sets, live: live, c: c, log: log, now: time.Now, woken: make(chan struct{}, 1),
		onLeftOut: func(*model.Action, error) {}}
}

// wake has run settle what changed.
func (d *desk) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// events takes a block of events from the pipeline, in order.
func (d *desk) events(events []*model.Event) {
	if !slices.ContainsFunc(events, func(e *model.Event) bool { return correlate.Wants(e.Kind) }) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, e := range events {
		d.c.Event(e, now)
	}
	d.wake()
}

// statuses takes what a part says of the actions it holds.
func (d *desk) statuses(part model.PartID, statuses []wire.ActionStatus) {
	if len(statuses) == 0 {
		return
	}
	list := make([]correlate.StatusOf, len(statuses))
	for i, s := range statuses {
		list[i] = correlate.StatusOf{Action: s.ID, PartStatus: s.PartStatus}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.c.Status(part, list, d.now())
	d.wake()
}

// run settles what changed and lets time pass, until ctx ends.
func (d *desk) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.woken:
		case <-tick.C:
			d.mu.Lock()
			d.c.Tick(d.now())
			d.mu.Unlock()
		}
		if err := d.settle(ctx); err != nil && ctx.Err() == nil {
			if n := d.failing.tell(d.now()); n > 0 {
				d.log.Error("incidents and actions are not kept or not sent; it is tried again every second", "error", err, "times", n)
			}
		}
	}
}

// settle keeps what changed, then sends what parts must hold: an action is in
// the store before any part can know of it. What fails waits for the next
// call.
func (d *desk) settle(ctx context.Context) error {
	d.settling.Lock()
	defer d.settling.Unlock()
	d.mu.Lock()
	ch := d.c.Take()
	var actions []model.Action
	var undone []model.ID
	if ch.LiveChanged || d.unsaved.LiveChanged {
		actions, undone = d.c.Live() // of the same moment as the changes
	}
	standing := d.c.Standing()
	d.mu.Unlock()
	merge(&d.unsaved, ch)
	if d.unsent {
		if err := d.sendPolicy(ctx); err != nil {
			return err
		}
	}
	if d.unsaved.Empty() {
		return nil
	}
	if err := d.save(ctx); err != nil {
		return fmt.Errorf("keep incidents and actions: %w", err)
	}
	if d.unsaved.LiveChanged {
		if err := d.publish(ctx, actions, undone); err != nil {
			return err
		}
	}
	for i := range d.unsaved.Incidents {
		d.live.Incident(&d.unsaved.Incidents[i])
	}
	for i := range d.unsaved.Actions {
		d.live.Action(&d.unsaved.Actions[i])
	}
	d.unsaved = correlate.Changes{}
	d.showStanding(ctx, standing)
	return nil
}

// merge adds changes to those that wait; of one thing the newer stays.
func merge(to *correlate.Changes, from correlate.Changes) {
	for _, i := range from.Incidents {
		to.Incidents = slices.DeleteFunc(to.Incidents, func(o model.Incident) bool { return o.ID == i.ID })
		to.Incidents = append(to.Incidents, i)
	}
	for _, a := range from.Actions {
		to.Actions = slices.DeleteFunc(to.Actions, func(o model.Action) bool { return o.ID == a.ID })
		to.Actions = append(to.Actions, a)
	}
	to.LiveChanged = to.LiveChanged || from.LiveChanged
}

// save keeps what changed in one transaction. A change that the stored state
// does not allow any more is left out.
func (d *desk) save(ctx context.Context) error {
	err := d.store.SaveCases(ctx, d.unsaved.Incidents, d.unsaved.Actions)
	if errors.Is(err, model.ErrConflict) {
		d.log.Warn("a change was not kept", "error", err)
		return nil
	}
	return err
}

// publish signs and sends the live actions: all of them to gates, the ones
// that agents carry out to agents. Called with settling held.
func (d *desk) publish(ctx context.Context, actions []model.Action, undone []model.ID) error {
	actions = d.fit(actions)
	all := wire.EncodeActions(actions, undone)
	kills := slices.DeleteFunc(actions, func(a model.Action) bool { return a.Kind != model.ActionKillProcess })
	own := wire.EncodeActions(kills, nil)
	now := d.now()
	if err := d.sets.publish(ctx, now, named{setActions, all}); err != nil {
		return err
	}
	return d.sets.publish(ctx, now, named{setAgentActions, own})
}

// showStanding keeps how devices stand in step with the open incidents.
// Called with settling held.
func (d *desk) showStanding(ctx context.Context, now map[model.DeviceID]model.DeviceState) {
	set := func(id model.DeviceID, st model.DeviceState) {
		dev, err := d.store.SetDeviceState(ctx, id, st)
		switch {
		case err == nil:
			d.live.Device(&dev)
		case !errors.Is(err, model.ErrNotFound): // not seen by a gate yet: told when it is
			d.log.Error("keep the state of a device", "device", id, "error", err)
		}
	}
	for id, st := range now {
		if d.standing[id] != st {
			set(id, st)
		}
	}
	for id := range d.standing {
		if _, still := now[id]; !still {
			set(id, model.DeviceOK)
		}
	}
	d.standing = now
}

// known is called for devices that the store has just learned of, so that
// they stand as their incident says.
func (d *desk) known(ctx context.Context, devices []model.Device) {
	d.settling.Lock()
	defer d.settling.Unlock()
	again := false
	for _, dev := range devices {
		if _, ok := d.standing[dev.ID]; ok {
			delete(d.standing, dev.ID)
			again = true
		}
	}
	if again {
		d.mu.Lock()
		now := d.c.Standing()
		d.mu.Unlock()
		d.showStanding(ctx, now)
	}
}

// setPolicy puts p into force, for actions that hold now too, and sends it. A
// version below the one in force changes nothing: two people saved at once.
// With an error it is in force here and sent as soon as that is possible.
func (d *desk) setPolicy(ctx context.Context, p model.Policy) error {
	d.mu.Lock()
	if p.Version < d.policy.Version {
		d.mu.Unlock()
		return nil
	}
	d.policy = p
	d.c.SetPolicy(p, d.now())
	d.mu.Unlock()
	d.settling.Lock()
	d.unsent = true
	d.settling.Unlock()
	return d.settle(ctx)
}

// sendPolicy signs and sends the policy. Called with settling held.
func (d *desk) sendPolicy(ctx context.Context) error {
	d.mu.Lock()
	payload := wire.EncodePolicy(&d.policy)
	d.mu.Unlock()
	if err := d.sets.publish(ctx, d.now(), named{setPolicy, payload}); err != nil {
		return err
	}
	d.unsent = false
	return nil
}

// resign renews the signatures of sets that nothing has changed for long.
func (d *desk) resign(ctx context.Context) error {
	d.settling.Lock()
	d.unsent, d.unsaved.LiveChanged = true, true
	d.settling.Unlock()
	return d.settle(ctx)
}

// decide runs a person's word against the correlator and keeps the outcome.
func decide[T any](ctx context.Context, d *desk, f func(now time.Time) (T, error)) (T, error) {
	d.mu.Lock()
	v, err := f(d.now())
	d.mu.Unlock()
	var none T
	if err != nil {
		return none, asFailure(err)
	}
	if err := d.settle(ctx); err != nil {
		return none, fmt.Errorf("the change is in force here, but was not kept or not sent; it is tried again every second: %w", err)
	}
	return v, nil
}

// asFailure gives the correlator's errors the kinds that the console knows.
func asFailure(err error) error {
	switch {
	case errors.Is(err, correlate.ErrNoAction), errors.Is(err, correlate.ErrNoIncident):
		return fmt.Errorf("%w: %w", model.ErrNotFound, err)
	case errors.Is(err, correlate.ErrNotProposed):
		return fmt.Errorf("%w: %w", model.ErrConflict, err)
	}
	return fmt.Errorf("%w: %w", model.ErrInvalid, err)
}

// CreateAction implements the console's ActionDesk.
func (d *desk) CreateAction(ctx context.Context, a model.Action) (model.Action, error) {
	return decide(ctx, d, func(now time.Time) (model.Action, error) { return d.c.Create(a, userOf(a.Author), now) })
}

// ApproveAction implements the console's ActionDesk.
func (d *desk) ApproveAction(ctx context.Context, id model.ID, by string) (model.Action, error) {
	return decide(ctx, d, func(now time.Time) (model.Action, error) { return d.c.Approve(id, userOf(by), now) })
}

// UndoAction implements the console's ActionDesk.
func (d *desk) UndoAction(ctx context.Context, id model.ID, by, reason string) (model.Action, error) {
	return decide(ctx, d, func(now time.Time) (model.Action, error) { return d.c.Undo(id, userOf(by), reason, now) })
}

// CloseIncident implements the console's IncidentDesk.
func (d *desk) CloseIncident(ctx context.Context, id model.ID, by, note string) (model.Incident, error) {
	return decide(ctx, d, func(now time.Time) (model.Incident, error) { return d.c.Close(id, userOf(by), note, now) })
}

// modeUnder is what a policy would let an action do.
func modeUnder(p model.Policy, a model.Action) model.Mode { return policy.ModeOf(&p, &a) }

func userOf(author string) string {
	const prefix = "user:"
	if len(author) > len(prefix) && author[:len(prefix)] == prefix {
		return author[len(prefix):]
	}
	return author
}
