package edge

import "encoding/binary"

// tailOfMany stands where several entries share their first 32 bits: a match
// there stays unsure.
const tailOfMany = 0

// Tails are: magic, digest of the set they belong to, 32 bits an entry in the
// order of the set's hashes, SHA-256 of all that.
func encodeTails(set [digestSize]byte, tails []uint32) []byte {
	b := append([]byte(magicTails), set[:]...)
	for _, t := range tails {
		b = binary.BigEndian.AppendUint32(b, t)
	}
	return seal(b)
}

// WithTails gives the set with the rest of its hashes, after which each match
// is sure. The set itself stays as it is. Tails of another set, truncated or
// changed ones are refused with an *Error.
func (s *Set) WithTails(tails []byte) (*Set, error) {
	b, err := unseal("tails", magicTails, tails)
	if err != nil {
		return nil, err
	}
	n, places := s.hashes.n, s.hashes.n
	if s.lines.n > 0 {
		n, places = s.lines.n, 2*len(s.lines.words)
	}
	switch {
	case len(b) < digestSize || [digestSize]byte(b[:digestSize]) != s.sum:
		return nil, refuse("tails", OtherBase, "they do not name the digest of version %d", s.header.Version)
	case len(b)-digestSize != 4*n:
		return nil, refuse("tails", Corrupt, "%d bytes for %d entries", len(b)-digestSize, n)
	}
	out := *s
	out.hasTails = true
	out.tails = make([]uint32, places)
	var next [1 << tierBits]int // where the next one of a tier is in b
	s.eachHash(func(_ int, t Tier) { next[t]++ })
	at := digestSize
	for t, count := range next {
		next[t] = at
		at += 4 * count
	}
	s.eachHash(func(place int, t Tier) {
		out.tails[place] = binary.BigEndian.Uint32(b[next[t]:])
		next[t] += 4
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
