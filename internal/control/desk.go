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
// Safe for concurrent use.
type desk struct {
	store caseStore
	sets  *setBook
	live  announcer
	log   *slog.Logger
	now   func() time.Time

	mu       sync.Mutex
	c        *correlate.Correlator
	policy   model.Policy
	standing map[model.DeviceID]model.DeviceState
	// unsaved are changes that the store did not take; they are tried again.
	unsaved correlate.Changes
}

// events takes a block of events from the pipeline, in order.
func (d *desk) events(ctx context.Context, events []*model.Event) {
	if !slices.ContainsFunc(events, func(e *model.Event) bool { return correlate.Wants(e.Kind) }) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, e := range events {
		d.c.Event(e, now)
	}
	d.settle(ctx)
}

// statuses takes what a part says of the actions it holds.
func (d *desk) statuses(ctx context.Context, part model.PartID, statuses []wire.ActionStatus) {
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
	d.settle(ctx)
}

// run lets time pass until ctx ends.
func (d *desk) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.mu.Lock()
			d.c.Tick(d.now())
			d.settle(ctx)
			d.mu.Unlock()
		}
	}
}

// settle keeps what changed, then sends what parts must hold: an action is in
// the store before any part can know of it. Called with mu held.
func (d *desk) settle(ctx context.Context) {
	ch := d.c.Take()
	merge(&d.unsaved, ch)
	if d.unsaved.Empty() {
		return
	}
	if err := d.save(ctx); err != nil {
		d.log.Error("keep incidents and actions", "error", err)
		return
	}
	if d.unsaved.LiveChanged {
		if err := d.publish(ctx); err != nil {
			d.log.Error("send actions", "error", err)
			return
		}
	}
	for i := range d.unsaved.Incidents {
		d.live.Incident(&d.unsaved.Incidents[i])
	}
	for i := range d.unsaved.Actions {
		d.live.Action(&d.unsaved.Actions[i])
	}
	d.unsaved = correlate.Changes{}
	d.showStanding(ctx)
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
// that agents carry out to agents.
func (d *desk) publish(ctx context.Context) error {
	actions, undone := d.c.Live()
	all := wire.EncodeActions(actions, undone)
	kills := slices.DeleteFunc(actions, func(a model.Action) bool { return a.Kind != model.ActionKillProcess })
	own := wire.EncodeActions(kills, nil)
	now := d.now()
	if err := d.sets.publish(ctx, setActions, all, now); err != nil {
		return err
	}
	return d.sets.publish(ctx, setAgentActions, own, now)
}

// showStanding keeps how devices stand in step with the open incidents.
func (d *desk) showStanding(ctx context.Context) {
	now := d.c.Standing()
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
	d.mu.Lock()
	defer d.mu.Unlock()
	again := false
	for _, dev := range devices {
		if _, ok := d.standing[dev.ID]; ok {
			delete(d.standing, dev.ID)
			again = true
		}
	}
	if again {
		d.showStanding(ctx)
	}
}

// setPolicy makes p the policy for what is decided from now on, and sends it.
func (d *desk) setPolicy(ctx context.Context, p model.Policy) error {
	payload := wire.EncodePolicy(&p)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.sets.publish(ctx, setPolicy, payload, d.now()); err != nil {
		return err
	}
	d.policy = p
	d.c.SetPolicy(p)
	return nil
}

// resign renews the signatures of sets that nothing has changed for long.
func (d *desk) resign(ctx context.Context) error {
	d.mu.Lock()
	p := d.policy
	err := d.publish(ctx)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return d.setPolicy(ctx, p)
}

// decide runs a person's word against the correlator and keeps the outcome.
func decide[T any](ctx context.Context, d *desk, f func(now time.Time) (T, error)) (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, err := f(d.now())
	if err != nil {
		var none T
		return none, asFailure(err)
	}
	d.settle(ctx)
	if !d.unsaved.Empty() {
		var none T
		return none, errors.New("the state store did not take the change; it is tried again every second")
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
