package prefilter

import (
	"bytes"
	"encoding/binary"
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
	bits      []uint32 // bit set over hashes of grams
	shift     uint8    // hash to index in bits
	buckets   []uint32 // hash to the first of its entries; one more at the end
	coarse    uint8    // hash to index in buckets
	entries   []entry
}

// entry says that a gram is of a pattern. A second word of the pattern rules
// out most of the false hits before the pattern is compared.
type entry struct {
	gram  uint32 // folded
	check uint32 // folded word at delta from the gram
	delta int16
	off   uint16 // place of the gram in the pattern
	pat   uint32
}

const (
	fold4    = 0x20202020 // makes letters lower case; other bytes lose a bit, which filters may
	gramHash = 0x9E3779B1
)

func hashOf(gram uint32) uint32 { return gram * gramHash }

func (p *pure) Size() int {
	size := len(p.blob) + 24*len(p.pats)
	for i := range p.classes {
		c := &p.classes[i]
		size += 4*len(c.bits) + 4*len(c.buckets) + 16*len(c.entries)
	}
	return size
}

// Scan implements Searcher.
func (p *pure) Scan(data []byte, s *Scratch) {
	s.begin(p.maxID)
	for i := range p.chars {
		p.chars[i].scan(p, data, s)
	}
	for i := range p.classes {
		c := &p.classes[i]
		d := data
		if c.limit > 0 && c.limit < len(d) {
			d = d[:c.limit]
		}
		switch c.q {
		case 4:
			c.scan4(p, d, s)
		case 3:
			c.scan3(p, d, s)
		case 2:
			c.scan2(p, d, s)
		}
	}
	s.end()
}

// scan4 probes grams of four bytes, four probes at a time.
func (c *class) scan4(p *pure, data []byte, s *Scratch) {
	bits, shift, stride := c.bits, c.shift, c.stride
	last := len(data) - 4
	i := 0
	for ; i+3*stride <= last; i += 4 * stride {
		d := data[i : i+3*stride+4]
		h0 := hashOf(binary.LittleEndian.Uint32(d)|fold4) >> shift
		h1 := hashOf(binary.LittleEndian.Uint32(d[stride:])|fold4) >> shift
		h2 := hashOf(binary.LittleEndian.Uint32(d[2*stride:])|fold4) >> shift
		h3 := hashOf(binary.LittleEndian.Uint32(d[3*stride:])|fold4) >> shift
		b0 := bits[h0>>5] >> (h0 & 31)
		b1 := bits[h1>>5] >> (h1 & 31)
		b2 := bits[h2>>5] >> (h2 & 31)
		b3 := bits[h3>>5] >> (h3 & 31)
		if (b0|b1|b2|b3)&1 == 0 {
			continue
		}
		for k, b := range [4]uint32{b0, b1, b2, b3} {
			if b&1 != 0 {
				at := i + k*stride
				c.hit(p, data, at, binary.LittleEndian.Uint32(data[at:])|fold4, s)
			}
		}
	}
	for ; i <= last; i += stride {
		g := binary.LittleEndian.Uint32(data[i:]) | fold4
		if h := hashOf(g) >> shift; bits[h>>5]>>(h&31)&1 != 0 {
			c.hit(p, data, i, g, s)
		}
	}
}

const mask3 = 0xffffff

// scan3 probes grams of three bytes.
func (c *class) scan3(p *pure, data []byte, s *Scratch) {
	bits, shift, stride := c.bits, c.shift, c.stride
	last := len(data) - 4
	i := 0
	for ; i+3*stride <= last; i += 4 * stride {
		d := data[i : i+3*stride+4]
		h0 := hashOf((binary.LittleEndian.Uint32(d)|fold4)&mask3) >> shift
		h1 := hashOf((binary.LittleEndian.Uint32(d[stride:])|fold4)&mask3) >> shift
		h2 := hashOf((binary.LittleEndian.Uint32(d[2*stride:])|fold4)&mask3) >> shift
		h3 := hashOf((binary.LittleEndian.Uint32(d[3*stride:])|fold4)&mask3) >> shift
		b0 := bits[h0>>5] >> (h0 & 31)
		b1 := bits[h1>>5] >> (h1 & 31)
		b2 := bits[h2>>5] >> (h2 & 31)
		b3 := bits[h3>>5] >> (h3 & 31)
		if (b0|b1|b2|b3)&1 == 0 {
			continue
		}
		for k, b := range [4]uint32{b0, b1, b2, b3} {
			if b&1 != 0 {
				at := i + k*stride
				c.hit(p, data, at, (binary.LittleEndian.Uint32(data[at:])|fold4)&mask3, s)
			}
		}
	}
	for ; i+3 <= len(data); i += stride {
		g := (uint32(data[i]) | uint32(data[i+1])<<8 | uint32(data[i+2])<<16 | fold4) & mask3
		if h := hashOf(g) >> shift; bits[h>>5]>>(h&31)&1 != 0 {
			c.hit(p, data, i, g, s)
		}
	}
}

const fold2 = 0x2020

// scan2 probes pairs of bytes; the pair itself is the index of its bit.
func (c *class) scan2(p *pure, data []byte, s *Scratch) {
	bits := (*[2048]uint32)(c.bits)
	stride := c.stride
	last := len(data) - 2
	i := 0
	for ; i+3*stride <= last; i += 4 * stride {
		d := data[i : i+3*stride+2]
		g0 := uint32(binary.LittleEndian.Uint16(d) | fold2)
		g1 := uint32(binary.LittleEndian.Uint16(d[stride:]) | fold2)
		g2 := uint32(binary.LittleEndian.Uint16(d[2*stride:]) | fold2)
		g3 := uint32(binary.LittleEndian.Uint16(d[3*stride:]) | fold2)
		b0 := bits[g0>>5] >> (g0 & 31)
		b1 := bits[g1>>5] >> (g1 & 31)
		b2 := bits[g2>>5] >> (g2 & 31)
		b3 := bits[g3>>5] >> (g3 & 31)
		if (b0|b1|b2|b3)&1 == 0 {
			continue
		}
		for k, b := range [4]uint32{b0, b1, b2, b3} {
			if b&1 != 0 {
				at := i + k*stride
				c.hit(p, data, at, uint32(binary.LittleEndian.Uint16(data[at:])|fold2), s)
			}
		}
	}
	for ; i <= last; i += stride {
		g := uint32(binary.LittleEndian.Uint16(data[i:]) | fold2)
		if bits[g>>5]>>(g&31)&1 != 0 {
			c.hit(p, data, i, g, s)
		}
	}
}

// hit compares the patterns of the gram at place at.
func (c *class) hit(p *pure, data []byte, at int, gram uint32, s *Scratch) {
	b := hashOf(gram) >> c.coarse
	for i := c.buckets[b]; i < c.buckets[b+1]; i++ {
		e := &c.entries[i]
		if e.gram != gram {
			continue
		}
		if e.delta != 0 {
			j := at + int(e.delta)
			if j < 0 || j+4 > len(data) || binary.LittleEndian.Uint32(data[j:])|fold4 != e.check {
				continue
			}
		}
		p.verify(&p.pats[e.pat], data, at-int(e.off), s)
	}
}

// verify reports the pattern when it lies at place at.
func (p *pure) verify(x *pat, data []byte, at int, s *Scratch) {
	end := at + int(x.n)
	if at < int(x.from) || end > len(data) || (x.to > 0 && end > int(x.to)) {
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
	if x.to > 0 && int(x.to) < len(data) {
		data = data[:x.to]
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
