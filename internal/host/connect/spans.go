package connect

import (
	"cmp"
	"encoding/binary"
	"iter"
	"net/netip"
	"sort"
)

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

// span is a closed range of addresses; IPv4 ones have hi 0.
type span struct{ from, to wide }

// spans gives the addresses of valid prefixes as sorted ranges with gaps between
// them.
func spans(list iter.Seq[netip.Prefix]) (four, six []span) {
	for p := range list {
		if !p.IsValid() {
			continue
		}
		p = p.Masked()
		if p.Addr().Is4() {
			b := p.Addr().As4()
			from := uint64(binary.BigEndian.Uint32(b[:]))
			four = append(four, span{wide{lo: from}, wide{lo: from + 1<<(32-p.Bits()) - 1}})
			continue
		}
		b := p.Addr().As16()
		from := wide{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
		to := wide{^uint64(0), ^uint64(0)}
		if n := p.Bits(); n >= 64 {
			to = wide{from.hi, from.lo | ^uint64(0)>>(n-64)}
		} else {
			to.hi = from.hi | ^uint64(0)>>n
		}
		six = append(six, span{from, to})
	}
	return merge(four), merge(six)
}

// atLeastOne gives a range that holds nothing for an empty list, since the
// search wants one.
func atLeastOne(list []span) []span {
	if len(list) == 0 {
		return []span{{from: wide{^uint64(0), ^uint64(0)}}}
	}
	return list
}

// merge sorts ranges and makes one of those that touch.
func merge(in []span) []span {
	sort.Slice(in, func(i, j int) bool { return in[i].from.compare(in[j].from) < 0 }) // smaller than package slices makes it
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
func fill4(list []span) (int, error) {
	return fill(len(list), 8, func(i int, b []byte) {
		binary.NativeEndian.PutUint32(b, uint32(list[i].from.lo))
		binary.NativeEndian.PutUint32(b[4:], uint32(list[i].to.lo))
	})
}

// fill6 makes the map of IPv6 ranges.
func fill6(list []span) (int, error) {
	return fill(len(list), 32, func(i int, b []byte) {
		for n, v := range [...]uint64{list[i].from.hi, list[i].from.lo, list[i].to.hi, list[i].to.lo} {
			binary.NativeEndian.PutUint64(b[8*n:], v)
		}
	})
}
