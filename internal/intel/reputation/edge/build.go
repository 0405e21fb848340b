package edge

import (
	"cmp"
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Config says what set to build.
type Config struct {
	Header
	// Near is how near an object is to those who will use the set (0 to 255:
	// seen by this fleet, of this region); among equal scores the nearest are
	// kept. nil: all are equally near.
	Near func(reputation.Object, reputation.Brief) uint8
	// Innocent gives things that must not be taken for a listed one: an entry
	// whose first bits of hash are those of one of them, or of a name above it, is left out. nil:
	// none.
	Innocent iter.Seq[reputation.Object]
}

// Snapshot is a set that was built.
type Snapshot struct {
	Payload []byte // the set on the wire, to be signed
	Tails   []byte // the rest of the hashes, for Set.WithTails
	// Kept entries of Given. The others: score below 50, no room in the class,
	// first bits of an innocent thing, or of a type that no set takes.
	Given, Kept, Low, NoRoom, Innocent, Unfit int
}

// item is an entry on its way into a set.
type item struct {
	high, low uint64 // prefix as two words, or hash and nothing
	rank      uint16 // what is kept first: local, score, nearness
	family    family
	tier      Tier
	bits      uint8
}

// Build chooses from the entries by score, then by nearness, as many as the
// class takes, and writes the set and its tails. Objects are in canonical
// form; of one that is
// given twice the operator's word stays, else the worse tier.
func Build(entries iter.Seq2[reputation.Object, reputation.Brief], c Config) (*Snapshot, error) {
	switch {
	case c.Class.Bytes() == 0:
		return nil, refuse("set", Foreign, "class %d; there are 1 to %d", c.Class, ClassLarge)
	case c.Expires <= c.Issued || c.Version <= c.Before:
		return nil, refuse("set", Expired, "issued %d, expires %d, version %d after %d: the second of each must be the higher", c.Issued, c.Expires, c.Before, c.Version)
	}
	s := new(Snapshot)
	items, held := s.collect(entries, &c)
	items = s.spare(items, &c)
	n := len(items)
	items = signs(items, held, &c)
	more := len(items) - n
	items = s.fit(unique(items), c.Class)
	s.Kept = len(items) - more
	sections, rest := cut(items)
	set := content{Header: c.Header, sections: sections}
	s.Payload = set.encode()
	s.Tails = rest.encode(Digest(s.Payload))
	return s, nil
}

func (s *Snapshot) collect(entries iter.Seq2[reputation.Object, reputation.Brief], c *Config) (items []item, held Holds) {
	k0, k1 := c.Key.halves()
	for o, b := range entries {
		s.Given++
		t := TierOf(b)
		if t == TierNone {
			s.Low++
			continue
		}
		x, ok := itemOf(k0, k1, o)
		if !ok {
			s.Unfit++
			continue
		}
		if x.family == familyHash {
			x.bits = c.Class.hashBits()
			held |= holdsOf(&o)
		}
		x.tier, x.rank = t, uint16(b.Score)<<8
		if t.local() {
			x.rank = 1<<16 - 1<<8
		}
		if c.Near != nil {
			x.rank |= uint16(c.Near(o, b))
		}
		items = append(items, x)
	}
	return items, held
}

func itemOf(k0, k1 uint64, o reputation.Object) (x item, ok bool) {
	if o.Type != reputation.TypePrefix {
		x.family = familyHash
		x.high, ok = hashOf(k0, k1, o)
		return x, ok
	}
	p := o.Prefix.Masked()
	if !p.IsValid() || p.Bits() == 0 {
		return x, false
	}
	x.bits = uint8(p.Bits())
	if p.Addr().Is4() {
		b := p.Addr().As4()
		x.family, x.high = family4, uint64(binary.BigEndian.Uint32(b[:]))>>(32-x.bits)
		return x, true
	}
	b := p.Addr().As16()
	x.family = family6
	x.high, x.low = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	if x.bits <= 64 {
		x.high, x.low = x.high>>(64-x.bits), 0
	} else {
		x.low >>= 128 - x.bits
	}
	return x, true
}

// spare leaves out what an innocent thing would be taken for.
func (s *Snapshot) spare(items []item, c *Config) []item {
	if c.Innocent == nil {
		return items
	}
	var hashes []uint64
	k0, k1 := c.Key.halves()
	for o := range c.Innocent {
		eachProbe(k0, k1, o, func(h uint64) { hashes = append(hashes, h) })
	}
	slices.Sort(hashes)
	n := len(items)
	items = slices.DeleteFunc(items, func(x item) bool {
		if x.family != familyHash || x.tier.local() {
			return false
		}
		rest := ^uint64(0) >> x.bits
		first := x.high &^ rest
		i, _ := slices.BinarySearch(hashes, first)
		taken := false
		for ; i < len(hashes) && hashes[i]&^rest == first; i++ {
			if hashes[i] == x.high {
				return false // it is listed itself, and known as such
			}
			taken = true
		}
		return taken
	})
	s.Innocent = n - len(items)
	return items
}

// eachProbe gives every hash that is looked for when o is asked for.
func eachProbe(k0, k1 uint64, o reputation.Object, yield func(uint64)) {
	ask := func(below bool) {
		o.Below = below
		if h, ok := hashOf(k0, k1, o); ok {
			yield(h)
		}
	}
	ask(false)
	switch o.Type {
	case reputation.TypeURL:
		ask(true)
		if slash := strings.IndexByte(o.Text, '/'); slash > 0 {
			o.Text = o.Text[slash:]
			ask(false)
		}
	case reputation.TypeDomain:
		for above := true; above; {
			ask(true)
			_, o.Text, above = strings.Cut(o.Text, ".")
		}
	}
}

func (x *item) compareNumber(y *item) int {
	return cmp.Or(cmp.Compare(x.family, y.family), cmp.Compare(x.bits, y.bits), cmp.Compare(x.high, y.high), cmp.Compare(x.low, y.low))
}

// unique sorts by number and keeps one tier of each.
func unique(items []item) []item {
	slices.SortFunc(items, func(x, y item) int {
		c := x.compareNumber(&y)
		if c == 0 && x.tier != y.tier {
			if c = 1; over(x.tier, y.tier) == x.tier {
				c = -1
			}
		}
		return c
	})
	return slices.CompactFunc(items, func(x, y item) bool { return x.compareNumber(&y) == 0 })
}

// What one entry takes in memory at most, in bits, by what it is.
const (
	bitsSingle  = 28     // IPv4 address
	bitsRange4  = 2 * 80 // IPv4 prefix: two changes
	bitsRange6  = 2 * 136
	bitsHash    = 28
	bitsLined   = 64*8/lineFull + 1 + marksBits
	bitsFilter  = 11 // and its share of the filter
	bytesUnused = 24 << 10
)

func (x *item) cost(c Class) int {
	switch {
	case x.family == family6:
		return bitsRange6
	case x.family == family4 && x.bits == 32:
		return bitsSingle
	case x.family == family4:
		return bitsRange4
	case c.lined():
		return bitsLined
	case c.filtered():
		return bitsHash + bitsFilter
	}
	return bitsHash
}

// fit keeps what the class has room for, the highest rank first.
func (s *Snapshot) fit(items []item, c Class) []item {
	room := (c.Bytes() - bytesUnused) * 8
	all := 0
	for i := range items {
		all += items[i].cost(c)
	}
	if all <= room {
		return items
	}
	slices.SortFunc(items, func(x, y item) int { return cmp.Or(cmp.Compare(y.rank, x.rank), x.compareNumber(&y)) })
	n := 0
	for n < len(items) && room >= items[n].cost(c) {
		room -= items[n].cost(c)
		n++
	}
	s.NoRoom = len(items) - n
	return items[:n]
}

// cut sorts items into sections, with the tails of the hashes beside them.
func cut(items []item) (sections []section, rest *tails) {
	rest = new(tails)
	slices.SortFunc(items, func(x, y item) int {
		return cmp.Or(cmp.Compare(x.family, y.family), cmp.Compare(x.tier, y.tier), cmp.Compare(x.bits, y.bits), x.compareNumber(&y))
	})
	for i := range items {
		x := &items[i]
		head := section{family: x.family, tier: x.tier, bits: x.bits}
		n := len(sections) - 1
		if n < 0 || sections[n].compareKey(&head) != 0 {
			if head.lowBits() > 0 {
				head.low = []uint64{}
			}
			sections = append(sections, head)
			n++
		}
		s := &sections[n]
		high := x.high
		if x.family == familyHash {
			high >>= 64 - x.bits
			tail := uint32(x.high >> (32 - x.bits))
			if last := len(s.high) - 1; last >= 0 && s.high[last] == high {
				rest.addMore(tail)
				continue
			}
			rest.add(tail)
		}
		s.high = append(s.high, high)
		if s.low != nil {
			s.low = append(s.low, x.low)
		}
	}
	return sections, rest
}

// ObjectOf is the object of an address, for Build.
func ObjectOf(a netip.Addr) reputation.Object {
	a = a.Unmap()
	return reputation.Object{Type: reputation.TypePrefix, Prefix: netip.PrefixFrom(a, a.BitLen())}
}
