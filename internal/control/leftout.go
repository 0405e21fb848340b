package control

import (
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// fit gives the actions that parts can read. What they would refuse is left
// out and told once, because one such action makes a part refuse the whole set.
// The list is changed. Called with settling held.
func (d *desk) fit(actions []model.Action) []model.Action {
	bad := make(map[model.ID]bool)
	good := actions[:0]
	for i := range actions {
		a := &actions[i]
		err := wire.CheckAction(a)
		if err == nil && len(good) == wire.MaxActions {
			err = fmt.Errorf("more than %d actions are in force", wire.MaxActions)
		}
		if err == nil {
			good = append(good, *a)
			continue
		}
		bad[a.ID] = true
		if !d.leftOut[a.ID] {
			d.log.Error("an action is left out of what parts are given", "action", a.ID, "kind", a.Kind, "device", a.Scope.Device, "error", err)
			d.onLeftOut(a, err)
		}
	}
	d.leftOut = bad
	return good
}

// actionLeftOut is the desk's hook.
func (o *ownEvents) actionLeftOut(a *model.Action, err error) {
	o.add(&model.Event{
		Time: time.Now(), Kind: model.KindActionFailed, Severity: model.SeverityHigh, Device: a.Scope.Device, Subject: a.ID.String(), Rule: "control.actions",
		Explanation: fmt.Sprintf("No part was given the action %q, because none could read it: %v. All other actions are in force.", a.Kind, err),
		Advice:      "Take the action back and make it anew.",
	})
}
