package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// SaveIncident stores an incident. One that a person closed never opens again
// (model.ErrConflict).
func (s *Store) SaveIncident(ctx context.Context, i model.Incident) error {
	return s.tx(ctx, func(q *sqldb.Queries) error { return s.saveIncident(ctx, q, i) })
}

func (s *Store) saveIncident(ctx context.Context, q *sqldb.Queries, i model.Incident) error {
	if i.ID.IsZero() {
		return fmt.Errorf("save incident: it has no id: %w", model.ErrInvalid)
	}
	old, err := q.GetIncident(ctx, i.ID.String())
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return wrap(err, "save incident %s", i.ID)
	}
	if old.State == string(model.IncidentClosed) && i.State != model.IncidentClosed {
		return fmt.Errorf("incident %s is closed and cannot become %s: %w", i.ID, i.State, model.ErrConflict)
	}
	doc, err := encode(i)
	if err != nil {
		return err
	}
	if err := q.PutIncident(ctx, sqldb.PutIncidentParams{ID: i.ID.String(), State: string(i.State), Doc: doc}); err != nil {
		return wrap(err, "save incident %s", i.ID)
	}
	for _, d := range i.Devices {
		err := q.AddIncidentDevice(ctx, sqldb.AddIncidentDeviceParams{Device: string(d), Incident: i.ID.String()})
		if err != nil {
			return wrap(err, "save incident %s, device %s", i.ID, d)
		}
	}
	return nil
}

// Incident gives one incident; model.ErrNotFound.
func (s *Store) Incident(ctx context.Context, id model.ID) (model.Incident, error) {
	row, err := s.db().GetIncident(ctx, id.String())
	if err != nil {
		return model.Incident{}, wrap(err, "incident %s", id)
	}
	return decode[model.Incident](row.Doc)
}

// OpenIncidents gives all that are neither ended nor closed, oldest first:
// what correlation goes on with after a restart.
func (s *Store) OpenIncidents(ctx context.Context) ([]model.Incident, error) {
	rows, err := s.db().ListOpenIncidents(ctx)
	if err != nil {
		return nil, wrap(err, "open incidents")
	}
	return loadIncidents(rows)
}

func loadIncidents(rows []sqldb.Incident) ([]model.Incident, error) {
	list := make([]model.Incident, len(rows))
	for i, row := range rows {
		var err error
		if list[i], err = decode[model.Incident](row.Doc); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Incidents gives a page of incidents, newest first.
func (s *Store) Incidents(ctx context.Context, f model.IncidentFilter, p model.Page) (list []model.Incident, next string, err error) {
	if err := idBefore(p); err != nil {
		return nil, "", err
	}
	limit, n := most(p)
	var rows []sqldb.Incident
	if f.Device == "" {
		rows, err = s.db().ListIncidents(ctx, sqldb.ListIncidentsParams{Before: p.Before, States: states(f.States), Most: n})
	} else {
		rows, err = s.db().ListIncidentsOfDevice(ctx, sqldb.ListIncidentsOfDeviceParams{
			Device: string(f.Device), Before: p.Before, States: states(f.States), Most: n,
		})
	}
	if err != nil {
		return nil, "", wrap(err, "incidents")
	}
	rows, next = cut(rows, limit, func(r sqldb.Incident) string { return r.ID })
	list, err = loadIncidents(rows)
	return list, next, err
}
