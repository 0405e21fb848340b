package duckdb

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// position is where a search stands: at the event of that time and id.
type position struct {
	ns int64
	id model.ID
}

func (p position) cursor() event.Cursor {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.ns))
	return event.Cursor(base64.RawURLEncoding.EncodeToString(append(b, p.id[:]...)))
}

func parseCursor(c event.Cursor) (position, error) {
	b, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil || len(b) != 24 {
		return position{}, fmt.Errorf("event store: %w: cursor %.40q is not one that a search gave", event.ErrArgument, c)
	}
	return position{ns: int64(binary.BigEndian.Uint64(b)), id: model.ID(b[8:])}, nil
}

// before is the condition for events after the position in a search.
func (p position) before() string {
	hi, lo := idHalves(p.id)
	return fmt.Sprintf("time_ns <= %[1]d AND (time_ns < %[1]d OR id_hi < %[2]d OR (id_hi = %[2]d AND id_lo < %[3]d))", p.ns, hi, lo)
}

// Search implements event.Store. It asks file by file, those with the newest
// events first, and ends as soon as no other file can have a newer one.
func (s *Store) Search(ctx context.Context, q query.Query, limit int, before event.Cursor) ([]model.Event, event.Cursor, error) {
	if limit < 1 || limit > event.MaxSearch {
		return nil, "", fmt.Errorf("event store: %w: limit %d, want 1 to %d", event.ErrArgument, limit, event.MaxSearch)
	}
	w := &where{now: s.cfg.Now()}
	condition := w.condition(q)
	from, to := span(q, w.now)
	if before != "" {
		at, err := parseCursor(before)
		if err != nil {
			return nil, "", err
		}
		condition += " AND " + at.before()
		to = min(to, at.ns)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, "", errClosed
	}
	found, err := s.newest(ctx, s.overlapping(from, to), condition, w.args, limit+1)
	if err != nil || len(found) <= limit {
		return found, "", err
	}
	found = found[:limit]
	last := found[limit-1]
	return found, position{nanos(last.Time), last.ID}.cursor(), nil
}

// span gives the times, both ends included, that a query can match.
func span(q query.Query, now time.Time) (from, to int64) {
	from, to = minNanos, maxNanos
	lo, hi := q.Bounds(now)
	if !lo.IsZero() {
		from = nanos(lo)
	}
	if !hi.IsZero() {
		to = nanos(hi)
	}
	return from, to
}

// overlapping gives the files with events in a span of time, those with the
// newest event first. Store.mu must be held.
func (s *Store) overlapping(from, to int64) []*dayFile {
	var out []*dayFile
	for _, f := range s.files {
		if f.rows > 0 && !f.broken && f.min <= to && f.max >= from {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b *dayFile) int { return cmp.Compare(b.max, a.max) })
	return out
}

// newest gives the newest events that meet the condition.
func (s *Store) newest(ctx context.Context, files []*dayFile, condition string, args []any, limit int) ([]model.Event, error) {
	var found []model.Event
	for _, f := range files {
		if len(found) >= limit && nanos(found[limit-1].Time) > f.max {
			break
		}
		more, err := s.newestIn(ctx, f, condition, args, limit)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
		slices.SortFunc(found, newestFirst)
		found = found[:min(len(found), limit)]
	}
	return found, nil
}

func newestFirst(a, b model.Event) int {
	if c := b.Time.Compare(a.Time); c != 0 {
		return c
	}
	return slices.Compare(b.ID[:], a.ID[:])
}

// newestIn looks into one file. The newest events are wanted first and lie at
// its end, so it first looks a short time back and then at ever longer spans
// before: DuckDB passes over row groups whose times do not fit. Which rows they
// are is found by the columns of the condition alone; the others, evidence
// above all, are read only for the rows that are given.
func (s *Store) newestIn(ctx context.Context, f *dayFile, condition string, args []any, limit int) ([]model.Event, error) {
	const order = "ORDER BY time_ns DESC, id_hi DESC, id_lo DESC"
	var found []model.Event
	until := f.max
	for back := int64(firstLook); len(found) < limit; back *= 4 {
		since := max(until-back, f.min)
		more, err := s.read(ctx, fmt.Sprintf(`SELECT %[1]s FROM %[2]s.events WHERE rowid IN (
			SELECT rowid FROM %[2]s.events WHERE time_ns BETWEEN %[3]d AND %[4]d AND %[5]s %[6]s LIMIT %[7]d) %[6]s`,
			selected, f.alias, since, until, condition, order, limit-len(found)), args)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
		if since == f.min {
			break
		}
		until = since - 1
	}
	return found, nil
}

const firstLook = 2 * time.Minute

func (s *Store) read(ctx context.Context, statement string, args []any) ([]model.Event, error) {
	rows, err := s.db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("event store: search: %w", err)
	}
	defer rows.Close()
	var out []model.Event
	for rows.Next() {
		e, err := scanEvent(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("event store: search: %w", err)
	}
	return out, nil
}

// Get implements event.Store.
func (s *Store) Get(ctx context.Context, id model.ID) (model.Event, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return model.Event{}, errClosed
	}
	for _, f := range slices.Backward(s.files) {
		if f.broken {
			continue
		}
		found, err := s.read(ctx, fmt.Sprintf("SELECT %s FROM %s.events WHERE %s LIMIT 1", selected, f.alias, idEquals(id)), nil)
		if err != nil {
			return model.Event{}, err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return model.Event{}, fmt.Errorf("%w: %s", event.ErrNotFound, id)
}

// rowsOf is an SQL source of the matching rows of the given columns in all
// files; false when no file can have any. Store.mu must be held.
func (s *Store) rowsOf(q query.Query, w *where, from, to int64, columns string) (string, bool) {
	condition := w.condition(q)
	if from > minNanos {
		condition += fmt.Sprintf(" AND time_ns >= %d", from)
	}
	if to < maxNanos {
		condition += fmt.Sprintf(" AND time_ns < %d", to)
	}
	var parts []string
	for _, f := range s.overlapping(from, to) {
		parts = append(parts, fmt.Sprintf("SELECT %s FROM %s.events WHERE %s", columns, f.alias, condition))
	}
	return strings.Join(parts, " UNION ALL "), len(parts) > 0
}
