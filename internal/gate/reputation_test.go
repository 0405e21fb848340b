package gate

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

func edgeSet(t *testing.T, version uint64, expires time.Time, scores map[string]uint8) []byte {
	t.Helper()
	entries := make(map[reputation.Object]reputation.Brief)
	for p, score := range scores {
		entries[reputation.Object{Type: reputation.TypePrefix, Prefix: netip.MustParsePrefix(p)}] = reputation.Brief{Score: score}
	}
	s, err := edge.Build(maps.All(entries), edge.Config{Header: edge.Header{Class: edge.ClassLarge, Version: version, Issued: 1, Expires: uint32(expires.Unix())}})
	if err != nil {
		t.Fatal(err)
	}
	return s.Payload
}

// TestReputationSetBlocksAddresses: addresses of the threshold are blocked,
// never those of inner networks or protected ones; a bad set changes nothing;
// a new policy and switching off take effect.
func TestReputationSetBlocksAddresses(t *testing.T) {
	n := &narrow{room: 9}
	g := narrowGate(t, n)
	soon := time.Now().Add(time.Hour)
	first := edgeSet(t, 1, soon, map[string]uint8{"203.0.113.9/32": 80, "198.51.100.0/24": 95, "192.0.2.1/32": 60, "192.168.1.0/24": 99, "2001:db8::/32": 90})
	want := func(what string, prefixes ...string) {
		t.Helper()
		var got []string
		for _, p := range n.blocked {
			got = append(got, p.String())
		}
		slices.Sort(got)
		if !slices.Equal(got, prefixes) {
			t.Errorf("%s: %v, want %v", what, got, prefixes)
		}
	}
	configure := func() {
		t.Helper()
		if err := g.writeBlocklist(); err != nil { // what configure begins
			t.Fatal(err)
		}
	}
	if err := g.setReputation(1, first); err != nil {
		t.Fatal(err)
	}
	want("first", "198.51.100.0/24", "2001:db8::/32", "203.0.113.9/32")
	for what, bad := range map[string][]byte{
		"replayed": first, "cut": first[:len(first)-9], "expired": edgeSet(t, 9, time.Now().Add(-time.Hour), nil), "nothing": nil,
	} {
		if err := g.setReputation(2, bad); err == nil {
			t.Errorf("%s: taken", what)
		}
		want(what, "198.51.100.0/24", "2001:db8::/32", "203.0.113.9/32")
	}
	g.policy.Protected = []netip.Prefix{netip.MustParsePrefix("198.51.100.53/32")}
	configure()
	want("protected", "2001:db8::/32", "203.0.113.9/32")
	if m := g.reputationMissing(time.Now()); m != "" {
		t.Errorf("missing: %s", m)
	}
	if m := g.reputationMissing(soon.Add(time.Second)); m == "" {
		t.Error("an expired set is not told")
	}
	g.cfg.Reputation.Score = 90
	if err := g.setReputation(2, edgeSet(t, 2, soon, map[string]uint8{"203.0.113.9/32": 80, "203.0.113.10/32": 91})); err != nil {
		t.Fatal(err)
	}
	want("second", "203.0.113.10/32")
	g.cfg.Reputation.Mode = model.ModeOff
	configure()
	want("off")
}

func TestBlocklistKeepsTheWorstWhenFull(t *testing.T) {
	set, err := edge.Open(edgeSet(t, 1, time.Now().Add(time.Hour), map[string]uint8{"203.0.113.9/32": 80, "203.0.113.10/32": 95, "203.0.113.12/32": 76}), 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := blockInputs{set: set, conf: Default().Reputation}
	if list, more := in.list(1); len(list) != 1 || list[0].String() != "203.0.113.10/32" || more != 2 {
		t.Errorf("%v and %d more", list, more)
	}
}
