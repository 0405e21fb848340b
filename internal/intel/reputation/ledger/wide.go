package ledger

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// wide finds the prefixes, longer than none and shorter than an address, that
// hold an address: by one probe for each length that occurs.
type wide struct {
	four  map[uint64]uint32 // address<<8 | length: object
	six   map[six]uint32
	lens4 [33]uint32 // how many of each length
	lens6 [129]uint32
	have4 uint64 // a bit for each length of which there are some
	have6 [3]uint64
	// near has a bit for each network of 16 bits of IPv4 in which a longer prefix is
	// or was: most addresses need no probe for those.
	near [1 << 10]uint64
}

// six is a prefix of IPv6.
type six struct {
	hi, lo uint64
	bits   uint8
}

func newWide() wide { return wide{four: map[uint64]uint32{}, six: map[six]uint32{}} }

func (w *wide) bytes() int { return 24*len(w.four) + 56*len(w.six) }

func four(p netip.Prefix) uint64 {
	a := p.Addr().As4()
	return uint64(binary.BigEndian.Uint32(a[:]))<<8 | uint64(p.Bits())
}

func sixOf(p netip.Prefix) six {
	a := p.Addr().As16()
	return six{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:]), uint8(p.Bits())}
}

func (w *wide) put(p netip.Prefix, id uint32) {
	n := p.Bits()
	if p.Addr().Is4() {
		w.four[four(p)] = id
		w.lens4[n]++
		w.have4 |= 1 << n
		if a := p.Addr().As4(); n > 16 {
			w.near[int(a[0])<<2|int(a[1]>>6)] |= 1 << (a[1] & 63)
		}
		return
	}
	w.six[sixOf(p)] = id
	w.lens6[n]++
	w.have6[n>>6] |= 1 << (n & 63)
}

func (w *wide) drop(p netip.Prefix) {
	n := p.Bits()
	if p.Addr().Is4() {
		delete(w.four, four(p))
		if w.lens4[n]--; w.lens4[n] == 0 {
			w.have4 &^= 1 << n
		}
		return
	}
	delete(w.six, sixOf(p))
	if w.lens6[n]--; w.lens6[n] == 0 {
		w.have6[n>>6] &^= 1 << (n & 63)
	}
}

// above appends the objects whose prefix holds p and is shorter, the longest
// first, as far as found has room.
func (w *wide) above(p netip.Prefix, found []uint32) []uint32 {
	if p.Addr().Is4() {
		a := p.Addr().As4()
		v := binary.BigEndian.Uint32(a[:])
		have := w.have4 & (1<<p.Bits() - 1)
		if w.near[v>>22]>>(v>>16&63)&1 == 0 {
			have &= 1<<17 - 1
		}
		for have != 0 {
			n := 63 - bits.LeadingZeros64(have)
			have &^= 1 << n
			if id, ok := w.four[uint64(v&(^uint32(0)<<(32-n)))<<8|uint64(n)]; ok && len(found) < cap(found) {
				found = append(found, id)
			}
		}
		return found
	}
	if len(w.six) == 0 {
		return found
	}
	k := sixOf(p)
	for n := p.Bits() - 1; n > 0; n-- {
		if w.have6[n>>6]>>(n&63)&1 == 0 {
			continue
		}
		if id, ok := w.six[cut(k, n)]; ok && len(found) < cap(found) {
			found = append(found, id)
		}
	}
	return found
}

// cut is the prefix of n bits that holds k.
func cut(k six, n int) six {
	if n <= 64 {
		return six{k.hi & (^uint64(0) << (64 - n)), 0, uint8(n)}
	}
	return six{k.hi, k.lo & (^uint64(0) << (128 - n)), uint8(n)}
}
