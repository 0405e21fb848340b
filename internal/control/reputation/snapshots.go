package reputation

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/control/reputation/replica"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/link/identity"
)

// OpenReplica opens a look-up node in a folder, with the snapshot that it kept;
// Run fetches newer ones. It takes no feeds and no lists of its own. Metrics go
// to reg.
func OpenReplica(cfg Config, dir string, log *slog.Logger, now func() time.Time, reg prometheus.Registerer) (*Service, error) {
	d, copies, err := openFolders(dir)
	if err != nil {
		return nil, err
	}
	cfg.Neighbours = false // they come with the snapshot
	s := &Service{cfg: cfg, dir: d, copies: copies, log: log, now: now, client: fetch.NewClient(), own: &ownThings{},
		ledger:  ledger.New(ledger.Config{MaxObjects: cfg.MaxObjects, MaxBytes: cfg.MaxObjects * bytesPerObject}),
		changed: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		feeds: map[string]*feedState{}, entries: map[string]rest.ReputationEntry{}}
	to := &applier{s: s, applied: map[string]string{}}
	if s.replica, err = replica.Open(cfg.Replica, cfg.MaxObjects, d.Path("replica"), log, now, reg, to.apply); err != nil {
		return nil, err
	}
	to.parts = s.replica.Parts()
	return s, s.rebuild()
}

// Healthy says what is wrong with a look-up node; nil when nothing is, and for a
// Service that is none.
func (s *Service) Healthy(context.Context) error {
	if s.replica == nil {
		return nil
	}
	return s.replica.Healthy()
}

// Publish has the service give signed snapshots to look-up nodes. Call it
// before Run. The folder is below the service's own.
func (s *Service) Publish(signer *identity.Signer) (err error) {
	s.snapshots, err = replica.NewPublisher(knowledge{s}, s.dir.Path("snapshot"), signer, s.log, s.now)
	return err
}

var errNoSnapshots = fmt.Errorf("this service gives no snapshots: %w", errConflict)

// Snapshot implements the console's ReputationSnapshots.
func (s *Service) Snapshot(ctx context.Context, above uint64) (rest.ReputationSnapshot, error) {
	var m replica.Signed
	var key string
	switch {
	case s.replica != nil: // it hands on what it was given
		m, key = s.replica.Given(), s.replica.Key()
		if m.Version == 0 {
			return rest.ReputationSnapshot{}, fmt.Errorf("this look-up node has no snapshot yet: %w", errConflict)
		}
	case s.snapshots == nil:
		return rest.ReputationSnapshot{}, errNoSnapshots
	default:
		var err error
		if m, err = s.snapshots.Current(ctx); err != nil {
			return rest.ReputationSnapshot{}, err
		}
		key = s.snapshots.Key()
	}
	entries, packed, _ := m.Totals()
	out := rest.ReputationSnapshot{Version: m.Version, Key: key, Entries: entries, Bytes: packed, Issued: m.Issued}
	if m.Version > above {
		out.Manifest, out.Minisig = string(m.Payload), m.Minisig
	}
	return out, nil
}

// SnapshotPart implements the console's ReputationSnapshots.
func (s *Service) SnapshotPart(_ context.Context, sha string) (io.ReadCloser, int64, error) {
	var dir replica.Parts
	switch {
	case s.replica != nil:
		dir = s.replica.Parts()
	case s.snapshots != nil:
		dir = s.snapshots.Parts()
	default:
		return nil, 0, errNoSnapshots
	}
	f, err := dir.Open(sha)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}
