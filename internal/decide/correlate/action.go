package correlate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/decide/policy"
	"github.com/masugata/masugata/internal/model"
)

// Errors of what a person asked for.
var (
	ErrNoAction    = errors.New("no such live or proposed action; it may have ended")
	ErrNoIncident  = errors.New("no such open incident; it may have ended")
	ErrNotProposed = errors.New("the action is not waiting for approval")
)

// localAuthor begins the author of a block that a gate made by itself.
const localAuthor = "gate:"

func isLocal(a *model.Action) bool { return strings.HasPrefix(a.Author, localAuthor) }

func isOver(s model.ActionState) bool {
	return s == model.ActionUndone || s == model.ActionRetired || s == model.ActionExpired
}

// start puts a new action of an incident into force, or before a person when
// its mode is propose.
func (c *Correlator) start(i *incident, a *model.Action, now time.Time) {
	a.State = model.ActionPending
	code := "action.sent"
	text := fmt.Sprintf("Sent to every gate: %s %s.", a.Kind, a.Shape)
	if a.Kind == model.ActionKillProcess {
		text = fmt.Sprintf("Asked the agent on %s to end %s.", a.Scope.Device, a.Process.Path)
	}
	if a.Mode == model.ModePropose {
		a.State, code = model.ActionProposed, "action.proposed"
		text = "Proposed, waiting for approval: " + describe(a) + "."
	}
	c.actions[a.ID] = a
	c.dirtyActions[a.ID] = true
	c.liveChanged = c.liveChanged || a.State.Live()
	i.Actions = append(i.Actions, a.ID)
	c.tell(i, model.StoryLine{Time: now, Code: code, Action: a.ID, Params: params(a), Text: text})
}

func params(a *model.Action) map[string]string {
	p := map[string]string{"action": a.ID.String(), "kind": string(a.Kind), "scope": scopeText(a.Scope)}
	if a.Process != nil {
		p["process"], p["device"] = a.Process.Path, string(a.Scope.Device)
	} else {
		p["shape"] = looseText(a.Shape)
	}
	return p
}

func scopeText(s model.Scope) string {
	switch {
	case s.Device != "":
		return string(s.Device)
	case s.Gate != "":
		return string(s.Gate)
	}
	return "all"
}

func describe(a *model.Action) string {
	if a.Process != nil {
		return fmt.Sprintf("end %s on %s", a.Process.Path, a.Scope.Device)
	}
	return fmt.Sprintf("%s %s", strings.ReplaceAll(string(a.Kind), "_", " "), a.Shape)
}

// end finishes an action.
func (c *Correlator) end(a *model.Action, s model.ActionState, by string, now time.Time) {
	c.liveChanged = c.liveChanged || a.State.Live()
	a.State, a.Ended, a.EndedBy = s, now, by
	c.dirtyActions[a.ID] = true
	i := c.incidents[a.Incident]
	if i == nil || s == model.ActionUndone {
		return
	}
	c.tell(i, model.StoryLine{Time: now, Code: "action." + string(s), Action: a.ID,
		Params: map[string]string{"action": a.ID.String(), "packets": fmt.Sprint(a.Packets)},
		Text:   fmt.Sprintf("%s: %s. It stopped %d packets.", sentence(s), describe(a), a.Packets)})
}

func sentence(s model.ActionState) string {
	if s == model.ActionExpired {
		return "Expired"
	}
	return "Retired by itself"
}

// Status takes what one part says of the actions it holds. A part speaks only
// of itself: part is the caller's identity.
func (c *Correlator) Status(part model.PartID, statuses []StatusOf, now time.Time) {
	for _, s := range statuses {
		if a := c.actions[s.Action]; a != nil && !isOver(a.State) && holds(part, a) {
			s.PartStatus.Part = part
			c.status(a, s.PartStatus, now)
		}
	}
}

// holds says whether a part is of the role that carries the action out: an
// agent that was taken over must not pass a block off as in force.
func holds(part model.PartID, a *model.Action) bool {
	return isGate(part) == (a.Kind != model.ActionKillProcess)
}

func isGate(part model.PartID) bool {
	return strings.HasPrefix(string(part), string(model.RoleGate)+"-")
}

// StatusOf is a part's word on one action.
type StatusOf struct {
	Action model.ID
	model.PartStatus
}

func (c *Correlator) status(a *model.Action, s model.PartStatus, now time.Time) {
	if isLocal(a) && s.Applied {
		c.prolong(a, now) // the gate holds it as long as the flood lasts
	}
	at := slices.IndexFunc(a.Parts, func(p model.PartStatus) bool { return p.Part == s.Part })
	first := at < 0
	if first {
		a.Parts = append(a.Parts, s)
	} else {
		old := a.Parts[at]
		if old == s {
			return
		}
		// Counts start again when a part restarts; a total never falls.
		s.Packets, s.Bytes = max(s.Packets, old.Packets), max(s.Bytes, old.Bytes)
		first = old.Applied != s.Applied
		a.Parts[at] = s
	}
	c.dirtyActions[a.ID] = true
	a.Packets, a.Bytes = 0, 0
	for _, p := range a.Parts {
		a.Packets, a.Bytes, a.LastHit = a.Packets+p.Packets, a.Bytes+p.Bytes, later(a.LastHit, p.LastHit)
	}
	if first {
		c.tellStatus(a, s, now)
	}
}

// tellStatus moves the action's and the incident's state by a part's word,
// its first or another than before, and tells it.
func (c *Correlator) tellStatus(a *model.Action, s model.PartStatus, now time.Time) {
	switch {
	case s.Applied:
		a.State = model.ActionActive
	case !slices.ContainsFunc(a.Parts, func(p model.PartStatus) bool { return p.Applied }):
		a.State = model.ActionFailed
	}
	i := c.incidents[a.Incident]
	if i == nil {
		return
	}
	if !s.Applied {
		c.tell(i, model.StoryLine{Time: now, Code: "action.failed", Action: a.ID,
			Params: map[string]string{"part": string(s.Part), "error": s.Error},
			Text:   fmt.Sprintf("%s could not apply it: %s.", s.Part, s.Error)})
		if i.State == model.IncidentContained && !c.contained(i) {
			i.State, i.Updated = model.IncidentOpen, now
		}
		return
	}
	if a.Mode == model.ModeEnforce && i.State == model.IncidentOpen && a.Process == nil {
		i.State, i.Updated = model.IncidentContained, now
	}
	at := s.At
	if at.IsZero() {
		at = now
	}
	after := at.Sub(i.Story[0].Time).Milliseconds()
	c.tell(i, model.StoryLine{Time: at, Code: "action.applied", Action: a.ID,
		Params: map[string]string{"part": string(s.Part), "after_ms": fmt.Sprint(after), "action": a.ID.String()},
		Text:   fmt.Sprintf("%s applied it %d ms after the attack began.", s.Part, after)})
}

// partActed takes an event about an action. Its Subject is the action's id.
// An id the control plane does not know, with a flood as evidence, is a block
// that a gate made by itself: it is kept as an action of that gate.
func (c *Correlator) partActed(e *model.Event, now time.Time) {
	id, err := model.ParseID(e.Subject)
	if err != nil || id.IsZero() {
		return
	}
	st := model.PartStatus{Part: e.Reporter, Applied: e.Kind == model.KindActionApplied, At: e.Time}
	if !st.Applied {
		st.Error = e.Explanation
	}
	a := c.actions[id]
	if a == nil && e.Flood != nil && e.Flood.Shape.Dst.IsValid() && st.Applied && isGate(e.Reporter) {
		a = c.adopt(id, e, now)
	}
	if a != nil && a.Process != nil && a.Scope.Device != e.Device {
		return // of another device's process an agent knows nothing
	}
	if a != nil && !isOver(a.State) && holds(e.Reporter, a) {
		if i := c.incidents[a.Incident]; i != nil {
			c.note(i, e, now)
		}
		c.status(a, st, now)
	}
}

// adopt keeps a gate's own block as an action.
func (c *Correlator) adopt(id model.ID, e *model.Event, now time.Time) *model.Action {
	i := c.incidentAt(e.Flood.Shape.Dst)
	if i == nil {
		i = c.openFlood(e, now)
		i.sources[e.Device] = &source{last: now}
		i.Devices = append(i.Devices, e.Device)
	}
	if len(i.Actions) >= maxActions {
		return nil
	}
	a := &model.Action{
		ID: id, Kind: model.ActionDrop, Mode: model.ModeEnforce, Scope: model.Scope{Device: e.Device, Gate: e.Reporter},
		Shape: e.Flood.Shape, Author: localAuthor + string(e.Reporter), Reason: e.Explanation,
		Events: []model.ID{e.ID}, Created: e.Time, Expires: e.Time.Add(c.policy.BlockTTL), Incident: i.ID,
		State: model.ActionPending,
	}
	c.actions[id] = a
	i.Actions = append(i.Actions, id)
	c.dirtyActions[id] = true
	return a
}

// processKilled tells that an agent ended a process.
func (c *Correlator) processKilled(e *model.Event, now time.Time) {
	for _, i := range c.incidents {
		if i.sources[e.Device] == nil || !goesOn(i) {
			continue
		}
		c.note(i, e, now)
		c.tell(i, model.StoryLine{Time: e.Time, Code: "process.killed", Event: e.ID,
			Params: map[string]string{"device": string(e.Device), "process": e.Subject},
			Text:   fmt.Sprintf("The agent on %s ended %s.", e.Device, e.Subject)})
	}
}

// Create takes an action that a person made. It goes into force at once; a
// person's word stands above the policy's mode but not above its protected
// prefixes.
func (c *Correlator) Create(a model.Action, user string, now time.Time) (model.Action, error) {
	if err := checkOwn(&a, &c.policy, now); err != nil {
		return model.Action{}, err
	}
	a.ID, a.Author, a.Created, a.State = model.NewID(now), "user:"+user, now, model.ActionPending
	a.Parts, a.Packets, a.Bytes, a.LastHit, a.Ended, a.EndedBy = nil, 0, 0, time.Time{}, time.Time{}, ""
	c.actions[a.ID] = &a
	c.dirtyActions[a.ID] = true
	c.liveChanged = true
	if i := c.incidents[a.Incident]; i != nil {
		i.Actions = append(i.Actions, a.ID)
		c.tell(i, model.StoryLine{Time: now, Code: "action.sent", Action: a.ID, Params: params(&a),
			Text: fmt.Sprintf("%s: %s.", a.Author, describe(&a))})
	}
	return cloneAction(&a), nil
}

func checkOwn(a *model.Action, p *model.Policy, now time.Time) error {
	switch a.Kind {
	case model.ActionDrop:
	case model.ActionRateLimit:
		if a.PPS == 0 {
			return errors.New("pps: a rate_limit needs at least 1 packet a second")
		}
	default:
		return fmt.Errorf("kind: %q cannot be made by hand; want drop or rate_limit", a.Kind)
	}
	if a.Mode != model.ModeEnforce && a.Mode != model.ModeObserve {
		return fmt.Errorf("mode: %q; want enforce or observe", a.Mode)
	}
	if a.Shape == (model.Shape{}) && a.Scope == (model.Scope{}) {
		return errors.New("shape: an action without a shape and without a scope would stop all traffic; name a destination or a device")
	}
	if a.Mode == model.ModeEnforce && policy.ModeOf(p, a) == model.ModeObserve && p.FloodMode != model.ModeObserve {
		return errors.New("shape.dst: reaches a prefix that the policy protects; narrow it, or take the prefix out of flood.protected")
	}
	if life := a.Expires.Sub(now); life < policy.MinBlockTTL || life > policy.MaxBlockTTL {
		return fmt.Errorf("expires: a life of %v is outside of %v to %v", life.Round(time.Second), policy.MinBlockTTL, policy.MaxBlockTTL)
	}
	return nil
}

// Approve puts a proposed action into force.
func (c *Correlator) Approve(id model.ID, user string, now time.Time) (model.Action, error) {
	a := c.actions[id]
	if a == nil {
		return model.Action{}, ErrNoAction
	}
	if a.State != model.ActionProposed {
		return model.Action{}, ErrNotProposed
	}
	a.State, a.Mode = model.ActionPending, model.ModeEnforce
	a.Expires = now.Add(c.policy.BlockTTL)
	c.dirtyActions[id], c.liveChanged = true, true
	if i := c.incidents[a.Incident]; i != nil {
		p := params(a)
		p["user"] = user
		c.tell(i, model.StoryLine{Time: now, Code: "action.approved", Action: id, Params: p,
			Text: fmt.Sprintf("%s approved: %s.", user, describe(a))})
	}
	return cloneAction(a), nil
}

// Undo takes an action back. It is not decided again while its incident lasts.
func (c *Correlator) Undo(id model.ID, user, reason string, now time.Time) (model.Action, error) {
	a := c.actions[id]
	if a == nil || isOver(a.State) {
		return model.Action{}, ErrNoAction
	}
	c.end(a, model.ActionUndone, "user:"+user, now)
	c.keepUndone(a, now)
	if i := c.incidents[a.Incident]; i != nil {
		p := params(a)
		p["user"], p["reason"] = user, reason
		c.tell(i, model.StoryLine{Time: now, Code: "action.undone", Action: id, Params: p,
			Text: fmt.Sprintf("%s took back: %s.", user, describe(a))})
		if i.State == model.IncidentContained && !c.contained(i) {
			i.State = model.IncidentOpen
		}
		i.Updated = now
	}
	return cloneAction(a), nil
}

func (c *Correlator) contained(i *incident) bool {
	return slices.ContainsFunc(i.Actions, func(id model.ID) bool {
		a := c.actions[id]
		return a != nil && a.State == model.ActionActive && a.Mode == model.ModeEnforce && a.Process == nil
	})
}

// Close ends an incident by a person's word; its actions are retired.
func (c *Correlator) Close(id model.ID, user, note string, now time.Time) (model.Incident, error) {
	i := c.incidents[id]
	if i == nil {
		return model.Incident{}, ErrNoIncident
	}
	for _, aid := range i.Actions {
		if a := c.actions[aid]; a != nil && !isOver(a.State) {
			c.end(a, model.ActionRetired, "user:"+user, now)
		}
	}
	i.State, i.Ended, i.Updated = model.IncidentClosed, now, now
	c.tell(i, model.StoryLine{Time: now, Code: "incident.closed", Params: map[string]string{"user": user, "note": note},
		Text: strings.TrimSuffix(fmt.Sprintf("%s closed the incident. %s", user, note), " ")})
	return cloneIncident(&i.Incident), nil
}
