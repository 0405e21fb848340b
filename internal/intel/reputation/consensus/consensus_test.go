package consensus

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// grownFleet is a fleet of n old sites, each of its own owner.
func grownFleet(cfg Config, n int) *Consensus {
	c := New(cfg)
	for s := 1; s <= n; s++ {
		c.Enroll(uint32(s), uint32(s), start-90*day, start)
	}
	return c
}

func seen(c *Consensus, o reputation.Object, k reputation.Kind, at uint32, sites ...int) {
	for _, s := range sites {
		c.Observe(Sighting{Site: uint32(s), Owner: uint32(s), Object: o, Kind: k, At: at})
	}
}

func upTo(n int) (sites []int) {
	for s := 1; s <= n; s++ {
		sites = append(sites, s)
	}
	return sites
}

func TestThresholds(t *testing.T) {
	o := ip(0x2d010203)
	for name, c := range map[string]struct {
		cfg    Config
		sites  int
		after  uint32
		listed bool
	}{
		"one site":           {Config{}, 1, 120, false},
		"four owners":        {Config{}, 4, 120, false},
		"five owners":        {Config{}, 5, 120, true},
		"too soon":           {Config{}, 5, 59, false},
		"lower bound is two": {Config{MinOwners: 1, Share: 1}, 1, 120, false},
		"under the share":    {Config{Share: 500}, 9, 120, false},
		"over the share":     {Config{Share: 500}, 11, 120, true},
		"forgotten":          {Config{}, 20, 4 * 12 * 3600, false},
	} {
		f := grownFleet(c.cfg, 20)
		seen(f, o, reputation.KindScanner, start, upTo(c.sites)...)
		claims := f.Claims(start + c.after)
		if (len(claims) == 1) != c.listed {
			t.Errorf("%s: %v", name, claims)
		}
		for _, cl := range claims {
			if cl.Object != o || cl.Kind != reputation.KindScanner || cl.Confidence == 0 || cl.Confidence > 100 || cl.First%round != 0 || cl.Until <= cl.Last || len(cl.Note) > 64 {
				t.Errorf("%s: %+v", name, cl)
			}
		}
	}
}

func TestNewFleetAndSilentSites(t *testing.T) {
	f := New(Config{})
	seen(f, ip(0x2d010203), reputation.KindBot, start, upTo(5)...)
	if c := f.Claims(start + 100); len(c) != 0 {
		t.Errorf("five new owners list: %v", c)
	}
	g := grownFleet(Config{Share: 500}, 20)
	later := uint32(start + 31*day)
	seen(g, ip(0x2d010203), reputation.KindBot, later, upTo(5)...)
	if c := g.Claims(later + 100); len(c) != 1 {
		t.Errorf("sites that are gone still count: %v", c)
	}
}

func TestStaysAndGoes(t *testing.T) {
	f := grownFleet(Config{Share: 500}, 20)
	o := ip(0x2d010203)
	seen(f, o, reputation.KindScanner, start, upTo(12)...)
	for _, c := range []struct {
		hours uint32
		want  int
	}{{1, 1}, {11, 1}, {23, 0}, {48, 0}} {
		if got := f.Claims(start + c.hours*3600); len(got) != c.want {
			t.Errorf("after %d hours: %v", c.hours, got)
		}
	}
	if s := f.Stats(); s.Objects != 0 || s.Votes != 0 || s.Bytes != 0 {
		t.Errorf("kept: %+v", s)
	}
}

func TestProtected(t *testing.T) {
	shield := false
	own := ip(0x2d010203)
	f := grownFleet(Config{Protected: func(o reputation.Object) bool { return shield && o == own }}, 20)
	seen(f, own, reputation.KindC2, start, upTo(20)...)
	if c := f.Claims(start + 100); len(c) != 1 {
		t.Fatal(c)
	}
	shield = true
	if c := f.Claims(start + 130); len(c) != 0 {
		t.Errorf("a protected object is listed: %v", c)
	}
	before := f.weight(0, start+day)
	for h := range uint32(10) {
		if out := f.Observe(Sighting{Site: 1, Owner: 1, Object: own, Kind: reputation.KindC2, At: start + day + h*3600}); out != Protected {
			t.Error(out)
		}
	}
	if after := f.weight(0, start+day); after >= before || after < before/2 {
		t.Errorf("weight %d before, %d after", before, after)
	}
}

func TestForgeableAlone(t *testing.T) {
	f := grownFleet(Config{}, 20)
	o := ip(0x2d010203)
	for s := uint32(1); s <= 20; s++ {
		f.Observe(Sighting{Site: s, Owner: s, Object: o, Kind: reputation.KindFlood, At: start, Forgeable: true})
	}
	if c := f.Claims(start + 100); len(c) != 0 {
		t.Errorf("forged packets list their victim: %v", c)
	}
	seen(f, o, reputation.KindFlood, start, upTo(5)...)
	if c := f.Claims(start + 160); len(c) != 1 {
		t.Error("proven sightings do not list")
	}
}

func TestSpeakFor(t *testing.T) {
	f := grownFleet(Config{}, 20)
	o := ip(0x2d010203)
	seen(f, o, reputation.KindC2, start, 1, 2, 3, 4, 5, 6)
	seen(f, o, reputation.KindBenign, start, 7, 8, 9, 10)
	if c := f.Claims(start + 100); len(c) != 0 {
		t.Errorf("listed against four owners: %v", c)
	}
}

func TestOutcomes(t *testing.T) {
	v6, v6b := netip.MustParsePrefix("2a00:1:2:3::4/128"), netip.MustParsePrefix("2a00:1:2:3:ffff::/128")
	of := func(p netip.Prefix) reputation.Object {
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}
	}
	f := New(Config{MaxSites: 2})
	for i, c := range []struct {
		s    Sighting
		want Outcome
	}{
		{Sighting{Site: 1, Owner: 1, Object: of(v6), Kind: reputation.KindBot, At: start}, Counted},
		{Sighting{Site: 1, Owner: 1, Object: of(v6b), Kind: reputation.KindBot, At: start}, Counted},
		{Sighting{Site: 1, Owner: 2, Object: of(v6), Kind: reputation.KindBot, At: start}, WrongOwner},
		{Sighting{Site: 0, Owner: 2, Object: of(v6), Kind: reputation.KindBot, At: start}, BadSighting},
		{Sighting{Site: 2, Owner: 2, Object: of(v6), At: start}, BadSighting},
		{Sighting{Site: 2, Owner: 2, Object: of(v6), Kind: reputation.KindBot}, BadSighting},
		{Sighting{Site: 2, Owner: 2, Object: of(netip.MustParsePrefix("45.0.0.0/24")), Kind: reputation.KindBot, At: start}, NotPublic},
		{Sighting{Site: 2, Owner: 2, Object: of(netip.MustParsePrefix("192.168.1.1/32")), Kind: reputation.KindBot, At: start}, NotPublic},
		{Sighting{Site: 2, Owner: 2, Object: of(netip.MustParsePrefix("100.64.0.1/32")), Kind: reputation.KindBot, At: start}, NotPublic},
		{Sighting{Site: 2, Owner: 2, Object: of(netip.MustParsePrefix("fe80::1/128")), Kind: reputation.KindBot, At: start}, NotPublic},
		{Sighting{Site: 2, Owner: 2, Object: of(netip.Prefix{}), Kind: reputation.KindBot, At: start}, NotPublic},
		{Sighting{Site: 2, Owner: 2, Object: reputation.Object{Type: reputation.TypeASN, Number: 1}, Kind: reputation.KindBot, At: start}, NotPublic},
		{Sighting{Site: 2, Owner: 2, Object: reputation.Object{Type: reputation.TypeURL, Text: strings.Repeat("x", 2000)}, Kind: reputation.KindBot, At: start}, BadSighting},
		{Sighting{Site: 2, Owner: 2, Object: reputation.Object{Type: reputation.TypeDomain, Text: "evil.example"}, Kind: reputation.KindC2, At: start}, Counted},
		{Sighting{Site: 3, Owner: 3, Object: of(v6), Kind: reputation.KindBot, At: start}, TooManySites},
		{Sighting{Site: 3, Owner: 3, Object: of(v6), Kind: reputation.KindBot, At: start + 40*day}, Counted},
	} {
		if got := f.Observe(c.s); got != c.want {
			t.Errorf("%d: %v, want %v", i, got, c.want)
		}
	}
	if s := f.Stats(); s.Sites != 2 || s.Objects != 1 {
		t.Errorf("%+v", s)
	}
}

// TestFlood floods a small store and checks that its lists and sums stay
// right and that the quiet owner keeps what he saw.
func TestFlood(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	f := New(Config{MaxBytes: 1 << 16})
	seen(f, ip(0x2d010203), reputation.KindBot, start, 1)
	for i := range 20_000 {
		site := 2 + rnd.Uint32N(3)
		o := reputation.Object{Type: reputation.TypeDomain, Text: fmt.Sprintf("n%d.example%s", rnd.IntN(5000), strings.Repeat("x", rnd.IntN(40)))}
		f.Observe(Sighting{Site: site, Owner: site, Object: o, Kind: reputation.Kind(1 + rnd.IntN(14)), Count: rnd.Uint32(), At: start + uint32(i)/100})
		if i%500 == 0 {
			sound(t, f)
			f.Claims(start + uint32(i)/100)
		}
	}
	if _, ok := f.store.byObject[ip(0x2d010203)]; !ok {
		t.Error("a flood of others pushed out what a quiet owner saw")
	}
	f.Claims(start + 10*day)
	if s := f.Stats(); s.Objects+s.Votes+s.Bytes != 0 {
		t.Errorf("left: %+v", s)
	}
}

// sound checks the lists against each other.
func sound(t *testing.T, f *Consensus) {
	t.Helper()
	st := &f.store
	byEntry, byOwner, bytes := 0, 0, 0
	for i := range st.entries {
		n := int32(0)
		for v := st.entries[i].votes; v != none; v = st.votes[v].entryNext {
			n++
		}
		if n != st.entries[i].owners {
			t.Fatalf("entry %d counts %d votes and has %d", i, st.entries[i].owners, n)
		}
		byEntry += int(n)
	}
	for i := range st.owners {
		cost, last := 0, none
		for v := st.owners[i].oldest; v != none; v = st.votes[v].ownerNext {
			if st.votes[v].ownerPrev != last {
				t.Fatal("a broken list")
			}
			byOwner, cost, last = byOwner+1, cost+st.cost(st.votes[v].entry), v
		}
		if cost != st.owners[i].cost || last != st.owners[i].newest {
			t.Fatalf("owner %d: cost %d, counted %d", i, st.owners[i].cost, cost)
		}
		bytes += cost
	}
	if byEntry != len(st.byPair) || byOwner != byEntry || bytes != st.bytes || bytes > f.cfg.MaxBytes {
		t.Fatalf("%d, %d, %d votes; %d, %d bytes", byEntry, byOwner, len(st.byPair), bytes, st.bytes)
	}
}

func TestEach(t *testing.T) {
	f := grownFleet(Config{}, 20)
	seen(f, ip(0x2d010203), reputation.KindBot, start, 1, 2)
	n := 0
	f.Each(start+100, func(c Candidate) bool {
		n++
		if c.Owners != 2 || c.Sites != 2 || c.NeedOwners != 5 || c.Listed || c.Weight <= 0 || c.Kind != reputation.KindBot || c.Count != 2 {
			t.Errorf("%+v", c)
		}
		return true
	})
	if n != 1 {
		t.Errorf("%d candidates", n)
	}
}

func TestObserveAllocations(t *testing.T) {
	f := grownFleet(Config{}, 20)
	s := Sighting{Site: 1, Owner: 1, Object: ip(0x2d010203), Kind: reputation.KindBot, At: start}
	f.Observe(s)
	if n := testing.AllocsPerRun(100, func() { f.Observe(s) }); n != 0 {
		t.Errorf("%v allocations for a known object", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	f := grownFleet(Config{}, fleet)
	rnd := rand.New(rand.NewPCG(5, 6))
	b.ReportAllocs()
	for b.Loop() {
		s := 1 + rnd.Uint32N(fleet)
		f.Observe(Sighting{Site: s, Owner: s, Object: ip(0x2d000000 + rnd.Uint32N(100_000)), Kind: reputation.KindBot, At: start})
	}
}
