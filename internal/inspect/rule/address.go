package rule

import (
	"bytes"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// span is a closed range of addresses; IPv4 in its IPv4-mapped form.
type span struct{ lo, hi packet.Addr }

// addressSet is a set of addresses: sorted spans that do not touch. IPv4 spans
// are kept apart, as four bytes, because they are looked up most.
type addressSet struct {
	v4 []span4
	v6 []span
}

type span4 struct{ lo, hi uint32 }

func (s *addressSet) contains(a *packet.Addr) bool {
	if isV4(a) {
		v := uint32(a[12])<<24 | uint32(a[13])<<16 | uint32(a[14])<<8 | uint32(a[15])
		i, j := 0, len(s.v4)
		for i < j {
			h := int(uint(i+j) >> 1)
			if s.v4[h].hi < v {
				i = h + 1
			} else {
				j = h
			}
		}
		return i < len(s.v4) && s.v4[i].lo <= v
	}
	i, j := 0, len(s.v6)
	for i < j {
		h := int(uint(i+j) >> 1)
		if bytes.Compare(s.v6[h].hi[:], a[:]) < 0 {
			i = h + 1
		} else {
			j = h
		}
	}
	return i < len(s.v6) && bytes.Compare(s.v6[i].lo[:], a[:]) <= 0
}

func isV4(a *packet.Addr) bool {
	return a[10] == 0xff && a[11] == 0xff && *(*[10]byte)(a[:10]) == [10]byte{}
}

// allV4 is the span of all IPv4 addresses.
var allV4 = span{packet.Addr{10: 0xff, 11: 0xff}, packet.Addr{10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff}}

// everything is the span of all addresses.
var everything = span{hi: packet.Addr{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}}

func (s *addressSet) isAny() bool {
	return len(s.v4) == 1 && s.v4[0] == span4{0, ^uint32(0)} && len(s.v6) > 0 && s.v6[0].lo == everything.lo && s.v6[len(s.v6)-1].hi == everything.hi
}

func before(a packet.Addr) packet.Addr {
	for i := 15; i >= 0; i-- {
		a[i]--
		if a[i] != 0xff {
			break
		}
	}
	return a
}

func after(a packet.Addr) packet.Addr {
	for i := 15; i >= 0; i-- {
		a[i]++
		if a[i] != 0 {
			break
		}
	}
	return a
}

// join sorts spans and joins those that touch.
func join(in []span) []span {
	sort.Slice(in, func(i, j int) bool { return bytes.Compare(in[i].lo[:], in[j].lo[:]) < 0 }) // package slices would cost the agent 16 KB
	out := in[:0]
	for _, s := range in {
		if n := len(out); n > 0 && (bytes.Compare(s.lo[:], out[n-1].hi[:]) <= 0 || s.lo == after(out[n-1].hi)) {
			if bytes.Compare(s.hi[:], out[n-1].hi[:]) > 0 {
				out[n-1].hi = s.hi
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// families is all addresses of the IP versions that s has some of: what is not
// in "!10.0.0.0/8" is IPv4, as in Suricata.
func families(s []span) []span {
	var v4, v6 bool
	for i := range s {
		lo, hi := isV4(&s[i].lo), isV4(&s[i].hi)
		v4, v6 = v4 || lo || hi || s[i] == everything, v6 || !lo || !hi
	}
	switch {
	case v4 && v6:
		return []span{everything}
	case v4:
		return []span{allV4}
	}
	return minus([]span{everything}, []span{allV4})
}

// minus takes the spans of b out of a; both are joined.
func minus(a, b []span) []span {
	var out []span
	for _, s := range a {
		gone := false
		for _, t := range b {
			if bytes.Compare(t.hi[:], s.lo[:]) < 0 || bytes.Compare(t.lo[:], s.hi[:]) > 0 {
				continue
			}
			if bytes.Compare(t.lo[:], s.lo[:]) > 0 {
				out = append(out, span{s.lo, before(t.lo)})
			}
			if bytes.Compare(t.hi[:], s.hi[:]) >= 0 {
				gone = true
				break
			}
			s.lo = after(t.hi)
		}
		if !gone {
			out = append(out, s)
		}
	}
	return out
}

func newAddressSet(all []span) addressSet {
	var s addressSet
	v4lo, v4hi := allV4.lo, allV4.hi
	for _, p := range all {
		lo, hi := p.lo, p.hi
		if bytes.Compare(lo[:], v4lo[:]) < 0 {
			lo = v4lo
		}
		if bytes.Compare(hi[:], v4hi[:]) > 0 {
			hi = v4hi
		}
		if bytes.Compare(lo[:], hi[:]) <= 0 {
			s.v4 = append(s.v4, span4{be32(lo[12:]), be32(hi[12:])})
		}
		if !isV4(&p.lo) || !isV4(&p.hi) {
			s.v6 = append(s.v6, p)
		}
	}
	s.v4, s.v6 = slices.Clip(s.v4), slices.Clip(s.v6)
	return s
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// addressList resolves an address list.
func (p *headerParser) addressList(l *syntax.List, depth int) ([]span, error) {
	s, err := p.plainAddresses(l, depth)
	if err == nil && l.Negated {
		p.negations = true
		s = minus(families(s), s)
	}
	return s, err
}

func (p *headerParser) plainAddresses(l *syntax.List, depth int) ([]span, error) {
	switch {
	case depth > maxVariableDepth:
		return nil, fail(l.Token, "variables name each other in a circle", "")
	case l.Group:
		return p.addressGroup(l, depth)
	case strings.HasPrefix(l.Text, "$"):
		text, ok := p.addressVars[l.Text[1:]]
		if !ok {
			return nil, unknownVariable(l.Token, p.addressVars)
		}
		v, err := parseVariable(l.Token, text)
		if err != nil {
			return nil, err
		}
		return p.addressList(&v, depth+1)
	case strings.EqualFold(l.Text, "any"):
		return []span{everything}, nil
	}
	s, ok := parseSpan(l.Text)
	if !ok {
		return nil, fail(l.Token, "%q is no address", "write 192.0.2.1, 192.0.2.0/24, 192.0.2.1-192.0.2.9, 2001:db8::/32, $NAME or any", l.Text)
	}
	return []span{s}, nil
}

func (p *headerParser) addressGroup(l *syntax.List, depth int) ([]span, error) {
	var yes, no []span
	positive := false
	for i := range l.Items {
		it := &l.Items[i]
		s, err := p.plainAddresses(it, depth+1)
		if err != nil {
			return nil, err
		}
		if it.Negated {
			p.negations = true
			no = append(no, s...)
		} else {
			yes, positive = append(yes, s...), true
		}
	}
	no = join(no)
	if !positive {
		yes = families(no)
	}
	return minus(join(yes), no), nil
}

// parseSpan reads an address, a prefix, a netmask or a range.
func parseSpan(text string) (span, bool) {
	if lo, hi, ok := strings.Cut(text, "-"); ok {
		a, err1 := netip.ParseAddr(strings.TrimSpace(lo))
		b, err2 := netip.ParseAddr(strings.TrimSpace(hi))
		return span{a.As16(), b.As16()}, err1 == nil && err2 == nil && a.Is4() == b.Is4() && a.Compare(b) <= 0
	}
	if host, mask, ok := strings.Cut(text, "/"); ok {
		a, err := netip.ParseAddr(host)
		bits := maskBits(mask, a.Is4())
		if err != nil || a.Zone() != "" || bits < 0 || bits > a.BitLen() {
			return span{}, false
		}
		if a.Is4() {
			bits += 96
		}
		return prefixSpan(a.As16(), bits), true
	}
	a, err := netip.ParseAddr(text)
	return span{a.As16(), a.As16()}, err == nil && a.Zone() == ""
}

func prefixSpan(a packet.Addr, bits int) span {
	s := span{a, a}
	for i := bits; i < 128; i++ {
		s.lo[i>>3] &^= 0x80 >> (i & 7)
		s.hi[i>>3] |= 0x80 >> (i & 7)
	}
	return s
}

func maskBits(mask string, v4 bool) int {
	if m, err := netip.ParseAddr(mask); err == nil && v4 && m.Is4() {
		b := m.As4()
		v := be32(b[:])
		n := 0
		for ; n < 32 && v&0x80000000 != 0; n++ {
			v <<= 1
		}
		if v != 0 {
			return -1
		}
		return n
	}
	n, ok := parseUint(mask, 8)
	if !ok {
		return -1
	}
	return int(n)
}
