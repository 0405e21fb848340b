package consensus

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation"
)

const stateNow = 1_800_000_000

// seenALot is a consensus with sites, owners and sightings of all sorts.
func seenALot(seed uint64) *Consensus {
	c := New(Config{})
	r := rand.New(rand.NewPCG(seed, 1))
	for range 3000 {
		site := r.Uint32N(60) + 1
		o := reputation.Object{Type: reputation.TypePrefix, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(r.Uint32N(40))}), 32)}
		switch r.Uint32N(4) {
		case 0:
			o = reputation.Object{Type: reputation.TypeDomain, Text: string(rune('a'+r.Uint32N(20))) + ".example"}
		case 1:
			o.Prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(r.Uint32N(9))}), 64)
		}
		c.Observe(Sighting{Site: site, Owner: site%23 + 1, Object: o, Kind: reputation.Kind(r.Uint32N(uint32(reputation.NumKinds)-1) + 1),
			Count: r.Uint32N(5), At: stateNow - r.Uint32N(200_000), Forgeable: r.Uint32N(2) == 0})
	}
	c.Claims(stateNow)
	return c
}

func candidates(c *Consensus) map[reputation.Object]Candidate {
	out := map[reputation.Object]Candidate{}
	c.Each(stateNow, func(x Candidate) bool { out[x.Object] = x; return true })
	return out
}

// What is restored says and does what was saved: the same claims, candidates and
// sizes, now and after time has gone by.
func TestRestore(t *testing.T) {
	for seed := range uint64(5) {
		c := seenALot(seed)
		b := c.AppendState(nil)
		again := New(Config{})
		if err := again.Restore(b, stateNow); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.Stats(), again.Stats()); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(candidates(c), candidates(again), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
			t.Error(d)
		}
		for _, later := range []uint32{0, 20_000, 90_000} {
			a, b := c.Claims(stateNow+later), again.Claims(stateNow+later)
			if d := cmp.Diff(a, b, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" || later == 0 && len(a) == 0 {
				t.Errorf("%d claims after %d s: %s", len(a), later, d)
			}
		}
		if !bytes.Equal(c.AppendState(nil), again.AppendState(nil)) && len(c.sites) != len(again.sites) {
			t.Error("saved again it differs")
		}
	}
}

// Whatever is cut off or changed is refused or taken as something that can be.
func TestRestoreRefuses(t *testing.T) {
	b := seenALot(9).AppendState(nil)
	for n := range len(b) {
		if n > 300 && n < len(b)-300 && n%97 != 0 {
			continue
		}
		if err := New(Config{}).Restore(b[:n], stateNow); !errors.Is(err, ErrState) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if err := New(Config{}).Restore(append(bytes.Clone(b), 0), stateNow); !errors.Is(err, ErrState) {
		t.Error(err)
	}
	b[0] = 9
	if err := New(Config{}).Restore(b, stateNow); !errors.Is(err, ErrState) {
		t.Error(err)
	}
	if err := seenALot(1).Restore(nil, stateNow); err == nil {
		t.Error("restored over what was there")
	}
}

// Times ahead of the clock would never fade.
func TestRestoreHoldsTimes(t *testing.T) {
	c := New(Config{})
	o := reputation.Object{Type: reputation.TypeDomain, Text: "a.example"}
	c.Observe(Sighting{Site: 1, Owner: 1, Object: o, Kind: reputation.KindC2, At: stateNow + 1_000_000})
	again := New(Config{})
	if err := again.Restore(c.AppendState(nil), stateNow); err != nil {
		t.Fatal(err)
	}
	if got := candidates(again)[o]; got.Last != stateNow {
		t.Errorf("%+v", got)
	}
}

func FuzzRestore(f *testing.F) {
	f.Add(New(Config{}).AppendState(nil))
	c := New(Config{})
	c.Observe(Sighting{Site: 1, Owner: 1, Object: reputation.Object{Type: reputation.TypeDomain, Text: "a.example"}, Kind: reputation.KindC2, At: stateNow})
	f.Add(c.AppendState(nil))
	f.Add([]byte{1, 1, 1, 1, 1, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := New(Config{})
		if c.Restore(b, stateNow) != nil {
			return
		}
		again := New(Config{})
		if err := again.Restore(c.AppendState(nil), stateNow); err != nil {
			t.Fatal(err)
		}
		c.Claims(stateNow + 100)
	})
}
