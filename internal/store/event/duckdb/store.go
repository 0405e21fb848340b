// Package duckdb keeps events in DuckDB files, one for each day of storing
// (UTC), within the process. Files are only appended to; forgetting old events
// is removing whole files. It knows the files, the columns and DuckDB's SQL;
// the control role opens it.
//
// Every block is one transaction in the newest file: its events and its marks
// are there together or not at all, also when the process or the machine dies.
// When a day begins, all marks are carried over into the new file, so the
// newest file alone tells what was stored.
package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	driver "github.com/duckdb/duckdb-go/v2"

	"github.com/masugata/masugata/internal/store/event"
)

// Config says where and how the store keeps its files.
type Config struct {
	Dir string // folder of the store; made when missing; one process at a time
	// MemoryLimit bounds DuckDB's memory in bytes; default 1 GiB, at least 128 MiB.
	MemoryLimit int64
	Threads     int              // of queries; default: the number of CPUs
	Now         func() time.Time // default time.Now; decides the day of a file and relative times in queries
	Log         *slog.Logger
}

// Store implements event.Store.
type Store struct {
	cfg   Config
	db    *sql.DB
	write sync.Mutex // held by Append and Retain
	out   *writer

	markRows uint64 // maxMarkRows, or less in tests

	mu     sync.RWMutex // files; held for reading while a query runs
	files  []*dayFile   // oldest first; the last one is written to
	closed bool
}

var _ event.Store = (*Store)(nil)

// mainFile is what DuckDB calls the main database; it stays empty, the day
// files are attached to it.
const mainFile = "main.duckdb"

// Open opens the store and finishes what a killed process left.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Dir == "" || cfg.Log == nil {
		return nil, errors.New("event store: open: Dir and Log must be set")
	}
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("event store: %w", err)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("event store: %s: %w", cfg.Dir, err)
	}
	if strings.ContainsAny(dir, "?%#'") {
		return nil, fmt.Errorf("event store: %s: the path must not contain ? %% # or '", dir)
	}
	cfg.Dir = dir
	s := &Store{cfg: cfg, markRows: maxMarkRows}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.MemoryLimit == 0 {
		c.MemoryLimit = 1 << 30
	}
	c.MemoryLimit = max(c.MemoryLimit, 128<<20)
	if c.Threads == 0 {
		c.Threads = runtime.NumCPU()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (s *Store) open(ctx context.Context) error {
	path := filepath.Join(s.cfg.Dir, mainFile)
	own, err := driver.NewConnector(path, nil)
	if err != nil {
		return fmt.Errorf("event store: %s: %w", path, err)
	}
	s.db = sql.OpenDB(connector{own})
	s.db.SetMaxIdleConns(8)
	if err := s.configure(ctx); err != nil {
		return err
	}
	if err := s.attachAll(ctx); err != nil {
		return err
	}
	if s.out, err = newWriter(path); err != nil {
		return err
	}
	_, err = s.current(ctx)
	return err
}

func (s *Store) configure(ctx context.Context) error {
	for _, set := range []string{
		fmt.Sprintf("SET memory_limit = '%dMiB'", s.cfg.MemoryLimit>>20),
		fmt.Sprintf("SET threads = %d", s.cfg.Threads),
		fmt.Sprintf("SET temp_directory = '%s'", filepath.Join(s.cfg.Dir, "tmp")),
		"SET preserve_insertion_order = false",
		"SET autoinstall_known_extensions = false",
		"SET checkpoint_threshold = '64MiB'",
		// A block is a row group and a little more. Joining the little ones at
		// every checkpoint would write everything twice.
		"SET max_vacuum_tasks = 0",
	} {
		if _, err := s.db.ExecContext(ctx, set); err != nil {
			return fmt.Errorf("event store: %s: %w", set, err)
		}
	}
	return nil
}

// Close implements event.Store. A block that is being appended is finished
// first.
func (s *Store) Close() error {
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.out != nil {
		s.out.close()
	}
	if s.db == nil {
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("event store: close: %w", err)
	}
	return nil
}

var errClosed = errors.New("event store: closed")
