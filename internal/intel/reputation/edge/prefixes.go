package edge

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// eachSingle gives the single IPv4 addresses whose tier is at least least.
func (s *Set) eachSingle(least Tier, yield func(netip.Prefix, Tier) bool) bool {
	var at uint32
	single, changes := TierNone, 0 // of at, and of the ranges those up to it
	give := func() bool {
		if single < least || single == TierNone {
			return true
		}
		r := &s.four
		for changes < len(r.from) && r.from[changes] <= at {
			changes++
		}
		if changes > 0 && over(single, r.tiers[changes-1]) != single {
			return true
		}
		return yield(netip.PrefixFrom(address4(at), 32), single)
	}
	return s.singles.each(func(v uint32, t Tier) bool {
		if v != at {
			if !give() {
				return false
			}
			at, single = v, TierNone
		}
		single = over(single, t)
		return true
	}) && give()
}

// Addresses is how many addresses, and about how many prefixes, Prefixes gives at
// most: what to make room for.
func (s *Set) Addresses() int { return s.singles.n + len(s.four.from) + len(s.six.from) }

func address4(v uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	return netip.AddrFrom4(b)
}

// eachRange4 gives the prefixes of the IPv4 ranges whose tier is at least
// least, cut so that allowed single addresses are left out.
func (s *Set) eachRange4(least Tier, yield func(netip.Prefix, Tier) bool) bool {
	var free []uint32 // allowed single addresses, sorted
	s.singles.each(func(v uint32, t Tier) bool {
		if t == TierAllow {
			free = append(free, v)
		}
		return true
	})
	r := &s.four
	for i, t := range r.tiers {
		if t < least {
			continue
		}
		from, to := uint64(r.from[i]), uint64(1<<32-1)
		if i+1 < len(r.from) {
			to = uint64(r.from[i+1]) - 1
		}
		for len(free) > 0 && uint64(free[0]) <= to {
			if a := uint64(free[0]); a >= from {
				if a > from && !each4(from, a-1, t, yield) {
					return false
				}
				from = a + 1
			}
			free = free[1:]
		}
		if from <= to && !each4(from, to, t, yield) {
			return false
		}
	}
	return true
}

// each4 gives the fewest prefixes that make up from to to.
func each4(from, to uint64, t Tier, yield func(netip.Prefix, Tier) bool) bool {
	for from <= to {
		size := min(32, bits.TrailingZeros64(from|1<<32), bits.Len64(to-from+1)-1)
		if !yield(netip.PrefixFrom(address4(uint32(from)), 32-size), t) {
			return false
		}
		from += 1 << size
	}
	return true
}

// eachRange6 does so for IPv6.
func (s *Set) eachRange6(least Tier, yield func(netip.Prefix, Tier) bool) bool {
	r := &s.six
	for i, t := range r.tiers {
		if t < least {
			continue
		}
		to := wide{^uint64(0), ^uint64(0)}
		if i+1 < len(r.from) {
			to = r.from[i+1].before()
		}
		for from := r.from[i]; ; {
			size := from.zeros()
			for size > 0 && from.end(size).compare(to) > 0 {
				size--
			}
			var b [16]byte
			binary.BigEndian.PutUint64(b[:8], from.hi)
			binary.BigEndian.PutUint64(b[8:], from.lo)
			if !yield(netip.PrefixFrom(netip.AddrFrom16(b), 128-size), t) {
				return false
			}
			end := from.end(size)
			if end.compare(to) >= 0 {
				break
			}
			from = end.next()
		}
	}
	return true
}

func (a wide) before() wide {
	lo, borrow := bits.Sub64(a.lo, 1, 0)
	return wide{a.hi - borrow, lo}
}

// zeros is the number of zero bits at the end.
func (a wide) zeros() int {
	if a.lo != 0 {
		return bits.TrailingZeros64(a.lo)
	}
	return 64 + bits.TrailingZeros64(a.hi)
}

// end is the last address of the prefix of a with so many free bits.
func (a wide) end(free int) wide {
	switch {
	case free >= 128:
		return wide{^uint64(0), ^uint64(0)}
	case free >= 64:
		return wide{a.hi | (1<<(free-64) - 1), ^uint64(0)}
	}
	return wide{a.hi, a.lo | (1<<free - 1)}
}
