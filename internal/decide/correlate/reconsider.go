package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/decide/policy"
	"github.com/masugata/masugata/internal/model"
)

// modeOf says how far an action that nobody asked for may go now.
func (c *Correlator) modeOf(a *model.Action) model.Mode {
	m := policy.ModeOf(&c.policy, a)
	if m == model.ModeEnforce && a.Process == nil && tooWide(a.Shape.Dst) {
		return model.ModePropose
	}
	return m
}

// SetPolicy changes the policy, for what is decided from now on and for the
// actions that hold now: a destination that has become protected is let go at
// once, and a mode that was lowered or raised holds for present floods too.
// What a person ordered or approved stands above the modes, as when it was
// made, but not above the protected prefixes.
func (c *Correlator) SetPolicy(p model.Policy, now time.Time) {
	c.policy = p
	for _, a := range c.actions {
		if !isOver(a.State) {
			c.reconsider(a, now)
		}
	}
	for _, i := range c.incidents {
		if i.Kind != model.IncidentDDoSOutbound || !goesOn(i) {
			continue
		}
		state := model.IncidentOpen
		if c.contained(i) {
			state = model.IncidentContained
		}
		if state != i.State {
			i.State, i.Updated = state, now
			c.dirtyIncidents[i.ID] = true
		}
	}
}

// reconsider brings one action to the mode that the policy gives it.
func (c *Correlator) reconsider(a *model.Action, now time.Time) {
	mode := c.modeOf(a)
	if c.byPerson(a) && (mode != model.ModeObserve || c.policy.FloodMode == model.ModeObserve || a.Process != nil) {
		return
	}
	if mode == a.Mode {
		return
	}
	was := a.Mode
	switch {
	case isLocal(a): // the gate does the same by itself
	case mode == model.ModePropose:
		// A live action cannot wait for approval: the flood's next event
		// proposes it anew.
		c.end(a, model.ActionRetired, "policy", now)
		return
	case a.State == model.ActionProposed:
		a.State, a.Expires = model.ActionPending, now.Add(c.policy.BlockTTL)
	}
	a.Mode = mode
	c.dirtyActions[a.ID], c.liveChanged = true, true
	if i := c.incidents[a.Incident]; i != nil {
		p := params(a)
		p["was"], p["mode"] = string(was), string(mode)
		c.tell(i, model.StoryLine{Time: now, Code: "action.mode", Action: a.ID, Params: p,
			Text: fmt.Sprintf("The policy changed from %s to %s: %s.", was, mode, describe(a))})
	}
}

// byPerson says whether a person ordered or approved the action.
func (c *Correlator) byPerson(a *model.Action) bool {
	if strings.HasPrefix(a.Author, "user:") {
		return true
	}
	i := c.incidents[a.Incident]
	return i != nil && slices.ContainsFunc(i.Story, func(l model.StoryLine) bool {
		return l.Code == "action.approved" && l.Action == a.ID
	})
}
