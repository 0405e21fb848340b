package consensus

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
)

const (
	start    = 1_700_000_000
	fleet    = 1000
	hostile  = fleet / 10
	minute   = 60
	patience = 10 * minute
)

func ip(n uint32) reputation.Object {
	a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	return reputation.Object{Type: reputation.TypePrefix, Prefix: netip.PrefixFrom(a, 32)}
}

func attacker(i int) reputation.Object { return ip(0x2d000000 + uint32(i)*7919) } // 45.0.0.0/8
// old says whether an object is one of the attackers before the ten minutes.
func old(o reputation.Object) bool {
	for i := range 200 {
		if o == attacker(10_000+i) {
			return true
		}
	}
	return false
}

func innocent(i int) reputation.Object { return ip(0x50000000 + uint32(i)*104729) }

// fleetOf enrols sites 1 to 1000, of which the first 100 are hostile and old;
// the others are new to 60 days old.
func fleetOf(t *testing.T, rnd *rand.Rand, ownerOf func(site int) uint32) *Consensus {
	c := New(Config{Source: 3, MaxBytes: 16 << 20})
	for s := 1; s <= fleet; s++ {
		old := uint32(60 * day)
		if s > hostile {
			old = rnd.Uint32N(60 * day)
		}
		if out := c.Enroll(uint32(s), ownerOf(s), start-old, start); out != Counted {
			t.Fatal(out)
		}
	}
	return c
}

// TestHostileFleet simulates ten minutes: 100 attackers try two sites a second
// each; 100 hostile sites together speak against innocent objects, for the
// attackers, and flood the store with made-up objects; by accident every
// innocent is also seen by 20 honest sites.
func TestHostileFleet(t *testing.T) {
	ownOwner := func(s int) uint32 { return uint32(s) }
	oneOwner := func(s int) uint32 { return uint32(max(s, hostile+1)) } // one owner, who has an honest site as well
	for name, c := range map[string]struct {
		ownerOf func(int) uint32
		sleeper bool // the hostile report truly for two days first
	}{
		"colluding owners": {ownOwner, false}, "one owner of 100 sites": {oneOwner, false}, "sleepers": {ownOwner, true},
	} {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			f := fleetOf(t, rnd, c.ownerOf)
			now := uint32(start)
			if c.sleeper {
				now = beTrue(f, c.ownerOf, now)
			}
			simulate(t, f, rnd, c.ownerOf, now)
		})
	}
}

// beTrue lets the hostile sites win agreement with attackers of old.
func beTrue(f *Consensus, ownerOf func(int) uint32, now uint32) uint32 {
	for round := range 200 {
		for s := 1; s <= 2*hostile; s++ {
			f.Observe(Sighting{Site: uint32(s), Owner: ownerOf(s), Object: attacker(10_000 + round), Kind: reputation.KindScanner, At: now})
		}
		now += 15 * minute
		f.Claims(now)
	}
	return now
}

func simulate(t *testing.T, f *Consensus, rnd *rand.Rand, ownerOf func(int) uint32, begin uint32) {
	const attackers, innocents = 100, 200
	listedAt := map[reputation.Object]uint32{}
	see := func(site int, o reputation.Object, k reputation.Kind, at uint32) {
		f.Observe(Sighting{Site: uint32(site), Owner: ownerOf(site), Object: o, Kind: k, At: at})
	}
	for i := range innocents {
		for range 20 {
			see(hostile+1+rnd.IntN(fleet-hostile), innocent(i), reputation.KindScanner, begin)
		}
	}
	made := 0
	for now := begin; now <= begin+patience; now++ {
		for a := range attackers {
			for range 2 {
				if s := 1 + rnd.IntN(fleet); s > hostile {
					see(s, attacker(a), reputation.KindBruteForce, now)
				}
			}
		}
		for s := 1; s <= hostile; s++ {
			see(s, innocent(int(now)%innocents), reputation.KindC2, now)
			see(s, attacker(int(now)%attackers), reputation.KindBenign, now)
			made++
			see(s, ip(0x60000000+uint32(made)), reputation.KindC2, now)
		}
		if now%30 != 0 && now != begin+patience {
			continue
		}
		for _, c := range f.Claims(now) {
			if _, ok := listedAt[c.Object]; !ok {
				listedAt[c.Object] = now - begin
			}
		}
	}
	slowest := uint32(0)
	for a := range attackers {
		at, ok := listedAt[attacker(a)]
		if !ok {
			t.Errorf("attacker %v is not listed", attacker(a))
		}
		slowest = max(slowest, at)
		delete(listedAt, attacker(a))
	}
	for o := range listedAt {
		if !old(o) {
			t.Errorf("innocent %v is listed", o)
		}
	}
	if s := f.Stats(); s.Bytes > f.cfg.MaxBytes {
		t.Errorf("%d bytes are kept, more than %d", s.Bytes, f.cfg.MaxBytes)
	}
	t.Logf("all attackers listed after %d s; %+v", slowest, f.Stats())
}

// TestKeptAlive lets the hostile tenth go on with an object that all saw once:
// it must leave when the others' sightings are forgotten.
func TestKeptAlive(t *testing.T) {
	f := fleetOf(t, rand.New(rand.NewPCG(1, 2)), func(s int) uint32 { return uint32(s) })
	seen(f, attacker(1), reputation.KindBot, start, upTo(fleet)...)
	for now := uint32(start + 60); now < start+3*day; now += 3600 {
		seen(f, attacker(1), reputation.KindBot, now, upTo(hostile)...)
		for s := 1; s <= fleet; s++ {
			f.Enroll(uint32(s), uint32(s), 0, now)
		}
		claims := f.Claims(now)
		if early := now < start+6*3600; early && len(claims) != 1 || now > start+2*day+60 && len(claims) != 0 {
			t.Fatalf("after %d hours: %v", (now-start)/3600, claims)
		}
	}
}
