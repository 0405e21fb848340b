package bench

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/decide/query"
)

// searcher asks the store once a second while events come in, as people with a
// dashboard do. It is still unless Options.Full is set.
type searcher struct {
	o    Options
	p    *plane
	stop chan struct{}
	wg   sync.WaitGroup
	took []time.Duration
	errs int
}

// Searches says how fast the store answered meanwhile.
type Searches struct {
	Asked, Failed int
	Median, Worst time.Duration
}

func newSearcher(o Options, p *plane) *searcher {
	return &searcher{o: o, p: p, stop: make(chan struct{})}
}

func (s *searcher) start(ctx context.Context) {
	if !s.o.Full {
		return
	}
	s.wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.ask(ctx)
			case <-s.stop:
				return
			}
		}
	})
}

func (s *searcher) ask(ctx context.Context) {
	began := time.Now()
	_, err := s.p.store.Histogram(ctx, query.Query{}, began.Add(-time.Hour), began, time.Minute, query.FieldSeverity)
	if err == nil {
		_, _, err = s.p.store.Search(ctx, query.MustParse("severity:>=medium since:1h"), 100, "")
	}
	if err != nil {
		s.errs++
		return
	}
	s.took = append(s.took, time.Since(began))
}

func (s *searcher) end() Searches {
	close(s.stop)
	s.wg.Wait()
	r := Searches{Asked: len(s.took) + s.errs, Failed: s.errs}
	if len(s.took) > 0 {
		slices.Sort(s.took)
		r.Median, r.Worst = s.took[len(s.took)/2], s.took[len(s.took)-1]
	}
	return r
}
