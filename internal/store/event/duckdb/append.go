package duckdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// maxMarkRows is how many rows may be added to the table of marks before it is
// made small again: one for each mark.
const maxMarkRows = 1_000_000

// Append implements event.Store.
func (s *Store) Append(ctx context.Context, b event.Block) error {
	s.write.Lock()
	defer s.write.Unlock()
	if s.isClosed() {
		return errClosed
	}
	f, err := s.current(ctx)
	if err != nil {
		return err
	}
	if err := s.writeBlock(ctx, f, b); err != nil {
		return fmt.Errorf("event store: append %d events to %s: %w", len(b.Events), f.path, err)
	}
	s.grow(f, b)
	if f.markRows > s.markRows {
		s.compactMarks(ctx, f)
	}
	return nil
}

// writeBlock writes to a file, and mends it where a full disk broke it: when
// DuckDB cannot compact a file it refuses every use of it until it is opened
// anew, also after there is room again.
func (s *Store) writeBlock(ctx context.Context, f *dayFile, b event.Block) error {
	if f.broken {
		if err := s.reopen(ctx, f); err != nil {
			return err
		}
	}
	err := s.out.write(f.alias, b)
	if isInvalidated(err) && !isDurable(err) {
		if err := s.reopen(ctx, f); err != nil {
			return err
		}
		err = s.out.write(f.alias, b)
	}
	if !isDurable(err) {
		return err
	}
	s.cfg.Log.Warn("the events are stored, but compacting their file failed; it is tried again", "file", f.path, "error", err)
	if err := s.reopen(ctx, f); err != nil {
		s.cfg.Log.Error("the event file cannot be opened again; searches do without it until it can", "file", f.path, "error", err)
	}
	return nil
}

// isDurable knows the error of a COMMIT that was done, and only what comes
// after it failed: to report it would have the block stored twice.
func isDurable(err error) bool {
	return err != nil && strings.Contains(err.Error(), "COMMIT succeeded and is durable")
}

func isInvalidated(err error) bool {
	return err != nil && strings.Contains(err.Error(), "has been invalidated")
}

func (s *Store) isClosed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

func (s *Store) grow(f *dayFile, b event.Block) {
	lo, hi := timeBounds(b.Events)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(b.Events) > 0 {
		if f.rows == 0 {
			f.min, f.max = lo, hi
		}
		f.min, f.max = min(f.min, lo), max(f.max, hi)
		f.rows += uint64(len(b.Events))
	}
	f.markRows += uint64(len(b.Marks))
}

func timeBounds(events []*model.Event) (lo, hi int64) {
	for i, e := range events {
		ns := nanos(e.Time)
		if i == 0 {
			lo, hi = ns, ns
		}
		lo, hi = min(lo, ns), max(hi, ns)
	}
	return lo, hi
}

// compactMarks leaves one row for each mark. A failure is no harm: the block
// is stored, and the table only stays long.
func (s *Store) compactMarks(ctx context.Context, f *dayFile) {
	err := s.transaction(ctx, fmt.Sprintf(`CREATE TEMP TABLE kept AS SELECT part, epoch, max(seq) AS seq FROM %[1]s.marks GROUP BY part, epoch;
		DELETE FROM %[1]s.marks;
		INSERT INTO %[1]s.marks SELECT part, epoch, seq FROM kept;
		DROP TABLE kept;`, f.alias))
	if err != nil {
		s.cfg.Log.Warn("making the table of marks small failed; it is tried again", "file", f.path, "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Counted from here, so that a fleet with more parts than the bound does not
	// compact at every block.
	f.markRows = 0
}

// Marks implements event.Store.
func (s *Store) Marks(ctx context.Context) ([]event.Mark, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	last := s.files[len(s.files)-1]
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT part, epoch, max(seq) FROM %s.marks GROUP BY part, epoch", last.alias))
	if err != nil {
		return nil, fmt.Errorf("event store: marks: %w", err)
	}
	defer rows.Close()
	var out []event.Mark
	for rows.Next() {
		var m event.Mark
		if err := rows.Scan(&m.Part, &m.Epoch, &m.Seq); err != nil {
			return nil, fmt.Errorf("event store: marks: %w", err)
		}
		out = append(out, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("event store: marks: %w", err)
	}
	return out, nil
}
