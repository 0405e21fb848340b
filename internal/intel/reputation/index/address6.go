package index

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// space6 knows IPv6: one table of prefixes of all lengths, asked once for each
// length that occurs, the longest first. What covers a prefix is settled when
// the space is built, so that the first hit answers.
type space6 struct {
	keys    []key6
	vals    []uint32 // packed brief 16, length of the prefix that says so 8, own length plus one 8; 0 is empty
	lengths []uint8  // those that occur, longest first
	seed    uint64
}

type key6 struct{ hi, lo uint64 }

type item6 struct {
	key  key6
	bits uint8
	val  packed
}

func newItem6(p netip.Prefix, v packed) item6 {
	return item6{key: newKey6(p.Addr()).mask(p.Bits()), bits: uint8(p.Bits()), val: v}
}

func newKey6(a netip.Addr) key6 {
	b := a.As16()
	return key6{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (k key6) mask(n int) key6 {
	if n >= 64 {
		return key6{k.hi, k.lo &^ (^uint64(0) >> (n - 64))}
	}
	return key6{k.hi &^ (^uint64(0) >> n), 0}
}

// build6 lays the items out, the shortest first, so that each finds what is
// around it; it keeps none of them.
func build6(items []item6, seed uint64) (space6, int) {
	s := space6{seed: seed}
	if len(items) == 0 {
		return s, 0
	}
	slices.SortFunc(items, func(a, b item6) int { return cmp.Compare(a.bits, b.bits) })
	size := len(items) + len(items)/2 + 1
	s.keys, s.vals = make([]key6, size), make([]uint32, size)
	n := 0
	for len(items) > 0 {
		same := 1
		for same < len(items) && items[same].bits == items[0].bits {
			same++
		}
		// Wider lengths are complete and in s.lengths; the own one is not yet.
		for _, it := range items[:same] {
			wide, from := s.search(it.key, 0)
			if s.put(it, wide, from) {
				n++
			}
		}
		s.lengths = slices.Insert(s.lengths, 0, items[0].bits)
		items = items[same:]
	}
	return s, n
}

// put stores an item below what is around it; false when it was there already.
func (s *space6) put(it item6, wide packed, from int) bool {
	i, found := s.slot(it.key, int(it.bits))
	if found {
		if had := packed(s.vals[i]); narrowWins(had, it.val) {
			wide, from = had, int(s.vals[i]>>16&255)
		} else {
			return false
		}
	}
	val, by := it.val, int(it.bits)
	if !narrowWins(wide, it.val) {
		val, by = wide, from
	}
	s.keys[i] = it.key
	s.vals[i] = uint32(val) | uint32(by)<<16 | uint32(it.bits+1)<<24
	return !found
}

// slot gives the place of a prefix, or the empty one where it would go.
func (s *space6) slot(k key6, n int) (int, bool) {
	hi, _ := bits.Mul64(mix(mix(s.seed^uint64(n), k.hi), k.lo), uint64(len(s.keys)))
	for i := int(hi); ; {
		switch v := s.vals[i]; {
		case v == 0:
			return i, false
		case s.keys[i] == k && int(v>>24) == n+1:
			return i, true
		}
		if i++; i == len(s.keys) {
			i = 0
		}
	}
}

// search asks for one length after the other, without the first skip of them.
func (s *space6) search(k key6, skip int) (packed, int) {
	for _, n := range s.lengths[skip:] {
		if i, ok := s.slot(k.mask(int(n)), int(n)); ok {
			return packed(s.vals[i]), int(s.vals[i] >> 16 & 255)
		}
	}
	return 0, 0
}

func (s *space6) address(a netip.Addr) (packed, int) {
	if len(s.lengths) == 0 {
		return 0, 0
	}
	return s.search(newKey6(a), 0)
}

func (s *space6) prefix(p netip.Prefix) (packed, int) {
	skip := 0
	for skip < len(s.lengths) && int(s.lengths[skip]) > p.Bits() {
		skip++
	}
	return s.search(newKey6(p.Addr()), skip)
}

func (s *space6) bytes() int { return 20*len(s.keys) + len(s.lengths) }
