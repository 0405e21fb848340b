package edge

import (
	"encoding/binary"
	"slices"
)

// A difference is: magic, digest of the old set, digest and header of the new
// one, number of changed sections; of each the ordinals that go and the numbers
// that come; SHA-256 of all that.

// Delta gives what turns the set old into the set next. Both must be of one
// class and key, and next the newer one. Errors are of type *Error.
func Delta(old, next []byte) ([]byte, error) {
	a, err := decode(old)
	if err != nil {
		return nil, err
	}
	b, err := decode(next)
	if err != nil {
		return nil, err
	}
	if a.Class != b.Class || a.Key != b.Key || a.Version >= b.Version {
		return nil, refuse("difference", OtherBase, "class %s version %d and class %s version %d: class and key must be the same, the version higher",
			a.Class, a.Version, b.Class, b.Version)
	}
	sum, sumNext := Digest(old), Digest(next)
	out := append(append([]byte(magicDelta), sum[:]...), sumNext[:]...)
	out = b.Header.append(out, len(b.sections))
	for _, s := range changedSections(a, b) {
		out = appendChange(out, s[0], s[1])
	}
	return seal(out), nil
}

// changedSections pairs the sections of two sets; one that is missing is
// empty. Equal ones are left out.
func changedSections(a, b *content) [][2]*section {
	var out [][2]*section
	i, j := 0, 0
	for i < len(a.sections) || j < len(b.sections) {
		c := 0
		switch {
		case i == len(a.sections):
			c = 1
		case j == len(b.sections):
			c = -1
		default:
			c = a.sections[i].compareKey(&b.sections[j])
		}
		pair := [2]*section{}
		if c <= 0 {
			pair[0] = &a.sections[i]
			i++
		}
		if c >= 0 {
			pair[1] = &b.sections[j]
			j++
		}
		if c < 0 {
			pair[1] = pair[0].empty()
		} else if c > 0 {
			pair[0] = pair[1].empty()
		}
		if !slices.Equal(pair[0].high, pair[1].high) || !slices.Equal(pair[0].low, pair[1].low) {
			out = append(out, pair)
		}
	}
	return out
}

func (s *section) empty() *section {
	e := &section{family: s.family, tier: s.tier, bits: s.bits}
	if s.low != nil {
		e.low = []uint64{}
	}
	return e
}

func appendChange(out []byte, old, next *section) []byte {
	var gone section
	come := old.empty()
	for i, j := 0, 0; i < len(old.high) || j < len(next.high); {
		c := 0
		switch {
		case i == len(old.high):
			c = 1
		case j == len(next.high):
			c = -1
		default:
			c = old.compare(i, next, j)
		}
		if c < 0 {
			gone.high = append(gone.high, uint64(i))
		} else if c > 0 {
			come.take(next, j)
		}
		if c <= 0 {
			i++
		}
		if c >= 0 {
			j++
		}
	}
	out = come.append(out)
	return appendGaps(out, gone.high, 1, nil, 0)
}

// Apply gives the newer set that the difference makes of the old one: byte for
// byte the one that Delta was given, so that its signature can be checked.
// A difference of another set, one that is truncated or changed, or whose
// outcome is another than it says is refused with an *Error.
func Apply(old, delta []byte) ([]byte, error) {
	const what = "difference"
	if len(delta) > ClassLarge.Bytes() {
		return nil, refuse(what, TooBig, "%d bytes, at most %d are read", len(delta), ClassLarge.Bytes())
	}
	b, err := unseal(what, magicDelta, delta)
	if err != nil {
		return nil, err
	}
	if len(b) < 2*digestSize+headerSize {
		return nil, refuse(what, Truncated, "%d bytes", len(delta))
	}
	if sum := Digest(old); string(sum[:]) != string(b[:digestSize]) {
		return nil, refuse(what, OtherBase, "it is from %x, held is %x", b[:8], sum[:8])
	}
	set, err := unpack(old)
	if err != nil {
		return nil, err
	}
	want, head := b[digestSize:2*digestSize], b[2*digestSize:]
	for b = head[headerSize:]; len(b) > 0; {
		if b, err = set.change(b); err != nil {
			return nil, err
		}
	}
	out := append(make([]byte, 0, len(old)+len(delta)), head[:headerSize]...)
	sections := 0
	for _, p := range set.sections {
		if p.n > 0 {
			out = append(out, p.whole...)
			sections++
		}
	}
	if said := binary.BigEndian.Uint16(head[headerSize-2:]); sections != int(said) {
		return nil, refuse(what, Corrupt, "it gives %d sections and says %d", sections, said)
	}
	out = seal(out)
	if sum := Digest(out); string(sum[:]) != string(want) {
		return nil, refuse(what, Corrupt, "it gives the set %x and says %x", sum[:8], want[:8])
	}
	return out, nil
}

// bundle is a set of which only what changes is read.
type bundle struct {
	class    Class
	sections []packed
}

// unpack cuts a set into its sections. Its digest is not computed: who has the
// digest of what becomes of it needs none.
func unpack(old []byte) (*bundle, error) {
	if len(old) < headerSize+digestSize || string(old[:len(magicSet)]) != magicSet {
		return nil, refuse("set", Foreign, "%d bytes that begin with %.8q are no set", len(old), old[:min(len(old), len(magicSet))])
	}
	h, sections, b, err := parseHeader(old, old[len(magicSet):len(old)-digestSize])
	if err != nil {
		return nil, err
	}
	c := &bundle{class: h.Class}
	for range sections {
		var p packed
		if p, b, err = cutSection("set", b, h.Class.most()); err != nil {
			return nil, err
		}
		if n := len(c.sections); n > 0 && c.sections[n-1].compareKey(&p.section) >= 0 {
			return nil, refuse("set", Corrupt, "section %d is not in order", n)
		}
		c.sections = append(c.sections, p)
	}
	if len(b) > 0 {
		return nil, refuse("set", Corrupt, "%d bytes after the last section", len(b))
	}
	return c, nil
}

// change reads the changes of one section, applies them, and gives what
// follows.
func (c *bundle) change(b []byte) ([]byte, error) {
	const what = "difference"
	come, b, err := readSection(what, b, c.class.most())
	if err != nil {
		return nil, err
	}
	i, found := slices.BinarySearchFunc(c.sections, &come, func(x packed, s *section) int { return x.compareKey(s) })
	if !found {
		c.sections = slices.Insert(c.sections, i, packed{section: *come.empty()})
	}
	p := &c.sections[i]
	if p.changed {
		return nil, refuse(what, Corrupt, "it changes a section twice")
	}
	s, err := p.read("set")
	if err != nil {
		return nil, err
	}
	n, k, stream, b, err := readStream(what, b, len(s.high))
	if err != nil {
		return nil, err
	}
	next := s.empty()
	if !next.merge(&s, &come, n, k, bitReader{b: stream}) {
		return nil, refuse(what, Corrupt, "it takes away more entries than there are")
	}
	p.n, p.whole, p.changed = len(next.high), next.append(nil), true
	return b, nil
}

// merge takes the entries of s but the n whose ordinals gone gives, and those of
// come. It is false when gone gives others than there are.
func (next *section) merge(s, come *section, n int, k uint, gone bitReader) bool {
	next.high = make([]uint64, 0, len(s.high)-n+len(come.high))
	from, j := 0, 0
	for ; n >= 0; n-- { // the entries before each that goes, and those behind the last
		to := uint64(len(s.high))
		if n > 0 {
			if to = uint64(from) + gone.rice(k); to >= uint64(len(s.high)) || to < uint64(from) {
				return false
			}
		}
		for i := from; i < int(to); i++ {
			if s.low == nil && (j == len(come.high) || s.high[i] < come.high[j]) {
				next.high = append(next.high, s.high[i]) // most of them
				continue
			}
			for j < len(come.high) && s.compare(i, come, j) >= 0 {
				next.take(come, j)
				j++
			}
			next.take(s, i)
		}
		from = int(to) + 1
	}
	for ; j < len(come.high); j++ {
		next.take(come, j)
	}
	return !gone.bad
}
