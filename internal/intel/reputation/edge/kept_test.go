package edge

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// TestWithout: of a prefix all is given but what is kept, once.
func TestWithout(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	prefix := func(least int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.Uint32())}), least+r.IntN(33-least)).Masked()
	}
	for range 2000 {
		var all []netip.Prefix
		for range r.IntN(5) {
			all = append(all, prefix(24))
		}
		p := prefix(23)
		var held [512]int
		_ = Without(p, all, func(x netip.Prefix) bool {
			if x != x.Masked() {
				t.Fatalf("%v is not masked", x)
			}
			for a, n := x.Addr(), 0; n < 1<<(32-x.Bits()); a, n = a.Next(), n+1 {
				held[int(a.As4()[2]&1)<<8|int(a.As4()[3])]++
			}
			return true
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
	n := 0
	Without(netip.MustParsePrefix("2001:db8::/32"), []netip.Prefix{netip.MustParsePrefix("2001:db8::1/128"), netip.MustParsePrefix("10.0.0.0/8")}, func(netip.Prefix) bool { n++; return true })
	if n != 96 {
		t.Errorf("%d prefixes of IPv6, want 96", n)
	}
	if Without(netip.MustParsePrefix("192.0.2.0/24"), []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")}, func(netip.Prefix) bool { n--; return false }) || n != 95 {
		t.Error("it does not end when told to")
	}
}
