package edge

import (
	"cmp"
	"math/bits"
	"sort"
)

// span is a prefix with what is said of it; addresses are 128 bits wide, those
// of IPv4 in the last 32.
type span struct {
	from, to wide
	tier     Tier
}

type wide struct{ hi, lo uint64 }

func (a wide) compare(b wide) int {
	return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo))
}

func (a wide) next() wide {
	lo, carry := bits.Add64(a.lo, 1, 0)
	return wide{a.hi + carry, lo}
}

// change is where another tier begins to hold.
type change struct {
	from wide
	tier Tier
}

// flatten turns prefixes, of which one may lie in another but none overlap
// otherwise, into places where the tier changes. last is the highest address.
func flatten(spans []span, last wide) []change {
	sort.Slice(spans, func(i, j int) bool { // package slices would cost the agent 16 KB
		a, b := &spans[i], &spans[j]
		return cmp.Or(a.from.compare(b.from), b.to.compare(a.to)) < 0
	})
	var out []change
	var open []span // each within the one before
	set := func(at wide, t Tier) {
		if n := len(out); n > 0 && out[n-1].from == at {
			out = out[:n-1]
		}
		if n := len(out); n > 0 && out[n-1].tier == t || n == 0 && t == TierNone {
			return
		}
		out = append(out, change{at, t})
	}
	leave := func() {
		n := len(open) - 1
		end := open[n].to
		open = open[:n]
		t := TierNone
		if n > 0 {
			t = open[n-1].tier
		}
		if end != last {
			set(end.next(), t)
		}
	}
	for _, s := range spans {
		for len(open) > 0 && open[len(open)-1].to.compare(s.from) < 0 {
			leave()
		}
		if n := len(open); n > 0 {
			s.tier = over(s.tier, open[n-1].tier)
		}
		set(s.from, s.tier)
		open = append(open, s)
	}
	for len(open) > 0 {
		leave()
	}
	return out
}

// ranges4 answers for IPv4 prefixes: binary search among the changes of one
// part of the address space.
type ranges4 struct {
	from  []uint32
	tiers []Tier
	parts []uint32 // of part p: parts[p] to parts[p+1]
	shift uint
}

func newRanges4(spans []span) ranges4 {
	changes := flatten(spans, wide{lo: 1<<32 - 1})
	if len(changes) == 0 {
		return ranges4{}
	}
	top := uint(min(16, bits.Len(uint(len(changes)))))
	r := ranges4{from: make([]uint32, len(changes)), tiers: make([]Tier, len(changes)), parts: make([]uint32, 1<<top+1), shift: 32 - top}
	p := uint64(0)
	for i, c := range changes {
		r.from[i], r.tiers[i] = uint32(c.from.lo), c.tier
		for ; p <= c.from.lo>>r.shift; p++ {
			r.parts[p] = uint32(i)
		}
	}
	for ; p < uint64(len(r.parts)); p++ {
		r.parts[p] = uint32(len(changes))
	}
	return r
}

func (r *ranges4) bytes() int { return len(r.from)*5 + len(r.parts)*4 }

func (r *ranges4) tier(a uint32) Tier {
	if len(r.from) == 0 {
		return TierNone
	}
	p := a >> r.shift
	i, j := r.parts[p], r.parts[p+1]
	for i < j { // the first change after a
		if m := (i + j) / 2; r.from[m] <= a {
			i = m + 1
		} else {
			j = m
		}
	}
	if i == 0 {
		return TierNone
	}
	return r.tiers[i-1]
}

// ranges6 answers for IPv6 addresses and prefixes.
type ranges6 struct {
	from  []wide
	tiers []Tier
}

func newRanges6(spans []span) ranges6 {
	changes := flatten(spans, wide{^uint64(0), ^uint64(0)})
	r := ranges6{from: make([]wide, len(changes)), tiers: make([]Tier, len(changes))}
	for i, c := range changes {
		r.from[i], r.tiers[i] = c.from, c.tier
	}
	return r
}

func (r *ranges6) bytes() int { return len(r.from) * 17 }

func (r *ranges6) tier(a wide) Tier {
	i, j := 0, len(r.from)
	for i < j {
		if m := (i + j) / 2; r.from[m].compare(a) <= 0 {
			i = m + 1
		} else {
			j = m
		}
	}
	if i == 0 {
		return TierNone
	}
	return r.tiers[i-1]
}
