package edge

import (
	"encoding/binary"
	"slices"
)

// tailOfMany stands where several entries share their first bits, and where
// the tail is this very number: those tails are listed behind the others.
const tailOfMany = 0

// tails are the rest of the hashes of a set, in the order of its sections.
type tails struct {
	words []uint32
	// many are the tails behind a word that is tailOfMany: its place, then the
	// tail. Sorted.
	many []uint64
}

// add adds the tail of the next entry.
func (t *tails) add(tail uint32) {
	if tail == tailOfMany {
		t.many = append(t.many, uint64(len(t.words))<<32)
	}
	t.words = append(t.words, tail)
}

// addMore adds a further tail of the last entry.
func (t *tails) addMore(tail uint32) {
	last := len(t.words) - 1
	place := uint64(last) << 32
	if first := t.words[last]; first != tailOfMany {
		t.words[last] = tailOfMany
		t.many = append(t.many, place|uint64(first))
	}
	t.many = append(t.many, place|uint64(tail))
}

// Tails are: magic, digest of the set they belong to, number of entries, 32
// bits an entry in the order of the set's hashes, then eight bytes for each
// tail of those that share their first bits, SHA-256 of all that.
const tailsHead = digestSize + 4

func (t *tails) encode(set [digestSize]byte) []byte {
	slices.Sort(t.many) // the tails of one entry come in any order
	b := make([]byte, 0, len(magicTails)+tailsHead+4*len(t.words)+8*len(t.many)+digestSize)
	b = append(append(b, magicTails...), set[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(t.words)))
	for _, w := range t.words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	for _, m := range t.many {
		b = binary.BigEndian.AppendUint64(b, m)
	}
	return seal(b)
}

// decodeTails reads tails and the digest of the set they belong to.
func decodeTails(what string, payload []byte) (t *tails, set [digestSize]byte, err error) {
	if most := ClassLarge.most()*12 + 1<<10; len(payload) > most {
		return nil, set, refuse(what, TooBig, "%d bytes, at most %d are read", len(payload), most)
	}
	b, err := unseal(what, magicTails, payload)
	if err != nil {
		return nil, set, err
	}
	if len(b) < tailsHead {
		return nil, set, refuse(what, Truncated, "%d bytes", len(payload))
	}
	set = [digestSize]byte(b[:digestSize])
	n := uint64(binary.BigEndian.Uint32(b[digestSize:]))
	b = b[tailsHead:]
	if rest := uint64(len(b)); rest < 4*n || rest%8 != 4*n%8 {
		return nil, set, refuse(what, Corrupt, "%d bytes for %d entries", rest, n)
	}
	t = &tails{words: make([]uint32, n)}
	for i := range t.words {
		t.words[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	for b = b[4*n:]; len(b) > 0; b = b[8:] {
		m := binary.BigEndian.Uint64(b)
		if i := m >> 32; i >= n || t.words[i] != tailOfMany || len(t.many) > 0 && m <= t.many[len(t.many)-1] {
			return nil, set, refuse(what, Corrupt, "a shared tail is not in order, or of entry %d, which shares none", i)
		}
		t.many = append(t.many, m)
	}
	return t, set, nil
}

// TailsFit says whether tails, as Build or Apply gave them, name the set that
// the payload is.
func TailsFit(payload, tails []byte) bool {
	sum := Digest(payload)
	return len(payload) >= digestSize && len(tails) >= len(magicTails)+digestSize && string(tails[len(magicTails):][:digestSize]) == string(sum[:])
}

// Fits says whether tails name this set.
func (s *Set) Fits(tails []byte) bool { return TailsFit(s.sum[:], tails) }

// WithTails gives the set with the rest of its hashes, after which each match
// is sure. The set itself stays as it is. Tails of another set, truncated or
// changed ones are refused with an *Error.
func (s *Set) WithTails(payload []byte) (*Set, error) {
	n, places := s.hashes.n, s.hashes.n
	if s.lines.n > 0 {
		n, places = s.lines.n, 2*len(s.lines.words)
	}
	t, sum, err := decodeTails("tails", payload)
	switch {
	case err != nil:
		return nil, err
	case sum != s.sum:
		return nil, refuse("tails", OtherBase, "they do not name the digest of version %d", s.header.Version)
	case len(t.words) != n:
		return nil, refuse("tails", Corrupt, "%d for %d entries", len(t.words), n)
	}
	out := *s
	out.hasTails = true
	out.tails = make([]uint32, places)
	out.shared = make([]uint64, 0, len(t.many))
	var next [1 << tierBits]int // where the next one of a tier is in words
	at := 0
	for tier, count := range s.byTier {
		next[tier] = at
		at += count
	}
	s.eachHash(func(place int, tier Tier) {
		from := next[tier]
		next[tier]++
		if out.tails[place] = t.words[from]; t.words[from] != tailOfMany {
			return
		}
		i, _ := slices.BinarySearch(t.many, uint64(from)<<32)
		for ; i < len(t.many) && t.many[i]>>32 == uint64(from); i++ {
			out.shared = append(out.shared, uint64(place)<<32|t.many[i]&(1<<32-1))
		}
	})
	return &out, nil
}

// eachHash gives the place and tier of all hashes in their order.
func (s *Set) eachHash(yield func(place int, t Tier)) {
	if s.lines.n > 0 {
		s.lines.each(yield)
		return
	}
	for i := range uint(s.hashes.n) {
		_, t := s.hashes.at(i)
		yield(int(i), t)
	}
}

// Sure says whether the set has its tails, so that each match is sure.
func (s *Set) Sure() bool { return s.hasTails || s.hashes.n+s.lines.n == 0 }

// hasTail says whether the entry at a place has the tail.
func (s *Set) hasTail(place int, tail uint32) bool {
	if t := s.tails[place]; t != tailOfMany {
		return t == tail
	}
	_, found := slices.BinarySearch(s.shared, uint64(place)<<32|uint64(tail))
	return found
}
