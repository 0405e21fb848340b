package effect

import (
	"hash/fnv"
	"math"
	"math/bits"
)

// sketch counts different things in a fixed number of bits (linear counting:
// Whang, Vander-Zanden and Taylor, 1990): the share of bits that are still 0
// says how many things were put in. Two sketches of one size are joined by
// joining their bits.
type sketch []byte

const (
	sourceSketch = 256 // bytes: 2 % off at 1,000 things, full at about 15,000
	objectSketch = 64  // bytes: 5 % off at 200 things, full at about 3,000
)

func (s sketch) add(thing string) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(thing)) // never fails
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	n := x % uint64(8*len(s))
	s[n/8] |= 1 << (n % 8)
}

func (s sketch) join(o sketch) {
	for i := range min(len(s), len(o)) {
		s[i] |= o[i]
	}
}

// count is about how many different things were added.
func (s sketch) count() int {
	zeros := 0
	for _, b := range s {
		zeros += 8 - bits.OnesCount8(b)
	}
	m := float64(8 * len(s))
	if zeros == 0 {
		zeros = 1
	}
	return int(math.Round(m * math.Log(m/float64(zeros))))
}
