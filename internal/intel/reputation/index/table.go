package index

import (
	"math/bits"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// table finds records by the hash of their key: buckets of ten, a cache line
// each, that overflow into the next.
type table struct {
	buckets []bucket
	chunks  []string
	salts   salts
}

// bucket has ten slots, each a tag of 16 bits of the hash (0 is empty) and a
// ref. Tags are lanes of three words, so that all are compared at once; the
// eleventh lane is not used, the last says that the next bucket goes on.
type bucket struct {
	tags [3]uint64
	refs [slots]uint32
}

const (
	slots     = 10
	slotsFull = 8 // on average
	lanes     = 0x0001_0001_0001_0001
	overflow  = 1 << 48
)

func newTable(n int, s salts) table {
	return table{buckets: make([]bucket, n/slotsFull+1), salts: s}
}

// place gives the first bucket and the tag of a hash.
func (t *table) place(h uint64) (first int, tag uint64) {
	hi, _ := bits.Mul64(h, uint64(len(t.buckets)))
	return int(hi), max(h&0xffff, 1)
}

// at reads the record of a ref.
func (t *table) at(ref uint32) entry {
	ref--
	e, _ := readRecord(t.chunks[ref>>chunkBits][ref&(chunkSize-1):])
	return e
}

// cursor walks over the records whose tag is the wanted one.
type cursor struct {
	bucket int
	tag    uint64 // in all lanes
	match  uint64 // lanes of the bucket not yet given: bit 16×lane+word
}

func (t *table) find(h uint64) cursor {
	first, tag := t.place(h)
	c := cursor{bucket: first, tag: tag * lanes}
	c.match = t.buckets[first].matches(c.tag)
	return c
}

// matches finds the lanes that equal the tag; one above a true one may be
// wrong, which the record shows.
func (b *bucket) matches(tag uint64) uint64 {
	x, y, z := b.tags[0]^tag, b.tags[1]^tag, b.tags[2]^tag
	x = (x - lanes) &^ x & (lanes << 15)
	y = (y - lanes) &^ y & (lanes << 15)
	z = (z - lanes) &^ z & (lanes << 15 & (1<<32 - 1))
	return x>>15 | y>>14 | z>>13
}

// next gives the next ref, 0 at the end.
func (t *table) next(c *cursor) uint32 {
	for c.match == 0 {
		if t.buckets[c.bucket].tags[2]&overflow == 0 {
			return 0
		}
		if c.bucket++; c.bucket == len(t.buckets) {
			c.bucket = 0
		}
		c.match = t.buckets[c.bucket].matches(c.tag)
	}
	bit := bits.TrailingZeros64(c.match)
	c.match &= c.match - 1
	return t.buckets[c.bucket].refs[(bit&3)*4+bit>>4]
}

// put adds a ref; there is room, as a table has more slots than records.
func (t *table) put(h uint64, ref uint32) {
	i, tag := t.place(h)
	for {
		b := &t.buckets[i]
		for j := range b.refs {
			if b.refs[j] == 0 {
				b.refs[j] = ref
				b.tags[j/4] |= tag << (j % 4 * 16)
				return
			}
		}
		b.tags[2] |= overflow
		if i++; i == len(t.buckets) {
			i = 0
		}
	}
}

// replace lets the slot of one ref have another.
func (t *table) replace(h uint64, old, ref uint32) {
	for i, _ := t.place(h); ; i = (i + 1) % len(t.buckets) {
		for j, r := range t.buckets[i].refs {
			if r == old {
				t.buckets[i].refs[j] = ref
				return
			}
		}
	}
}

// each calls yield with every ref.
func (t *table) each(yield func(ref uint32)) {
	for i := range t.buckets {
		for _, ref := range t.buckets[i].refs {
			if ref != 0 {
				yield(ref)
			}
		}
	}
}

// key is the hash under which a record lies.
func (t *table) key(e entry) uint64 {
	switch {
	case e.typ == reputation.TypeDomain:
		return hashName(t.salts.name, e.text)
	case e.typ == reputation.TypeURL && e.below:
		l := split(e.text)
		return t.belowKey(l)
	case e.typ == reputation.TypeURL:
		return t.exactURL(split(e.text))
	}
	return t.textKey(e.typ, e.text)
}

func (t *table) textKey(typ reputation.Type, text string) uint64 {
	return hashText(t.salts.exact^uint64(typ), text)
}

func (t *table) exactURL(l locator) uint64 {
	h := hashText(t.salts.exact^uint64(reputation.TypeURL), l.host)
	return hashText(hashText(h, l.port), l.path)
}

// belowKey is the key of an expression: its host by labels, then its path by
// segments, without the slash at the end and without a query.
func (t *table) belowKey(l locator) uint64 {
	h := mix(t.hostKey(l), t.salts.path)
	p := t.salts.path
	for w := (walk{path: l.path}); w.next(); {
		p = hashText(p, w.segment)
	}
	return mix(h, p)
}

// hostKey is the hash of an expression's host with its port, if it has one.
func (t *table) hostKey(l locator) uint64 {
	h := hashName(t.salts.name, l.host)
	if l.port != "" {
		h = hashText(h, l.port)
	}
	return h
}

// walk goes over the segments of a path up to its query; what is empty between
// two slashes counts, what is empty at the end does not.
type walk struct {
	path    string
	segment string
	at      int
}

func (w *walk) next() bool {
	if w.at >= len(w.path) || w.path[w.at] != '/' {
		return false
	}
	i := w.at + 1
	for i < len(w.path) && w.path[i] != '/' && w.path[i] != '?' {
		i++
	}
	w.segment, w.at = w.path[w.at+1:i], i
	return w.segment != "" || (i < len(w.path) && w.path[i] == '/')
}
