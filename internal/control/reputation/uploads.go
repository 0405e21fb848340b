package reputation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/model"
)

// Errors that callers of the console are told as they read.
var (
	errInvalid  = model.ErrInvalid
	errConflict = model.ErrConflict
)

// feedView is what is told of a feed.
type feedView struct{ *rest.ReputationFeed }

// hold shows that a copy is held back.
func (v *feedView) hold(why *rest.ReputationDoubt) {
	v.State, v.Problem, v.Why = stateHeld, doubtWords(why), why
}

func (v *feedView) count(t *taken) {
	v.Read, v.Refused, v.Refusals = t.read, t.refused, slices.Clone(t.refusals)
	v.Added, v.Removed, v.Entries = t.change.Added, t.change.Removed, t.change.After
	if v.Format == "" {
		v.Format = t.format
	}
	if v.Refusals == nil {
		v.Refusals = []rest.ReputationRefusal{}
	}
}

// uploadsFile names what was uploaded; the contents are copies like those of
// other feeds.
const uploadsFile = "uploads.json"

// maxUploads is how many uploaded feeds there may be.
const maxUploads = 200

func (s *Service) loadUploads() error {
	var all []Feed
	if err := s.dir.ReadJSON(uploadsFile, &all); err != nil {
		return err
	}
	for _, f := range all {
		if s.feeds[f.Name] != nil || !validName(f.Name) {
			s.log.Warn("an uploaded feed has the name of a configured one and is left out", "feed", f.Name)
			continue
		}
		s.addFeed(f, true)
	}
	return nil
}

func (s *Service) saveUploads() error {
	all := []Feed{}
	for _, fs := range s.list() {
		if fs.upload {
			all = append(all, fs.Feed)
		}
	}
	return s.dir.WriteJSON(uploadsFile, all)
}

// UploadFeed implements the console's ReputationFeeds.
func (s *Service) UploadFeed(ctx context.Context, u rest.ReputationUpload, content []byte) (rest.ReputationFeed, error) {
	v, err := s.upload(ctx, u, content)
	if err == nil && s.share != nil {
		err = s.share.putUpload(ctx, u, content)
	}
	return v, err
}

// uploadedFeed is an upload as a feed.
func uploadedFeed(u *rest.ReputationUpload) (Feed, error) {
	f := Feed{Name: u.Name, Format: u.Format, Owner: u.Owner, Trust: int(u.Trust), Licence: u.Licence, Kind: u.Kind.String(),
		File: "/", Interval: math.MaxInt64 / 4}
	if problems := f.complete(); len(problems) > 0 {
		return f, fmt.Errorf("%s: %w", problems[0], errInvalid)
	}
	f.File, f.Interval = "", 0
	return f, nil
}

// upload takes a list in as a feed of the operator.
func (s *Service) upload(ctx context.Context, u rest.ReputationUpload, content []byte) (rest.ReputationFeed, error) {
	f, err := uploadedFeed(&u)
	if err != nil {
		return rest.ReputationFeed{}, err
	}
	s.work.Lock()
	defer s.work.Unlock()
	old, _ := s.feed(f.Name)
	if old != nil && !old.upload {
		return rest.ReputationFeed{}, fmt.Errorf("feed %q is in the configuration: %w", f.Name, errConflict)
	}
	uploads := 0
	for _, fs := range s.list() {
		if fs.upload {
			uploads++
		}
	}
	if old == nil && uploads >= maxUploads {
		return rest.ReputationFeed{}, fmt.Errorf("there are %d uploaded feeds; remove some: %w", uploads, errConflict)
	}
	got, err := s.copies.Write(f.Name, content, s.now().UTC())
	if err != nil {
		return rest.ReputationFeed{}, err
	}
	defer s.copies.Remove(f.Name, fetch.New)
	s.mu.Lock()
	fs := s.addFeed(f, true)
	s.mu.Unlock()
	if err := s.apply(ctx, fs, got); err != nil {
		if old == nil {
			s.drop(f.Name)
		} else {
			s.comeBack(old)
		}
		return rest.ReputationFeed{}, fmt.Errorf("%v: %w", err, errInvalid)
	}
	if err := s.saveUploads(); err != nil {
		return rest.ReputationFeed{}, err
	}
	return s.view(fs), s.rebuild()
}

// comeBack has a feed be again what it was before an upload in its place failed.
func (s *Service) comeBack(old *feedState) {
	s.mu.Lock()
	old.id = s.ledger.Source(old.source())
	s.mu.Unlock()
	s.state.Lock()
	s.feeds[old.Name] = old
	s.state.Unlock()
}

func (s *Service) drop(name string) {
	s.state.Lock()
	fs := s.feeds[name]
	delete(s.feeds, name)
	s.state.Unlock()
	if fs != nil {
		s.mu.Lock()
		s.ledger.Forget(fs.id)
		s.mu.Unlock()
	}
	s.copies.Remove(name, fetch.Good)
	s.copies.Remove(name, fetch.Held)
}

// RemoveFeed implements the console's ReputationFeeds.
func (s *Service) RemoveFeed(ctx context.Context, name string) error {
	if err := s.isUpload(name); err != nil {
		return err
	}
	if s.share != nil { // first: should it fail, the feed is still here to be removed again
		if err := s.share.store.PutShared(ctx, spaceUploads, name, nil); err != nil {
			return err
		}
	}
	err := s.removeUpload(name)
	if s.share != nil && errors.Is(err, model.ErrNotFound) {
		return nil // the look for the others' changes was quicker
	}
	return err
}

// isUpload says why a feed is none that can be removed.
func (s *Service) isUpload(name string) error {
	fs, err := s.feed(name)
	if err == nil && !fs.upload {
		err = fmt.Errorf("feed %q is in the configuration; remove it there: %w", name, errConflict)
	}
	return err
}

func (s *Service) removeUpload(name string) error {
	s.work.Lock()
	defer s.work.Unlock()
	if err := s.isUpload(name); err != nil { // it may have gone while we waited
		return err
	}
	s.drop(name)
	if err := s.saveUploads(); err != nil {
		return err
	}
	return s.rebuild()
}
