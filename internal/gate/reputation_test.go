package gate

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/gate/inline"
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
	want("protected", "198.51.100.0/27", "198.51.100.128/25", "198.51.100.32/28", "198.51.100.48/30", "198.51.100.52/32", "198.51.100.54/31",
		"198.51.100.56/29", "198.51.100.64/26", "2001:db8::/32", "203.0.113.9/32")
	if m := g.reputationMissing(time.Now()); m != "" {
		t.Errorf("missing: %s", m)
	}
	if m := g.reputationMissing(soon.Add(time.Second)); m == "" {
		t.Error("an expired set is not told")
	}
	g.policy.Reputation.Score = 90
	if err := g.setReputation(2, edgeSet(t, 2, soon, map[string]uint8{"203.0.113.9/32": 80, "203.0.113.10/32": 91})); err != nil {
		t.Fatal(err)
	}
	want("second", "203.0.113.10/32")
	g.policy.Reputation.Mode = model.ModeObserve
	configure()
	want("observed")
	if m := g.reputationMissing(time.Now()); m == "" {
		t.Error("that nothing is stopped is not told")
	}
	g.policy.Reputation.Mode = model.ModeEnforce
	configure()
	want("enforced", "203.0.113.10/32")
	g.cfg.Reputation.Limit = model.ModeObserve
	configure()
	want("limited")
	g.cfg.Reputation = ReputationConfig{Mode: model.ModeOff, Limit: model.ModeEnforce}
	g.policy.Reputation = model.ReputationPolicy{}
	configure()
	want("off")
}

func TestBlocklistKeepsTheWorstWhenFull(t *testing.T) {
	set, err := edge.Open(edgeSet(t, 1, time.Now().Add(time.Hour), map[string]uint8{"203.0.113.9/32": 80, "203.0.113.10/32": 95, "203.0.113.12/32": 76}), 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := blockInputs{set: set, least: edge.TierHigh}
	if list, more := in.list(1); len(list) != 1 || list[0].String() != "203.0.113.10/32" || more != 2 {
		t.Errorf("%v and %d more", list, more)
	}
}

// TestReputationRegards: what the policy says replaces what the configuration
// says, device by device, up to the limit.
func TestReputationRegards(t *testing.T) {
	one := datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 10, 1}}
	regard := func(m model.Mode, least edge.Tier) inline.Regard { return inline.Regard{Mode: m, Least: least} }
	c := Default()
	for what, tt := range map[string]struct {
		limit  model.Mode
		policy model.Policy
		all    inline.Regard
		own    inline.Regard // of device one
	}{
		"no policy": {"enforce", model.Policy{}, regard("enforce", edge.TierHigh), regard("enforce", edge.TierHigh)},
		"of all":    {"enforce", model.Policy{Reputation: model.ReputationPolicy{Mode: "observe", Score: 90}}, regard("observe", edge.TierCertain), regard("observe", edge.TierCertain)},
		"of one": {"enforce", model.Policy{Reputation: model.ReputationPolicy{Mode: "observe"}, ReputationDevices: map[model.DeviceID]model.ReputationPolicy{"mac-020000000a01": {Mode: "enforce", Score: 50}}},
			regard("observe", edge.TierHigh), regard("enforce", edge.TierMedium)},
		"limited": {"observe", model.Policy{ReputationDevices: map[model.DeviceID]model.ReputationPolicy{"mac-020000000a01": {Score: 50}}},
			regard("observe", edge.TierHigh), regard("observe", edge.TierMedium)},
	} {
		c.Reputation.Limit = tt.limit
		r := c.regards(&tt.policy)
		if r.All != tt.all || r.Of(one) != tt.own || r.Of(datapath.DeviceKey{}) != tt.all {
			t.Errorf("%s: %+v", what, r)
		}
		if spared := sparedBy(r); len(spared) > 0 != (len(r.Devices) > 0 && tt.own.Mode != model.ModeEnforce) {
			t.Errorf("%s: spared %v", what, spared)
		}
	}
}

// namedSet is a set that lists one name, with its tails.
func namedSet(t *testing.T, version uint64, name string) *edge.Snapshot {
	t.Helper()
	o := reputation.Object{Type: reputation.TypeDomain, Text: name, Below: true}
	s, err := edge.Build(maps.All(map[reputation.Object]reputation.Brief{o: {Score: 95}}),
		edge.Config{Header: edge.Header{Class: edge.ClassLarge, Version: version, Issued: 1, Expires: 1 << 31, Key: edge.Key{1}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTailsMakeMatchesSure: the inspection gets a set once its tails are there,
// whichever comes first, and goes on with the former one meanwhile, but not for
// ever.
func TestTailsMakeMatchesSure(t *testing.T) {
	g := narrowGate(t, &narrow{room: 9})
	asked := func(what, name string, want edge.Match) {
		t.Helper()
		if got := g.blocklist.sure.Domain(name); got != want {
			t.Errorf("%s: %s: %+v, want %+v", what, name, got, want)
		}
	}
	take := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sure, unsure := edge.Match{Tier: edge.TierCertain, Sure: true}, edge.Match{Tier: edge.TierCertain}
	one, two, three := namedSet(t, 1, "one.example"), namedSet(t, 2, "two.example"), namedSet(t, 3, "three.example")
	take(g.setReputation(1, one.Payload))
	asked("without tails", "one.example", unsure)
	if m := g.reputationMissing(time.Now()); m == "" {
		t.Error("that there are no tails is not told")
	}
	take(g.setReputationTails(1, one.Tails))
	asked("set, then tails", "one.example", sure)
	take(g.setReputation(2, two.Payload))
	asked("until the tails come", "one.example", sure)
	take(g.setReputationTails(2, two.Tails))
	asked("with them", "two.example", sure)
	asked("with them", "one.example", edge.Match{})
	take(g.setReputationTails(3, three.Tails))
	asked("tails before their set", "two.example", sure)
	take(g.setReputation(3, three.Payload))
	asked("tails, then set", "three.example", sure)
	if err := g.setReputationTails(4, three.Tails[:len(three.Tails)-1]); err == nil || g.blocklist.sure == nil {
		t.Error("tails that were cut are taken")
	}
	asked("after tails that were cut", "three.example", sure)
	take(g.setReputation(4, namedSet(t, 4, "four.example").Payload))
	g.lateTails(time.Now())
	asked("not late yet", "three.example", sure)
	g.lateTails(time.Now().Add(tailsWithin + time.Second))
	asked("late", "four.example", unsure)
}

func TestSpansTouchWhatPrefixesOverlap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(bits int) netip.Prefix {
		a := netip.AddrFrom4([4]byte{10, byte(r.IntN(4)), byte(r.IntN(256)), byte(r.IntN(256))})
		if r.IntN(2) == 0 {
			a = netip.AddrFrom16([16]byte{0x20, 1, byte(r.IntN(2)), byte(r.IntN(256)), 4: byte(r.IntN(256))})
		}
		p, _ := a.Prefix(min(bits, a.BitLen()))
		return p
	}
	for range 200 {
		var all []netip.Prefix
		for range r.IntN(12) {
			all = append(all, random(8+r.IntN(25)))
		}
		v4, v6 := spansOf(all)
		kept := [2]keep{{spans: v4}, {spans: v6}} // whatever the order
		for range 200 {
			p := random(8 + r.IntN(25))
			if single := netip.PrefixFrom(p.Addr(), p.Addr().BitLen()); r.IntN(2) == 0 {
				p = single
			}
			if got, want := kept[familyOf(p)].has(p), slices.ContainsFunc(all, p.Overlaps); got != want {
				t.Fatalf("%v kept in %v: %v", p, all, got)
			}
			s := v4
			if p.Addr().Is6() {
				s = v6
			}
			if got, want := s.touch(p), slices.ContainsFunc(all, p.Overlaps); got != want {
				t.Fatalf("%v in %v: %v", p, all, got)
			}
		}
	}
}
