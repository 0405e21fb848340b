package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// Config says where the state is kept.
type Config struct {
	// URL is "sqlite:PATH" or a PostgreSQL URL (postgres://…).
	URL string
	Log *slog.Logger
	// Now gives the time; nil means time.Now.
	Now func() time.Time
}

// Store is the state store. Safe for concurrent use.
type Store struct {
	write, read *sql.DB // the same for PostgreSQL
	postgres    bool
	now         func() time.Time
	log         *slog.Logger
	hashing     chan struct{} // bounds password hashing, 19 MiB each
	decoy       string        // what unknown users' passwords are compared with
}

// Open opens or makes the store and brings its tables to this version.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{now: c.Now, log: c.Log, hashing: make(chan struct{}, 2), decoy: decoyHash()}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.connect(c.URL); err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("state store: bring the tables to this version: %w", err), s.Close())
	}
	return s, nil
}

func (s *Store) connect(at string) (err error) {
	path, lite := strings.CutPrefix(at, "sqlite:")
	switch {
	case lite && path != "":
		return s.connectSQLite(path)
	case strings.HasPrefix(at, "postgres://"), strings.HasPrefix(at, "postgresql://"):
		s.postgres = true
		if s.write, err = sql.Open("pgx", at); err != nil {
			return fmt.Errorf("state store: open PostgreSQL: %w", err)
		}
		s.write.SetMaxOpenConns(8)
		s.read = s.write
		return nil
	}
	// The URL may hold a password, so it is not repeated here.
	return errors.New("state store: the URL must begin with sqlite: (and a path) or postgres://")
}

// connectSQLite uses one connection for all writing, so that writers wait in
// line here and not in SQLite's busy loop, and some for reading beside it.
func (s *Store) connectSQLite(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("state store: %w", err)
	}
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("state store: make the file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("state store: %w", err)
	}
	open := func(conns int, more ...string) (*sql.DB, error) {
		q := url.Values{"_pragma": append([]string{
			"busy_timeout(10000)", "journal_mode(wal)", "synchronous(full)", "foreign_keys(1)",
		}, more...), "_txlock": {"immediate"}}
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String())
		if err != nil {
			return nil, fmt.Errorf("state store: open %s: %w", abs, err)
		}
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db, nil
	}
	if s.write, err = open(1); err != nil {
		return err
	}
	s.read, err = open(4, "query_only(1)")
	return err
}

// Close ends the use of the store; running calls end first.
func (s *Store) Close() error {
	err := s.write.Close()
	if s.read != s.write && s.read != nil {
		err = errors.Join(err, s.read.Close())
	}
	return err
}

// Ping says whether the store answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.write.PingContext(ctx); err != nil {
		return fmt.Errorf("state store does not answer: %w", err)
	}
	return nil
}

// Backup writes a consistent copy to path, which must not exist, while the
// store is in use. PostgreSQL answers errors.ErrUnsupported: use pg_dump.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.postgres {
		return fmt.Errorf("state store: back PostgreSQL up with pg_dump: %w", errors.ErrUnsupported)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("state store: backup to %s: %w; choose another name", path, os.ErrExist)
	}
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("state store: backup: %w", err)
	}
	// The copy holds password hashes: it is made empty with the right mode first.
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("state store: backup: %w", err)
	}
	defer f.Close()
	if _, err := s.write.ExecContext(ctx, "VACUUM INTO $1", part); err != nil {
		return fmt.Errorf("state store: backup to %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("state store: backup: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("state store: backup: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("state store: backup: %w", err)
	}
	defer d.Close()
	return d.Sync()
}

// db gives the queries for reading.
func (s *Store) db() *sqldb.Queries { return sqldb.New(s.read) }

// maxTries bounds how often a transaction is tried that others made void.
const maxTries = 20

// tx runs f in one serializable transaction: on SQLite writers wait in line;
// on PostgreSQL a transaction that would not be serial is tried again, so f
// must not have effects outside of it.
func (s *Store) tx(ctx context.Context, f func(*sqldb.Queries) error) error {
	for try := 1; ; try++ {
		err := s.tryTx(ctx, f)
		if err == nil || !lostRace(err) || try == maxTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(time.Duration(try) * 4 * time.Millisecond)): // not all at the same time
		}
	}
}

func (s *Store) tryTx(ctx context.Context, f func(*sqldb.Queries) error) error {
	var o sql.TxOptions
	if s.postgres {
		o.Isolation = sql.LevelSerializable
	}
	tx, err := s.write.BeginTx(ctx, &o)
	if err != nil {
		return fmt.Errorf("state store: begin: %w", err)
	}
	if err := f(sqldb.New(tx)); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("state store: commit: %w", err)
	}
	return nil
}

// ignoreDone: a transaction whose context ended is rolled back already.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// lostRace says whether PostgreSQL gave a transaction up for another's sake
// (serialization_failure, deadlock_detected).
func lostRace(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// wrap names the operation, and turns a missing row into model.ErrNotFound.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", what, model.ErrNotFound)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Counts gives the numbers of an overview.
func (s *Store) Counts(ctx context.Context) (model.Counts, error) {
	q := s.db()
	d, err1 := q.CountDevices(ctx)
	incidents, err2 := q.CountOpenIncidents(ctx)
	actions, err3 := q.CountLiveActions(ctx)
	stopped, err4 := q.SumStopped(ctx)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return model.Counts{}, wrap(err, "counts")
	}
	return model.Counts{
		Devices: int(d.Total), DevicesWithAgent: int(d.WithAgent),
		DevicesAttacking: int(d.Attacking), DevicesContained: int(d.Contained),
		IncidentsOpen: int(incidents), ActionsLive: int(actions),
		StoppedPackets: uint64(stopped.Packets), StoppedBytes: uint64(stopped.Bytes),
	}, nil
}
