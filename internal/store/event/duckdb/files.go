package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// dayFile is one attached database. Its bounds are changed under Store.mu.
type dayFile struct {
	day   string // 2026-11-23, UTC
	alias string // its name in SQL
	path  string
	// What it holds: event times from min to max (nanoseconds), when rows > 0.
	rows     uint64
	min, max int64
	markRows uint64
	broken   bool // must be reopened before it is used; detached when it could not be
}

// rowGroup is how many rows DuckDB compresses together, a multiple of 2,048.
// Blocks of at least so many go to their place in the file at once; smaller ones
// go through the log. Half of DuckDB's default takes half the memory in the
// pipeline, and 7 % more disk.
const rowGroup = 61_440

const (
	filePrefix = "events-"
	fileSuffix = ".duckdb"
	dayLayout  = "2006-01-02"
)

func (s *Store) newFile(day string) *dayFile {
	return &dayFile{
		day:   day,
		alias: "d" + strings.ReplaceAll(day, "-", ""),
		path:  filepath.Join(s.cfg.Dir, filePrefix+day+fileSuffix),
	}
}

// columns of the table events. Time is nanoseconds since 1970, last what to
// add to it; an id is split in two since its first half, a time, compresses
// well. Observables are written between separators, see appendObservables.
// Evidence is only read for events that are shown, so it may be slow to read.
const schema = `CREATE TABLE %[1]s.events (
	time_ns BIGINT NOT NULL, last_after_ns BIGINT NOT NULL,
	id_hi UBIGINT NOT NULL, id_lo UBIGINT NOT NULL,
	device VARCHAR NOT NULL, reporter VARCHAR NOT NULL,
	layer UTINYINT NOT NULL, severity UTINYINT NOT NULL, n UINTEGER NOT NULL,
	kind VARCHAR NOT NULL, rule VARCHAR NOT NULL, technique VARCHAR NOT NULL,
	subject VARCHAR NOT NULL, observables VARCHAR NOT NULL,
	explanation VARCHAR NOT NULL, advice VARCHAR NOT NULL, evidence VARCHAR USING COMPRESSION zstd NOT NULL);
CREATE TABLE %[1]s.marks (part VARCHAR NOT NULL, epoch UBIGINT NOT NULL, seq UBIGINT NOT NULL);
`

// attachAll opens all day files of the folder.
func (s *Store) attachAll(ctx context.Context) error {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("event store: %w", err)
	}
	for _, e := range entries { // sorted by name, so by day
		day, ok := strings.CutPrefix(e.Name(), filePrefix)
		if !ok {
			continue
		}
		if day, ok = strings.CutSuffix(day, fileSuffix); !ok {
			continue
		}
		if _, err := time.Parse(dayLayout, day); err != nil {
			continue
		}
		if err := s.attachFound(ctx, s.newFile(day)); err != nil {
			return err
		}
	}
	return nil
}

// attachFound attaches a file that was there. One without tables is what a
// process left that was killed while it made the file: nothing was ever stored
// in it.
func (s *Store) attachFound(ctx context.Context, f *dayFile) error {
	if err := s.attach(ctx, f, ""); err != nil {
		return err
	}
	var tables int
	err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM duckdb_tables() WHERE database_name = $1", f.alias).Scan(&tables)
	if err != nil {
		return fmt.Errorf("event store: %s: tables: %w", f.path, err)
	}
	if tables == 0 {
		return s.remove(ctx, f)
	}
	if err := s.measure(ctx, f); err != nil {
		return err
	}
	s.files = append(s.files, f)
	return nil
}

func (s *Store) attach(ctx context.Context, f *dayFile, options string) error {
	if _, err := s.db.ExecContext(ctx, fmt.Sprintf("ATTACH '%s' AS %s (ROW_GROUP_SIZE %d%s)", f.path, f.alias, rowGroup, options)); err != nil {
		return fmt.Errorf("event store: attach %s: %w", f.path, err)
	}
	return nil
}

// reopen detaches a file and attaches it again; queries wait meanwhile.
func (s *Store) reopen(ctx context.Context, f *dayFile) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.broken = true
	if _, err := s.db.ExecContext(ctx, "DETACH DATABASE IF EXISTS "+f.alias); err != nil {
		return fmt.Errorf("event store: detach %s: %w", f.path, err)
	}
	if err := s.attach(ctx, f, ""); err != nil {
		return err
	}
	f.broken = false
	return nil
}

func (s *Store) measure(ctx context.Context, f *dayFile) error {
	var lo, hi sql.NullInt64
	err := s.db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*), min(time_ns), max(time_ns) FROM %s.events", f.alias)).Scan(&f.rows, &lo, &hi)
	if err == nil {
		err = s.db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM %s.marks", f.alias)).Scan(&f.markRows)
	}
	if err != nil {
		return fmt.Errorf("event store: %s: bounds: %w", f.path, err)
	}
	f.min, f.max = lo.Int64, hi.Int64
	return nil
}

// current gives the file of today, and makes it when the day is new. A clock
// that goes back does not bring an old file back.
func (s *Store) current(ctx context.Context) (*dayFile, error) {
	day := s.cfg.Now().UTC().Format(dayLayout)
	var last *dayFile
	if n := len(s.files); n > 0 {
		last = s.files[n-1]
		if last.day >= day {
			return last, nil
		}
	}
	f := s.newFile(day)
	if err := s.create(ctx, f, last); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.files = append(s.files, f)
	s.mu.Unlock()
	if last != nil {
		if _, err := s.db.ExecContext(ctx, "CHECKPOINT "+last.alias); err != nil {
			s.cfg.Log.Warn("compacting the events of a past day failed; it is tried at the next start", "file", last.path, "error", err)
			if err := s.reopen(ctx, last); err != nil {
				s.cfg.Log.Error("the event file cannot be opened again; searches do without it", "file", last.path, "error", err)
			}
		}
	}
	return f, nil
}

// create makes a day file with the marks of the one before, in one
// transaction, so that a file has all marks or does not count (attachFound).
func (s *Store) create(ctx context.Context, f, last *dayFile) error {
	if err := s.attach(ctx, f, ", STORAGE_VERSION 'v1.2.0'"); err != nil { // the first with zstd
		return err
	}
	carry := ""
	if last != nil {
		carry = fmt.Sprintf("INSERT INTO %s.marks SELECT part, epoch, max(seq) FROM %s.marks GROUP BY part, epoch;", f.alias, last.alias)
	}
	err := s.transaction(ctx, fmt.Sprintf(schema, f.alias)+carry)
	if err == nil {
		err = s.measure(ctx, f)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("event store: make %s: %w", f.path, err), s.remove(context.WithoutCancel(ctx), f))
	}
	return nil
}

func (s *Store) transaction(ctx context.Context, statements string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// remove detaches a file and deletes it.
func (s *Store) remove(ctx context.Context, f *dayFile) error {
	if _, err := s.db.ExecContext(ctx, "DETACH DATABASE IF EXISTS "+f.alias); err != nil {
		return fmt.Errorf("event store: detach %s: %w", f.path, err)
	}
	for _, path := range []string{f.path, f.path + ".wal"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("event store: %w", err)
		}
	}
	return nil
}

// Retain implements event.Store: it drops the files of days that ended before
// olderThan, except the newest file.
func (s *Store) Retain(ctx context.Context, olderThan time.Time) (int, error) {
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	limit := olderThan.UTC().Format(dayLayout)
	dropped := 0
	for len(s.files) > 1 && s.files[0].day < limit {
		if err := s.remove(ctx, s.files[0]); err != nil {
			return dropped, err
		}
		s.files = s.files[1:]
		dropped++
	}
	return dropped, nil
}
