package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// ActionList is a page of actions, newest first.
type ActionList struct {
	Actions []model.Action `json:"actions"`
	Next    string         `json:"next"`
}

// ActionOrder is an action that a person wants.
type ActionOrder struct {
	Kind     model.ActionKind       `json:"kind"`
	Mode     model.Mode             `json:"mode" doc:"Policy may lower it"`
	Scope    model.Scope            `json:"scope,omitzero"`
	Shape    model.Shape            `json:"shape,omitzero" doc:"drop and rate_limit: which traffic"`
	PPS      uint32                 `json:"pps,omitempty" doc:"rate_limit: packets a second let through per device"`
	Process  *model.ProcessEvidence `json:"process,omitempty" doc:"kill_process: which"`
	TTLS     int                    `json:"ttl_s" minimum:"1" maximum:"2592000" doc:"Seconds until it ends by itself"`
	Reason   string                 `json:"reason" minLength:"1" maxLength:"1000"`
	Incident model.ID               `json:"incident,omitzero"`
}

type actionsInput struct {
	State    []string       `query:"state" enum:"proposed,pending,active,failed,undone,retired,expired" doc:"One or more, separated by commas"`
	Incident model.ID       `query:"incident"`
	Device   model.DeviceID `query:"device" maxLength:"64"`
	Limit    int            `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Before   string         `query:"before" maxLength:"256"`
}

type orderInput struct{ Body ActionOrder }

type reasonInput struct {
	ID   model.ID `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"1000"`
	}
}

func (s *server) registerActions() {
	add(s, op{id: "list-actions", method: http.MethodGet, path: "/actions", tag: "actions", summary: "List actions"}, s.listActions)
	add(s, op{id: "get-action", method: http.MethodGet, path: "/actions/{id}", tag: "actions", summary: "One action with what each part says of it"}, s.getAction)
	add(s, op{id: "create-action", method: http.MethodPost, path: "/actions", tag: "actions", summary: "Order an action", status: http.StatusCreated}, s.createAction)
	add(s, op{id: "approve-action", method: http.MethodPost, path: "/actions/{id}/approve", tag: "actions", summary: "Approve a proposed action"}, s.approveAction)
	add(s, op{id: "undo-action", method: http.MethodPost, path: "/actions/{id}/undo", tag: "actions", summary: "Take an action back"}, s.undoAction)
}

func (s *server) listActions(ctx context.Context, in *actionsInput) (ActionList, error) {
	f := model.ActionFilter{States: convert[model.ActionState](in.State), Incident: in.Incident, Device: in.Device}
	list, next, err := s.Cases.Actions(ctx, f, model.Page{Limit: in.Limit, Before: in.Before})
	return ActionList{Actions: orEmpty(list), Next: next}, err
}

func (s *server) getAction(ctx context.Context, in *idInput) (model.Action, error) {
	a, err := s.Cases.Action(ctx, in.ID)
	return a, err
}

func (s *server) createAction(ctx context.Context, in *orderInput) (model.Action, error) {
	o := &in.Body
	if err := o.check(); err != nil {
		return model.Action{}, err
	}
	now := s.Now().UTC()
	a, err := s.Actions.CreateAction(ctx, model.Action{
		Kind: o.Kind, Mode: o.Mode, Scope: o.Scope, Shape: o.Shape, PPS: o.PPS, Process: o.Process,
		Reason: o.Reason, Incident: o.Incident, Author: callerOf(ctx).by(),
		Created: now, Expires: now.Add(time.Duration(o.TTLS) * time.Second),
	})
	noteObject(ctx, a.ID.String())
	return a, err
}

// check refuses orders that would do more than their author can have meant.
func (o *ActionOrder) check() error {
	switch o.Kind {
	case model.ActionKillProcess:
		if o.Scope.Device == "" {
			return fieldProblem("body.scope.device", "", "kill_process needs the device that the process runs on")
		}
		if o.Process == nil || o.Process.PID == 0 || o.Process.Start == 0 {
			return fieldProblem("body.process", nil, "kill_process needs process.pid and process.start, as an event of the device gives them")
		}
		return nil
	case model.ActionRateLimit:
		if o.PPS == 0 {
			return fieldProblem("body.pps", 0, "rate_limit needs the packets a second to let through; use drop to let none through")
		}
	}
	if o.Shape == (model.Shape{}) && o.Scope.Device == "" {
		return fieldProblem("body.shape", nil, "without a shape and a device this would hold for all traffic; name one of them")
	}
	if o.Shape.LenMax != 0 && o.Shape.LenMin > o.Shape.LenMax {
		return fieldProblem("body.shape.len_min", o.Shape.LenMin, "must not be above len_max")
	}
	return nil
}

func (s *server) approveAction(ctx context.Context, in *idInput) (model.Action, error) {
	a, err := s.Actions.ApproveAction(ctx, in.ID, callerOf(ctx).by())
	return a, err
}

func (s *server) undoAction(ctx context.Context, in *reasonInput) (model.Action, error) {
	a, err := s.Actions.UndoAction(ctx, in.ID, callerOf(ctx).by(), in.Body.Reason)
	return a, err
}
