package reputation

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

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
	"github.com/masugata/masugata/internal/link/identity"
)

// replica makes a Service a look-up node: it knows what the newest signed
// snapshot says, and nothing else. It keeps the last good one on disk.
type replica struct {
	s      *Service
	cfg    ReplicaConfig
	key    identity.PublicKey
	client *http.Client
	parts  partFolder
	limits snapshot.Limits
	// follows: an instance of the whole service takes in what another one of
	// them fetched; what is its own stays.
	follows bool
	file    os.FileInfo // of the file that was read last

	applied map[string]string // by source: the digest of the part that the ledger holds; guarded by Service.work

	mu       sync.Mutex // guards what follows
	now      signedManifest
	held     uint64 // the highest version ever taken
	expires  time.Time
	asked    time.Time // when it was last known to be the newest
	failures int       // since then
	problem  string
	refused  prometheus.Counter
}

// OpenReplica opens a look-up node in a folder, with the snapshot that it kept;
// Run fetches newer ones. It takes no feeds and no lists of its own. Metrics go
// to reg.
func OpenReplica(cfg Config, dir string, log *slog.Logger, now func() time.Time, reg prometheus.Registerer) (*Service, error) {
	d, copies, err := openFolders(dir)
	if err != nil {
		return nil, err
	}
	if cfg.Replica.From == "" {
		return nil, errors.New("reputation.replica.from: want the control plane, or the file, that snapshots come from")
	}
	cfg.Neighbours = false // they come with the snapshot
	s := &Service{cfg: cfg, dir: d, copies: copies, log: log, now: now, client: fetch.NewClient(), own: &ownThings{},
		ledger:  ledger.New(ledger.Config{MaxObjects: cfg.MaxObjects, MaxBytes: cfg.MaxObjects * bytesPerObject}),
		changed: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		feeds: map[string]*feedState{}, entries: map[string]rest.ReputationEntry{}}
	most := int64(cfg.Replica.MaxMB) << 20
	r := &replica{s: s, cfg: cfg.Replica, applied: map[string]string{}, limits: snapshot.Limits{Entries: 4 * cfg.MaxObjects, Packed: most, Size: unpackedTimes * most}}
	if r.key, err = identity.ParsePublicKey(cfg.Replica.Key); err != nil {
		return nil, fmt.Errorf("reputation.replica.key: %w", err)
	}
	if r.client, err = cfg.Replica.client(); err != nil {
		return nil, err
	}
	if r.parts, err = openParts(filepath.Join(dir, "replica")); err != nil {
		return nil, err
	}
	s.replica = r
	if err := s.rebuild(); err != nil {
		return nil, err
	}
	return s, r.register(reg)
}

// unpackedTimes bounds how much larger parts may be unpacked.
const unpackedTimes = 8

// start takes in the snapshot that was kept.
func (r *replica) start(ctx context.Context) {
	r.mu.Lock()
	r.held = r.heldVersion()
	r.mu.Unlock()
	payload, minisig, err := r.parts.kept()
	if err == nil && payload != nil {
		// Past its life it still answers; health and metrics say so.
		err = r.take(ctx, payload, minisig, r.above(), time.Time{}, noParts)
	}
	if err != nil {
		r.s.log.Error("the snapshot that was kept cannot be used; it is fetched anew", "error", err)
		r.mu.Lock()
		r.problem = err.Error()
		r.mu.Unlock()
	}
}

func noParts(context.Context, *snapshot.Manifest) error { return nil }

// run takes in the kept snapshot, then asks for newer ones until ctx ends.
func (r *replica) run(ctx context.Context) {
	r.start(ctx)
	for {
		r.ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.pause()):
		}
	}
}

// pause is longer after failures, up to ten times.
func (r *replica) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cfg.Every * time.Duration(1+min(r.failures, 9))
}

// ask asks for a newer snapshot once and notes what came of it.
func (r *replica) ask(ctx context.Context) {
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
		r.asked, r.failures, r.problem = r.s.now(), 0, ""
		return
	}
	text := fetch.PlainError(err)
	if r.failures++; text != r.problem {
		r.s.log.Warn("no newer snapshot taken; the one before holds", "error", text, "version", r.now.version)
	}
	r.problem = text
	r.refused.Inc()
}

// take verifies a manifest, has the missing parts fetched, and puts what it
// says into force. held is the version that it must be above.
func (r *replica) take(ctx context.Context, payload []byte, minisig string, held uint64, now time.Time, missing func(context.Context, *snapshot.Manifest) error) error {
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
	r.now = signedManifest{Manifest: *m, payload: payload, minisig: minisig, version: info.Version, issued: info.Issued}
	r.held, r.expires = max(r.held, info.Version), info.Expires
	r.mu.Unlock()
	entries, _, _ := m.Totals()
	r.s.log.Info("snapshot taken", "version", info.Version, "sources", len(m.Sources), "entries", entries, "issued", info.Issued)
	return r.save(payload, minisig, m, info.Version)
}

// save keeps the snapshot, and its version beside it: should the copy be lost,
// an older one is refused all the same.
func (r *replica) save(payload []byte, minisig string, m *snapshot.Manifest, version uint64) error {
	if err := identity.WriteFile(filepath.Join(string(r.parts), versionFile), strconv.AppendUint(nil, version, 10)); err != nil {
		return err
	}
	if err := r.parts.keep(payload, minisig); err != nil {
		return err
	}
	return r.parts.drop(m)
}

func (r *replica) heldVersion() uint64 {
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

// given is the snapshot in force.
func (r *replica) given() signedManifest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// above is the version that a snapshot must be above.
func (r *replica) above() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now.version == 0 && r.held > 0 {
		return r.held - 1 // the copy was lost: the same one will do
	}
	return r.held
}

// Healthy says what is wrong with a look-up node; nil when nothing is, and for a
// Service that is none.
func (s *Service) Healthy(context.Context) error {
	r := s.replica
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now, last := s.now(), r.asked
	if last.IsZero() {
		last = r.now.issued
	}
	switch {
	case r.now.version == 0:
		return errors.New("no snapshot yet: " + cmp.Or(r.problem, "it is being fetched"))
	case !now.Before(r.expires):
		return fmt.Errorf("the snapshot's life ended at %s: %s", r.expires.UTC().Format(time.RFC3339), cmp.Or(r.problem, "a newer one is being fetched"))
	case r.failures > 0 && now.Sub(last) > r.cfg.MaxAge:
		return fmt.Errorf("no newer snapshot from %s for %v: %s", r.cfg.From, now.Sub(last).Round(time.Second), r.problem)
	}
	return nil
}

// register makes the node's metrics.
func (r *replica) register(reg prometheus.Registerer) error {
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
			return r.s.now().Sub(*t).Seconds()
		}
	}
	for _, c := range []prometheus.Collector{r.refused,
		gauge("version", "Version of the snapshot in force; 0: none.", func() float64 { return float64(r.now.version) }),
		gauge("age_seconds", "Time since the snapshot in force was signed; -1: none.", since(&r.now.issued)),
		gauge("asked_seconds", "Time since it was last known to be the newest; -1: not since the start.", since(&r.asked)),
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// showSources tells of the sources of a snapshot as feeds. The caller holds
// work.
func (r *replica) showSources(m *snapshot.Manifest) {
	if r.follows {
		r.showFollowed(m)
		return
	}
	feeds := make(map[string]*feedState, len(m.Sources))
	for i := range m.Sources {
		src := &m.Sources[i]
		if src.List != "" {
			continue
		}
		feeds[src.Name] = &feedState{Feed: Feed{Name: src.Name, Owner: src.Owner}, upload: true,
			view: rest.ReputationFeed{Name: src.Name, Owner: src.Owner, Place: "snapshot", Licence: src.Licence, Trust: src.Trust, Kind: src.Kind,
				State: stateOK, Entries: src.Entries, Read: src.Entries, Good: time.Unix(int64(src.Imported), 0).UTC(), Refusals: []rest.ReputationRefusal{}}}
	}
	r.s.state.Lock()
	defer r.s.state.Unlock()
	for name, fs := range feeds {
		if old := r.s.feeds[name]; old != nil {
			fs.view.Hits = old.view.Hits
		}
	}
	r.s.feeds = feeds
}

// showEntry notes an entry of the operator's lists, for people.
func showEntry(entries map[string]rest.ReputationEntry, list string, c *intel.Claim) {
	if text := c.Object.String(); len(entries) < maxListed {
		entries[text] = rest.ReputationEntry{Object: text, List: list, Note: c.Note, Time: time.Unix(int64(c.First), 0).UTC()}
	}
}
