package feed

import (
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// Bounds of what is kept of an entry's words.
const (
	maxNote    = 64
	maxExcerpt = 80
)

// How sure an entry is of a path without a host, in percent, by its length.
const (
	pathConfidence     = 30
	longPathConfidence = 50
	longPath           = 12 // bytes
)

// hostConfidence is how sure an entry of one port is of the whole address or name,
// in percent: others may be there on other ports, above all with tunnels and content
// networks. A single owner does not block the host with it, two do.
const hostConfidence = 80

// ofHost is what the claim on an endpoint says of its address or name.
func ofHost(c *reputation.Claim) (reputation.Claim, bool) {
	host, _, ok := canon.Host(c.Object)
	if !ok {
		return reputation.Claim{}, false
	}
	out := *c
	out.Object = host
	sure := 100
	if c.Confidence != 0 {
		sure = int(c.Confidence)
	}
	out.Confidence = uint8(max(sure*hostConfidence/100, 1))
	return out, true
}

// address reads an address or prefix. The common form, IPv4, costs no allocation.
func address(b []byte) (reputation.Object, error) {
	if p, ok := ipv4(b); ok {
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}, nil
	}
	return canon.Address(string(b))
}

// ipv4 reads a dotted quad with or without a prefix length, exactly as written by
// everybody: no leading zeros, nothing left out.
func ipv4(b []byte) (netip.Prefix, bool) {
	var a [4]byte
	bits, part := 32, 0
	for i := 0; ; i++ {
		n, start := 0, i
		for i < len(b) && b[i]-'0' <= 9 && i-start < 3 {
			n = n*10 + int(b[i]-'0')
			i++
		}
		if i == start || n > 255 || (b[start] == '0' && i-start > 1) {
			return netip.Prefix{}, false
		}
		if part == 4 {
			bits = n
			if i != len(b) || n > 32 {
				return netip.Prefix{}, false
			}
			break
		}
		a[part] = byte(n)
		part++
		if i == len(b) {
			if part != 4 {
				return netip.Prefix{}, false
			}
			break
		}
		if part < 4 && b[i] != '.' || part == 4 && b[i] != '/' {
			return netip.Prefix{}, false
		}
	}
	p := netip.PrefixFrom(netip.AddrFrom4(a), bits)
	if bits < 32 {
		p = p.Masked()
	}
	return p, true
}

// settle bounds what an entry may say: times to come count as now, because they
// would never grow old.
func settle(c *reputation.Claim, o *Options) error {
	if o.Now > 0 {
		c.First, c.Last = min(c.First, o.Now), min(c.Last, o.Now)
	}
	if tooWide(c) {
		return &Refusal{Problem: "a prefix that covers too many addresses", Mend: "write prefixes of at least /8 (IPv4) or /16 (IPv6)"}
	}
	return nil
}

// tooWide says that a bad entry covers so many addresses that it must be a
// mistake or an attack: more than a /8 of IPv4 or a /16 of IPv6.
func tooWide(c *reputation.Claim) bool {
	o := &c.Object
	if o.Type != reputation.TypePrefix || c.Kind <= reputation.KindKnown {
		return false
	}
	if o.Prefix.Addr().Is4() {
		return o.Prefix.Bits() < 8
	}
	return o.Prefix.Bits() < 16
}

// span gives the prefixes that cover exactly the addresses from lo to hi; ok is
// false when they are no range.
func span(lo, hi netip.Addr) (list []netip.Prefix, ok bool) {
	lo, hi = lo.Unmap(), hi.Unmap()
	if !lo.IsValid() || lo.BitLen() != hi.BitLen() || hi.Less(lo) {
		return nil, false
	}
	for {
		bits := lo.BitLen()
		for bits > 0 {
			p := netip.PrefixFrom(lo, bits-1)
			if p.Masked().Addr() != lo || hi.Less(lastOf(p)) {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(lo, bits)
		list = append(list, p)
		end := lastOf(p)
		if end == hi {
			return list, true
		}
		lo = end.Next()
	}
}

// lastOf is the highest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	a := p.Addr().AsSlice()
	for i := p.Bits(); i < len(a)*8; i++ {
		a[i/8] |= 0x80 >> (i % 8)
	}
	end, _ := netip.AddrFromSlice(a)
	return end
}

// note shortens words to what a claim's note may hold.
func note(s string) string {
	if s = strings.TrimSpace(s); len(s) > maxNote {
		s = s[:maxNote]
	}
	return strings.ToValidUTF8(s, "")
}

// excerpt is the beginning of an entry as refusals show it.
func excerpt(b []byte) string {
	b = trim(b)
	if len(b) > maxExcerpt {
		b = b[:maxExcerpt]
	}
	return strings.ToValidUTF8(string(b), "")
}
