package edge

import (
	"math"
	"math/bits"
	"slices"
)

// filter is a binary fuse filter of 8 bits and three places a key (T. M. Graf,
// D. Lemire: "Binary Fuse Filters: Fast and Smaller Than Xor Filters", 2022).
// It says of one foreign key in 256 that it is there, and never of a key that
// is there that it is not. The keys are evenly spread numbers, so the first
// place goes by the number itself: sorted keys then fill it from left to right.
type filter struct {
	prints  []uint8
	seed    uint64
	segment uint32 // length, a power of two
	span    uint64 // places that the first one is taken from
}

const filterTries = 64

// newFilter makes the filter of the keys, sorted and all different; nil when
// there are too few, or they are not spread as those of a hash.
func newFilter(keys []uint32) *filter {
	n := float64(len(keys))
	if n < 64 {
		return nil
	}
	segment := uint32(1) << min(18, int(math.Log(n)/math.Log(3.33)+2.25))
	factor := max(1.125, 0.875+0.25*math.Log(1e6)/math.Log(n))
	count := max(1, (int(math.Round(n*factor))+int(segment)-1)/int(segment)-2)
	f := &filter{prints: make([]uint8, (count+2)*int(segment)), segment: segment, span: uint64(count) * uint64(segment)}
	p := peeling{count: make([]uint8, len(f.prints)), mixed: make([]uint32, len(f.prints)),
		keys: make([]uint32, 0, len(keys)), places: make([]uint32, 0, len(keys))}
	for try := range uint64(filterTries) {
		f.seed = mix(try + 1)
		if p.peel(f, keys) {
			p.fill(f)
			if !slices.ContainsFunc(keys, func(k uint32) bool { return !f.has(k) }) {
				return f
			}
		}
	}
	return nil
}

func (f *filter) bytes() int {
	if f == nil {
		return 0
	}
	return len(f.prints)
}

// mix is the finaliser of MurmurHash3.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// places gives the key's three places and its print.
func (f *filter) places(key uint32) (a, b, c uint32, print uint8) {
	m := mix(uint64(key) ^ f.seed)
	hi, _ := bits.Mul64(uint64(key+uint32(f.seed))<<32, f.span)
	a = uint32(hi)
	b = (a + f.segment) ^ uint32(m)&(f.segment-1)
	c = (a + 2*f.segment) ^ uint32(m>>20)&(f.segment-1)
	return a, b, c, uint8(m >> 56)
}

func (f *filter) has(key uint32) bool {
	a, b, c, print := f.places(key)
	return f.prints[a]^f.prints[b]^f.prints[c] == print
}

// peeling finds an order of the keys in which each has a place of its own.
type peeling struct {
	count  []uint8  // keys at a place
	mixed  []uint32 // these keys, xored
	keys   []uint32 // in the order found
	places []uint32 // the place of its own
	next   []uint32 // places that became those of one key
}

func (p *peeling) peel(f *filter, keys []uint32) bool {
	clear(p.count)
	clear(p.mixed)
	p.keys, p.places = p.keys[:0], p.places[:0]
	for _, k := range keys {
		a, b, c, _ := f.places(k)
		for _, x := range [3]uint32{a, b, c} {
			p.count[x]++
			p.mixed[x] ^= k
		}
	}
	for x := range p.count { // each run of freed places is followed at once
		if p.count[x] == 1 {
			p.take(f, uint32(x))
		}
	}
	return len(p.keys) == len(keys)
}

// take takes the only key at a place away, and with it all that become alone.
func (p *peeling) take(f *filter, x uint32) {
	for p.next = append(p.next[:0], x); len(p.next) > 0; {
		x = p.next[len(p.next)-1]
		p.next = p.next[:len(p.next)-1]
		if p.count[x] != 1 {
			continue
		}
		if len(p.keys) == cap(p.keys) {
			return // keys that occur twice
		}
		k := p.mixed[x]
		p.keys, p.places = append(p.keys, k), append(p.places, x)
		a, b, c, _ := f.places(k)
		for _, y := range [3]uint32{a, b, c} {
			p.count[y]--
			p.mixed[y] ^= k
			if p.count[y] == 1 {
				p.next = append(p.next, y)
			}
		}
	}
}

func (p *peeling) fill(f *filter) {
	clear(f.prints)
	for i := len(p.keys) - 1; i >= 0; i-- {
		a, b, c, print := f.places(p.keys[i])
		x := p.places[i]
		f.prints[x] = print ^ f.prints[a] ^ f.prints[b] ^ f.prints[c] ^ f.prints[x]
	}
}
