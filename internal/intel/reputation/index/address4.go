package index

import (
	"net/netip"
	"slices"
)

// space4 knows IPv4: single addresses and ranges, each sorted by their low 16
// bits below a table of the high 16. What covers an address is settled when the
// space is built, so that one search answers.
type space4 struct {
	hostTop  []uint32 // where the addresses of each high half begin
	hosts    []uint32 // low half of the address, packed brief
	rangeTop []uint32
	rangeLow []uint16
	rangeVal []uint32 // packed brief, and the length of the prefix that says so from bit 16 on
	prefixes []uint64 // those that are not single addresses, as item4, sorted
}

// item4 is a prefix as one sortable word: address 32, bits 8, packed brief 16.
type item4 uint64

func newItem4(p netip.Prefix, v packed) item4 {
	a := p.Masked().Addr().As4()
	return item4(a[0])<<56 | item4(a[1])<<48 | item4(a[2])<<40 | item4(a[3])<<32 | item4(p.Bits())<<16 | item4(v)
}

func (i item4) addr() uint32  { return uint32(i >> 32) }
func (i item4) bits() int     { return int(i >> 16 & 255) }
func (i item4) value() packed { return packed(i) }
func (i item4) last() uint32  { return i.addr() | uint32(uint64(1)<<(32-i.bits())-1) }

// open4 is a prefix that covers the place where the sweep is.
type open4 struct {
	last uint32
	val  uint32
}

// build4 sorts the items and lays them out; it keeps none of them.
func build4(items []item4) (space4, int) {
	slices.Sort(items)
	items = merge4(items)
	var s space4
	if len(items) == 0 {
		return s, 0
	}
	s.allocate(items)
	var stack []open4
	for _, it := range items {
		for len(stack) > 0 && stack[len(stack)-1].last < it.addr() {
			stack = s.leave(stack)
		}
		if it.bits() == 32 {
			s.hostTop[it.addr()>>16+1]++
			s.hosts = append(s.hosts, it.addr()<<16|uint32(it.value()))
			continue
		}
		s.prefixes = append(s.prefixes, uint64(it))
		val := uint32(it.value()) | uint32(it.bits())<<16
		s.begin(it.addr(), val)
		stack = append(stack, open4{it.last(), val})
	}
	for len(stack) > 0 {
		stack = s.leave(stack)
	}
	sum(s.hostTop)
	sum(s.rangeTop)
	return s, len(items)
}

// merge4 leaves one item a prefix, the one that wins.
func merge4(items []item4) []item4 {
	out := items[:0]
	for _, it := range items {
		if n := len(out); n > 0 && out[n-1]>>16 == it>>16 {
			if secondWins(out[n-1].value(), it.value()) {
				out[n-1] = it
			}
			continue
		}
		out = append(out, it)
	}
	return out
}

func (s *space4) allocate(items []item4) {
	hosts := 0
	for _, it := range items {
		if it.bits() == 32 {
			hosts++
		}
	}
	s.hostTop = make([]uint32, 1<<16+1)
	s.hosts = make([]uint32, 0, hosts)
	s.rangeTop = make([]uint32, 1<<16+1)
	if wide := len(items) - hosts; wide > 0 {
		s.prefixes = make([]uint64, 0, wide)
		s.begin(0, 0)
	}
}

// leave ends the innermost prefix: after it, what is around it holds.
func (s *space4) leave(stack []open4) []open4 {
	top := stack[len(stack)-1]
	stack = stack[:len(stack)-1]
	var val uint32
	if len(stack) > 0 {
		val = stack[len(stack)-1].val
	}
	if top.last != ^uint32(0) {
		s.begin(top.last+1, val)
	}
	return stack
}

// begin says that val holds from start on. Starts never fall; the last word on
// one start counts. While building, rangeTop[h+1] counts the starts of half h.
func (s *space4) begin(start, val uint32) {
	h := start>>16 + 1
	if n := len(s.rangeLow); n > 0 && s.rangeTop[h] > 0 && s.rangeLow[n-1] == uint16(start) {
		s.rangeVal[n-1] = val
		return
	}
	s.rangeTop[h]++
	s.rangeLow = append(s.rangeLow, uint16(start))
	s.rangeVal = append(s.rangeVal, val)
}

func sum(counts []uint32) {
	for i := 1; i < len(counts); i++ {
		counts[i] += counts[i-1]
	}
}

// address gives what holds for one address and the length of the prefix that
// says so.
func (s *space4) address(a uint32) (packed, int) {
	if len(s.hosts) > 0 {
		i, end := s.hostTop[a>>16], s.hostTop[a>>16+1]
		if i < end {
			if h := hostNear(s.hosts[i:end], a&0xffff); h>>16 == a&0xffff {
				return packed(h), 32
			}
		}
	}
	if len(s.rangeLow) == 0 {
		return 0, 0
	}
	i, end := s.rangeTop[a>>16], s.rangeTop[a>>16+1]
	if i < end && s.rangeLow[i] <= uint16(a) {
		i += floor(s.rangeLow[i:end], uint16(a))
	} else {
		i-- // what began in a half before; the first start is 0.0.0.0
	}
	return packed(s.rangeVal[i]), int(s.rangeVal[i] >> 16)
}

// nearby is how far from where an address should lie, were all spread evenly, it
// is looked for one by one: that is mostly one cache line instead of three.
const nearby = 8

// hostNear gives the host of the low half of an address, or any other when it
// is not among them.
func hostNear(hosts []uint32, low uint32) uint32 {
	want := low<<16 | 0xffff
	at := int(uint64(len(hosts)) * uint64(low) >> 16)
	if hosts[at] > want {
		for range nearby {
			if at == 0 {
				return hosts[0]
			}
			if at--; hosts[at] <= want {
				return hosts[at]
			}
		}
		return hosts[floor(hosts[:at], want)]
	}
	for range nearby {
		if at+1 == len(hosts) || hosts[at+1] > want {
			return hosts[at]
		}
		at++
	}
	return hosts[at+int(floor(hosts[at:], want))]
}

// floor is the place of the last element that is not above x, 0 if all are.
func floor[T uint16 | uint32](s []T, x T) uint32 {
	at, n := 0, len(s)
	for n > 1 {
		half := n / 2
		if s[at+half] <= x {
			at += half
		}
		n -= half
	}
	return uint32(at)
}

// prefix gives what holds for a whole prefix: its own word or that of the
// longest around it.
func (s *space4) prefix(p netip.Prefix) (packed, int) {
	if p.IsSingleIP() {
		return s.address(newItem4(p, 0).addr())
	}
	for n := p.Bits(); n >= 0; n-- {
		want := uint64(newItem4(netip.PrefixFrom(p.Addr(), n), 0)) >> 16
		i, _ := slices.BinarySearch(s.prefixes, want<<16)
		if i < len(s.prefixes) && s.prefixes[i]>>16 == want {
			return packed(s.prefixes[i]), n
		}
	}
	return 0, 0
}
