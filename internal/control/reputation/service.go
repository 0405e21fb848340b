package reputation

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/effect"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/control/reputation/keep"
	"github.com/masugata/masugata/internal/control/reputation/replica"
	"github.com/masugata/masugata/internal/control/reputation/sharing"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/model"
)

// ownPrefix begins the names of sources that are not feeds.
const ownPrefix = "local-"

// Service is the running reputation service. Its methods are safe for
// concurrent use. Make it with Open.
type Service struct {
	cfg    Config
	dir    keep.Folder
	copies fetch.Copies // of feeds
	log    *slog.Logger
	now    func() time.Time
	client *http.Client

	work   sync.Mutex // held while something is imported: the ledger has one writer
	mu     turns      // guards ledger; taken after work
	ledger *ledger.Ledger
	ids    struct{ allow, deny, own intel.SourceID }

	own     *ownThings                            // the operator's
	sensors *sensors                              // nil: nobody watches
	seen    atomic.Pointer[map[intel.Object]bool] // by the sensors; never changed once stored
	effect  *effect.Watch                         // what it does to the devices' traffic
	// snapshots makes snapshots for look-up nodes; nil: none.
	snapshots *replica.Publisher
	replica   *replica.Node    // it is such a node itself; nil: no
	share     *share           // with other instances; nil: there are none
	sharing   *sharing.Shelves // nil: nothing is shared
	percent   atomic.Int64     // of garbage that a thrifty service lets lie; 0: it is none

	building sync.Mutex // held while an index is built
	table    atomic.Pointer[table]
	changed  chan struct{} // what is known has changed: a new index is due
	told     []func()      // called after each new index
	// restored is set once the last good copies are in: until then nobody is
	// told, lest gates be sent the little that is known so early.
	restored atomic.Bool

	state   sync.Mutex // guards what follows
	feeds   map[string]*feedState
	entries map[string]rest.ReputationEntry // by canonical text
	wake    chan struct{}                   // a feed was added

	lookups, hits atomic.Uint64
}

// table is an index with what was counted when it was made.
type table struct {
	*index.Index
	built          time.Time
	serial         uint32
	byType, byBand map[string]int
	sources        map[string]ledger.SourceStats
}

// feedState is a feed and how it stands.
type feedState struct {
	Feed
	upload   bool
	id       intel.SourceID
	fetching sync.Mutex // held while it is fetched; taken before Service.work
	failures int        // in a row; guarded by fetching
	imported time.Time  // when the ledger took the copy in force; guarded by Service.work
	// Guarded by Service.state.
	view rest.ReputationFeed
}

// Open opens the folder and takes in the operator's lists; feeds come with Run.
// now is the clock. Functions in told are called after each new index, from one
// goroutine at a time, and not before Run has taken in the kept copies.
func Open(cfg Config, dir string, log *slog.Logger, now func() time.Time, told ...func()) (*Service, error) {
	d, copies, err := openFolders(dir)
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, dir: d, copies: copies, log: log, now: now, client: fetch.NewClient(), told: told,
		ledger:  ledger.New(ledger.Config{MaxObjects: cfg.MaxObjects, MaxBytes: cfg.MaxObjects * bytesPerObject}),
		changed: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		feeds: map[string]*feedState{}, entries: map[string]rest.ReputationEntry{}}
	s.ids.own = s.ledger.Source(intel.Source{Name: ownPrefix + "own", Owner: "operator", Trust: 100, Kind: intel.KindBenign, Local: intel.LocalAllow})
	s.ids.allow = s.ledger.Source(intel.Source{Name: ownPrefix + "allow", Owner: "operator", Trust: 100, Kind: intel.KindBenign, Local: intel.LocalAllow})
	s.ids.deny = s.ledger.Source(intel.Source{Name: ownPrefix + "deny", Owner: "operator", Trust: 100, Kind: intel.KindSuspicious, Local: intel.LocalDeny})
	if s.own, err = newOwnThings(cfg.Own); err != nil {
		return nil, err
	}
	if s.sharing, err = sharing.Open(cfg.Sharing, d, s.own.has, log, now); err != nil {
		return nil, err
	}
	for i := range cfg.Feeds {
		s.addFeed(cfg.Feeds[i], false)
	}
	if err := s.loadUploads(); err != nil {
		return nil, err
	}
	if err := s.loadLists(); err != nil {
		return nil, err
	}
	if s.effect, err = effect.Open(knowledge{s}, d, log, now); err != nil {
		return nil, err
	}
	return s, s.rebuild()
}

// copiesFolder is the folder within the service's with the copies of feeds.
const copiesFolder = "feeds"

// openFolders opens the service's folder and the one with the copies of feeds.
func openFolders(dir string) (keep.Folder, fetch.Copies, error) {
	d, err := keep.Open(dir)
	if err != nil {
		return "", "", fmt.Errorf("reputation folder: %w", err)
	}
	copies, err := fetch.OpenCopies(d.Path(copiesFolder))
	if err != nil {
		return "", "", fmt.Errorf("reputation folder: %w", err)
	}
	return d, copies, nil
}

// bytesPerObject bounds the ledger's memory by the objects that it may hold.
const bytesPerObject = 160

func (s *Service) addFeed(f Feed, upload bool) *feedState {
	fs := &feedState{Feed: f, upload: upload}
	src := f.source()
	fs.id = s.ledger.Source(src)
	fs.view = rest.ReputationFeed{Name: f.Name, Owner: f.Owner, Format: f.Format, Place: withoutKeys(f.place().String()), Licence: f.Licence,
		Trust: uint8(f.Trust), Kind: src.Kind, State: stateWaiting, Interval: f.Interval.Seconds(), Refusals: []rest.ReputationRefusal{}}
	s.state.Lock()
	defer s.state.Unlock()
	s.feeds[f.Name] = fs
	return fs
}

// How a feed stands.
const (
	stateWaiting = "waiting"
	stateOK      = "ok"
	stateFailing = "failing"
	stateHeld    = "held"
)

// list gives the feeds, those that say what must not be listed first.
func (s *Service) list() []*feedState {
	s.state.Lock()
	defer s.state.Unlock()
	all := make([]*feedState, 0, len(s.feeds))
	for _, fs := range s.feeds {
		all = append(all, fs)
	}
	slices.SortFunc(all, func(a, b *feedState) int {
		if a.speaksFor() != b.speaksFor() {
			if a.speaksFor() {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return all
}

func (s *Service) feed(name string) (*feedState, error) {
	s.state.Lock()
	defer s.state.Unlock()
	fs := s.feeds[name]
	if fs == nil {
		return nil, fmt.Errorf("feed %q: %w", name, model.ErrNotFound)
	}
	return fs, nil
}

// seconds is the time in the form of package reputation.
func (s *Service) seconds() uint32 { return uint32(s.now().Unix()) }

// Each gives every object that is known with what is known of it, until yield
// says false. Imports wait meanwhile, so yield must not.
func (s *Service) Each(yield func(intel.Object, intel.Brief) bool) {
	s.mu.LongRLock()
	defer s.mu.LongRUnlock()
	s.ledger.Each(s.seconds(), yield)
}

// notice asks for a new index.
func (s *Service) notice() {
	select {
	case s.changed <- struct{}{}:
	default: // one is due already
	}
}

// rebuild makes a new index of what the ledger holds and swaps it in.
func (s *Service) rebuild() error {
	s.building.Lock()
	defer s.building.Unlock()
	defer s.tidy()()
	if s.cfg.Neighbours {
		if err := s.lookAround(); err != nil {
			s.log.Warn("neighbourhoods are not judged anew", "error", err)
		}
	}
	old := s.table.Load()
	t := &table{built: s.now().UTC(), serial: s.seconds(), byType: map[string]int{}, byBand: map[string]int{}}
	hint := 0
	if old != nil {
		hint = old.Size()
		t.serial = max(t.serial, old.serial+1)
	}
	var byType [intel.NumTypes]int
	var byBand [intel.BandCertain + 1]int
	x, err := s.newIndex(hint, func(typ intel.Type, brief intel.Brief) {
		byType[typ]++
		byBand[intel.BandOf(brief.Score)]++
	})
	if err != nil {
		return err
	}
	t.Index = x
	s.mu.LongRLock()
	stats := s.ledger.Stats()
	s.mu.LongRUnlock()
	t.sources = make(map[string]ledger.SourceStats, len(stats.Sources))
	for _, one := range stats.Sources {
		t.sources[one.Source.Name] = one
	}
	collapse(t.Index)
	for i, n := range byType {
		if n > 0 {
			t.byType[intel.Type(i).String()] = n
		}
	}
	for i, n := range byBand {
		t.byBand[intel.Band(i).String()] = n
	}
	s.table.Store(t)
	if s.restored.Load() {
		for _, tell := range s.told {
			tell()
		}
	}
	return nil
}

const (
	// settle is how long after an import others are waited for before a new
	// index is made.
	settle = time.Second
	// decayEvery is how often scores that age are looked at without an import.
	decayEvery = 10 * time.Minute
	// expireEvery is how often what has ended is dropped.
	expireEvery = time.Hour
)

// Run takes in the last good copies of the feeds, then fetches feeds on time
// until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var done sync.WaitGroup
	if s.replica != nil {
		done.Go(func() { s.replica.Run(ctx) })
	} else {
		s.restore(ctx)
		done.Go(func() { s.schedule(ctx) })
		if s.share != nil {
			done.Go(func() { s.share.run(ctx) })
		}
		done.Go(func() { s.effect.Run(ctx) })
	}
	if s.sensors != nil {
		done.Go(func() { s.sensors.run(ctx) })
	}
	decay := time.NewTicker(decayEvery)
	defer decay.Stop()
	expire := time.NewTicker(expireEvery)
	defer expire.Stop()
	for {
		select {
		case <-ctx.Done():
			done.Wait()
			return
		case <-expire.C:
			s.work.Lock()
			s.mu.Lock()
			s.ledger.Expire(s.seconds())
			s.mu.Unlock()
			s.work.Unlock()
			s.notice()
			continue
		case <-s.changed:
			select {
			case <-ctx.Done():
			case <-time.After(settle):
			}
		case <-decay.C:
		}
		if err := s.rebuild(); err != nil {
			s.log.Error("reputation index; the former one holds", "error", err)
		}
	}
}

// Sharing gives what other fleets may read; nil when nothing is shared.
func (s *Service) Sharing() rest.Sharing {
	if s.sharing == nil {
		return nil
	}
	return s.sharing
}
