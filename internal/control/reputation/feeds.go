package reputation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
)

// restore imports the last good copies, so that what was known before a restart
// is known again without the network.
func (s *Service) restore(ctx context.Context) {
	for _, fs := range s.list() {
		if ctx.Err() != nil {
			return
		}
		s.work.Lock()
		if err := s.reimport(ctx, fs); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.log.Error("the last copy of a feed cannot be read; it is fetched anew", "feed", fs.Name, "error", err)
			s.copies.Remove(fs.Name, fetch.Good)
			if fs.upload {
				s.show(fs, func(v *feedView) { v.State, v.Problem = stateFailing, err.Error() })
			}
		}
		if held := s.copies.Last(fs.Name, fetch.Held); held.SHA256 != "" {
			s.show(fs, func(v *feedView) { v.hold(&rest.ReputationDoubt{Code: doubtBefore}) })
		}
		s.work.Unlock()
	}
	s.restored.Store(true)
	if err := s.rebuild(); err != nil {
		s.log.Error("reputation index", "error", err)
	}
}

// reimport takes in the good copy of a feed. The caller holds work.
func (s *Service) reimport(ctx context.Context, fs *feedState) error {
	in, err := s.stage(ctx, &fs.Feed, fs.id, s.copies.Path(fs.Name, fetch.Good))
	if err != nil {
		return err
	}
	in.commit()
	fs.imported = s.now()
	s.took(fs, in, s.copies.Last(fs.Name, fetch.Good).Time)
	return nil
}

// took shows a copy that is in force now.
func (s *Service) took(fs *feedState, in *intake, good time.Time) {
	s.show(fs, func(v *feedView) {
		v.State, v.Problem, v.Good = stateOK, "", good.UTC()
		v.count(&in.taken)
	})
	s.notice()
}

// show changes what is told of a feed.
func (s *Service) show(fs *feedState, change func(*feedView)) {
	s.state.Lock()
	defer s.state.Unlock()
	v := feedView{&fs.view}
	change(&v)
	if v.State != stateHeld {
		v.Why = nil
	}
}

// fetchesAtOnce is how many feeds are fetched at a time: one that is slow must
// not keep the others waiting.
const fetchesAtOnce = 4

// schedule fetches each feed when its time has come.
func (s *Service) schedule(ctx context.Context) {
	for {
		room := make(chan struct{}, fetchesAtOnce)
		var under sync.WaitGroup
		for _, fs := range s.list() {
			if fs.upload || !s.mayFetch() || s.due(fs).After(s.now()) {
				continue
			}
			room <- struct{}{}
			under.Go(func() {
				defer func() { <-room }()
				if _, err := s.FetchFeed(ctx, fs.Name); err != nil && ctx.Err() == nil {
					s.log.Warn("feed not taken; what it said before holds", "feed", fs.Name, "error", err)
				}
			})
		}
		under.Wait()
		next := s.now().Add(time.Hour)
		for _, fs := range s.list() {
			if at := s.due(fs); !fs.upload && s.mayFetch() && at.Before(next) {
				next = at
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-time.After(max(next.Sub(s.now()), time.Second)):
		}
	}
}

// due is when a feed is fetched next.
func (s *Service) due(fs *feedState) time.Time {
	s.state.Lock()
	defer s.state.Unlock()
	return fs.view.Next
}

// after says when a feed is fetched again: its interval, up to a tenth less or
// more so that not all ask at once, sooner after a failure.
func (fs *feedState) after() time.Duration {
	d := fs.Interval
	if fs.failures > 0 {
		d = min(d, time.Minute<<min(fs.failures, 8))
	}
	return d - d/10 + rand.N(d/5+1)
}

// reimportAfter is how old an import gets before an unchanged feed is taken in
// again: what it still lists is as fresh as what it lists newly.
const reimportAfter = 12 * time.Hour

// FetchFeed implements the console's ReputationFeeds. The error says why the
// feed was not taken; it is in the feed's state too.
func (s *Service) FetchFeed(ctx context.Context, name string) (rest.ReputationFeed, error) {
	fs, err := s.feed(name)
	if err != nil {
		return rest.ReputationFeed{}, err
	}
	if fs.upload {
		return rest.ReputationFeed{}, fmt.Errorf("feed %q was uploaded; upload it again to change it: %w", name, errInvalid)
	}
	if !s.mayFetch() {
		return rest.ReputationFeed{}, fmt.Errorf("another instance of the service fetches the feeds now; this one follows it: %w", errConflict)
	}
	fs.fetching.Lock()
	defer fs.fetching.Unlock()
	err = s.fetch(ctx, fs)
	if err != nil && ctx.Err() == nil {
		fs.failures++
	} else {
		fs.failures = 0
	}
	now := s.now().UTC()
	s.show(fs, func(v *feedView) {
		v.Tried, v.Next = now, now.Add(fs.after())
		if err != nil && v.State != stateHeld {
			v.State, v.Problem = stateFailing, fetch.PlainError(err)
		}
	})
	if err != nil {
		return rest.ReputationFeed{}, fmt.Errorf("feed %q: %s: %w", name, fetch.PlainError(err), errInvalid)
	}
	return s.view(fs), nil
}

// withoutKeys is a feed's address for people: what its parameters say is left
// out, for that may be a key.
func withoutKeys(place string) string {
	u, err := url.Parse(place)
	if err != nil || u.Host == "" {
		return place
	}
	address, _, _ := strings.Cut(place, "?")
	if u.RawQuery != "" {
		address += "?…"
	}
	return address
}

// fetch gets a feed and applies it or holds it back. The caller holds
// fs.fetching; work is taken only once the copy is here, so that a slow server
// keeps neither the operator's lists nor other feeds waiting.
func (s *Service) fetch(ctx context.Context, fs *feedState) error {
	last := s.copies.Last(fs.Name, fetch.Good)
	got, err := s.copies.Fetch(ctx, s.client, fs.Name, fs.place(), last, s.now().UTC())
	defer s.copies.Remove(fs.Name, fetch.New)
	s.work.Lock()
	defer s.work.Unlock()
	switch {
	case !s.mayFetch():
		return errLeaseLost
	case s.copies.Last(fs.Name, fetch.Good).SHA256 != last.SHA256:
		return errors.New("what was held back was released meanwhile; it is fetched again")
	}
	if errors.Is(err, fetch.ErrUnchanged) {
		s.copies.Remove(fs.Name, fetch.Held) // it is again what it was
		if err := s.copies.Advance(fs.Name, last, got); err != nil {
			return err
		}
		if s.now().Sub(fs.imported) > reimportAfter {
			return s.reimport(ctx, fs)
		}
		s.show(fs, func(v *feedView) { v.State, v.Problem = stateOK, got.Note })
		return nil
	}
	if err != nil {
		return err
	}
	return s.apply(ctx, fs, got)
}

// apply imports the newly fetched copy, or holds it back. The caller holds
// work.
func (s *Service) apply(ctx context.Context, fs *feedState, got fetch.Copy) error {
	if fs.TAXII != "" { // what has ended by its own time is no loss of entries
		s.mu.Lock()
		s.ledger.Expire(s.seconds())
		s.mu.Unlock()
	}
	in, err := s.stage(ctx, &fs.Feed, fs.id, s.copies.Path(fs.Name, fetch.New))
	if err != nil {
		return err
	}
	if why := s.cfg.Hold.suspect(&fs.Feed, &in.taken); why != nil {
		in.abort()
		s.log.Warn("feed held back; what it said before holds", "feed", fs.Name, "reason", doubtWords(why))
		s.show(fs, func(v *feedView) {
			v.hold(why)
			v.Read, v.Refused, v.Refusals = in.taken.read, in.taken.refused, in.taken.refusals
		})
		return s.copies.Keep(fs.Name, fetch.New, fetch.Held, got)
	}
	if err := s.copies.Keep(fs.Name, fetch.New, fetch.Good, got); err != nil {
		in.abort()
		return err
	}
	s.copies.Remove(fs.Name, fetch.Held)
	in.commit()
	fs.imported = s.now()
	s.took(fs, in, got.Time)
	s.show(fs, func(v *feedView) { v.Problem = got.Note })
	s.log.Info("feed taken", "feed", fs.Name, "entries", in.taken.change.After, "added", in.taken.change.Added,
		"removed", in.taken.change.Removed, "refused", in.taken.refused)
	return nil
}

// ReleaseFeed implements the console's ReputationFeeds.
func (s *Service) ReleaseFeed(ctx context.Context, name string) (rest.ReputationFeed, error) {
	fs, err := s.feed(name)
	if err != nil {
		return rest.ReputationFeed{}, err
	}
	if !fs.upload && !s.mayFetch() {
		return rest.ReputationFeed{}, fmt.Errorf("another instance of the service fetches the feeds now; release it there: %w", errConflict)
	}
	s.work.Lock()
	defer s.work.Unlock()
	held := s.copies.Last(name, fetch.Held)
	if held.SHA256 == "" {
		return rest.ReputationFeed{}, fmt.Errorf("feed %q: nothing of it is held back: %w", name, errConflict)
	}
	in, err := s.stage(ctx, &fs.Feed, fs.id, s.copies.Path(name, fetch.Held))
	if err != nil {
		return rest.ReputationFeed{}, err
	}
	if err := s.copies.Keep(name, fetch.Held, fetch.Good, held); err != nil {
		in.abort()
		return rest.ReputationFeed{}, err
	}
	s.copies.Remove(name, fetch.Held)
	in.commit()
	fs.imported = s.now()
	s.took(fs, in, held.Time)
	return s.view(fs), nil
}

// shownOverlaps is how many other sources are named that a feed shares entries
// with.
const shownOverlaps = 10

// Feeds implements the console's ReputationFeeds.
func (s *Service) Feeds() []rest.ReputationFeed {
	all := s.list()
	slices.SortFunc(all, func(a, b *feedState) int { return cmp.Compare(a.Name, b.Name) })
	stats := s.table.Load().sources
	out := make([]rest.ReputationFeed, 0, len(all))
	for _, fs := range all {
		s.state.Lock()
		v := fs.view
		s.state.Unlock()
		v.Refusals, v.Overlaps = append([]rest.ReputationRefusal{}, v.Refusals...), []rest.ReputationOverlap{}
		if st, ok := stats[fs.Name]; ok {
			v.Overlap = st.Shared
			for _, o := range st.Overlaps[:min(len(st.Overlaps), shownOverlaps)] {
				v.Overlaps = append(v.Overlaps, rest.ReputationOverlap{Source: o.Source, Entries: o.Entries})
			}
		}
		out = append(out, v)
	}
	return out
}

func (s *Service) view(fs *feedState) rest.ReputationFeed {
	for _, v := range s.Feeds() {
		if v.Name == fs.Name {
			return v
		}
	}
	return rest.ReputationFeed{}
}
