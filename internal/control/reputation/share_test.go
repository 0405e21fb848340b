package reputation

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/replica"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/model"
)

// memoryStore is a SharedStore within the process; the real one is tested with
// PostgreSQL in package control.
type memoryStore struct {
	mu     sync.Mutex
	items  map[string]map[string]model.SharedItem
	holder string
	failed error
	most   int                // that were read at once
	read   func(space string) // called after each look for changes
}

func (m *memoryStore) Lease(_ context.Context, _, holder string, _ time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder == "" {
		m.holder = holder
	}
	return m.holder == holder, m.failed
}

func (m *memoryStore) PutShared(_ context.Context, space, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.items[space] == nil {
		m.items[space] = map[string]model.SharedItem{}
	}
	version := int64(1)
	for _, i := range m.items[space] {
		version = max(version, i.Version+1)
	}
	m.items[space][name] = model.SharedItem{Name: name, Version: version, Value: slices.Clone(value)}
	return m.failed
}

func (m *memoryStore) Shared(_ context.Context, space string, above int64, most int) (out []model.SharedItem, _ error) {
	if m.read != nil {
		defer m.read(space)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.items[space] {
		if i.Version > above {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b model.SharedItem) int { return int(a.Version - b.Version) })
	m.most = max(m.most, min(len(out), most))
	return out[:min(len(out), most)], m.failed
}

func (m *memoryStore) SharedItem(_ context.Context, space, name string) (model.SharedItem, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.items[space][name]
	if !ok {
		return i, model.ErrNotFound
	}
	return i, m.failed
}

func (m *memoryStore) SharedNames(_ context.Context, space string) (out []string, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, i := range m.items[space] {
		if i.Value != nil {
			out = append(out, name)
		}
	}
	return out, m.failed
}

func (m *memoryStore) DropShared(_ context.Context, space, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.items[space], name)
	return m.failed
}

// ahead is how far the clocks that snapshots are made by are ahead, in
// nanoseconds.
var ahead atomic.Int64

func instance(t *testing.T, store SharedStore, c Config, name string) *Service {
	t.Helper()
	s := open(t, t.TempDir(), c)
	signer, err := identity.OpenSigner(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s.log = slog.New(slog.NewTextHandler(t.Output(), nil))
	s.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	if err := s.Publish(signer); err != nil {
		t.Fatal(err)
	}
	s.now = time.Now
	if err := s.Share(store, name); err != nil {
		t.Fatal(err)
	}
	return s
}

func tick(t *testing.T, all ...*Service) {
	t.Helper()
	for _, s := range all {
		ahead.Add(int64(replica.MadeEvery)) // as if the least time between snapshots had passed
		if err := s.share.tick(t.Context()); err != nil {
			t.Fatalf("%s: %v", s.share.holder, err)
		}
	}
}

// TestInstancesAtOddMoments: what an operator says while others' changes are
// taken in holds; who has not reached the store does not lead; an upload that says
// something else of itself is taken in, also when its content is the same.
func TestInstancesAtOddMoments(t *testing.T) {
	store := &memoryStore{items: map[string]map[string]model.SharedItem{}}
	a, b := instance(t, store, botnet(newSite(t)), "a"), instance(t, store, botnet(newSite(t)), "b")
	say := func(s *Service, list string) {
		t.Helper()
		if _, err := s.SetEntry(t.Context(), rest.ReputationEntry{Object: "198.18.0.7", List: list}); err != nil {
			t.Fatal(err)
		}
	}
	say(a, "deny")
	tick(t, a, b)
	say(a, "deny")
	store.read = func(space string) {
		if space == spaceEntries {
			store.read = nil
			say(b, "allow")
		}
	}
	tick(t, b)
	if b.score(t, "198.18.0.7") != 0 || b.Entries()[0].List != "allow" {
		t.Errorf("a former change took back what was said meanwhile: %v", b.Entries())
	}
	if tick(t, a); a.score(t, "198.18.0.7") != 0 {
		t.Error("the last word does not hold on the other one")
	}

	list := rest.ReputationUpload{Name: "mine", Format: "domain", Trust: 20, Kind: intel.KindC2}
	for _, name := range []string{"mine", "yours", "theirs"} {
		list.Name = name
		if _, err := a.UploadFeed(t.Context(), list, []byte(name+".example.org\n")); err != nil {
			t.Fatal(err)
		}
	}
	store.most = 0
	tick(t, b)
	if store.most > 1 {
		t.Errorf("%d uploads are read at once", store.most)
	}
	list.Name, list.Trust = "mine", 100
	if _, err := a.UploadFeed(t.Context(), list, []byte("mine.example.org\n")); err != nil {
		t.Fatal(err)
	}
	if tick(t, b); b.score(t, "mine.example.org") < intel.DefaultBlock {
		t.Error("another trust is not taken in")
	}
	store.failed = errors.New("the store is away")
	if err := b.RemoveFeed(t.Context(), "mine"); err == nil || b.score(t, "mine.example.org") == 0 {
		t.Error("it is removed here and nowhere else", err)
	}
	if at := time.Now().Add(shareLife + time.Second); true {
		a.now = func() time.Time { return at }
	}
	if a.mayFetch() {
		t.Error("the one that led leads after its lease has ended")
	}
	store.failed = nil
	if err := b.RemoveFeed(t.Context(), "mine"); err != nil {
		t.Error(err)
	}
	if tick(t, a); !a.mayFetch() || a.score(t, "mine.example.org") != 0 {
		t.Error("it does not lead again, or does not hear of the removal")
	}
}

// TestOnlyTheLeaderPublishes: an instance that lost its lease amid its work does
// not replace what the next one published.
func TestOnlyTheLeaderPublishes(t *testing.T) {
	web := newSite(t)
	web.set("/bots", addresses(100))
	store := &memoryStore{items: map[string]map[string]model.SharedItem{}}
	a := instance(t, store, botnet(web), "a")
	tick(t, a)
	a.mustFetch(t, "bots", stateOK)
	store.mu.Lock()
	store.holder = "b"
	before := store.items[spaceManifests]["newest"].Version
	store.mu.Unlock()
	ahead.Add(int64(replica.MadeEvery)) // as if the least time between snapshots had passed
	if err := a.share.publish(t.Context()); !errors.Is(err, errLeaseLost) || store.items[spaceManifests]["newest"].Version != before {
		t.Error(err)
	}
}

// TestInstancesShare: one fetches and the other knows the same; lists and
// uploads of either hold on both; when the one is gone the other fetches.
func TestInstancesShare(t *testing.T) {
	web := newSite(t)
	web.set("/bots", addresses(100))
	store := &memoryStore{items: map[string]map[string]model.SharedItem{}}
	a, b := instance(t, store, botnet(web), "a"), instance(t, store, botnet(web), "b")
	tick(t, a, b)
	a.mustFetch(t, "bots", stateOK)
	if _, err := b.FetchFeed(t.Context(), "bots"); err == nil || !strings.Contains(err.Error(), "another instance") {
		t.Errorf("both fetch: %v", err)
	}
	tick(t, a, b)
	if b.score(t, "198.18.0.7") < intel.DefaultBlock {
		t.Fatal("the other one does not know what the first fetched")
	}
	if f := b.Feeds(); len(f) != 1 || f[0].Entries != 100 || f[0].State != stateOK {
		t.Errorf("%+v", f)
	}
	if _, err := b.SetEntry(t.Context(), rest.ReputationEntry{Object: "198.18.0.7", List: "allow"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.UploadFeed(t.Context(), rest.ReputationUpload{Name: "mine", Format: "domain", Trust: 100, Kind: intel.KindC2}, []byte("c2.example.org\n")); err != nil {
		t.Fatal(err)
	}
	tick(t, a, b)
	tick(t, a, b)
	for _, s := range []*Service{a, b} {
		if s.score(t, "198.18.0.7") != 0 || s.score(t, "c2.example.org") < intel.DefaultBlock || len(s.Entries()) != 1 {
			t.Errorf("%s: %d %d %v", s.share.holder, s.score(t, "198.18.0.7"), s.score(t, "c2.example.org"), s.Entries())
		}
	}
	if err := a.RemoveEntry(t.Context(), "198.18.0.7"); err != nil {
		t.Fatal(err)
	}
	if err := a.RemoveFeed(t.Context(), "mine"); err != nil {
		t.Fatal(err)
	}
	tick(t, a, b)
	if b.score(t, "198.18.0.7") < intel.DefaultBlock || b.score(t, "c2.example.org") != 0 {
		t.Error("what was taken back holds on the other one")
	}
	store.mu.Lock()
	store.holder = "" // a is gone
	store.mu.Unlock()
	tick(t, b)
	web.set("/bots", addresses(120))
	b.mustFetch(t, "bots", stateOK)
	if b.score(t, "198.18.0.115") < intel.DefaultBlock || a.mayFetch() && b.mayFetch() && store.holder != "b" {
		t.Error("the other one does not take over")
	}
	tick(t, b, a)
	if a.mayFetch() || a.score(t, "198.18.0.115") < intel.DefaultBlock {
		t.Error("the first one does not follow now")
	}
}
