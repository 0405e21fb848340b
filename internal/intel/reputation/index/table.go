package index

import (
	"math/bits"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// table finds records by the hash of their key: buckets of eight slots, a
// cache line each, that overflow into the next. A slot is the low half of the
// hash and a ref; 0 is empty.
type table struct {
	buckets [][8]uint64
	chunks  []string
	salts   salts
}

// loadOf8 is how many of a bucket's eight slots are filled on average.
const loadOf8 = 6

func newTable(n int, s salts) table {
	return table{buckets: make([][8]uint64, n/loadOf8+1), salts: s}
}

func (t *table) home(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(t.buckets)))
	return int(hi)
}

// at reads the record of a ref.
func (t *table) at(ref uint32) entry {
	ref--
	e, _ := readRecord(t.chunks[ref>>chunkBits][ref&(chunkSize-1):])
	return e
}

// cursor walks over the records whose hash is the wanted one.
type cursor struct {
	bucket int
	slot   int
	low    uint32
}

func (t *table) find(h uint64) cursor { return cursor{bucket: t.home(h), low: uint32(h)} }

// next gives the next ref, 0 at the end. There is always an empty slot.
func (t *table) next(c *cursor) uint32 {
	for {
		b := &t.buckets[c.bucket]
		for i := c.slot; i < 8; i++ {
			s := b[i]
			if s == 0 {
				return 0
			}
			if uint32(s>>32) == c.low {
				c.slot = i + 1
				return uint32(s)
			}
		}
		c.slot = 0
		if c.bucket++; c.bucket == len(t.buckets) {
			c.bucket = 0
		}
	}
}

func (t *table) put(h uint64, ref uint32) {
	slot := uint64(uint32(h))<<32 | uint64(ref)
	for i := t.home(h); ; i = (i + 1) % len(t.buckets) {
		b := &t.buckets[i]
		for j := range b {
			if b[j] == 0 {
				b[j] = slot
				return
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
