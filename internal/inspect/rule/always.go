package rule

import (
	"slices"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// ruleList is rules that no pattern selects. Those with a short list of
// addresses are found by the packet's addresses, the others are always looked
// at.
type ruleList struct {
	any      []uint32
	src, dst map[uint16][]uint32 // by rare address set
}

func (l *ruleList) size() int { return len(l.any) + len(l.src) + len(l.dst) }

// rareIndex finds the rare address sets that an IPv4 address is in. A set is
// rare when it has no IPv6 address and few IPv4 addresses.
type rareIndex struct {
	bounds []uint32 // begin of each interval, sorted; intervals without a set in between
	begin  []uint32 // by interval: where its sets begin; one more at the end
	sets   []uint16
	rare   []bool // by set
}

// rareSize is how many addresses a rare set has at most.
const rareSize = 1 << 26

func newRareIndex(all []addressSet) rareIndex {
	x := rareIndex{rare: make([]bool, len(all))}
	x.bounds = append(x.bounds, 0)
	for i := range all {
		n := uint64(0)
		for _, s := range all[i].v4 {
			n += uint64(s.hi-s.lo) + 1
		}
		if x.rare[i] = i > 0 && len(all[i].v6) == 0 && n <= rareSize; !x.rare[i] {
			continue
		}
		for _, s := range all[i].v4 {
			x.bounds = append(x.bounds, s.lo)
			if s.hi != ^uint32(0) {
				x.bounds = append(x.bounds, s.hi+1)
			}
		}
	}
	slices.Sort(x.bounds)
	x.bounds = slices.Compact(x.bounds)
	lists := make([][]uint16, len(x.bounds))
	for i := range all {
		if !x.rare[i] {
			continue
		}
		for _, s := range all[i].v4 {
			at, _ := slices.BinarySearch(x.bounds, s.lo)
			for ; at < len(x.bounds) && x.bounds[at] <= s.hi; at++ {
				lists[at] = append(lists[at], uint16(i))
			}
		}
	}
	x.begin = make([]uint32, len(lists)+1)
	for i, l := range lists {
		x.sets = append(x.sets, l...)
		x.begin[i+1] = uint32(len(x.sets))
	}
	return x
}

// of are the rare sets that an address is in.
func (x *rareIndex) of(a *packet.Addr) []uint16 {
	if !isV4(a) || len(x.sets) == 0 {
		return nil
	}
	v := be32(a[12:])
	i, j := 0, len(x.bounds)
	for i < j {
		if h := int(uint(i+j) >> 1); x.bounds[h] <= v {
			i = h + 1
		} else {
			j = h
		}
	}
	return x.sets[x.begin[i-1]:x.begin[i]]
}

// newRuleList sorts rules by their rare address sets.
func (s *Set) newRuleList(ids []uint32) ruleList {
	l := ruleList{src: map[uint16][]uint32{}, dst: map[uint16][]uint32{}}
	for _, id := range ids {
		switch h := &s.headers[s.rules[id].header]; {
		case !h.both && s.rare.rare[h.src]:
			l.src[h.src] = append(l.src[h.src], id)
		case !h.both && s.rare.rare[h.dst]:
			l.dst[h.dst] = append(l.dst[h.dst], id)
		default:
			l.any = append(l.any, id)
		}
	}
	return l
}

// addList makes the rules of a list candidates that the packet's addresses
// allow.
func (in *Inspector) addList(l *ruleList, p *packet.Packet) {
	in.add(l.any)
	if len(l.src) > 0 {
		for _, set := range in.set.rare.of(&p.Src) {
			in.add(l.src[set])
		}
	}
	if len(l.dst) > 0 {
		for _, set := range in.set.rare.of(&p.Dst) {
			in.add(l.dst[set])
		}
	}
}

// shortList is the rules of a ruleList whose header a flow's direction meets.
type shortList struct {
	n     uint8 // tooMany: not kept
	made  bool
	rules [shortRules]uint32
}

const (
	shortRules = 28
	tooMany    = 255
)

// addAlways makes the rules about packets without a pattern candidates. Which
// headers a flow meets stays the same, so it is found out once.
func (in *Inspector) addAlways(c *Context) {
	l := &in.set.always[in.facts.group][c.Dir]
	at := in.headers.at
	if at < 0 || in.facts.fragment {
		in.addList(l, c.Packet)
		return
	}
	s := &in.headers.entries[at].short
	if !s.made {
		in.fillShort(s, l, c)
	}
	if s.n == tooMany {
		in.addList(l, c.Packet)
		return
	}
	in.add(s.rules[:s.n])
}

// fillShort is called before there are other candidates but those looked at
// once.
func (in *Inspector) fillShort(s *shortList, l *ruleList, c *Context) {
	s.n, s.made = 0, true
	begin := len(in.candidates)
	in.addList(l, c.Packet)
	added := in.candidates[begin:]
	in.candidates = in.candidates[:begin]
	for _, id := range added {
		in.seen[id] = in.generation - 1 // all of them: with too many, addList adds them again
	}
	for _, id := range added {
		if h := in.set.rules[id].header; h != 0 && !in.header(h, c) {
			continue
		}
		if s.n == shortRules {
			s.n = tooMany
			return
		}
		s.rules[s.n] = id
		s.n++
	}
}
