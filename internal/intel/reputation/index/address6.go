package index

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// space6 knows IPv6: one table of prefixes of all lengths, asked once for each
// length that occurs, the longest first. Before it is a Bloom filter whose bits for
// one prefix lie in one word: it is small enough to stay near the processor, and
// spares most lengths, and most addresses that are not listed, the large table.
type space6 struct {
	slots   []slot6
	marks   []uint64
	lengths []uint8 // those that occur, longest first
	seed    uint64
}

type key6 struct{ hi, lo uint64 }

type slot6 struct {
	key key6
	val uint32 // packed brief, and the length plus one from bit 16 on; 0 is empty
}

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

// build6 lays the items out; it keeps none of them.
func build6(items []item6, seed uint64) (space6, int) {
	s := space6{seed: seed}
	if len(items) == 0 {
		return s, 0
	}
	s.slots = make([]slot6, len(items)+len(items)/2+1)
	s.marks = make([]uint64, len(items)*marksBits/64+1)
	var occur [129]bool
	n := 0
	for _, it := range items {
		occur[it.bits] = true
		h := s.hash(it.key, int(it.bits))
		at, marks := s.mark(h)
		s.marks[at] |= marks
		i, found := s.slot(h, it.key, int(it.bits))
		if found && !secondWins(packed(s.slots[i].val), it.val) {
			continue
		}
		if !found {
			n++
		}
		s.slots[i] = slot6{it.key, uint32(it.val) | uint32(it.bits+1)<<16}
	}
	for bits := 128; bits >= 0; bits-- {
		if occur[bits] {
			s.lengths = append(s.lengths, uint8(bits))
		}
	}
	return s, n
}

// marksBits is how many bits of the filter each prefix has.
const marksBits = 12

func (s *space6) hash(k key6, n int) uint64 { return mix(mix(s.seed^uint64(n), k.hi), k.lo) }

// mark is the word of a hash in the filter and its four bits there.
func (s *space6) mark(h uint64) (at, marks uint64) {
	at, _ = bits.Mul64(h, uint64(len(s.marks)))
	return at, 1<<(h&63) | 1<<(h>>6&63) | 1<<(h>>12&63) | 1<<(h>>18&63)
}

// slot gives the place of a prefix of a hash, or the empty one where it would go.
func (s *space6) slot(h uint64, k key6, n int) (int, bool) {
	hi, _ := bits.Mul64(h, uint64(len(s.slots)))
	for i := int(hi); ; {
		switch p := &s.slots[i]; {
		case p.val == 0:
			return i, false
		case p.key == k && int(p.val>>16) == n+1:
			return i, true
		}
		if i++; i == len(s.slots) {
			i = 0
		}
	}
}

// search asks for one length after the other, without the first skip of them.
func (s *space6) search(k key6, skip int) (packed, int) {
	for _, n := range s.lengths[skip:] {
		key := k.mask(int(n))
		h := s.hash(key, int(n))
		if at, marks := s.mark(h); s.marks[at]&marks != marks {
			continue
		}
		if i, ok := s.slot(h, key, int(n)); ok {
			return packed(s.slots[i].val), int(n)
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
