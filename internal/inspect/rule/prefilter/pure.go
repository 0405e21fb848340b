package prefilter

import (
	"bytes"
	"slices"
)

// pure is the search without anything outside Go: patterns fall into classes
// by length, and each class has a filter of its own that looks at every
// stride-th place of the buffer only. It holds no pointers but its tables.
type pure struct {
	classes []class
	chars   []char
	pats    []pat
	blob    []byte // bytes of the patterns one after the other; lower case when nocase
	maxID   uint32
	cost    float64 // estimated nanoseconds for a byte of a buffer
}

// pat is a pattern.
type pat struct {
	id       uint32
	at       uint32 // begin in blob
	n        uint16
	nocase   bool
	from, to int32 // Offset and Depth
}

// class is the filter of the patterns of some lengths. Each pattern gives the
// grams (q bytes) of stride consecutive places in it, one of which every
// occurrence shows to a probe.
type class struct {
	q, stride int
	limit     int      // only the first limit bytes of a buffer matter; 0: all
	bits      []uint64 // bit set over hashes of grams, of smallSet or largeSet words
	buckets   []uint32 // hash to the first of its entries; one more at the end
	coarse    uint8    // hash to index in buckets
	entries   []entry
}

// entry says that a gram is of a pattern. A second word of the pattern rules
// out most of the false hits before the pattern is compared.
type entry struct {
	gram  uint32 // folded
	check uint32 // folded word at delta from the gram
	delta int16  // 0: no check
	off   uint16 // place of the gram in the pattern
	pat   uint32
}

const (
	fold4    = 0x20202020 // makes letters lower case; other bytes lose a bit, which filters may
	gramHash = 0x9E3779B1
)

func hashOf(gram uint32) uint32 { return gram * gramHash }

func (p *pure) Size() int {
	size := len(p.blob) + 24*len(p.pats) + 16*len(p.chars)
	for i := range p.classes {
		c := &p.classes[i]
		size += 8*len(c.bits) + 4*len(c.buckets) + 16*len(c.entries)
	}
	return size
}

// Scan implements Searcher.
func (p *pure) Scan(data []byte, s *Scratch) { p.ScanWindow(data, 0, s) }

// ScanWindow implements Searcher.
func (p *pure) ScanWindow(data []byte, base uint64, s *Scratch) {
	s.begin(p.maxID, base)
	p.find(data, s)
	s.end()
}

// find reports what occurs, within a scan that has begun.
func (p *pure) find(data []byte, s *Scratch) {
	for i := range p.chars {
		p.chars[i].scan(p, data, s)
	}
	for i := range p.classes {
		c := &p.classes[i]
		d := data
		if c.limit > 0 {
			if c.limit <= s.base {
				continue
			}
			d = d[:min(len(d), c.limit-s.base)]
		}
		switch {
		case c.q == 2:
			c.scanPairs(p, d, s)
		case len(c.bits) == smallSet:
			c.scanSmall(p, d, s)
		default:
			c.scanLarge(p, d, s)
		}
	}
}

// hit compares the patterns of the gram at place at.
func (c *class) hit(p *pure, data []byte, at int, gram uint32, s *Scratch) {
	b := hashOf(gram) >> c.coarse
	for i, end := c.buckets[b], c.buckets[b+1]; i < end; i++ {
		e := &c.entries[i]
		if e.gram != gram {
			continue
		}
		if e.delta != 0 {
			j := at + int(e.delta)
			if j < 0 || j+4 > len(data) || word(data[j:])|fold4 != e.check {
				continue
			}
		}
		p.verify(&p.pats[e.pat], data, at-int(e.off), s)
	}
}

// verify reports the pattern when it lies at place at.
func (p *pure) verify(x *pat, data []byte, at int, s *Scratch) {
	end := at + int(x.n)
	if at < max(0, int(x.from)-s.base) || end > len(data) || (x.to > 0 && end+s.base > int(x.to)) {
		return
	}
	if s.seen[x.id>>6]>>(x.id&63)&1 != 0 {
		return
	}
	want, got := p.blob[x.at:x.at+uint32(x.n)], data[at:end]
	if x.nocase {
		if !equalLower(got, want) {
			return
		}
	} else if !bytes.Equal(got, want) {
		return
	}
	s.report(x.id)
}

// equalLower compares data with lower-case bytes.
func equalLower(data, want []byte) bool {
	for i, c := range want {
		if lower(data[i]) != c {
			return false
		}
	}
	return true
}

// char is the search for a pattern through one seldom byte of it.
type char struct {
	a, b byte // the byte and its other case, equal when there is none
	off  int
	pat  uint32
}

func (c *char) scan(p *pure, data []byte, s *Scratch) {
	x := &p.pats[c.pat]
	if x.to > 0 {
		data = data[:min(len(data), max(0, int(x.to)-s.base))]
	}
	c.scanFor(c.a, p, x, data, s)
	if c.b != c.a {
		c.scanFor(c.b, p, x, data, s)
	}
}

func (c *char) scanFor(b byte, p *pure, x *pat, data []byte, s *Scratch) {
	for at := c.off; at < len(data); at++ {
		i := bytes.IndexByte(data[at:], b)
		if i < 0 || s.seen[x.id>>6]>>(x.id&63)&1 != 0 {
			return
		}
		at += i
		p.verify(x, data, at-c.off, s)
	}
}

// sortEntries lays the entries out by bucket.
func (c *class) sortEntries() {
	slices.SortStableFunc(c.entries, func(a, b entry) int {
		return int(int64(hashOf(a.gram)>>c.coarse) - int64(hashOf(b.gram)>>c.coarse))
	})
	n := len(c.buckets)
	for i := range c.entries {
		c.buckets[hashOf(c.entries[i].gram)>>c.coarse+1]++
	}
	for i := 1; i < n; i++ {
		c.buckets[i] += c.buckets[i-1]
	}
}
