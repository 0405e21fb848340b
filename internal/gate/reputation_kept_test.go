package gate

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// TestKeptAddressesAreCutOut: of a listed prefix all is blocked but what is
// kept, once.
func TestKeptAddressesAreCutOut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	prefix := func(least int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.Uint32())}), least+r.IntN(33-least)).Masked()
	}
	for range 2000 {
		var all []netip.Prefix
		for range r.IntN(5) {
			all = append(all, prefix(24))
		}
		kept, _ := spansOf(all)
		p := prefix(23)
		var held [512]int
		kept.without(p, func(x netip.Prefix) {
			if x != x.Masked() {
				t.Fatalf("%v is not masked", x)
			}
			for a, n := x.Addr(), 0; n < 1<<(32-x.Bits()); a, n = a.Next(), n+1 {
				held[int(a.As4()[2]&1)<<8|int(a.As4()[3])]++
			}
		})
		for i := range held {
			a := netip.AddrFrom4([4]byte{192, 0, byte(2 + i>>8), byte(i)})
			want := 0
			if p.Contains(a) {
				want = 1
				for _, x := range all {
					if x.Contains(a) {
						want = 0
					}
				}
			}
			if held[int(a.As4()[2]&1)<<8|int(a.As4()[3])] != want {
				t.Fatalf("%v without %v: %v is there %d times, want %d", p, all, a, held[i], want)
			}
		}
	}
	_, six := spansOf([]netip.Prefix{netip.MustParsePrefix("2001:db8::1/128")})
	n := 0
	if six.without(netip.MustParsePrefix("2001:db8::/32"), func(netip.Prefix) { n++ }); n != 96 {
		t.Errorf("%d prefixes of IPv6, want 96", n)
	}
}

// TestBlocklistIsTriedAgain: a list that the data path did not take is written
// again after a while, without anything new.
func TestBlocklistIsTriedAgain(t *testing.T) {
	n := &narrow{room: 9, refuses: errors.New("no memory")}
	g := narrowGate(t, n)
	if err := g.setReputation(1, edgeSet(t, 1, time.Now().Add(time.Hour), map[string]uint8{"203.0.113.9/32": 80})); err == nil {
		t.Fatal("a refusal is no error")
	}
	n.refuses = nil
	try := func(now time.Time) int {
		g.mu.Lock()
		g.retryBlocklist(now)
		g.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
		g.blocklist.writing.Lock()
		defer g.blocklist.writing.Unlock()
		return len(n.blocked)
	}
	if k := try(time.Now()); k != 0 {
		t.Errorf("tried again at once: %d", k)
	}
	if k := try(time.Now().Add(retryEvery)); k != 1 {
		t.Errorf("not tried again: %d", k)
	}
	if g.mu.Lock(); g.reputationMissing(time.Now()) != "" || !g.blocklist.failed.IsZero() {
		t.Error("it is said to be missing still")
	}
	g.mu.Unlock()
}
