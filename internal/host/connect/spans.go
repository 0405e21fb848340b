package connect

import (
	"cmp"
	"encoding/binary"
	"iter"
	"net/netip"
	"sort"
)

// span4 is a closed range of IPv4 addresses: the first in the high half, the
// last in the low one. Small, since there are many on a small device.
type span4 uint64

func (s span4) from() uint32 { return uint32(s >> 32) }
func (s span4) to() uint32   { return uint32(s) }

// none4 holds nothing, for an empty list: the search wants a range.
const none4 = span4(0xffffffff) << 32

// wide is an IPv6 address as a number.
type wide struct{ hi, lo uint64 }

func (a wide) compare(b wide) int { return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo)) }

func (a wide) next() wide {
	a.lo++
	if a.lo == 0 {
		a.hi++
	}
	return a
}

// span6 is a closed range of IPv6 addresses.
type span6 struct{ from, to wide }

// none6 holds nothing.
func none6() span6 { return span6{from: wide{^uint64(0), ^uint64(0)}} }

// spans gives the addresses of valid prefixes as sorted ranges with gaps between
// them. It goes through the list twice.
func spans(list iter.Seq[netip.Prefix]) (four []span4, six []span6) {
	n4, n6 := 0, 0
	for p := range list {
		switch {
		case p.IsValid() && p.Addr().Is4():
			n4++
		case p.IsValid():
			n6++
		}
	}
	four, six = make([]span4, 0, n4), make([]span6, 0, n6)
	for p := range list {
		switch {
		case p.IsValid() && p.Addr().Is4():
			four = append(four, spanOf4(p))
		case p.IsValid():
			six = append(six, spanOf6(p))
		}
	}
	return merge4(four), merge6(six)
}

func spanOf4(p netip.Prefix) span4 {
	b := p.Masked().Addr().As4()
	from := binary.BigEndian.Uint32(b[:])
	return span4(from)<<32 | span4(from|uint32(1<<(32-p.Bits())-1))
}

func spanOf6(p netip.Prefix) span6 {
	b := p.Masked().Addr().As16()
	from := wide{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
	to := wide{^uint64(0), ^uint64(0)}
	if n := p.Bits(); n >= 64 {
		to = wide{from.hi, from.lo | ^uint64(0)>>(n-64)}
	} else {
		to.hi = from.hi | ^uint64(0)>>n
	}
	return span6{from, to}
}

// merge4 sorts ranges and makes one of those that touch. Package sort makes
// smaller programs than package slices.
func merge4(in []span4) []span4 {
	sort.Slice(in, func(i, j int) bool { return in[i] < in[j] })
	out := in[:0]
	for _, s := range in {
		if n := len(out); n > 0 && uint64(s.from()) <= uint64(out[n-1].to())+1 {
			out[n-1] = out[n-1]&^0xffffffff | span4(max(out[n-1].to(), s.to()))
			continue
		}
		out = append(out, s)
	}
	return out
}

func merge6(in []span6) []span6 {
	sort.Slice(in, func(i, j int) bool { return in[i].from.compare(in[j].from) < 0 })
	out := in[:0]
	for _, s := range in {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if end := last.to.next(); end == (wide{}) || s.from.compare(end) <= 0 {
				if last.to.compare(s.to) < 0 {
					last.to = s.to
				}
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// fill4 makes the map of IPv4 ranges.
func fill4(list []span4) (int, error) {
	return fill(len(list), 8, func(i int, b []byte) {
		binary.NativeEndian.PutUint32(b, list[i].from())
		binary.NativeEndian.PutUint32(b[4:], list[i].to())
	})
}

// fill6 makes the map of IPv6 ranges.
func fill6(list []span6) (int, error) {
	return fill(len(list), 32, func(i int, b []byte) {
		for n, v := range [...]uint64{list[i].from.hi, list[i].from.lo, list[i].to.hi, list[i].to.lo} {
			binary.NativeEndian.PutUint64(b[8*n:], v)
		}
	})
}
