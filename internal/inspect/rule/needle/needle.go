// Package needle searches one byte string in another, in either case of ASCII
// letters when asked. It knows nothing of rules; payload and pcre search with
// it. Many strings at once are prefilter's business.
package needle

import (
	"bytes"
	"math"
)

// Needle is a byte string prepared for search. It never changes.
type Needle struct {
	bytes  []byte // lower case when fold
	rare   uint16 // fold: the byte to look for first
	fold   bool   // letters match in both cases
	lo, up byte   // its two cases
}

// New prepares b, which must not change. Without letters nocase says nothing.
func New(b []byte, nocase bool) Needle {
	n := Needle{bytes: b}
	if !nocase {
		return n
	}
	best := -1
	lowered := make([]byte, len(b))
	for i, c := range b {
		lowered[i] = Lower(c)
		if lowered[i]-'a' < 26 {
			n.fold = true
		}
		if r := rarity[lowered[i]]; int(r) > best && i <= math.MaxUint16 {
			best, n.rare = int(r), uint16(i)
		}
	}
	if n.fold {
		n.bytes = lowered
		n.lo, n.up = lowered[n.rare], Upper(lowered[n.rare])
	}
	return n
}

// Len is the length of the needle.
func (n *Needle) Len() int { return len(n.bytes) }

// Bytes is the needle, in lower case when NoCase.
func (n *Needle) Bytes() []byte { return n.bytes }

// NoCase says whether letters match in both cases.
func (n *Needle) NoCase() bool { return n.fold }

// Index is the first place at or behind from where the needle lies within
// buf[:end], -1 for none.
func (n *Needle) Index(buf []byte, from, end int) int {
	if end-from < len(n.bytes) {
		return -1
	}
	if !n.fold {
		if i := bytes.Index(buf[from:end], n.bytes); i >= 0 {
			return from + i
		}
		return -1
	}
	return n.indexFold(buf, from, end)
}

// indexFold looks for the rarest byte of the needle in both cases.
func (n *Needle) indexFold(buf []byte, from, end int) int {
	rare := int(n.rare)
	at, last := from+rare, end-len(n.bytes)+rare // places of the rare byte
	if n.lo == n.up {
		for at <= last {
			i := bytes.IndexByte(buf[at:last+1], n.lo)
			if i < 0 {
				return -1
			}
			if at += i; n.At(buf, at-rare) {
				return at - rare
			}
			at++
		}
		return -1
	}
	nextLo, nextUp := -1, -1
	for at <= last {
		if nextLo < at {
			nextLo = nextByte(buf, at, last, n.lo)
		}
		if nextUp < at {
			nextUp = nextByte(buf, at, last, n.up)
		}
		if at = min(nextLo, nextUp); at > last {
			return -1
		}
		if n.At(buf, at-rare) {
			return at - rare
		}
		at++
	}
	return -1
}

// nextByte is the next place of c in buf[at:last+1], beyond last for none.
func nextByte(buf []byte, at, last int, c byte) int {
	if i := bytes.IndexByte(buf[at:last+1], c); i >= 0 {
		return at + i
	}
	return last + 1
}

// At says whether the needle lies at place i, which must leave room for it.
func (n *Needle) At(buf []byte, i int) bool {
	b := buf[i : i+len(n.bytes)]
	if !n.fold {
		return bytes.Equal(b, n.bytes)
	}
	for j, c := range n.bytes {
		if Lower(b[j]) != c {
			return false
		}
	}
	return true
}

// Lower is c with ASCII letters made lower case.
func Lower(c byte) byte {
	if c-'A' < 26 {
		c |= 0x20
	}
	return c
}

// Upper is c with ASCII letters made upper case.
func Upper(c byte) byte {
	if c-'a' < 26 {
		c &^= 0x20
	}
	return c
}

// rarity orders bytes by how seldom they are in text, roughly: searching for
// the rarest byte of a needle stops least often.
var rarity = func() (r [256]uint8) {
	for c := range r {
		r[c] = 200
	}
	for i, c := range []byte("zqxjkvbwygpfmucdlhrsinoate") {
		r[c] = uint8(120 - 4*i)
	}
	for i, c := range []byte("9876543210") {
		r[c] = uint8(110 - 4*i)
	}
	for i, c := range []byte("\x00 \r\n/.=-\"<>:;&") {
		r[c] = uint8(10 + 4*i)
	}
	return r
}()
