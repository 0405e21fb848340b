package edge

import (
	"encoding/binary"
	"math/bits"
	"sort"
)

// list is a sorted list of numbers of at most 32 bits, each with a tier, as a
// trie of two levels: the first bits lead to a bucket of about eight numbers,
// of which only the other bits are kept, packed with the tier behind them. A
// number may be there with several tiers.
type list struct {
	starts []uint32 // of bucket b: starts[b] to starts[b+1]
	low    []byte
	width  uint // bits of a number below its bucket
	n      int
}

const (
	bucket   = 8 // numbers in a bucket of evenly spread ones
	tierBits = 3
)

// merged gives the numbers of sections, sorted, with the tier in their last
// bits.
func merged(sections []*section) []uint64 {
	n := 0
	for _, s := range sections {
		n += len(s.high)
	}
	out, at := make([]uint64, n), n
	sort.Slice(sections, func(i, j int) bool { return len(sections[i].high) < len(sections[j].high) })
	for _, s := range sections { // from the back, so that what is there moves within out
		old := out[at:]
		at -= len(s.high)
		s.mergeInto(out[at:], old)
	}
	return out
}

// mergeInto puts the numbers with their tiers and those of old, which is the end
// of to, in order into to. Which comes next is as good as random, so it does not
// branch on it.
func (s *section) mergeInto(to, old []uint64) {
	i, j, tier := 0, 0, uint64(s.tier)
	for i < len(old) && j < len(s.high) {
		a, b := old[i], s.high[j]<<tierBits|tier
		next, ours := a, 0
		if b < a {
			ours = 1
		}
		if b < a {
			next = b
		}
		to[i+j] = next
		j += ours
		i += 1 - ours
	}
	for ; j < len(s.high); j++ {
		to[i+j] = s.high[j]<<tierBits | tier
	}
}

// newList takes what merged gives, of numbers that are wide bits long.
func newList(values []uint64, wide uint8) list {
	if len(values) == 0 {
		return list{}
	}
	top := uint(max(0, bits.Len(uint(len(values)/bucket))-1))
	l := list{width: uint(wide) - top, n: len(values), starts: make([]uint32, 1<<top+1)}
	size := l.width + tierBits
	l.low = make([]byte, (l.n*int(size)+7)/8+8) // eight more, so that each can be read as a word
	b := uint64(0)
	for i, v := range values {
		for ; b <= v>>size; b++ {
			l.starts[b] = uint32(i)
		}
		at := uint(i) * size
		w := l.low[at>>3:]
		binary.LittleEndian.PutUint64(w, binary.LittleEndian.Uint64(w)|v&(1<<size-1)<<(at&7))
	}
	for ; b < uint64(len(l.starts)); b++ {
		l.starts[b] = uint32(l.n)
	}
	return l
}

func (l *list) bytes() int { return len(l.starts)*4 + len(l.low) }

// at gives the kept bits of a number and its tier.
func (l *list) at(i uint) (low uint32, t Tier) {
	size := l.width + tierBits
	at := i * size
	w := binary.LittleEndian.Uint64(l.low[at>>3:]) >> (at & 7) & (1<<size - 1)
	return uint32(w >> tierBits), Tier(w & (1<<tierBits - 1))
}

// find gives the places i to j at which v is; none when i equals j.
func (l *list) find(v uint32) (i, j uint) {
	if l.n == 0 {
		return 0, 0
	}
	b := uint64(v) >> l.width
	i, end := uint(l.starts[b]), uint(l.starts[b+1])
	want := uint32(uint64(v) & (1<<l.width - 1))
	for to := end; to-i > bucket; {
		if m := (i + to) / 2; l.below(m, want) {
			i = m
		} else {
			to = m + 1
		}
	}
	for i < end && l.below(i, want) {
		i++
	}
	for j = i; j < end; j++ {
		if low, _ := l.at(j); low != want {
			break
		}
	}
	return i, j
}

func (l *list) below(i uint, want uint32) bool {
	low, _ := l.at(i)
	return low < want
}

// each gives all numbers in order.
func (l *list) each(yield func(uint32, Tier) bool) bool {
	for b := range max(0, len(l.starts)-1) {
		for i := l.starts[b]; i < l.starts[b+1]; i++ {
			low, t := l.at(uint(i))
			if !yield(uint32(uint64(b)<<l.width)|low, t) {
				return false
			}
		}
	}
	return true
}
