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
	gone, come := section{}, old.empty()
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
	gaps := gone.gaps()
	k := bestRice(gaps)
	var w bitWriter
	for _, g := range gaps {
		w.rice(g, k)
	}
	stream := w.end()
	out = binary.AppendUvarint(out, uint64(len(gaps)))
	out = binary.AppendUvarint(append(out, byte(k)), uint64(len(stream)))
	return append(out, stream...)
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
	set, err := decode(old)
	if err != nil {
		return nil, err
	}
	want, head := b[digestSize:2*digestSize], b[2*digestSize:]
	for b = head[headerSize:]; len(b) > 0; {
		if b, err = set.change(b); err != nil {
			return nil, err
		}
	}
	set.sections = slices.DeleteFunc(set.sections, func(s section) bool { return len(s.high) == 0 })
	if said := binary.BigEndian.Uint16(head[headerSize-2:]); len(set.sections) != int(said) {
		return nil, refuse(what, Corrupt, "it gives %d sections and says %d", len(set.sections), said)
	}
	out := slices.Clone(head[:headerSize])
	for i := range set.sections {
		out = set.sections[i].append(out)
	}
	out = seal(out)
	if sum := Digest(out); string(sum[:]) != string(want) {
		return nil, refuse(what, Corrupt, "it gives the set %x and says %x", sum[:8], want[:8])
	}
	return out, nil
}

// change reads the changes of one section, applies them, and gives what
// follows.
func (c *content) change(b []byte) ([]byte, error) {
	come, b, err := readSection("difference", b, c.Class.most())
	if err != nil {
		return nil, err
	}
	s := c.section(&come)
	if s == nil {
		i, _ := slices.BinarySearchFunc(c.sections, &come, func(x section, s *section) int { return x.compareKey(s) })
		c.sections = slices.Insert(c.sections, i, *come.empty())
		s = &c.sections[i]
	}
	n, k, stream, b, err := readStream("difference", b, len(s.high))
	if err != nil {
		return nil, err
	}
	r := bitReader{b: stream}
	next := s.empty()
	next.high = make([]uint64, 0, len(s.high)-n+len(come.high))
	i, j, gone := 0, 0, uint64(0)
	if n > 0 {
		gone = r.rice(k)
	}
	for i < len(s.high) || j < len(come.high) {
		if n > 0 && i < len(s.high) && uint64(i) == gone {
			i++
			if n--; n > 0 {
				gone += 1 + r.rice(k)
			}
			continue
		}
		if i < len(s.high) && (j == len(come.high) || s.compare(i, &come, j) < 0) {
			next.take(s, i)
			i++
		} else {
			next.take(&come, j)
			j++
		}
	}
	if n > 0 || r.bad {
		return nil, refuse("difference", Corrupt, "it takes away more entries than there are")
	}
	*s = *next
	return b, nil
}
