package edge

import (
	"encoding/binary"
	"net/netip"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Set is a set made ready for look-ups, which allocate nothing. It never
// changes: safe for concurrent use, replaced as a whole.
type Set struct {
	header   Header
	sum      [digestSize]byte
	k0, k1   uint64
	hashed   *filter  // of all of hashes; nil: the list is asked at once
	hashes   list     // of small and medium sets
	lines    lines    // instead, of large ones
	marks    marks    // of all of lines
	tails    []uint32 // by place in hashes or lines; nil without
	shared   []uint64 // tails where that is tailOfMany: place, tail; sorted
	singles  list     // IPv4 addresses
	four     ranges4
	six      ranges6
	entries  int
	byTier   [1 << tierBits]int // hashes
	hasTails bool
	holds    Holds
}

// Match is what a set says of a name, a URL or a file.
type Match struct {
	Tier Tier
	// Sure is false when only 30 or 32 bits of the hash were compared: one foreign
	// thing in 2^32 divided by the entries matches so (2^30 in large sets). Confirm it before it is
	// stopped for good, or give the set its tails.
	Sure bool
}

// Open makes a set ready. now is in seconds since 1970; held is the version in
// force, 0 for none. What is truncated, changed, expired, not newer than held,
// or too big for its class is refused with an *Error; the caller keeps the set
// in force then. payload is not kept. Whoever takes it from the network
// checks its signature first.
func Open(payload []byte, now uint32, held uint64) (*Set, error) {
	c, err := decode(payload)
	if err != nil {
		return nil, err
	}
	if err := c.check(now, held); err != nil {
		return nil, err
	}
	s := &Set{header: c.Header, sum: Digest(payload)}
	s.k0, s.k1 = c.Key.halves()
	s.load(c)
	if n := s.Bytes(); n > c.Class.Bytes() {
		return nil, refuse("set", TooBig, "it takes %d bytes of memory, class %s has %d", n, c.Class, c.Class.Bytes())
	}
	return s, nil
}

func (s *Set) load(c *content) {
	var four, six []span
	var hashes, singles []*section
	for i := range c.sections {
		x := &c.sections[i]
		s.entries += len(x.high)
		switch {
		case x.family == familyHash:
			hashes = append(hashes, x)
			s.byTier[x.tier] = len(x.high)
		case x.family == family4 && x.bits == 32:
			singles = append(singles, x)
		case x.family == family4:
			four = x.spans(four)
		default:
			six = x.spans(six)
		}
	}
	s.four, s.six = newRanges4(four), newRanges6(six)
	s.singles = newList(merged(singles), 32)
	all, wide := merged(hashes), c.Class.hashBits()
	switch {
	case c.Class.lined() && len(all) > 0:
		s.lines, s.marks = newLines(all, wide), newMarks(all, wide)
	case c.Class.filtered():
		s.hashed = newFilter(filterKeys(all, wide))
		fallthrough
	default:
		s.hashes = newList(all, wide)
	}
	s.readSigns(len(all))
}

// spans gives the first and the last address of each prefix.
func (s *section) spans(to []span) []span {
	for i, v := range s.high {
		var a wide
		switch free := uint(s.bits); {
		case s.family == family4:
			v <<= 32 - free
			to = append(to, span{wide{lo: v}, wide{lo: v | (1<<(32-free) - 1)}, s.tier})
		case free <= 64:
			a.hi = v << (64 - free)
			to = append(to, span{a, wide{a.hi | (1<<(64-free) - 1), ^uint64(0)}, s.tier})
		default:
			a = wide{v, s.low[i] << (128 - free)}
			to = append(to, span{a, wide{v, a.lo | (1<<(128-free) - 1)}, s.tier})
		}
	}
	return to
}

// filterKeys makes of sorted hashes the keys of the filter: each once, spread
// over 32 bits.
func filterKeys(hashes []uint64, wide uint8) []uint32 {
	out := make([]uint32, 0, len(hashes))
	for _, v := range hashes {
		k := uint32(v>>tierBits) << (32 - wide)
		if n := len(out); n == 0 || out[n-1] != k {
			out = append(out, k)
		}
	}
	return out
}

// Header says what the set is.
func (s *Set) Header() Header { return s.header }

// Len is the number of entries.
func (s *Set) Len() int { return s.entries }

// Expired says whether the set's life has ended; look-ups go on all the same,
// whether they are heeded is the caller's policy.
func (s *Set) Expired(now uint32) bool { return now >= s.header.Expires }

// Bytes is the memory that the set takes, without the tails.
func (s *Set) Bytes() int {
	return s.hashed.bytes() + s.hashes.bytes() + s.lines.bytes() + s.marks.bytes() + s.singles.bytes() + s.four.bytes() + s.six.bytes()
}

// Address says what is said of an address or of a prefix that covers it. It is
// always exact.
func (s *Set) Address(a netip.Addr) Tier {
	if a = a.Unmap(); a.Is6() {
		b := a.As16()
		return s.six.tier(wide{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])})
	} else if !a.Is4() {
		return TierNone
	}
	b := a.As4()
	v := binary.BigEndian.Uint32(b[:])
	single := TierNone
	for i, j := s.singles.find(v); i < j; i++ {
		_, t := s.singles.at(i)
		single = over(single, t)
	}
	return over(single, s.four.tier(v))
}

// Prefixes gives every address and prefix whose tier is at least least, without
// those that an allowed one decides, for tables that drop in the kernel. An
// allowed address within a listed prefix is cut out of it.
func (s *Set) Prefixes(least Tier, yield func(netip.Prefix, Tier) bool) {
	_ = s.eachSingle(least, yield) && s.eachRange4(least, yield) && s.eachRange6(least, yield)
}

func (s *Set) find(h uint64) Match {
	lack := 32 - s.header.Class.hashBits()
	v := uint32(h>>32) >> lack
	if s.lines.n > 0 {
		if !s.marks.has(v) {
			return Match{}
		}
		return s.inLines(v, uint32(h>>lack))
	}
	if s.hashed != nil && !s.hashed.has(v<<lack) {
		return Match{}
	}
	rest := uint32(h >> lack)
	var m Match
	for i, j := s.hashes.find(v); i < j; i++ {
		_, t := s.hashes.at(i)
		s.consider(&m, int(i), t, rest)
	}
	return m
}

// inLines is find where the hashes lie in lines.
func (s *Set) inLines(v, rest uint32) (found Match) {
	l := &s.lines
	for line := l.line(v); ; line++ {
		m, full := l.match(line, v)
		for ; m != 0; m &= m - 1 {
			if at, low, t := l.slot(line, m); low == v&(1<<slotBits-1) && t != TierNone {
				s.consider(&found, at, t, rest)
			}
		}
		if !full {
			return found
		}
	}
}

// consider takes an entry whose first bits fit; rest are those after them.
func (s *Set) consider(m *Match, place int, t Tier, rest uint32) {
	if s.hasTails && !s.hasTail(place, rest) {
		return
	}
	if x := over(t, m.Tier); x != m.Tier {
		*m = Match{x, s.hasTails}
	}
}

// belowFlip is the bit of a hash that is turned for objects that hold for all below
// them: a name with all below it lies beside the name alone, so that asking for
// both costs little more than for one.
const belowFlip = 1 << 40

// space is what a hash is turned by beside the text: what sort of thing it is.
func space(t reputation.Type, below bool) uint64 {
	n := uint64(t) * 0x9e3779b97f4a7c15
	if below {
		n ^= belowFlip
	}
	return n
}
