package duckdb

import (
	"context"
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// longestEvent is how long an event may go on for Groups to find it by its end:
// files are chosen by when events begin.
const longestEvent = 25 * time.Hour

// Groups implements event.Store.
func (s *Store) Groups(ctx context.Context, q query.Query, from, to time.Time, n int, yield func(event.Group) bool) error {
	if n < 1 || n > event.MaxGroups || !from.Before(to) {
		return fmt.Errorf("event store: %w: %d groups from %s to %s", event.ErrArgument, n, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	}
	w := &where{now: s.cfg.Now()}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	source, some := s.rowsOf(q, w, nanos(from.Add(-longestEvent)), nanos(to), "device, observables, n, time_ns AS t, time_ns + last_after_ns AS l")
	if !some {
		return nil
	}
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf(`SELECT device, observables, count(*), CAST(sum(n) AS UBIGINT) AS total, min(t), max(l) FROM (%s)
		WHERE l >= %d AND l < %d GROUP BY device, observables ORDER BY total DESC, device, observables LIMIT %d`, source, nanos(from), nanos(to), n), w.args...)
	if err != nil {
		return fmt.Errorf("event store: groups: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var g event.Group
		var device, observables string
		var first, last int64
		if err := rows.Scan(&device, &observables, &g.Events, &g.Total, &first, &last); err != nil {
			return fmt.Errorf("event store: groups: %w", err)
		}
		g.Device, g.Observables, g.First, g.Last = model.DeviceID(device), unpackObservables(observables), timeOf(first), timeOf(last)
		if !yield(g) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("event store: groups: %w", err)
	}
	return nil
}
