package edge

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// family is what the numbers of a section are.
type family uint8

const (
	family4    family = iota // first bits of IPv4 addresses
	family6                  // first bits of IPv6 addresses
	familyHash               // first bits of hashes
	numFamilies
)

// section holds the entries of one family, tier and length, sorted, each once.
// low is only there for more than 64 bits.
type section struct {
	family family
	tier   Tier
	bits   uint8
	high   []uint64 // the first 64 bits, or as many as there are, as a number
	low    []uint64 // the bits beyond
}

func (s *section) lowBits() uint  { return uint(max(s.bits, 64) - 64) }
func (s *section) highBits() uint { return uint(min(s.bits, 64)) }

func (s *section) key() [3]byte { return [3]byte{byte(s.family), byte(s.tier), s.bits} }

func (s *section) compareKey(o *section) int {
	a, b := s.key(), o.key()
	return slices.Compare(a[:], b[:])
}

func (s *section) compare(i int, o *section, j int) int {
	c := cmp.Compare(s.high[i], o.high[j])
	if c == 0 && s.low != nil {
		c = cmp.Compare(s.low[i], o.low[j])
	}
	return c
}

func (s *section) take(o *section, i int) {
	s.high = append(s.high, o.high[i])
	if o.low != nil {
		s.low = append(s.low, o.low[i])
	}
}

// step is what is taken from each gap: one where the numbers must differ.
func (s *section) step() uint64 {
	if s.lowBits() > 0 {
		return 0
	}
	return 1
}

// append writes the section: family and tier, bits, count, Rice parameter,
// length, gaps with their low bits.
func (s *section) append(b []byte) []byte {
	b = append(b, byte(s.family)<<4|byte(s.tier), s.bits)
	return appendGaps(b, s.high, s.step(), s.low, s.lowBits())
}

// readSection reads one section of at most most entries and gives what
// follows it.
func readSection(what string, b []byte, most int) (s section, rest []byte, err error) {
	p, rest, err := cutSection(what, b, most)
	if err == nil {
		s, err = p.read(what)
	}
	return s, rest, err
}

// packed is a section as it is written.
type packed struct {
	section        // without its entries
	whole   []byte // as it is written
	stream  []byte // of whole, what holds the entries
	n       int
	k       uint
	changed bool // whole is: n is of it, stream and k are not
}

// cutSection finds out where the first section ends, and does not read it.
func cutSection(what string, b []byte, most int) (p packed, rest []byte, err error) {
	if len(b) < 2 {
		return p, nil, refuse(what, Truncated, "it ends within a section's head")
	}
	p.family, p.tier, p.bits = family(b[0]>>4), Tier(b[0]&15), b[1]
	if !p.valid() {
		return p, nil, refuse(what, Corrupt, "section of family %d, tier %d, %d bits", p.family, p.tier, p.bits)
	}
	if p.n, p.k, p.stream, rest, err = readStream(what, b[2:], most); err != nil {
		return p, nil, err
	}
	p.whole = b[:len(b)-len(rest)]
	return p, rest, nil
}

// read gives the section with its entries.
func (p *packed) read(what string) (section, error) {
	s := p.section
	r := bitReader{b: p.stream}
	s.high = make([]uint64, p.n)
	if s.lowBits() > 0 {
		s.low = make([]uint64, p.n)
	}
	if s.low == nil {
		r.gaps(p.k, s.high)
	} else {
		for i := range s.high {
			s.high[i] = r.rice(p.k)
			s.low[i] = r.take(s.lowBits())
		}
	}
	next, step, end := uint64(0), s.step(), ^uint64(0)>>(64-s.highBits())
	for i, gap := range s.high {
		v := next + gap
		if v < next || v > end || i > 0 && next == 0 && step > 0 {
			return s, refuse(what, Corrupt, "entry %d of a section is beyond its range", i)
		}
		s.high[i] = v
		if step == 0 && i > 0 && s.compare(i-1, &s, i) >= 0 {
			return s, refuse(what, Corrupt, "entry %d of a section is not in order", i)
		}
		next = v + step
	}
	if r.bad {
		return s, refuse(what, Corrupt, "a section has fewer than its %d entries", p.n)
	}
	return s, nil
}

func (s *section) valid() bool {
	if s.tier == TierNone || s.tier >= numTiers || s.family >= numFamilies || s.bits == 0 {
		return false
	}
	return s.bits <= [numFamilies]uint8{32, 128, 32}[s.family] && (s.family != familyHash || s.bits >= 30)
}

// readStream reads count, Rice parameter and bits of a run of numbers.
func readStream(what string, b []byte, most int) (n int, k uint, stream, rest []byte, err error) {
	count, b, ok := uvarint(b)
	if !ok || len(b) == 0 {
		return 0, 0, nil, nil, refuse(what, Truncated, "it ends within a section's head")
	}
	k = uint(b[0])
	size, b, ok := uvarint(b[1:])
	switch {
	case !ok || size > uint64(len(b)):
		return 0, 0, nil, nil, refuse(what, Truncated, "a section of %d bytes, %d are left", size, len(b))
	case k > 63 || count > size*8/(uint64(k)+1):
		return 0, 0, nil, nil, refuse(what, Corrupt, "%d entries in %d bytes", count, size)
	case count > uint64(max(most, 0)):
		return 0, 0, nil, nil, refuse(what, TooBig, "more than %d entries", most)
	}
	return int(count), k, b[:size], b[size:], nil
}

func uvarint(b []byte) (uint64, []byte, bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

// content is a set as it is on the wire, decoded.
type content struct {
	Header
	sections []section // sorted by key, none empty
}

// most is how many entries fit into a class at two bytes each, less than which
// none takes.
func (c Class) most() int { return c.Bytes() / 2 }

func decode(payload []byte) (*content, error) {
	h, sections, b, err := readHeader(payload)
	if err != nil {
		return nil, err
	}
	c := &content{Header: h}
	left := h.Class.most()
	for range sections {
		var s section
		if s, b, err = readSection("set", b, left); err != nil {
			return nil, err
		}
		if s.family == familyHash && s.bits != h.Class.hashBits() {
			return nil, refuse("set", Corrupt, "hashes of %d bits, class %s has %d", s.bits, h.Class, h.Class.hashBits())
		}
		if n := len(c.sections); len(s.high) == 0 || n > 0 && c.sections[n-1].compareKey(&s) >= 0 {
			return nil, refuse("set", Corrupt, "section %d is empty or not in order", n)
		}
		left -= len(s.high)
		c.sections = append(c.sections, s)
	}
	if len(b) > 0 {
		return nil, refuse("set", Corrupt, "%d bytes after the last section", len(b))
	}
	return c, nil
}

func (c *content) encode() []byte {
	b := c.Header.append(nil, len(c.sections))
	for i := range c.sections {
		b = c.sections[i].append(b)
	}
	return seal(b)
}
