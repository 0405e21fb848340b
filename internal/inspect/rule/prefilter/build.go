package prefilter

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// builder gathers patterns for the classes of a pure search.
type builder struct {
	p    *pure
	freq *Frequencies
}

// nearLimit: patterns that must lie within so many bytes have classes of their
// own, which look at the begin of buffers only.
const nearLimit = 128

func buildPure(patterns []Pattern, freq *Frequencies) (Searcher, error) {
	if freq == nil {
		freq = ordinary()
	}
	b := &builder{p: &pure{}, freq: freq}
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
	for _, c := range x.Bytes {
		l := lower(c)
		if x.NoCase {
			if l-'a' < 26 {
				q.nocase = true
			}
			c = l
		}
		p.blob = append(p.blob, c)
	}
	p.maxID = max(p.maxID, x.ID)
	p.pats = append(p.pats, q)
	return uint32(len(p.pats) - 1)
}

func (b *builder) bytes(n uint32) []byte {
	x := &b.p.pats[n]
	return b.p.blob[x.at : x.at+uint32(x.n)]
}

// shape is how a class of patterns of at least so many bytes is probed.
type shape struct{ least, q, stride int }

var shapes = []shape{{12, 4, 9}, {8, 4, 5}, {6, 4, 3}, {5, 4, 2}, {4, 3, 2}, {3, 2, 2}, {2, 2, 1}}

// fewPatterns: a class with so many at most is searched pattern by pattern
// when each has a byte that is seldom.
const fewPatterns = 3

// classes builds the filters of the patterns.
func (b *builder) classes(list []uint32, limit int) {
	left := list
	for i, sh := range shapes {
		var mine, rest []uint32
		for _, n := range left {
			if len(b.bytes(n)) >= sh.least {
				mine = append(mine, n)
			} else {
				rest = append(rest, n)
			}
		}
		if i+1 < len(shapes) && b.joins(mine, rest, shapes[i+1]) {
			continue // the next class takes them too: a pass less
		}
		b.class(mine, sh, limit)
		left = rest
	}
	for _, n := range left {
		b.char(n)
	}
}

// joins says whether the patterns are so few that a pass of their own costs
// more than what they add to the next class.
func (b *builder) joins(mine, rest []uint32, next shape) bool {
	if len(mine) == 0 {
		return true
	}
	here := 0
	for _, n := range rest {
		if len(b.bytes(n)) >= next.least {
			here++
		}
	}
	return here > 0 && len(mine) < 4*here && next.least >= 5 && len(mine)+here < 200
}

// char searches a pattern by its most seldom byte.
func (b *builder) char(n uint32) {
	best, off := math.Inf(1), 0
	s := b.bytes(n)
	for i, c := range s {
		if f := b.freq.byteShare(c); f < best {
			best, off = f, i
		}
	}
	c := char{a: s[off], b: s[off], off: off, pat: n}
	if b.p.pats[n].nocase && s[off]-'a' < 26 {
		c.b = s[off] &^ 0x20
	}
	b.p.chars = append(b.p.chars, c)
}

// seldom says whether all patterns have a byte that is worth a search.
func (b *builder) seldom(list []uint32) bool {
	for _, n := range list {
		best := 1.0
		for _, c := range b.bytes(n) {
			best = min(best, b.freq.byteShare(c))
		}
		if best > 0.002 {
			return false
		}
	}
	return true
}

// class makes the filter of list.
func (b *builder) class(list []uint32, sh shape, limit int) {
	if len(list) == 0 {
		return
	}
	if len(list) <= fewPatterns && b.seldom(list) {
		for _, n := range list {
			b.char(n)
		}
		return
	}
	c := class{q: sh.q, stride: sh.stride, limit: b.limit(list, limit)}
	for _, n := range list {
		b.grams(&c, n)
	}
	c.size()
	for i := range c.entries {
		h := c.index(c.entries[i].gram)
		c.bits[h>>5] |= 1 << (h & 31)
	}
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

// index is the gram's place in the bit set.
func (c *class) index(gram uint32) uint32 {
	if c.q == 2 {
		return gram
	}
	return hashOf(gram) >> c.shift
}

// bits of the bit set for each gram, and its bounds (logarithms)
const (
	bitsPerGram = 12
	leastBits   = 12
	mostBits    = 19
)

// size makes the tables for the entries there are.
func (c *class) size() {
	n := max(len(c.entries), 1)
	log := min(max(bits.Len(uint(n*bitsPerGram)), leastBits), mostBits)
	if c.q == 2 {
		log = 16
	}
	c.bits, c.shift = make([]uint32, 1<<log/32), uint8(32-log)
	log = max(bits.Len(uint(n)), 4)
	c.buckets, c.coarse = make([]uint32, 1<<log+1), uint8(32-log)
}

// grams adds the pattern's grams at the stride consecutive places where they
// are least often in ordinary traffic.
func (b *builder) grams(c *class, n uint32) {
	s := b.bytes(n)
	start, best := 0, math.Inf(1)
	for w := 0; w+c.stride+c.q-1 <= len(s); w++ {
		cost := 0.0
		for k := range c.stride {
			cost += b.freq.share(s[w+k : w+k+c.q])
		}
		if cost < best {
			start, best = w, cost
		}
	}
	for k := range c.stride {
		off := start + k
		e := entry{gram: gramAt(s[off:], c.q), off: uint16(off), pat: n}
		if len(s) >= 8 {
			e.delta, e.check = b.check(s, off)
		}
		c.entries = append(c.entries, e)
	}
}

// check chooses the word that tells the most beside the gram at off.
func (b *builder) check(s []byte, off int) (int16, uint32) {
	best, at := math.Inf(1), -1
	for i := 0; i+4 <= len(s); i++ {
		if i > off-3 && i < off+3 {
			continue
		}
		if f := b.freq.share(s[i : i+4]); f < best {
			best, at = f, i
		}
	}
	if at < 0 {
		return 0, 0
	}
	return int16(at - off), binary.LittleEndian.Uint32(s[at:]) | fold4
}

func gramAt(s []byte, q int) uint32 {
	var g uint32
	for i := range q {
		g |= (uint32(s[i]) | 0x20) << (8 * i)
	}
	return g
}
