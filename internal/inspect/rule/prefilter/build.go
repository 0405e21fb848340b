package prefilter

import (
	"math"
	"math/bits"
)

// builder gathers patterns for the classes of a pure search.
type builder struct {
	p    *pure
	freq *Frequencies
	// first is the estimated share of each byte of blob, and chain how often a
	// byte of blob follows the one before it: together the shares of grams.
	first, chain []float32
	stamp        []uint32 // of the distinct grams of a plan
	round        uint32
}

// nearLimit: patterns that must lie within so many bytes have classes of their
// own, which look at the begin of buffers only.
const nearLimit = 128

func buildPure(patterns []Pattern, freq *Frequencies) (Searcher, error) {
	if freq == nil {
		freq = Ordinary()
	}
	b := &builder{p: &pure{}, freq: freq, stamp: make([]uint32, 1<<stampBits)}
	var near, far []uint32
	for i := range patterns {
		n := b.add(&patterns[i])
		if d := patterns[i].Depth; d > 0 && d <= nearLimit {
			near = append(near, n)
		} else {
			far = append(far, n)
		}
	}
	b.classes(near, nearLimit)
	b.classes(far, 0)
	return b.p, nil
}

// add appends the pattern and gives its number.
func (b *builder) add(x *Pattern) uint32 {
	p := b.p
	q := pat{id: x.ID, at: uint32(len(p.blob)), n: uint16(len(x.Bytes)), from: int32(min(x.Offset, math.MaxInt32)), to: int32(min(x.Depth, math.MaxInt32))}
	for i, c := range x.Bytes {
		l := lower(c)
		if x.NoCase {
			if l-'a' < 26 {
				q.nocase = true
			}
			c = l
		}
		p.blob = append(p.blob, c)
		b.first = append(b.first, float32(b.freq.byteShare(l)))
		follows := float32(1)
		if i > 0 {
			follows = float32(b.freq.follows(x.Bytes[i-1], c))
		}
		b.chain = append(b.chain, follows)
	}
	p.maxID = max(p.maxID, x.ID)
	p.pats = append(p.pats, q)
	return uint32(len(p.pats) - 1)
}

func (b *builder) bytes(n uint32) []byte {
	x := &b.p.pats[n]
	return b.p.blob[x.at : x.at+uint32(x.n)]
}

// share is the estimated share of the gram of q bytes at place at of blob.
func (b *builder) share(at, q int) float32 {
	f := b.first[at]
	for _, c := range b.chain[at+1 : at+q] {
		f *= c
	}
	return f
}

// window gives the stride consecutive places of pattern n whose grams are
// together least often in ordinary traffic.
func (b *builder) window(n uint32, q, stride int) (start int, sum float32) {
	x := &b.p.pats[n]
	best := float32(math.Inf(1))
	var ring [256]float32
	for i := 0; i+q <= int(x.n); i++ {
		f := b.share(int(x.at)+i, q)
		ring[i] = f
		if sum += f; i >= stride {
			sum -= ring[i-stride]
		}
		if i >= stride-1 && sum < best {
			start, best = i-stride+1, sum
		}
	}
	return start, max(best, 0)
}

// class makes the filter of list.
func (b *builder) class(list []uint32, q, stride, limit int) {
	c := class{q: q, stride: stride, limit: b.limit(list, limit)}
	for _, n := range list {
		b.grams(&c, n)
	}
	c.fill()
	c.sortEntries()
	b.p.classes = append(b.p.classes, c)
}

// limit is the largest depth of list when all have one.
func (b *builder) limit(list []uint32, limit int) int {
	if limit == 0 {
		return 0
	}
	most := int32(0)
	for _, n := range list {
		most = max(most, b.p.pats[n].to)
	}
	return int(most)
}

// smallMost is how many grams the small bit set takes: a tenth of its bits.
const smallMost = 1600

// fill makes the tables for the entries there are.
func (c *class) fill() {
	shift := uint8(smallShift)
	switch {
	case c.q == 2:
		c.bits = make([]uint64, pairSet)
	case len(c.entries) <= smallMost:
		c.bits = make([]uint64, smallSet)
	default:
		c.bits, shift = make([]uint64, largeSet), largeShift
	}
	for i := range c.entries {
		h := c.entries[i].gram
		if c.q != 2 {
			h = hashOf(h) >> shift
		}
		c.bits[h>>6] |= 1 << (h & 63)
	}
	log := max(bits.Len(uint(len(c.entries))), 4)
	c.buckets, c.coarse = make([]uint32, 1<<log+1), uint8(32-log)
}

// grams adds the pattern's grams.
func (b *builder) grams(c *class, n uint32) {
	s := b.bytes(n)
	start, _ := b.window(n, c.q, c.stride)
	for off := start; off < start+c.stride; off++ {
		e := entry{gram: gramAt(s[off:], c.q), off: uint16(off), pat: n}
		if len(s) >= 8 {
			e.delta, e.check = b.check(n, off)
		}
		c.entries = append(c.entries, e)
	}
}

// check chooses the word that tells the most beside the gram at off.
func (b *builder) check(n uint32, off int) (int16, uint32) {
	s, base := b.bytes(n), int(b.p.pats[n].at)
	best, at := float32(math.Inf(1)), -1
	for i := 0; i+4 <= len(s); i++ {
		if i > off-3 && i < off+3 {
			continue
		}
		if f := b.share(base+i, 4); f < best {
			best, at = f, i
		}
	}
	if at < 0 {
		return 0, 0
	}
	return int16(at - off), word(s[at:]) | fold4
}

func gramAt(s []byte, q int) uint32 {
	var g uint32
	for i := range q {
		g |= (uint32(s[i]) | 0x20) << (8 * i)
	}
	return g
}
