package control

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// known is what a service under test knows; all of it is equally near.
type known func(yield func(reputation.Object, reputation.Brief) bool)

func (k known) Each(yield func(reputation.Object, reputation.Brief) bool) { k(yield) }
func (known) Near(reputation.Object, reputation.Brief) uint8              { return 0 }

// TestReputationSetFollowsWhatIsKnown: a set goes out when its entries change
// or its life is half over, under one key, and not otherwise.
func TestReputationSetFollowsWhatIsKnown(t *testing.T) {
	bad := netip.MustParseAddr("203.0.113.9")
	score := uint8(0)
	e := newEdgeSets(newTestDesk(t, newMemory()).sets, slog.New(slog.DiscardHandler))
	e.source = known(func(yield func(reputation.Object, reputation.Brief) bool) {
		yield(edge.ObjectOf(bad), reputation.Brief{Score: score})
	})
	now := time.Now()
	send := func(after time.Duration) *wire.SignedSet {
		t.Helper()
		now = now.Add(after)
		if err := e.refresh(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		return e.sets.Latest("gate-000000000001", "", wire.SetReputation)
	}
	if s := send(0); s != nil {
		t.Errorf("a set of nothing was sent")
	}
	score = 92
	first := send(time.Second)
	set, err := edge.Open(first.Payload, uint32(now.Unix()), 0)
	if err != nil || set.Address(bad) != edge.TierCertain {
		t.Fatalf("%v: %v", bad, err)
	}
	score = 95
	if s := send(time.Minute); s.Version != first.Version {
		t.Error("sent again though every tier is the same")
	}
	again := send(setLife / 2)
	if again.Version == first.Version {
		t.Error("not sent again at half its life")
	}
	score = 10
	last := send(time.Minute)
	set, err = edge.Open(last.Payload, uint32(now.Unix()), 0)
	if err != nil || set.Len() != 0 {
		t.Errorf("%v entries: %v", set, err)
	}
	if a, b := set.Header(), mustHeader(t, again.Payload); a.Key != b.Key || a.Before != b.Version {
		t.Errorf("header %+v after %+v", a, b)
	}
}

func mustHeader(t *testing.T, payload []byte) edge.Header {
	t.Helper()
	h, err := edge.ReadHeader(payload)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestAgentGetsASmallSet: agents get a set of the small class with the
// addresses only, under the same name on the wire, also after a restart.
func TestAgentGetsASmallSet(t *testing.T) {
	m := newMemory()
	bad, name := netip.MustParseAddr("203.0.113.9"), reputation.Object{Type: reputation.TypeDomain, Text: "bad.example", Below: true}
	e := newEdgeSets(newTestDesk(t, m).sets, slog.New(slog.DiscardHandler))
	e.source = known(func(yield func(reputation.Object, reputation.Brief) bool) {
		_ = yield(edge.ObjectOf(bad), reputation.Brief{Score: 92}) && yield(name, reputation.Brief{Score: 92})
	})
	now := time.Now()
	if err := e.refresh(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	after, err := newSetBook(t.Context(), e.sets.signer, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for what, book := range map[string]*setBook{"": e.sets, "after a restart": after} {
		for part, want := range map[model.PartID]struct {
			class   edge.Class
			entries int
		}{"gate-000000000001": {edge.ClassLarge, 2}, "agent-000000000001": {edge.ClassSmall, 1}} {
			s := book.Latest(part, "", wire.SetReputation)
			if s == nil {
				t.Fatalf("%s has no set %s", part, what)
			}
			set, err := edge.Open(s.Payload, uint32(now.Unix()), 0)
			if err != nil || set.Len() != want.entries || set.Header().Class != want.class || set.Address(bad) != edge.TierCertain {
				t.Errorf("%s %s: %+v: %v", part, what, set.Header(), err)
			}
			if s.Name != wire.SetReputation || book.held(s.SHA256) == nil {
				t.Errorf("%s: set %q cannot be fetched", part, s.Name)
			}
		}
	}
}

// TestGateGetsTailsOfItsSet: tails go with each set, and again when the process
// ended between the two.
func TestGateGetsTailsOfItsSet(t *testing.T) {
	m := newMemory()
	e := newEdgeSets(newTestDesk(t, m).sets, slog.New(slog.DiscardHandler))
	name := reputation.Object{Type: reputation.TypeDomain, Text: "bad.example", Below: true}
	e.source = known(func(yield func(reputation.Object, reputation.Brief) bool) { yield(name, reputation.Brief{Score: 92}) })
	now := time.Now()
	newest := func() (set, tails *wire.SignedSet) {
		t.Helper()
		now = now.Add(time.Minute)
		if err := e.refresh(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		return e.sets.Latest("gate-000000000001", "", wire.SetReputation), e.sets.Latest("gate-000000000001", "", wire.SetReputationTails)
	}
	set, tails := newest()
	opened, err := edge.Open(set.Payload, uint32(now.Unix()), 0)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err = opened.WithTails(tails.Payload); err != nil || opened.Domain("a.bad.example") != (edge.Match{Tier: edge.TierCertain, Sure: true}) {
		t.Fatalf("%v: %+v", err, opened.Domain("a.bad.example"))
	}
	if again, _ := newest(); again != set {
		t.Error("sent again without a reason")
	}
	delete(e.sets.sets, setReputationTails) // as a control plane of before left it
	set, tails = newest()
	if tails == nil || !edge.TailsFit(set.Payload, tails.Payload) {
		t.Error("no tails of the set")
	}
}
