package duckdb

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// Count implements event.Store.
func (s *Store) Count(ctx context.Context, q query.Query) (uint64, error) {
	w := &where{now: s.cfg.Now()}
	from, to := span(q, w.now)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, errClosed
	}
	source, some := s.rowsOf(q, w, from, to, "count(*) AS c")
	if !some {
		return 0, nil
	}
	var n uint64
	if err := s.db.QueryRowContext(ctx, "SELECT CAST(sum(c) AS UBIGINT) FROM ("+source+")", w.args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("event store: count: %w", err)
	}
	return n, nil
}

// groupColumn gives the column to group by and how its values read.
func groupColumn(f query.Field, subject bool) (string, func(string) string, error) {
	same := func(v string) string { return v }
	switch f {
	case query.FieldSeverity:
		return "severity", func(v string) string { return nameOf(v, func(n uint8) string { return model.Severity(n).String() }) }, nil
	case query.FieldLayer:
		return "layer", func(v string) string { return nameOf(v, layerName) }, nil
	case query.FieldKind, query.FieldDevice, query.FieldReporter, query.FieldRule, query.FieldTechnique:
		return column(f), same, nil
	case query.FieldSubject:
		if subject {
			return column(f), same, nil
		}
	}
	return "", nil, fmt.Errorf("event store: %w: events are not counted by %q; use severity, layer, kind, device, reporter, rule or technique", event.ErrArgument, f)
}

func nameOf(v string, name func(uint8) string) string {
	n, err := strconv.ParseUint(v, 10, 8)
	if err != nil {
		return v
	}
	return name(uint8(n))
}

func layerName(n uint8) string {
	if n == 0 {
		return ""
	}
	return model.Layer(n).String()
}

// Histogram implements event.Store.
func (s *Store) Histogram(ctx context.Context, q query.Query, from, to time.Time, step time.Duration, by query.Field) ([]event.Bucket, error) {
	buckets, err := emptyBuckets(from, to, step)
	if err != nil {
		return nil, err
	}
	group, name := "''", func(v string) string { return v }
	if by != "" {
		if group, name, err = groupColumn(by, false); err != nil {
			return nil, err
		}
	}
	w := &where{now: s.cfg.Now()}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	lo := nanos(from)
	source, some := s.rowsOf(q, w, lo, nanos(to), fmt.Sprintf("(time_ns - %d) // %d AS b, %s AS v", lo, int64(step), group))
	if !some {
		return buckets, nil
	}
	rows, err := s.db.QueryContext(ctx, "SELECT CAST(b AS BIGINT), CAST(v AS VARCHAR), count(*) FROM ("+source+") GROUP BY b, v", w.args...)
	if err != nil {
		return nil, fmt.Errorf("event store: histogram: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var at int64
		var value string
		var n uint64
		if err := rows.Scan(&at, &value, &n); err != nil {
			return nil, fmt.Errorf("event store: histogram: %w", err)
		}
		if at >= 0 && at < int64(len(buckets)) {
			buckets[at].Counts[name(value)] += n
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("event store: histogram: %w", err)
	}
	return buckets, nil
}

func emptyBuckets(from, to time.Time, step time.Duration) ([]event.Bucket, error) {
	if step <= 0 || !from.Before(to) || nanos(from) != from.UnixNano() || nanos(to) != to.UnixNano() {
		return nil, fmt.Errorf("event store: %w: histogram from %s to %s in steps of %s", event.ErrArgument, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), step)
	}
	n := (to.Sub(from) + step - 1) / step
	if n > event.MaxBuckets {
		return nil, fmt.Errorf("event store: %w: histogram of %d steps, at most %d; use longer steps", event.ErrArgument, n, event.MaxBuckets)
	}
	out := make([]event.Bucket, n)
	for i := range out {
		out[i] = event.Bucket{Time: from.UTC().Add(time.Duration(i) * step), Counts: map[string]uint64{}}
	}
	return out, nil
}

// Top implements event.Store. Events without a value in the field do not count.
func (s *Store) Top(ctx context.Context, q query.Query, field query.Field, n int) ([]event.TopValue, error) {
	group, name, err := groupColumn(field, true)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > event.MaxSearch {
		return nil, fmt.Errorf("event store: %w: top %d, want 1 to %d", event.ErrArgument, n, event.MaxSearch)
	}
	w := &where{now: s.cfg.Now()}
	from, to := span(q, w.now)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	source, some := s.rowsOf(q, w, from, to, group+" AS v, n")
	if !some {
		return nil, nil
	}
	unset := "''"
	if field == query.FieldLayer || field == query.FieldSeverity {
		unset = "255"
	}
	if field == query.FieldLayer {
		unset = "0"
	}
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf(
		"SELECT CAST(v AS VARCHAR), count(*) AS c, CAST(sum(n) AS UBIGINT) FROM (%s) WHERE v <> %s GROUP BY v ORDER BY c DESC, v LIMIT %d", source, unset, n), w.args...)
	if err != nil {
		return nil, fmt.Errorf("event store: top: %w", err)
	}
	return readTop(rows, name)
}

func readTop(rows *sql.Rows, name func(string) string) ([]event.TopValue, error) {
	defer rows.Close()
	var out []event.TopValue
	for rows.Next() {
		var t event.TopValue
		if err := rows.Scan(&t.Value, &t.Events, &t.Total); err != nil {
			return nil, fmt.Errorf("event store: top: %w", err)
		}
		t.Value = name(t.Value)
		out = append(out, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("event store: top: %w", err)
	}
	return out, nil
}

// exported are the columns of a Parquet file, with names and types that other
// programs understand.
const exported = `make_timestamp_ns(time_ns) AS time, make_timestamp_ns(time_ns + last_after_ns) AS last,
	printf('%016x%016x', id_hi, id_lo) AS id, device, reporter, layer, kind, severity, subject, rule, n AS count,
	trim(replace(observables, chr(31), chr(10)), chr(10)) AS observables, explanation, advice, technique, evidence`

// Export implements event.Store. The file is made in the store's folder first,
// since Parquet cannot be written in one go, and then copied to out.
func (s *Store) Export(ctx context.Context, q query.Query, out io.Writer) error {
	w := &where{now: s.cfg.Now()}
	from, to := span(q, w.now)
	tmp, err := os.CreateTemp(s.cfg.Dir, "export-*.parquet")
	if err != nil {
		return fmt.Errorf("event store: export: %w", err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := s.copyTo(ctx, q, w, from, to, tmp.Name()); err != nil {
		return err
	}
	// DuckDB writes beside and renames, so the open file is not the new one.
	file, err := os.Open(tmp.Name())
	if err != nil {
		return fmt.Errorf("event store: export: %w", err)
	}
	defer file.Close()
	if _, err := io.Copy(out, file); err != nil {
		return fmt.Errorf("event store: export: %w", err)
	}
	return nil
}

func (s *Store) copyTo(ctx context.Context, q query.Query, w *where, from, to int64, path string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	source, some := s.rowsOf(q, w, from, to, exported)
	if !some {
		source = "SELECT " + exported + " FROM " + s.files[len(s.files)-1].alias + ".events WHERE false"
		w.args = nil
	}
	_, err := s.db.ExecContext(ctx, fmt.Sprintf("COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION zstd)", source, path), w.args...)
	if err != nil {
		return fmt.Errorf("event store: export: %w", err)
	}
	return nil
}

// Usage implements event.Store.
func (s *Store) Usage(context.Context) (event.Usage, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return event.Usage{}, errClosed
	}
	u := event.Usage{Files: len(s.files)}
	for _, f := range s.files {
		u.Events += f.rows
		if f.rows == 0 {
			continue
		}
		lo, hi := time.Unix(0, f.min).UTC(), time.Unix(0, f.max).UTC()
		if u.Oldest.IsZero() || lo.Before(u.Oldest) {
			u.Oldest = lo
		}
		if hi.After(u.Newest) {
			u.Newest = hi
		}
	}
	paths, err := filepath.Glob(filepath.Join(s.cfg.Dir, "*"))
	if err != nil {
		return u, fmt.Errorf("event store: usage: %w", err)
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			u.Bytes += info.Size()
		}
	}
	return u, nil
}
