package reputation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/control/reputation/replica"
	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
	"github.com/masugata/masugata/internal/model"
)

// SharedStore is what several instances of the service have in common: the state
// store of the control plane.
type SharedStore interface {
	SharedReader
	SharedWriter
	// Lease takes or renews a lease and says whether the holder has it.
	Lease(ctx context.Context, name, holder string, life time.Duration) (bool, error)
}

// SharedReader reads what is shared.
type SharedReader interface {
	// Shared gives what changed in a space after a version, in order, at most
	// most things.
	Shared(ctx context.Context, space string, above int64, most int) ([]model.SharedItem, error)
	SharedItem(ctx context.Context, space, name string) (model.SharedItem, error)
	SharedNames(ctx context.Context, space string) ([]string, error)
}

// SharedWriter changes what is shared.
type SharedWriter interface {
	// PutShared stores a thing; nil notes that it is gone.
	PutShared(ctx context.Context, space, name string, value []byte) error
	DropShared(ctx context.Context, space, name string) error
}

// The spaces, and the lease of the instance that fetches the feeds.
const (
	spaceEntries   = "reputation.entry"    // by object: a rest.ReputationEntry as JSON
	spaceUploads   = "reputation.upload"   // by feed: its description as a line of JSON, then the content
	spaceParts     = "reputation.part"     // by SHA-256: packed parts of the newest snapshot
	spaceManifests = "reputation.snapshot" // "newest": the manifest
	leaseFetch     = "reputation.fetch"
)

const (
	// shareEvery is how often the others' changes are looked for, shareLife how
	// long the lease of an instance that is gone still holds.
	shareEvery = 2 * time.Second
	shareLife  = 15 * time.Second
	// storeWait is how long the store may take for one small thing: while lists
	// change, the service waits for it.
	storeWait = 5 * time.Second
	// entriesAtOnce is how many changes of lists are read at a time; of uploads,
	// which are large, it is one.
	entriesAtOnce = 10_000
)

var errLeaseLost = errors.New("another instance of the service fetches the feeds by now")

// share joins this instance of the service to the others.
type share struct {
	s       *Service
	store   SharedStore
	holder  string
	follow  *applier // takes in what the leader publishes
	leads   atomic.Bool
	until   atomic.Pointer[time.Time] // when the lease ends that was had last
	entries int64                     // versions up to which changes are in
	uploads int64
	newest  int64
	out     uint64 // version of the snapshot that was published last
}

// Share has the service keep lists and uploads in a store that other instances
// use too, fetch feeds only while it holds the lease, and otherwise follow the
// instance that does. holder names this instance. Call it after Publish and
// before Run.
func (s *Service) Share(store SharedStore, holder string) error {
	if s.snapshots == nil {
		return errNoSnapshots
	}
	dir, err := replica.OpenParts(s.dir.Path("shared"))
	if err != nil {
		return err
	}
	h := &share{s: s, store: store, holder: holder}
	h.follow = &applier{s: s, parts: dir, follows: true, applied: map[string]string{}}
	s.share = h
	return nil
}

// mayFetch says whether this instance fetches feeds now.
func (s *Service) mayFetch() bool { return s.share == nil || s.share.leading() }

// leading says whether this instance leads, and its lease still holds however
// long the store has not answered.
func (h *share) leading() bool {
	until := h.until.Load()
	return h.leads.Load() && until != nil && h.s.now().Before(*until)
}

// renew takes or renews the lease.
func (h *share) renew(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	until := h.s.now().Add(shareLife)
	held, err := h.store.Lease(ctx, leaseFetch, h.holder, shareLife)
	if err == nil && held {
		h.until.Store(&until)
	}
	return held, err
}

// still renews the lease amid long work of the one that leads.
func (h *share) still(ctx context.Context) error {
	held, err := h.renew(ctx)
	if err == nil && !held {
		err = errLeaseLost
	}
	return err
}

// run looks for the others' changes until ctx ends.
func (h *share) run(ctx context.Context) {
	last := ""
	for {
		if err := h.tick(ctx); err != nil && ctx.Err() == nil {
			if text := err.Error(); text != last {
				h.s.log.Warn("what is shared with other instances is not up to date", "error", err)
				last = text
			}
			// Without the store nobody knows who leads; fetching twice is the
			// lesser harm only while the lease holds, so it ends with an error.
			h.leads.Store(false)
		} else {
			last = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(shareEvery):
		}
	}
}

// tick takes in what others changed, and leads or follows.
func (h *share) tick(ctx context.Context) error {
	if err := h.takeEntries(ctx); err != nil {
		return err
	}
	if err := h.takeUploads(ctx); err != nil {
		return err
	}
	leads, err := h.renew(ctx)
	if err != nil {
		return err
	}
	if !leads {
		h.leads.Store(false)
		return h.takeSnapshot(ctx)
	}
	if !h.leads.Load() {
		if err := h.takeSnapshot(ctx); err != nil { // what the one before knew
			return err
		}
		h.lead()
	}
	return h.publish(ctx)
}

// lead begins to fetch feeds: those that the one before never had are named to
// the ledger once more.
func (h *share) lead() {
	s := h.s
	s.work.Lock()
	for _, fs := range s.list() {
		s.mu.Lock()
		fs.id = s.ledger.Source(fs.source())
		s.mu.Unlock()
	}
	h.follow.applied = map[string]string{} // from here on feeds change beside it
	s.work.Unlock()
	h.leads.Store(true)
	s.log.Info("this instance fetches the feeds now", "holder", h.holder)
	select {
	case s.wake <- struct{}{}:
	default: // it wakes already
	}
}

// takeEntries takes in the others' changes of the operator's lists.
func (h *share) takeEntries(ctx context.Context) error {
	for {
		items, err := h.changes(ctx, 1)
		if err != nil || len(items) == 0 && h.entries > 0 {
			return err
		}
		s := h.s
		if len(items) == 0 { // the first instance of all brings its lists along
			s.state.Lock()
			mine := s.entries
			s.state.Unlock()
			return h.putEntries(ctx, nil, mine)
		}
		if err := h.applyEntries(ctx); err != nil {
			return err
		}
	}
}

// changes are those of lists that are not in yet.
func (h *share) changes(ctx context.Context, most int) ([]model.SharedItem, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	return h.store.Shared(ctx, spaceEntries, h.entries, most)
}

// applyEntries has changes of lists hold here. They are read while nobody here
// changes the lists: what is read before and applied after could take back what
// an operator said between the two.
func (h *share) applyEntries(ctx context.Context) error {
	s := h.s
	s.work.Lock()
	defer s.work.Unlock()
	items, err := h.changes(ctx, entriesAtOnce)
	if err != nil || len(items) == 0 {
		return err
	}
	s.state.Lock()
	next := maps.Clone(s.entries)
	s.state.Unlock()
	for _, i := range items {
		var e rest.ReputationEntry
		if i.Value == nil {
			delete(next, i.Name)
		} else if err := json.Unmarshal(i.Value, &e); err != nil {
			return fmt.Errorf("%s %s: %w", spaceEntries, i.Name, err)
		} else {
			next[i.Name] = e
		}
	}
	if err := s.keepEntries(next); err != nil {
		return err
	}
	h.entries = items[len(items)-1].Version
	return nil
}

// putEntries tells the others what changes in the lists.
func (h *share) putEntries(ctx context.Context, before, next map[string]rest.ReputationEntry) error {
	for object, e := range next {
		if before[object] == e {
			continue
		}
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if err := h.store.PutShared(ctx, spaceEntries, object, b); err != nil {
			return err
		}
	}
	for object := range before {
		if _, stays := next[object]; !stays {
			if err := h.store.PutShared(ctx, spaceEntries, object, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *share) putUpload(ctx context.Context, u rest.ReputationUpload, content []byte) error {
	b, err := packUpload(u, content)
	if err != nil {
		return err
	}
	return h.store.PutShared(ctx, spaceUploads, u.Name, b)
}

// sharedUpload is the line before an upload's content.
type sharedUpload struct {
	Upload rest.ReputationUpload `json:"upload"`
	SHA256 string                `json:"sha256"`
}

// packUpload makes one value of an upload.
func packUpload(u rest.ReputationUpload, content []byte) ([]byte, error) {
	sum := sha256.Sum256(content)
	head, err := json.Marshal(sharedUpload{u, fmt.Sprintf("%x", sum)})
	if err != nil {
		return nil, err
	}
	return append(append(head, '\n'), content...), nil
}

// takeUploads takes in the others' uploads, one at a time: each may be large.
func (h *share) takeUploads(ctx context.Context) error {
	for {
		items, err := h.store.Shared(ctx, spaceUploads, h.uploads, 1)
		if err != nil || len(items) == 0 {
			return err
		}
		err = h.takeUpload(ctx, &items[0])
		switch {
		case errors.Is(err, errInvalid), errors.Is(err, errConflict):
			h.s.log.Warn("an upload of another instance is not taken", "feed", items[0].Name, "error", err)
		case err != nil: // such as a full disk: it is tried again
			return fmt.Errorf("upload %q of another instance: %w", items[0].Name, err)
		}
		h.uploads = items[0].Version
		if h.leads.Load() {
			if err := h.still(ctx); err != nil {
				return err
			}
		}
	}
}

func (h *share) takeUpload(ctx context.Context, i *model.SharedItem) error {
	have, _ := h.s.feed(i.Name)
	if i.Value == nil {
		if have == nil || !have.upload {
			return nil
		}
		if err := h.s.removeUpload(i.Name); !errors.Is(err, model.ErrNotFound) {
			return err
		}
		return nil
	}
	line, content, ok := bytes.Cut(i.Value, []byte{'\n'})
	var u sharedUpload
	if err := json.Unmarshal(line, &u); err != nil || !ok {
		return fmt.Errorf("it cannot be read: %v: %w", err, errInvalid)
	}
	f, err := uploadedFeed(&u.Upload)
	if err != nil {
		return err
	}
	if have != nil && have.Owner == f.Owner && have.Trust == f.Trust && have.Kind == f.Kind && have.Format == f.Format && have.Licence == f.Licence &&
		h.s.copies.Last(i.Name, fetch.Good).SHA256 == u.SHA256 {
		return nil // it came from here, or was there before a restart
	}
	_, err = h.s.upload(ctx, u.Upload, content)
	return err
}

// publish gives the others what this instance knows.
func (h *share) publish(ctx context.Context) error {
	if !h.s.restored.Load() {
		return nil
	}
	m, err := h.s.snapshots.Current(ctx)
	if err != nil || m.Version == h.out {
		return err
	}
	names, err := h.store.SharedNames(ctx, spaceParts)
	if err != nil {
		return err
	}
	old := map[string]bool{}
	for _, name := range names {
		old[name] = true
	}
	for i := range m.Sources {
		sha := m.Sources[i].SHA256
		if !old[sha] {
			if err := h.still(ctx); err != nil { // large parts take long
				return err
			}
			b, err := os.ReadFile(h.s.snapshots.Parts().Path(sha))
			if err != nil {
				return err
			}
			if err := h.store.PutShared(ctx, spaceParts, sha, b); err != nil {
				return err
			}
		}
		delete(old, sha)
	}
	if err := h.still(ctx); err != nil { // what another one published must not be replaced by less
		return err
	}
	if err := h.store.PutShared(ctx, spaceManifests, "newest", m.Payload); err != nil {
		return err
	}
	h.out = m.Version
	for sha := range old {
		if err := h.store.DropShared(ctx, spaceParts, sha); err != nil {
			return err
		}
	}
	return nil
}

// takeSnapshot takes in what the leader published.
func (h *share) takeSnapshot(ctx context.Context) error {
	items, err := h.store.Shared(ctx, spaceManifests, h.newest, 1)
	if err != nil || len(items) == 0 || !h.s.restored.Load() {
		return err
	}
	m, err := snapshot.Parse(items[0].Value, replica.Limits(h.s.cfg.MaxObjects, replica.MaxMB))
	if err != nil {
		return err
	}
	if err := h.follow.parts.Drop(m); err != nil {
		return err
	}
	for i := range m.Sources {
		src := &m.Sources[i]
		if h.follow.parts.Has(src.SHA256, src.Packed) {
			continue
		}
		part, err := h.store.SharedItem(ctx, spaceParts, src.SHA256)
		if err != nil {
			return err // replaced meanwhile: the next look finds the newer one
		}
		if err := h.follow.parts.Take(src.SHA256, src.Packed, bytes.NewReader(part.Value)); err != nil {
			return err
		}
	}
	if err := h.follow.apply(ctx, m); err != nil {
		return err
	}
	h.newest = items[0].Version
	return nil
}
