package index

import (
	"crypto/sha256"
	"slices"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Hash is the SHA-256 of an object's expression, by which it can be asked for
// without saying what it is, after the manner of Google Safe Browsing
// (https://developers.google.com/safe-browsing/reference): of a URL its host
// and path without scheme, of a domain "name/", of files, certificates and
// other texts the text itself. Addresses have none: all of them could be
// tried, so their prefixes hide nothing.
func Hash(o reputation.Object) (sum [32]byte, ok bool) {
	if o.Type == reputation.TypePrefix || o.Type == reputation.TypeASN || o.Text == "" || len(o.Text) > MaxText {
		return sum, false
	}
	var room [512]byte
	return entry{typ: o.Type, text: o.Text}.hash(room[:0]), true
}

// hash is the hash of the entry's expression, which it writes to buf if that
// is large enough.
func (e entry) hash(buf []byte) [32]byte {
	switch {
	case e.typ == reputation.TypeDomain:
		buf = append(append(buf, e.text...), '/')
	case e.typ == reputation.TypeURL:
		l := split(e.text)
		buf = append(append(append(buf, l.host...), l.port...), rooted(l.path)...)
	case e.hex:
		for i := range len(e.text) {
			buf = append(buf, digits[e.text[i]>>4], digits[e.text[i]&15])
		}
	default:
		buf = append(buf, e.text...)
	}
	return sha256.Sum256(buf)
}

const digits = "0123456789abcdef"

// Full is a listed object as it is answered to a question by prefix.
type Full struct {
	Hash  [32]byte
	Brief reputation.Brief
	Type  reputation.Type
	Below bool // it holds for names or paths below it as well
}

// buildPrefixes sorts the first four bytes of all hashes, each with its ref.
func buildPrefixes(t *table) []uint64 {
	n := 0
	t.each(func(uint32) { n++ })
	out := make([]uint64, 0, n)
	buf := make([]byte, 0, 2*MaxText)
	t.each(func(ref uint32) {
		sum := t.at(ref).hash(buf)
		out = append(out, uint64(prefixOf(sum))<<32|uint64(ref))
	})
	slices.Sort(out)
	return out
}

func prefixOf(sum [32]byte) uint32 {
	return uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
}

// Prefixes gives all objects whose hash begins with these four bytes. The
// Builder must have been told to keep them.
func (x *Index) Prefixes(prefix [4]byte, yield func(Full) bool) {
	want := uint64(prefix[0])<<24 | uint64(prefix[1])<<16 | uint64(prefix[2])<<8 | uint64(prefix[3])
	i, _ := slices.BinarySearch(x.prefixes, want<<32)
	for ; i < len(x.prefixes) && x.prefixes[i]>>32 == want; i++ {
		e := x.table.at(uint32(x.prefixes[i]))
		var room [512]byte
		if !yield(Full{Hash: e.hash(room[:0]), Brief: e.brief.brief(), Type: e.typ, Below: e.below}) {
			return
		}
	}
}
