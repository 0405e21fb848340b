package memory

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// valueSet is a set of byte strings with a number each, without pointers.
type valueSet struct {
	index   []uint32 // open addressing: entry + 1, 0 is empty
	entries []valueEntry
	arena   []byte
	dead    int
}

type valueEntry struct {
	at, size uint32
	rep      uint16
	dead     bool
}

// entryCost is what an entry costs beside its bytes, for memory caps.
const entryCost = 24

func hashBytes(b []byte) uint64 {
	h := uint64(0x9e3779b97f4a7c15) ^ uint64(len(b))
	mix := func(w uint64) {
		hi, lo := bits.Mul64(h^w, 0xa0761d6478bd642f)
		h = hi ^ lo
	}
	for ; len(b) >= 8; b = b[8:] {
		mix(binary.LittleEndian.Uint64(b))
	}
	var tail [8]byte
	copy(tail[:], b)
	mix(binary.LittleEndian.Uint64(tail[:]))
	return h ^ h>>29
}

// find gives the entry of a value, which may be dead.
func (s *valueSet) find(v []byte) *valueEntry {
	if len(s.index) == 0 {
		return nil
	}
	mask := uint64(len(s.index) - 1)
	for i := hashBytes(v) & mask; s.index[i] != 0; i = (i + 1) & mask {
		e := &s.entries[s.index[i]-1]
		if int(e.size) == len(v) && bytes.Equal(s.value(e), v) {
			return e
		}
	}
	return nil
}

func (s *valueSet) value(e *valueEntry) []byte { return s.arena[e.at : e.at+e.size] }

// has says whether a value is in the set, and its number.
func (s *valueSet) has(v []byte) (uint16, bool) {
	e := s.find(v)
	if e == nil || e.dead {
		return 0, false
	}
	return e.rep, true
}

// add adds a value and says whether it was not there.
func (s *valueSet) add(v []byte, rep uint16) bool {
	if e := s.find(v); e != nil {
		was := e.dead
		if was {
			s.dead--
		}
		e.dead, e.rep = false, rep
		return was
	}
	if 4*(len(s.entries)+1) > 3*len(s.index) {
		s.grow()
	}
	s.entries = append(s.entries, valueEntry{at: uint32(len(s.arena)), size: uint32(len(v)), rep: rep})
	s.arena = append(s.arena, v...)
	s.place(len(s.entries) - 1)
	return true
}

func (s *valueSet) place(n int) {
	mask := uint64(len(s.index) - 1)
	i := hashBytes(s.value(&s.entries[n])) & mask
	for s.index[i] != 0 {
		i = (i + 1) & mask
	}
	s.index[i] = uint32(n + 1)
}

func (s *valueSet) grow() {
	s.index = make([]uint32, max(16, 2*len(s.index)))
	for n := range s.entries {
		s.place(n)
	}
}

// remove takes a value out and says whether it was there.
func (s *valueSet) remove(v []byte) bool {
	e := s.find(v)
	if e == nil || e.dead {
		return false
	}
	e.dead = true
	s.dead++
	return true
}

func (s *valueSet) len() int { return len(s.entries) - s.dead }

// cost is the memory in use, for memory caps.
func (s *valueSet) cost() uint64 { return uint64(len(s.arena)) + entryCost*uint64(len(s.entries)) }

// each calls yield for every value in the order in which they were added.
func (s *valueSet) each(yield func(v []byte, rep uint16)) {
	for i := range s.entries {
		if e := &s.entries[i]; !e.dead {
			yield(s.value(e), e.rep)
		}
	}
}
