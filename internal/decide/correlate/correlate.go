// Package correlate turns events into incidents and incidents into actions,
// and follows every action from its birth to its end: the middle of the loop
// sense, correlate, decide, enforce, verify, retire.
//
// It is pure: events, answers of parts and the time come in as arguments, what
// changed goes out through Take. It stores nothing, sends nothing, starts no
// goroutine. The control plane feeds it, keeps what changed and sends the
// actions out.
package correlate

import (
	"cmp"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// Config holds the times and bounds of a Correlator. Zero fields take the
// value of Default.
type Config struct {
	EndAfter    time.Duration // a flood with no event for so long is over
	RetireAfter time.Duration // an action with neither a flood nor hits for so long is retired
	MaxOpen     int           // incidents open at once; the oldest is ended to make room
}

// Default are the times and bounds of an ordinary installation. Parts repeat
// the event of a lasting flood every 5 s, so EndAfter stands above two misses.
func Default() Config {
	return Config{EndAfter: 12 * time.Second, RetireAfter: 30 * time.Second, MaxOpen: 1024}
}

const (
	maxEvents  = 256  // event ids kept with an incident
	maxStory   = 200  // story lines kept with an incident
	maxDevices = 4096 // devices named by one incident
	maxActions = 32   // actions of one incident
	seenIDs    = 8192 // ids of events remembered so that a second delivery changes nothing
)

// Correlator holds the open incidents and live actions. It is not safe for
// concurrent use.
type Correlator struct {
	cfg       Config
	policy    model.Policy
	incidents map[model.ID]*incident
	actions   map[model.ID]*model.Action
	undone    map[model.ID]takenBack // gates' own blocks that a person took back
	seen      map[model.ID]struct{}
	seenOrder []model.ID
	seenAt    int

	dirtyIncidents map[model.ID]bool
	dirtyActions   map[model.ID]bool
	liveChanged    bool
}

// incident is a model.Incident with what only the state machine needs.
type incident struct {
	model.Incident
	sources map[model.DeviceID]*source
	undone  []model.Action // what a person took back: not decided again
}

// takenBack says when, and of which incident, a gate's own block was undone.
type takenBack struct {
	incident model.ID
	at       time.Time
}

// source is one device's part in a flood.
type source struct {
	last      time.Time // of the latest event about it
	over      bool
	fromAgent bool
	fromGate  bool
}

// Changes are what to keep and to send since the last Take.
type Changes struct {
	Incidents []model.Incident
	Actions   []model.Action
	// LiveChanged says that the set of actions that parts must hold is another
	// than before.
	LiveChanged bool
}

// Empty says whether there is nothing to keep or send.
func (c *Changes) Empty() bool { return len(c.Incidents) == 0 && len(c.Actions) == 0 && !c.LiveChanged }

// New makes a Correlator under the given policy.
func New(cfg Config, p model.Policy) *Correlator {
	d := Default()
	cfg.EndAfter = cmp.Or(cfg.EndAfter, d.EndAfter)
	cfg.RetireAfter = cmp.Or(cfg.RetireAfter, d.RetireAfter)
	cfg.MaxOpen = cmp.Or(cfg.MaxOpen, d.MaxOpen)
	return &Correlator{
		cfg: cfg, policy: p,
		incidents: make(map[model.ID]*incident), actions: make(map[model.ID]*model.Action),
		undone: make(map[model.ID]takenBack),
		seen:   make(map[model.ID]struct{}, seenIDs), seenOrder: make([]model.ID, seenIDs),
		dirtyIncidents: make(map[model.ID]bool), dirtyActions: make(map[model.ID]bool),
	}
}

// Restore takes over the incidents that were not ended, the actions that were
// live or proposed when the control plane last ran, and those of the incidents
// that a person took back, so that they stay so. now stands in for the times
// at which their floods were last seen.
func (c *Correlator) Restore(incidents []model.Incident, actions []model.Action, now time.Time) {
	for _, i := range incidents {
		s := &incident{Incident: i, sources: make(map[model.DeviceID]*source, len(i.Devices))}
		for _, d := range i.Devices {
			s.sources[d] = &source{last: now}
		}
		for _, e := range i.Events {
			c.remember(e)
		}
		s.recall()
		c.incidents[i.ID] = s
	}
	for _, a := range actions {
		if a.State == model.ActionUndone {
			c.keepUndone(&a, now)
		}
		if isOver(a.State) {
			continue
		}
		c.actions[a.ID] = &a
	}
	c.liveChanged = true
}

// recall takes from the story what was told of each device, so that it is not
// told again.
func (i *incident) recall() {
	for _, l := range i.Story {
		if src := i.sources[model.DeviceID(l.Params["device"])]; src != nil {
			src.fromAgent = src.fromAgent || l.Code == "flood.seen.agent"
			src.fromGate = src.fromGate || l.Code == "flood.seen.gate"
		}
	}
}

// keepUndone notes that a person took an action back, whatever the length of
// the packets was.
func (c *Correlator) keepUndone(a *model.Action, now time.Time) {
	i := c.incidents[a.Incident]
	if i != nil {
		u := cloneAction(a)
		u.Shape.LenMin, u.Shape.LenMax = 0, 0
		i.undone = append(i.undone, u)
	}
	if isLocal(a) && i != nil {
		c.undone[a.ID] = takenBack{a.Incident, now}
		c.liveChanged = true
	}
}

// Event takes one event. An event that was taken before changes nothing.
func (c *Correlator) Event(e *model.Event, now time.Time) {
	if !Wants(e.Kind) || !c.remember(e.ID) {
		return
	}
	switch e.Kind {
	case model.KindFloodOutbound, model.KindSpoofedSource:
		c.flood(e, now)
	case model.KindFloodEnded:
		c.floodEnded(e, now)
	case model.KindActionApplied, model.KindActionFailed:
		c.partActed(e, now)
	case model.KindProcessKilled:
		c.processKilled(e, now)
	case model.KindFileChanged:
		c.fileChanged(e, now)
	case model.KindListedSeen, model.KindListedBlocked:
		c.badContact(e, now)
	}
}

// remember notes an event id; it is false when the id was there already.
func (c *Correlator) remember(id model.ID) bool {
	if _, ok := c.seen[id]; ok {
		return false
	}
	delete(c.seen, c.seenOrder[c.seenAt])
	c.seen[id] = struct{}{}
	c.seenOrder[c.seenAt] = id
	c.seenAt = (c.seenAt + 1) % seenIDs
	return true
}

// Tick lets time pass: floods without news end, actions without a cause
// retire, actions past their life expire. Call it about once a second.
func (c *Correlator) Tick(now time.Time) {
	for _, i := range c.incidents {
		c.tickIncident(i, now)
	}
	for _, a := range c.actions {
		if !isOver(a.State) && !a.Expires.IsZero() && !now.Before(a.Expires) {
			c.end(a, model.ActionExpired, "time to live", now)
		}
	}
	for id, u := range c.undone {
		// Of an incident that a person closed: its flood may go on for a while.
		if c.incidents[u.incident] == nil && now.Sub(u.at) >= c.policy.BlockTTL {
			delete(c.undone, id)
			c.liveChanged = true
		}
	}
}

// Take gives what changed since it was last called, oldest first.
func (c *Correlator) Take() Changes {
	out := Changes{LiveChanged: c.liveChanged}
	for id := range c.dirtyIncidents {
		i := c.incidents[id]
		out.Incidents = append(out.Incidents, cloneIncident(&i.Incident))
		if i.State == model.IncidentEnded || i.State == model.IncidentClosed {
			delete(c.incidents, id)
		}
	}
	for id := range c.dirtyActions {
		a := c.actions[id]
		out.Actions = append(out.Actions, cloneAction(a))
		if isOver(a.State) {
			delete(c.actions, id)
		}
	}
	slices.SortFunc(out.Incidents, func(a, b model.Incident) int { return slices.Compare(a.ID[:], b.ID[:]) })
	slices.SortFunc(out.Actions, func(a, b model.Action) int { return slices.Compare(a.ID[:], b.ID[:]) })
	clear(c.dirtyIncidents)
	clear(c.dirtyActions)
	c.liveChanged = false
	return out
}

// Live gives the actions that parts must hold now, oldest first, and the ids
// of their own blocks that a person took back.
func (c *Correlator) Live() (actions []model.Action, undone []model.ID) {
	for _, a := range c.actions {
		if a.State.Live() && !isLocal(a) {
			actions = append(actions, cloneAction(a))
		}
	}
	slices.SortFunc(actions, func(a, b model.Action) int { return slices.Compare(a.ID[:], b.ID[:]) })
	for id := range c.undone {
		undone = append(undone, id)
	}
	slices.SortFunc(undone, func(a, b model.ID) int { return slices.Compare(a[:], b[:]) })
	return actions, undone
}

// Standing gives each device named by an open incident and how it stands:
// contained when an action holds every incident it is in, attacking otherwise.
func (c *Correlator) Standing() map[model.DeviceID]model.DeviceState {
	out := make(map[model.DeviceID]model.DeviceState)
	for _, i := range c.incidents {
		if i.Kind != model.IncidentDDoSOutbound || !goesOn(i) {
			continue
		}
		for d := range i.sources {
			if i.State == model.IncidentContained && out[d] != model.DeviceAttacking {
				out[d] = model.DeviceContained
			} else {
				out[d] = model.DeviceAttacking
			}
		}
	}
	return out
}

func cloneIncident(i *model.Incident) model.Incident {
	v := *i
	v.Layers, v.Devices = slices.Clone(i.Layers), slices.Clone(i.Devices)
	v.Events, v.Actions, v.Story = slices.Clone(i.Events), slices.Clone(i.Actions), slices.Clone(i.Story)
	return v
}

func cloneAction(a *model.Action) model.Action {
	v := *a
	v.Events, v.Parts = slices.Clone(a.Events), slices.Clone(a.Parts)
	return v
}

// Wants says whether events of this kind can change anything, so that a caller
// with very many events need not hand on the rest.
func Wants(k model.Kind) bool {
	switch k {
	case model.KindFloodOutbound, model.KindSpoofedSource, model.KindFloodEnded,
		model.KindActionApplied, model.KindActionFailed, model.KindProcessKilled, model.KindFileChanged,
		model.KindListedSeen, model.KindListedBlocked:
		return true
	}
	return false
}
