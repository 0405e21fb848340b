package reputation

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/sharing"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/model"
)

// entriesFile keeps the lists that people change at run time.
const entriesFile = "entries.json"

// deniedConfidence is how sure an entry of the deny list is to others: a person
// wrote it.
const deniedConfidence = 85

// maxListed bounds the operator's own lists.
const maxListed = 100_000

func (s *Service) loadLists() error {
	var kept []rest.ReputationEntry
	if err := s.dir.ReadJSON(entriesFile, &kept); err != nil {
		return err
	}
	for _, e := range kept {
		if o, err := canon.Guess(e.Object); err == nil {
			e.Object = o.String()
			s.entries[e.Object] = e
		}
	}
	return s.applyLists(s.entries)
}

// applyLists hands the ledger the configured and the kept lists.
func (s *Service) applyLists(entries map[string]rest.ReputationEntry) error {
	lists := map[intel.SourceID][]intel.Claim{s.ids.own: nil, s.ids.allow: nil, s.ids.deny: nil}
	add := func(id intel.SourceID, kind intel.Kind, text, note string) error {
		o, err := canon.Guess(text)
		if err != nil {
			return err
		}
		lists[id] = append(lists[id], intel.Claim{Object: canon.Widen(o), Source: id, Kind: kind, Note: note})
		return nil
	}
	for _, text := range s.cfg.Own {
		if err := add(s.ids.own, intel.KindBenign, text, "your own"); err != nil {
			return err
		}
	}
	for _, text := range s.cfg.Allow {
		if err := add(s.ids.allow, intel.KindBenign, text, "configuration"); err != nil {
			return err
		}
	}
	for _, text := range s.cfg.Deny {
		if err := add(s.ids.deny, intel.KindSuspicious, text, "configuration"); err != nil {
			return err
		}
	}
	for _, e := range entries {
		id, kind := s.ids.allow, intel.KindBenign
		if e.List == "deny" {
			id, kind = s.ids.deny, intel.KindSuspicious
		}
		if err := add(id, kind, e.Object, e.Note); err != nil {
			return err
		}
	}
	if err := s.replaceLists(lists); err != nil {
		return err
	}
	s.shareDenied(lists[s.ids.deny])
	return nil
}

func (s *Service) replaceLists(lists map[intel.SourceID][]intel.Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, claims := range lists {
		if err := s.replace(id, s.seconds(), claims); err != nil {
			return err
		}
	}
	return nil
}

// shareDenied shows others what is denied, where the operator said so, without
// the notes: they are for those inside.
func (s *Service) shareDenied(denied []intel.Claim) {
	out := make([]intel.Claim, 0, len(denied))
	seen := make(map[intel.Object]bool, len(denied))
	for _, c := range denied {
		if !seen[c.Object] {
			seen[c.Object] = true
			out = append(out, intel.Claim{Object: c.Object, Kind: c.Kind, Confidence: deniedConfidence})
		}
	}
	s.sharing.Set(sharing.Deny, out)
}

// Entries implements the console's ReputationLists: the newest first.
func (s *Service) Entries() []rest.ReputationEntry {
	s.state.Lock()
	out := slices.Collect(maps.Values(s.entries))
	s.state.Unlock()
	slices.SortFunc(out, func(a, b rest.ReputationEntry) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Object, b.Object))
	})
	return out
}

// SetEntry implements the console's ReputationLists: the entry holds when it
// returns.
func (s *Service) SetEntry(ctx context.Context, e rest.ReputationEntry) (rest.ReputationEntry, error) {
	o, err := canon.Guess(e.Object)
	if err != nil {
		return e, fmt.Errorf("%v: %w", err, errInvalid)
	}
	if e.List != "allow" && e.List != "deny" {
		return e, fmt.Errorf("list %q: want allow or deny: %w", e.List, errInvalid)
	}
	e.Object = o.String()
	return e, s.changeEntries(ctx, func(m map[string]rest.ReputationEntry) error {
		if m[e.Object] = e; len(m) > maxListed {
			return fmt.Errorf("there are %d entries; upload longer lists as feeds: %w", maxListed, errConflict)
		}
		return nil
	})
}

// RemoveEntry implements the console's ReputationLists.
func (s *Service) RemoveEntry(ctx context.Context, object string) error {
	o, err := canon.Guess(object)
	if err != nil {
		return fmt.Errorf("%v: %w", err, errInvalid)
	}
	return s.changeEntries(ctx, func(m map[string]rest.ReputationEntry) error {
		if _, ok := m[o.String()]; !ok {
			return fmt.Errorf("%s is on no list that can be changed here: %w", o, model.ErrNotFound)
		}
		delete(m, o.String())
		return nil
	})
}

// changeEntries changes the lists on disk, in the ledger and in the index.
func (s *Service) changeEntries(ctx context.Context, change func(map[string]rest.ReputationEntry) error) error {
	s.work.Lock()
	defer s.work.Unlock()
	s.state.Lock()
	before := s.entries
	s.state.Unlock()
	next := maps.Clone(before)
	if err := change(next); err != nil {
		return err
	}
	if s.share != nil {
		bounded, cancel := context.WithTimeout(ctx, storeWait)
		defer cancel()
		if err := s.share.putEntries(bounded, before, next); err != nil {
			return err
		}
	}
	return s.keepEntries(next)
}

// keepEntries has the lists hold on disk, in the ledger and in the index. The
// caller holds work.
func (s *Service) keepEntries(next map[string]rest.ReputationEntry) error {
	all := slices.Collect(maps.Values(next))
	slices.SortFunc(all, func(a, b rest.ReputationEntry) int { return cmp.Compare(a.Object, b.Object) })
	if err := s.dir.WriteJSON(entriesFile, all); err != nil {
		return err
	}
	if err := s.applyLists(next); err != nil {
		return err
	}
	s.state.Lock()
	s.entries = next
	s.state.Unlock()
	return s.rebuild()
}
