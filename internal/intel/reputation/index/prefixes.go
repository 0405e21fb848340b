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
	buf := make([]byte, 0, 256)
	return sha256.Sum256(appendExpression(buf, o)), true
}

func appendExpression(dst []byte, o reputation.Object) []byte {
	switch o.Type {
	case reputation.TypeDomain:
		return append(append(dst, o.Text...), '/')
	case reputation.TypeURL:
		l := split(o.Text)
		return append(append(append(dst, l.host...), l.port...), rooted(l.path)...)
	}
	return append(dst, o.Text...)
}

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
	for _, b := range t.buckets {
		for _, s := range b {
			if s != 0 {
				n++
			}
		}
	}
	out := make([]uint64, 0, n)
	for _, b := range t.buckets {
		for _, s := range b {
			if s == 0 {
				continue
			}
			if sum, ok := Hash(t.at(uint32(s)).object()); ok {
				out = append(out, uint64(prefixOf(sum))<<32|uint64(uint32(s)))
			}
		}
	}
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
		sum, _ := Hash(e.object())
		if !yield(Full{Hash: sum, Brief: e.brief.brief(), Type: e.typ, Below: e.below}) {
			return
		}
	}
}
