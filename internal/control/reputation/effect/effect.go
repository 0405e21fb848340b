// Package effect follows what the listing does to the devices: hits by source and
// day, people's reports of false alarms, and devices that spoke with something
// before it was listed. It does not know what is listed, nor where contacts are
// kept: internal/control/reputation, which calls it, hands it both.
package effect

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/control/reputation/keep"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/model"
)

const (
	// metQueued is how many hits and contacts may wait to be counted; more are
	// dropped and counted as lost.
	metQueued = 16384
	// effectSaved is how often the counts go to disk.
	effectSaved = time.Minute
)

// Knowledge is what the service knows now.
type Knowledge interface {
	// Explain says what is known of an object, with the reasons.
	Explain(intel.Object) intel.Verdict
	// Index gives the index in force, and whether ports of hosts are listed in
	// it; ready is false while the service still takes in what it knew.
	Index() (x *index.Index, ports, ready bool)
	// Sources are those of what is known.
	Sources() []intel.Source
}

// Watch follows what reputation does to the devices' traffic: hits by source,
// reports of false alarms, and devices that spoke with what was listed later.
// Its methods are safe for concurrent use. Make it with Open.
type Watch struct {
	known Knowledge
	dir   keep.Folder
	log   *slog.Logger
	now   func() time.Time
	queue chan *model.Event
	lost  atomic.Uint64
	back  *lookBack // nil: there is no history

	mu      sync.Mutex // guards what follows
	days    []*dayHits // the oldest first, at most keptDays
	written *dayHits   // of them, the one that is counted now
	dirty   bool       // its counts are not on disk
	reports reportBook
}

// History is where the service learns what devices did lately.
type History interface {
	// Contacts gives the contacts that ended between from and to, those with
	// most flows first and at most most of them. yield must not keep what it
	// is given.
	Contacts(ctx context.Context, from, to time.Time, most int, yield func(*Contact)) error
}

// Follow has it look at what devices did and tell of those that spoke with what
// is listed since: call it once, before Run. least is the least score that
// counts, by policy, 0 for the default; tell takes the events. Neither may wait.
func (f *Watch) Follow(h History, least func() uint8, tell func(*model.Event)) {
	f.back = newLookBack(f, h, tell)
	f.back.least = func() uint8 { return cmp.Or(least(), intel.DefaultBlock) }
}

// Followed gives what Follow was given: the history, nil when there is none, and
// the least score that counts now.
func (f *Watch) Followed() (h History, least uint8) {
	if f.back == nil {
		return nil, 0
	}
	return f.back.history, f.back.least()
}

// Open reads from dir what was counted and reported before. Reports that cannot
// be read are an error.
func Open(known Knowledge, dir keep.Folder, log *slog.Logger, now func() time.Time) (*Watch, error) {
	f := &Watch{known: known, dir: dir, log: log, now: now, queue: make(chan *model.Event, metQueued)}
	f.loadHits()
	return f, f.reports.load(dir)
}

// Renewed says that there is a new index. It never waits.
func (f *Watch) Renewed() {
	if f.back != nil {
		f.back.notice()
	}
}

// Take hands on events, of which those that count are counted. It never waits.
func (f *Watch) Take(events []*model.Event) {
	for _, e := range events {
		switch e.Kind {
		case model.KindListedSeen, model.KindListedBlocked:
		case model.KindContact:
			if f.back == nil {
				continue
			}
		default:
			continue
		}
		select {
		case f.queue <- e:
		default:
			if f.lost.Add(1)%10_000 == 1 {
				f.log.Warn("hits and contacts come faster than they are counted; some are dropped", "total", f.lost.Load())
			}
		}
	}
}

// Run counts until ctx ends.
func (f *Watch) Run(ctx context.Context) {
	if f.back != nil {
		f.back.begin(ctx)
	}
	every := time.NewTicker(effectSaved)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			f.save()
			return
		case e := <-f.queue:
			f.count(e)
		case <-f.back.renewed():
			f.back.look()
		case <-every.C:
			f.save()
		}
	}
}

func (f *Watch) count(e *model.Event) {
	if e.Kind == model.KindContact {
		f.back.contact(e)
		return
	}
	o, ok := matched(e)
	if !ok {
		return
	}
	f.hit(o, e)
	if f.back != nil {
		f.back.knows(e.Device, o)
	}
}

func (f *Watch) save() {
	f.mu.Lock()
	f.writeDay()
	f.mu.Unlock()
	if f.back != nil {
		f.back.save()
	}
}
