package reputation

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

const (
	// metQueued is how many hits and contacts may wait to be counted; more are
	// dropped and counted as lost.
	metQueued = 16384
	// effectSaved is how often the counts go to disk.
	effectSaved = time.Minute
)

// effect follows what reputation does to the devices' traffic: hits by source,
// reports of false alarms, and devices that spoke with what was listed later.
type effect struct {
	s     *Service
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

// Follow has the service look at what devices did, for what-if questions and to
// tell of devices that spoke with what is listed since: call it once, before
// Run. least is the least score that counts, by policy, 0 for the default; tell
// takes the events. Neither may wait.
func (s *Service) Follow(h History, least func() uint8, tell func(*model.Event)) {
	s.effect.back = newLookBack(s, h, tell)
	s.effect.back.least = func() uint8 { return cmp.Or(least(), intel.DefaultBlock) }
}

func openEffect(s *Service) (*effect, error) {
	f := &effect{s: s, queue: make(chan *model.Event, metQueued)}
	f.loadHits()
	return f, f.reports.load(s.dir)
}

// take hands on what is counted. It never waits.
func (f *effect) take(events []*model.Event) {
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
				f.s.log.Warn("hits and contacts come faster than they are counted; some are dropped", "total", f.lost.Load())
			}
		}
	}
}

// run counts until ctx ends.
func (f *effect) run(ctx context.Context) {
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

func (f *effect) count(e *model.Event) {
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

func (f *effect) save() {
	f.mu.Lock()
	f.writeDay()
	f.mu.Unlock()
	if f.back != nil {
		f.back.save()
	}
}
