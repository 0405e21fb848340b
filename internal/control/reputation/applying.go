package reputation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/replica"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
)

// applier puts snapshots into force: on a look-up node, which knows nothing else,
// or on an instance of the whole service.
type applier struct {
	s     *Service
	parts replica.Parts
	// follows: an instance of the whole service takes in what another one of
	// them fetched; what is its own stays.
	follows bool
	applied map[string]string // by source: the digest of the part that the ledger holds; guarded by Service.work
}

// laid is a source of a snapshot that lies beside what is in force.
type laid struct {
	source *snapshot.Source
	imp    *ledger.Import
}

// apply puts a snapshot whose parts are all there into force: all of it at
// once, or nothing.
func (r *applier) apply(ctx context.Context, m *snapshot.Manifest) error {
	r.s.work.Lock()
	defer r.s.work.Unlock()
	entries := map[string]rest.ReputationEntry{}
	var beside []laid
	for i := range m.Sources {
		src := &m.Sources[i]
		if r.spares(src.Name) || r.applied[src.Name] == src.SHA256 && src.List == "" {
			continue
		}
		imp, err := r.lay(ctx, src, entries)
		if err != nil {
			r.abort(beside)
			return fmt.Errorf("%s: %w", src.Name, err)
		}
		beside = append(beside, laid{src, imp})
	}
	r.commit(m, beside)
	r.showSources(m)
	if !r.follows {
		r.s.state.Lock()
		r.s.entries = entries
		r.s.state.Unlock()
	}
	r.s.restored.Store(true)
	return r.s.rebuild()
}

// spares says whether a source is this instance's own: it follows another one
// and has lists and sensors itself.
func (r *applier) spares(name string) bool { return r.follows && strings.HasPrefix(name, ownPrefix) }

// showFollowed tells what the instance that fetches got of each feed.
func (r *applier) showFollowed(m *snapshot.Manifest) {
	r.s.state.Lock()
	defer r.s.state.Unlock()
	for i := range m.Sources {
		if fs := r.s.feeds[m.Sources[i].Name]; fs != nil && !fs.upload {
			fs.view.State, fs.view.Problem, fs.view.Entries = stateOK, "", m.Sources[i].Entries
			fs.view.Good = time.Unix(int64(m.Sources[i].Imported), 0).UTC()
		}
	}
}

// lay reads the part of a source into an import that is not in force yet.
func (r *applier) lay(ctx context.Context, src *snapshot.Source, entries map[string]rest.ReputationEntry) (*ledger.Import, error) {
	p, err := r.parts.Read(src)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	r.s.mu.Lock()
	id := r.s.ledger.Source(src.Reputation())
	imp, err := r.s.ledger.Import(id, src.Imported)
	r.s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err = r.fill(ctx, src, p, imp, entries); err == nil {
		err = p.Whole(src)
	}
	if err != nil {
		r.abort([]laid{{src, imp}})
		return nil, err
	}
	return imp, nil
}

// fill hands the claims of a part to an import.
func (r *applier) fill(ctx context.Context, src *snapshot.Source, p *replica.Part, imp *ledger.Import, entries map[string]rest.ReputationEntry) error {
	batch := make([]intel.Claim, 0, intakeBatch)
	n := 0
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		for batch = batch[:0]; len(batch) < cap(batch); {
			var c intel.Claim
			err := p.Next(&c)
			if errors.Is(err, io.EOF) {
				more = false
				break
			}
			if err != nil {
				return err
			}
			batch = append(batch, c)
			if src.List != "" && src.Name != ownPrefix+"own" {
				showEntry(entries, src.List, &c)
			}
		}
		if n += len(batch); n > src.Entries {
			return fmt.Errorf("its part has more than %d entries", src.Entries)
		}
		if err := r.add(imp, batch); err != nil {
			return err
		}
	}
	if n != src.Entries {
		return fmt.Errorf("its part has %d entries of %d", n, src.Entries)
	}
	return nil
}

// add hands claims to an import; what ended before it was read is left out, as
// it would be in the service.
func (r *applier) add(imp *ledger.Import, batch []intel.Claim) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.tune()
	for i := range batch {
		err := imp.Add(&batch[i])
		var refusal *ledger.Refusal
		if err != nil && !errors.As(err, &refusal) {
			return err
		}
	}
	return nil
}

func (r *applier) abort(beside []laid) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, one := range beside {
		one.imp.Abort()
	}
}

// commit puts what lies beside into force, all sources in one go, and forgets
// those that the snapshot does not name.
func (r *applier) commit(m *snapshot.Manifest, beside []laid) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, one := range beside {
		one.imp.Commit()
	}
	named := make(map[string]string, len(m.Sources))
	for i := range m.Sources {
		src := &m.Sources[i]
		if r.spares(src.Name) {
			continue
		}
		r.s.ledger.Source(src.Reputation()) // trust and the like may have changed alone
		named[src.Name] = src.SHA256
	}
	for _, old := range r.s.ledger.Sources() {
		if _, ok := named[old.Name]; !ok && !r.spares(old.Name) {
			r.s.ledger.Forget(old.ID)
		}
	}
	r.applied = named
}

// showSources tells of the sources of a snapshot as feeds. The caller holds
// work.
func (r *applier) showSources(m *snapshot.Manifest) {
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
