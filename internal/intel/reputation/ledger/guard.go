package ledger

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"slices"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// safety says how an entry stands to what is held to be good.
type safety uint8

const (
	own     safety = 1 << iota // it is, holds or lies inside something of the allow list
	benign                     // it is or holds something benign
	inside                     // it lies inside something benign
	nothing safety = 0
)

// guard knows what is benign and what is on the allow list, so that new entries
// can be compared with it quickly.
type guard struct {
	benign, own []span
	names       map[uint64]place
}

// span is a run of addresses, first and last among them.
type span struct{ first, last netip.Addr }

// place says what a name is to the names held to be good.
type place uint8

const (
	benignHere  place = 1 << iota // it is one
	benignBelow                   // all below it is
	benignAbove                   // it is above one
	ownHere
	ownBelow
	ownAbove
)

func (g *guard) bytes() int { return 48*(cap(g.benign)+cap(g.own)) + 16*len(g.names) }

// freshGuard makes the guard anew when claims that matter to it have changed.
func (l *Ledger) freshGuard(now uint32) {
	if !l.stale {
		return
	}
	l.stale = false
	l.guard = guard{names: map[uint64]place{}}
	for id := uint32(1); id < l.objects.used; id++ {
		o := l.objects.at(id)
		if o.size == 0 {
			continue
		}
		key := l.keyOf(o)
		if s := l.safetyOf(o, typeOf(key), now); s != nothing {
			l.guard.add(l, key, s)
		}
	}
	l.guard.benign, l.guard.own = join(l.guard.benign), join(l.guard.own)
}

// safetyOf says whether an object itself is held to be good.
func (l *Ledger) safetyOf(o *object, t reputation.Type, now uint32) (out safety) {
	for i := o.claims; i != 0; {
		c := l.claims.at(i)
		i = c.next
		s := l.heard(c)
		if s == nil || expired(c, s, t, now) {
			continue
		}
		if s.Local == reputation.LocalAllow {
			out |= own
		} else if reputation.Kind(c.kind) == reputation.KindBenign {
			out |= benign
		}
	}
	return out
}

func (g *guard) add(l *Ledger, key []byte, s safety) {
	switch typeOf(key) {
	case reputation.TypePrefix:
		x := spanOf(prefixOf(key))
		if s&benign != 0 {
			g.benign = append(g.benign, x)
		}
		if s&own != 0 {
			g.own = append(g.own, x)
		}
	case reputation.TypeDomain:
		mark := func(h uint64, b, o place) {
			if s&benign != 0 {
				g.names[h] |= b
			}
			if s&own != 0 {
				g.names[h] |= o
			}
		}
		name := key[1:]
		mark(l.nameHash(name), benignHere, ownHere)
		if key[0]&belowBit != 0 {
			mark(l.nameHash(name), benignBelow, ownBelow)
		}
		for name != nil {
			mark(l.nameHash(name), benignAbove, ownAbove)
			name = parent(name)
		}
	}
}

func (l *Ledger) nameHash(name []byte) uint64 { return maphash.Bytes(l.seed, name) }

// parent is the name above; nil is none.
func parent(name []byte) []byte {
	if dot := bytes.IndexByte(name, '.'); dot >= 0 {
		return name[dot+1:]
	}
	return nil
}

func spanOf(p netip.Prefix) span {
	first := p.Addr()
	if first.Is4() {
		a := first.As4()
		ones(a[:], p.Bits())
		return span{first, netip.AddrFrom4(a)}
	}
	a := first.As16()
	ones(a[:], p.Bits())
	return span{first, netip.AddrFrom16(a)}
}

func ones(a []byte, from int) {
	for i := from; i < 8*len(a); i++ {
		a[i/8] |= 0x80 >> (i % 8)
	}
}

// join sorts spans and drops those inside others; prefixes never overlap
// otherwise.
func join(s []span) []span {
	slices.SortFunc(s, func(a, b span) int {
		if c := a.first.Compare(b.first); c != 0 {
			return c
		}
		return b.last.Compare(a.last)
	})
	out := s[:0]
	for _, x := range s {
		if k := len(out); k == 0 || out[k-1].last.Compare(x.last) < 0 {
			out = append(out, x)
		}
	}
	return slices.Clip(out)
}

// meets says whether a span holds or equals one of the sorted spans, and whether
// it lies inside one.
func meets(s []span, x span) (holds, within bool) {
	i, _ := slices.BinarySearchFunc(s, x, func(e, x span) int { return e.last.Compare(x.first) })
	if i == len(s) || s[i].first.Compare(x.last) > 0 {
		return false, false
	}
	e := s[i]
	return x.first.Compare(e.first) <= 0 && x.last.Compare(e.last) >= 0, x.first.Compare(e.first) >= 0 && x.last.Compare(e.last) <= 0
}

// of says how the entry with this key stands to what is held to be good.
func (g *guard) of(l *Ledger, key []byte) safety {
	switch typeOf(key) {
	case reputation.TypePrefix:
		return g.ofPrefix(prefixOf(key))
	case reputation.TypeDomain:
		if len(g.names) > 0 {
			return g.ofName(l, key[1:], key[0]&belowBit != 0)
		}
	}
	return nothing
}

func (g *guard) ofPrefix(p netip.Prefix) (out safety) {
	if len(g.benign)+len(g.own) == 0 {
		return nothing
	}
	x := spanOf(p)
	if holds, within := meets(g.own, x); holds || within {
		out |= own
	}
	switch holds, within := meets(g.benign, x); {
	case holds:
		out |= benign
	case within:
		out |= inside
	}
	return out
}

func (g *guard) ofName(l *Ledger, name []byte, below bool) (out safety) {
	at := g.names[l.nameHash(name)]
	if at&(benignHere|benignBelow) != 0 || below && at&benignAbove != 0 {
		out |= benign
	}
	if at&(ownHere|ownBelow) != 0 || below && at&ownAbove != 0 {
		out |= own
	}
	for up := parent(name); up != nil; up = parent(up) {
		at := g.names[l.nameHash(up)]
		if at&benignBelow != 0 {
			out |= inside
		}
		if at&ownBelow != 0 {
			out |= own
		}
	}
	return out
}
