package control

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// payloads makes versions of a set of n addresses, of which some change each
// time.
type payloads struct {
	t     *testing.T
	known map[reputation.Object]reputation.Brief
	next  uint32
}

func newPayloads(t *testing.T, n int) *payloads {
	p := &payloads{t: t, known: map[reputation.Object]reputation.Brief{}}
	p.grow(n)
	return p
}

func (p *payloads) grow(n int) {
	for range n {
		p.next++
		a := netip.AddrFrom4([4]byte{9, byte(p.next >> 16), byte(p.next >> 8), byte(p.next)})
		p.known[edge.ObjectOf(a)] = reputation.Brief{Score: 92}
	}
}

func (p *payloads) build(version uint64) []byte {
	p.t.Helper()
	s, err := edge.Build(maps.All(p.known), edge.Config{Header: edge.Header{Class: edge.ClassSmall, Version: version, Issued: 1, Expires: 1 << 31, Key: edge.Key{1}}})
	if err != nil {
		p.t.Fatal(err)
	}
	return s.Payload
}

// TestLineageGivesDifferencesFromWhatIsKept: from each version that is kept the
// difference gives the newest, made once however many ask; from others there
// is none.
func TestLineageGivesDifferencesFromWhatIsKept(t *testing.T) {
	d := differOf(setReputation)
	var made atomic.Int32
	between := d.between
	d.between = func(a, b []byte) ([]byte, error) { made.Add(1); return between(a, b) }
	h, p := newLineage(d), newPayloads(t, 2000)
	const versions = lineageVersions + 40
	held := map[uint64][]byte{}
	for v := uint64(1); v <= versions; v++ {
		p.grow(3)
		held[v] = p.build(v)
		h.advance(h.prepare(version{number: v, whole: held[v]}))
	}
	if n := len(h.past); n > lineageVersions || n < lineageVersions-lineageWhole || h.past[0].whole == nil {
		t.Errorf("%d versions are kept", n)
	}
	made.Store(0)
	for v := uint64(1); v <= versions; v++ {
		difference := h.difference(t.Context(), versions, v)
		if v < versions-uint64(len(h.past)) || v == versions {
			if difference != nil {
				t.Errorf("version %d, which is not kept, has a difference", v)
			}
			continue
		}
		got, err := edge.Apply(held[v], difference)
		if err != nil || !bytes.Equal(got, held[versions]) {
			t.Fatalf("from version %d: %v", v, err)
		}
		if !bytes.Equal(h.content(sha256.Sum256(difference)), difference) {
			t.Errorf("the difference from %d cannot be fetched", v)
		}
	}
	if n := int(made.Load()); n != len(h.past)-1 { // the last one was made with the version
		t.Errorf("%d differences were made of %d versions", n, len(h.past))
	}
	if h.difference(t.Context(), versions-1, versions-2) != nil {
		t.Error("a difference to a version that is not the newest")
	}
	if h.difference(t.Context(), versions, versions+7) != nil { // after a backup was brought back parts may be ahead
		t.Error("a difference from a version of the future")
	}
	h.advance(h.prepare(version{number: versions + 1, whole: []byte("of another class or key")}))
	if len(h.past) != 0 || h.difference(t.Context(), versions+1, versions) != nil {
		t.Error("differences over a break")
	}
}

func TestLineageMakesADifferenceOnceForAll(t *testing.T) {
	d := differOf(setReputation)
	between := d.between
	var made atomic.Int32
	h, p := newLineage(d), newPayloads(t, 2000)
	for v := uint64(1); v <= 20; v++ {
		p.grow(3)
		h.advance(h.prepare(version{number: v, whole: p.build(v)}))
	}
	wait := make(chan struct{})
	h.differ.between = func(a, b []byte) ([]byte, error) { made.Add(1); <-wait; return between(a, b) }
	var all sync.WaitGroup
	var without atomic.Int32
	for i := range 500 {
		all.Go(func() {
			if h.difference(t.Context(), 20, uint64(5+i%2)) == nil {
				without.Add(1)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	close(wait)
	all.Wait()
	if made.Load() != 2 || without.Load() != 0 {
		t.Errorf("%d were made for two versions, %d parts got none", made.Load(), without.Load())
	}
	wait = make(chan struct{})
	defer close(wait)
	for v := range uint64(lineageWaiting + 1) { // from here on the whole is quicker
		go h.difference(t.Context(), 20, 7+v)
	}
	time.Sleep(50 * time.Millisecond)
	if h.difference(t.Context(), 20, 18) != nil {
		t.Error("waits behind many others")
	}
}

func TestLineageIsBounded(t *testing.T) {
	part := make([]byte, 1<<20)
	h := newLineage(&differ{
		between: func(_, next []byte) ([]byte, error) { return part, nil },
		apply:   func(_, _ []byte) ([]byte, error) { return part, nil },
	})
	for v := uint64(1); v <= 100; v++ {
		h.advance(h.prepare(version{number: v, whole: make([]byte, 3<<20)}))
		if h.bytes > lineageBytes {
			t.Fatalf("%d bytes of former versions are kept", h.bytes)
		}
	}
	for v := uint64(1); v < 100; v++ {
		h.difference(t.Context(), 100, v)
	}
	if h.kept > lineageMade {
		t.Errorf("%d bytes of differences are kept", h.kept)
	}
	part = make([]byte, 2<<20)
	h.advance(h.prepare(version{number: 101, whole: make([]byte, 3<<20)}))
	if h.difference(t.Context(), 101, 100) != nil {
		t.Error("a difference nearly as large as the whole is given")
	}
}

// TestSetBookGivesDifferences: each kind of part gets those of its own set, also
// from what was held before a restart.
func TestSetBookGivesDifferences(t *testing.T) {
	m := newMemory()
	e := newEdgeSets(newTestDesk(t, m).sets, slog.New(slog.DiscardHandler))
	p := newPayloads(t, 3000)
	e.source = known(func(yield func(reputation.Object, reputation.Brief) bool) { maps.All(p.known)(yield) })
	now := time.Now()
	held := map[string]*wire.SignedSet{}
	for round := range 3 {
		if round == 2 {
			book, err := newSetBook(t.Context(), e.sets.signer, m, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			e.sets = book
		}
		now = now.Add(time.Minute)
		p.grow(2)
		if err := e.refresh(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"gate-000000000001", "agent-000000000001"} {
			s := e.sets.Latest(model.PartID(part), "", wire.SetReputation)
			if old := held[part]; old != nil {
				difference := e.sets.Difference(t.Context(), model.PartID(part), wire.SetReputation, s, old.Version)
				got, err := edge.Apply(old.Payload, difference)
				if err != nil || !bytes.Equal(got, s.Payload) {
					t.Errorf("%s, round %d: %v", part, round, err)
				}
				sum := sha256.Sum256(difference)
				if b, err := e.sets.Content(t.Context(), sum[:]); err != nil || !bytes.Equal(b, difference) {
					t.Errorf("%s, round %d: cannot be fetched: %v", part, round, err)
				}
			}
			held[part] = s
		}
	}
	if d := e.sets.Difference(t.Context(), "gate-000000000001", setPolicy, &wire.SignedSet{Version: 2}, 1); d != nil {
		t.Error(fmt.Sprint("a difference of policies: ", d))
	}
}

// TestPartsAheadOfARestoredControlPlane: after an old backup was brought back
// parts hold versions that the control plane never saw; they get a newer one, as
// a whole, and then differences again.
func TestPartsAheadOfARestoredControlPlane(t *testing.T) {
	m := newMemory()
	p := newPayloads(t, 3000)
	now := time.Now()
	desk := newTestDesk(t, m)
	signer := desk.sets.signer
	send := func(book *setBook) *wire.SignedSet {
		t.Helper()
		e := newEdgeSets(book, slog.New(slog.DiscardHandler))
		e.source = known(func(yield func(reputation.Object, reputation.Brief) bool) { maps.All(p.known)(yield) })
		now = now.Add(time.Minute)
		p.grow(2)
		if err := e.refresh(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		return book.Latest("gate-000000000001", "", wire.SetReputation)
	}
	send(desk.sets)
	backup, err := m.Set(t.Context(), setReputation)
	if err != nil {
		t.Fatal(err)
	}
	ahead := send(desk.sets)
	old := newMemory()
	if err := old.SaveSet(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	book, err := newSetBook(t.Context(), signer, old, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	next := send(book)
	if next.Version <= ahead.Version {
		t.Fatalf("version %d after %d: parts would keep what they have", next.Version, ahead.Version)
	}
	if book.Difference(t.Context(), "gate-000000000001", wire.SetReputation, next, ahead.Version) != nil {
		t.Error("a difference from a version that is not known")
	}
	if _, err := edge.Open(next.Payload, uint32(now.Unix()), mustHeader(t, ahead.Payload).Version); err != nil {
		t.Errorf("a part that is ahead refuses it: %v", err)
	}
	after := send(book)
	got, err := edge.Apply(next.Payload, book.Difference(t.Context(), "gate-000000000001", wire.SetReputation, after, next.Version))
	if err != nil || !bytes.Equal(got, after.Payload) {
		t.Errorf("no differences afterwards: %v", err)
	}
}
