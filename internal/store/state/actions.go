package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// mayMove says whether an action may go from one state to another. What is
// over stays over.
func mayMove(from, to model.ActionState) bool {
	if from == to {
		return true
	}
	switch from {
	case model.ActionProposed:
		return true
	case model.ActionPending, model.ActionActive, model.ActionFailed:
		return to != model.ActionProposed && to != model.ActionPending
	}
	return false
}

// SaveAction stores a new action, or the definition and state of a known one.
// Part statuses and hit counts are not taken from a: see SaveCases. A
// change of state that is not allowed (an action that is over never lives
// again) fails with model.ErrConflict and changes nothing. Every change of
// state adds a line to the audit trail in the same transaction.
func (s *Store) SaveAction(ctx context.Context, a model.Action) error {
	return s.tx(ctx, func(q *sqldb.Queries) error { return s.saveAction(ctx, q, a) })
}

func (s *Store) saveAction(ctx context.Context, q *sqldb.Queries, a model.Action) error {
	if a.ID.IsZero() {
		return fmt.Errorf("save action: it has no id: %w", model.ErrInvalid)
	}
	old, err := q.GetAction(ctx, a.ID.String())
	isNew := errors.Is(err, sql.ErrNoRows)
	if err != nil && !isNew {
		return wrap(err, "save action %s", a.ID)
	}
	was := model.ActionState(old.State)
	if !isNew && !mayMove(was, a.State) {
		return fmt.Errorf("action %s is %s and cannot become %s: %w", a.ID, was, a.State, model.ErrConflict)
	}
	if err := putAction(ctx, q, a); err != nil {
		return err
	}
	if was == a.State {
		return nil
	}
	actor := a.EndedBy
	if isNew {
		actor = a.Author
	}
	_, err = s.audit(ctx, q, auditLine(actor, "action."+string(a.State), a.ID.String(), a.Reason, s.now()))
	return err
}

func putAction(ctx context.Context, q *sqldb.Queries, a model.Action) error {
	a.Parts, a.Packets, a.Bytes, a.LastHit = nil, 0, 0, fromNanos(0) // kept in action_parts
	doc, err := encode(a)
	if err != nil {
		return err
	}
	return wrap(q.PutAction(ctx, sqldb.PutActionParams{
		ID: a.ID.String(), State: string(a.State), Incident: a.Incident.String(), Device: string(a.Scope.Device), Doc: doc,
	}), "save action %s", a.ID)
}

func putStatus(ctx context.Context, q *sqldb.Queries, id model.ID, st model.PartStatus) error {
	return wrap(q.PutActionPart(ctx, sqldb.PutActionPartParams{
		Action: id.String(), Part: string(st.Part), Applied: st.Applied, Error: st.Error, At: nanos(st.At),
		Packets: int64(st.Packets), Bytes: int64(st.Bytes), LastHit: nanos(st.LastHit),
	}), "status of action %s at %s", id, st.Part)
}

// SaveCases stores incidents, and actions with their part statuses, in one
// transaction: one wait for the disk instead of one for each. Those whose
// present state does not allow the change are left out and told as one error
// that wraps model.ErrConflict; the others, and all part statuses, are stored
// all the same. Counts never fall: a part that started anew begins at zero.
func (s *Store) SaveCases(ctx context.Context, incidents []model.Incident, actions []model.Action) error {
	var refused []error
	err := s.tx(ctx, func(q *sqldb.Queries) error {
		refused = nil
		for _, i := range incidents {
			if err := s.saveIncident(ctx, q, i); errors.Is(err, model.ErrConflict) {
				refused = append(refused, err)
			} else if err != nil {
				return err
			}
		}
		for _, a := range actions {
			if err := s.saveAction(ctx, q, a); errors.Is(err, model.ErrConflict) {
				refused = append(refused, err)
			} else if err != nil {
				return err
			}
			for _, st := range a.Parts {
				if err := putStatus(ctx, q, a.ID, st); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return errors.Join(refused...)
}

// loadAction reads the part statuses of an action and adds them up.
func loadAction(ctx context.Context, q *sqldb.Queries, row sqldb.Action) (model.Action, error) {
	a, err := decode[model.Action](row.Doc)
	if err != nil {
		return a, err
	}
	parts, err := q.ListActionParts(ctx, row.ID)
	if err != nil {
		return a, wrap(err, "parts of action %s", row.ID)
	}
	for _, p := range parts {
		st := model.PartStatus{
			Part: model.PartID(p.Part), Applied: p.Applied, Error: p.Error, At: fromNanos(p.At),
			Packets: uint64(p.Packets), Bytes: uint64(p.Bytes), LastHit: fromNanos(p.LastHit),
		}
		a.Parts = append(a.Parts, st)
		a.Packets += st.Packets
		a.Bytes += st.Bytes
		if st.LastHit.After(a.LastHit) {
			a.LastHit = st.LastHit
		}
	}
	return a, nil
}

// Action gives one action; model.ErrNotFound.
func (s *Store) Action(ctx context.Context, id model.ID) (model.Action, error) {
	row, err := s.db().GetAction(ctx, id.String())
	if err != nil {
		return model.Action{}, wrap(err, "action %s", id)
	}
	return loadAction(ctx, s.db(), row)
}

// LiveActions gives all actions that are not over, the proposed ones too,
// oldest first: what the control plane goes on with after a restart.
func (s *Store) LiveActions(ctx context.Context) ([]model.Action, error) {
	rows, err := s.db().ListLiveActions(ctx)
	if err != nil {
		return nil, wrap(err, "live actions")
	}
	return s.loadActions(ctx, rows)
}

func (s *Store) loadActions(ctx context.Context, rows []sqldb.Action) ([]model.Action, error) {
	list := make([]model.Action, len(rows))
	q := s.db()
	for i, row := range rows {
		var err error
		if list[i], err = loadAction(ctx, q, row); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Actions gives a page of actions, newest first.
func (s *Store) Actions(ctx context.Context, f model.ActionFilter, p model.Page) (list []model.Action, next string, err error) {
	if err := idBefore(p); err != nil {
		return nil, "", err
	}
	limit, n := most(p)
	rows, err := s.db().ListActions(ctx, sqldb.ListActionsParams{
		Before: p.Before, States: states(f.States), Incident: f.Incident.String(), Device: string(f.Device), Most: n,
	})
	if err != nil {
		return nil, "", wrap(err, "actions")
	}
	rows, next = cut(rows, limit, func(r sqldb.Action) string { return r.ID })
	list, err = s.loadActions(ctx, rows)
	return list, next, err
}
