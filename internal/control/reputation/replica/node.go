package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
	"github.com/masugata/masugata/internal/link/identity"
)

// Node is what a look-up node does to have the newest signed snapshot in force.
// It keeps the last good one on disk. Its methods are safe for concurrent use,
// but for Start, Ask and Run, which are for one goroutine. Make it with Open.
type Node struct {
	cfg    Config
	log    *slog.Logger
	clock  func() time.Time
	apply  func(context.Context, *snapshot.Manifest) error
	key    identity.PublicKey
	client *http.Client
	parts  Parts
	limits snapshot.Limits
	file   os.FileInfo // of the file that was read last

	mu       sync.Mutex // guards what follows
	now      Signed
	held     uint64 // the highest version ever taken
	expires  time.Time
	asked    time.Time // when it was last known to be the newest
	failures int       // since then
	problem  string
	refused  prometheus.Counter
}

// Open opens a look-up node in a folder; maxObjects bounds what snapshots may
// hold. apply puts a snapshot whose parts are all there into force, all of it or
// nothing. Metrics go to reg.
func Open(cfg Config, maxObjects int, dir string, log *slog.Logger, now func() time.Time, reg prometheus.Registerer, apply func(context.Context, *snapshot.Manifest) error) (*Node, error) {
	if cfg.From == "" {
		return nil, errors.New("reputation.replica.from: want the control plane, or the file, that snapshots come from")
	}
	r := &Node{cfg: cfg, log: log, clock: now, apply: apply, limits: Limits(maxObjects, cfg.MaxMB)}
	var err error
	if r.key, err = identity.ParsePublicKey(cfg.Key); err != nil {
		return nil, fmt.Errorf("reputation.replica.key: %w", err)
	}
	if r.client, err = cfg.client(); err != nil {
		return nil, err
	}
	if r.parts, err = OpenParts(dir); err != nil {
		return nil, err
	}
	return r, r.register(reg)
}

// Parts gives the folder with the parts of the snapshots.
func (r *Node) Parts() Parts { return r.parts }

// Key is the public key that signs the snapshots.
func (r *Node) Key() string { return r.key.String() }

// Status is how a node stands.
type Status struct {
	Version  uint64 // of the snapshot in force; 0: none
	Failures int    // since a snapshot was last known to be the newest
	Problem  string // of the last of them
}

// Status tells how the node stands.
func (r *Node) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Status{Version: r.now.Version, Failures: r.failures, Problem: r.problem}
}

// Start takes in the snapshot that was kept.
func (r *Node) Start(ctx context.Context) {
	r.mu.Lock()
	r.held = r.heldVersion()
	r.mu.Unlock()
	payload, minisig, err := r.parts.kept()
	if err == nil && payload != nil {
		// Past its life it still answers; health and metrics say so.
		err = r.take(ctx, payload, minisig, r.above(), time.Time{}, noParts)
	}
	if err != nil {
		r.log.Error("the snapshot that was kept cannot be used; it is fetched anew", "error", err)
		r.mu.Lock()
		r.problem = err.Error()
		r.mu.Unlock()
	}
}

func noParts(context.Context, *snapshot.Manifest) error { return nil }

// Run takes in the kept snapshot, then asks for newer ones until ctx ends.
func (r *Node) Run(ctx context.Context) {
	r.Start(ctx)
	for {
		r.Ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.pause()):
		}
	}
}

// pause is longer after failures, up to ten times.
func (r *Node) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cfg.Every * time.Duration(1+min(r.failures, 9))
}

// Ask asks for a newer snapshot once and notes what came of it.
func (r *Node) Ask(ctx context.Context) {
	var err error
	if r.cfg.url() != nil {
		err = r.fetch(ctx)
	} else {
		err = r.readFile(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.asked, r.failures, r.problem = r.clock(), 0, ""
		return
	}
	text := fetch.PlainError(err)
	if r.failures++; text != r.problem {
		r.log.Warn("no newer snapshot taken; the one before holds", "error", text, "version", r.now.Version)
	}
	r.problem = text
	r.refused.Inc()
}

// take verifies a manifest, has the missing parts fetched, and puts what it
// says into force. held is the version that it must be above.
func (r *Node) take(ctx context.Context, payload []byte, minisig string, held uint64, now time.Time, missing func(context.Context, *snapshot.Manifest) error) error {
	info, err := identity.VerifySet(r.key, snapshot.Name, held, payload, minisig, now)
	if err != nil {
		return err
	}
	m, err := snapshot.Parse(payload, r.limits)
	if err != nil {
		return err
	}
	if err := missing(ctx, m); err != nil {
		return err
	}
	if err := r.apply(ctx, m); err != nil {
		return err
	}
	r.mu.Lock()
	r.now = Signed{Manifest: *m, Payload: payload, Minisig: minisig, Version: info.Version, Issued: info.Issued}
	r.held, r.expires = max(r.held, info.Version), info.Expires
	r.mu.Unlock()
	entries, _, _ := m.Totals()
	r.log.Info("snapshot taken", "version", info.Version, "sources", len(m.Sources), "entries", entries, "issued", info.Issued)
	return r.save(payload, minisig, m, info.Version)
}

// save keeps the snapshot, and its version beside it: should the copy be lost,
// an older one is refused all the same.
func (r *Node) save(payload []byte, minisig string, m *snapshot.Manifest, version uint64) error {
	if err := identity.WriteFile(filepath.Join(string(r.parts), versionFile), strconv.AppendUint(nil, version, 10)); err != nil {
		return err
	}
	if err := r.parts.keep(payload, minisig); err != nil {
		return err
	}
	return r.parts.Drop(m)
}

func (r *Node) heldVersion() uint64 {
	b, err := readBounded(filepath.Join(string(r.parts), versionFile), 32)
	if err != nil {
		return 0
	}
	v, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// Given is the snapshot in force.
func (r *Node) Given() Signed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// above is the version that a snapshot must be above.
func (r *Node) above() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now.Version == 0 && r.held > 0 {
		return r.held - 1 // the copy was lost: the same one will do
	}
	return r.held
}

// Healthy says what is wrong with the node; nil when nothing is.
func (r *Node) Healthy() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, last := r.clock(), r.asked
	if last.IsZero() {
		last = r.now.Issued
	}
	switch {
	case r.now.Version == 0:
		return errors.New("no snapshot yet: " + cmp.Or(r.problem, "it is being fetched"))
	case !now.Before(r.expires):
		return fmt.Errorf("the snapshot's life ended at %s: %s", r.expires.UTC().Format(time.RFC3339), cmp.Or(r.problem, "a newer one is being fetched"))
	case r.failures > 0 && now.Sub(last) > r.cfg.MaxAge:
		return fmt.Errorf("no newer snapshot from %s for %v: %s", r.cfg.From, now.Sub(last).Round(time.Second), r.problem)
	}
	return nil
}

// register makes the node's metrics.
func (r *Node) register(reg prometheus.Registerer) error {
	r.refused = prometheus.NewCounter(prometheus.CounterOpts{Name: "masugata_reputation_snapshot_failures_total",
		Help: "Times that no newer snapshot could be fetched or that one was refused."})
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "masugata_reputation_snapshot_" + name, Help: help}, func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return value()
		})
	}
	since := func(t *time.Time) func() float64 {
		return func() float64 {
			if t.IsZero() {
				return -1
			}
			return r.clock().Sub(*t).Seconds()
		}
	}
	for _, c := range []prometheus.Collector{r.refused,
		gauge("version", "Version of the snapshot in force; 0: none.", func() float64 { return float64(r.now.Version) }),
		gauge("age_seconds", "Time since the snapshot in force was signed; -1: none.", since(&r.now.Issued)),
		gauge("asked_seconds", "Time since it was last known to be the newest; -1: not since the start.", since(&r.asked)),
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}
