package edge

import (
	"encoding/binary"
	"math/bits"
)

// list is a sorted list of 32-bit numbers as a trie of two levels: the first
// bits lead to a bucket of about eight numbers, of which only the other bits
// are kept, packed. It has no pointers but those of its two slices.
type list struct {
	starts []uint32 // of bucket b: starts[b] to starts[b+1]
	low    []byte
	width  uint
	n      int
}

const bucket = 8 // numbers in a bucket of evenly spread ones

// newList takes sorted numbers of at most 32 bits.
func newList(values []uint64, wide uint8) list {
	if len(values) == 0 {
		return list{}
	}
	top := uint(max(0, bits.Len(uint(len(values)/bucket))-1))
	l := list{width: uint(wide) - top, n: len(values), starts: make([]uint32, 1<<top+1)}
	l.low = make([]byte, (l.n*int(l.width)+7)/8+8) // eight more, so that each can be read as a word
	b := uint64(0)
	for i, v := range values {
		for ; b <= v>>l.width; b++ {
			l.starts[b] = uint32(i)
		}
		at := uint(i) * l.width
		w := l.low[at>>3:]
		binary.LittleEndian.PutUint64(w, binary.LittleEndian.Uint64(w)|v&(1<<l.width-1)<<(at&7))
	}
	for ; b < uint64(len(l.starts)); b++ {
		l.starts[b] = uint32(l.n)
	}
	return l
}

func (l *list) bytes() int { return len(l.starts)*4 + len(l.low) }

func (l *list) at(i uint) uint32 {
	at := i * l.width
	return uint32(binary.LittleEndian.Uint64(l.low[at>>3:]) >> (at & 7) & (1<<l.width - 1))
}

// find gives the place of v in the order of the list, -1 when it is not there.
func (l *list) find(v uint32) int {
	if l.n == 0 {
		return -1
	}
	b := uint64(v) >> l.width
	i, j := uint(l.starts[b]), uint(l.starts[b+1])
	want := uint32(uint64(v) & (1<<l.width - 1))
	for j-i > bucket {
		if m := (i + j) / 2; l.at(m) <= want {
			i = m
		} else {
			j = m
		}
	}
	for ; i < j; i++ {
		if x := l.at(i); x >= want {
			if x == want {
				return int(i)
			}
			return -1
		}
	}
	return -1
}

// value gives back the i-th number.
func (l *list) value(i int) uint32 {
	b := 0
	for lo, hi := 0, len(l.starts)-1; lo < hi; {
		if m := (lo + hi + 1) / 2; int(l.starts[m]) <= i {
			lo, b = m, m
		} else {
			hi = m - 1
		}
	}
	return uint32(uint64(b)<<l.width) | l.at(uint(i))
}
