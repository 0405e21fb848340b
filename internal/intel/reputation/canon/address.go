package canon

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Address reads an IPv4 or IPv6 address or prefix: "192.0.2.1",
// "192.0.2.0/24", "192.0.2.0/255.255.255.0", "[2001:db8::1]". Bits below the
// mask are cleared and IPv4 addresses in IPv6 form become IPv4. Zones, ports
// and a prefix of all addresses are refused with an *Error.
func Address(s string) (reputation.Object, error) {
	t := strings.TrimSpace(s)
	addr, mask, slash := strings.Cut(t, "/")
	if n := len(addr); n > 2 && addr[0] == '[' && addr[n-1] == ']' {
		addr = addr[1 : n-1]
	}
	if !mayBeAddress(addr) {
		return reputation.Object{}, refuse(s, "not an IP address", "write it like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return reputation.Object{}, addressProblem(s, addr)
	}
	if a.Zone() != "" {
		return reputation.Object{}, refuse(s, "an address with a zone means something on one machine only", "leave out the part after %")
	}
	bits := a.BitLen()
	if slash {
		if bits = maskBits(mask, a); bits < 0 {
			return reputation.Object{}, refuse(s, "bad length of the prefix", "write 1 to 32 after an IPv4 address and 1 to 128 after an IPv6 address")
		}
	}
	o, ok := FromPrefix(netip.PrefixFrom(a, bits))
	if !ok {
		return reputation.Object{}, refuse(s, "a prefix that holds all addresses cannot have a reputation", "name the networks that are meant")
	}
	return o, nil
}

// FromPrefix is the object of a prefix: masked, and IPv4 where it was IPv4 in
// IPv6 form. ok is false for an invalid prefix and for one that holds all
// addresses.
func FromPrefix(p netip.Prefix) (o reputation.Object, ok bool) {
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() && bits >= 96 {
		a, bits = a.Unmap(), bits-96
	}
	p = netip.PrefixFrom(a.WithZone(""), bits).Masked()
	if !p.IsValid() || bits == 0 {
		return reputation.Object{}, false
	}
	return reputation.Object{Type: reputation.TypePrefix, Prefix: p}, true
}

// FromAddr is the object of one address; it panics never, and of an invalid
// address gives the empty Object.
func FromAddr(a netip.Addr) reputation.Object {
	o, _ := FromPrefix(netip.PrefixFrom(a, a.BitLen()))
	return o
}

// Outside says whether an address can be a stranger's: it is global, and not of
// the space between providers and their customers (RFC 6598).
func Outside(a netip.Addr) bool {
	between := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
	return a.IsGlobalUnicast() && !a.IsPrivate() && !between.Contains(a)
}

// mayBeAddress spares names the costly error of netip.
func mayBeAddress(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	digits := true
	for i := range len(s) {
		switch c := s[i]; {
		case c == ':':
			return true
		case c != '.' && (c < '0' || c > '9'):
			digits = false
		}
	}
	return digits
}

func addressProblem(s, addr string) *Error {
	if host, port, ok := strings.Cut(addr, ":"); ok && !strings.Contains(port, ":") && mayBeAddress(host) {
		return refuse(s, "an address with a port where an address is meant", "leave the port out, or list it as an endpoint")
	}
	for part := range strings.SplitSeq(addr, ".") {
		if len(part) > 1 && part[0] == '0' {
			return refuse(s, "an address with leading zeros can be read in two ways", "leave the zeros out")
		}
	}
	return refuse(s, "not an IP address", "write it like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")
}

// maskBits reads "24" or "255.255.255.0"; -1 when it is neither.
func maskBits(mask string, a netip.Addr) int {
	if len(mask) > 3 && a.Is4() {
		if m, err := netip.ParseAddr(mask); err == nil && m.Is4() {
			b := m.As4()
			v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
			bits := 0
			for ; v&(1<<31) != 0; v <<= 1 {
				bits++
			}
			if v == 0 {
				return bits
			}
		}
		return -1
	}
	n, err := strconv.ParseUint(mask, 10, 8)
	if err != nil || int(n) > a.BitLen() {
		return -1
	}
	return int(n)
}

// ASN reads the number of an autonomous system: "AS64496", "64496", or
// "AS1.10" after RFC 5396. 0 is refused (RFC 7607).
func ASN(s string) (reputation.Object, error) {
	t := strings.TrimSpace(s)
	for _, p := range [...]string{"ASN", "AS"} {
		if len(t) > len(p) && strings.EqualFold(t[:len(p)], p) {
			t = strings.TrimLeft(t[len(p):], " ")
			break
		}
	}
	high, low, dot := strings.Cut(t, ".")
	n, err := strconv.ParseUint(high, 10, 32)
	if err == nil && dot {
		var l uint64
		l, err = strconv.ParseUint(low, 10, 16)
		if n > 0xffff {
			err = strconv.ErrRange
		}
		n = n<<16 | l
	}
	if err != nil || n == 0 {
		return reputation.Object{}, refuse(s, "not the number of an autonomous system", "write it like AS64496, from 1 to 4294967295")
	}
	return reputation.Object{Type: reputation.TypeASN, Number: uint32(n)}, nil
}
