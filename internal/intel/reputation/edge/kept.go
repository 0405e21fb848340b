package edge

import "net/netip"

// NeverStopped gives the addresses that a list of bad ones must not take away,
// whatever it says: those of inner networks, and those without which no network
// works.
func NeverStopped() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range [...]string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
		"::/8", "fc00::/7", "fe80::/10", "ff00::/8",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// Without calls yield with what of a prefix is in none of the kept ones, in the
// order of addresses, until yield says false; then it is false too.
func Without(p netip.Prefix, kept []netip.Prefix, yield func(netip.Prefix) bool) bool {
	within := false
	for _, x := range kept {
		if x.Overlaps(p) {
			if within = true; x.Bits() <= p.Bits() {
				return true
			}
		}
	}
	p = p.Masked()
	if !within {
		return yield(p)
	}
	b := p.Addr().AsSlice()
	b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	high, _ := netip.AddrFromSlice(b)
	return Without(netip.PrefixFrom(p.Addr(), p.Bits()+1), kept, yield) && Without(netip.PrefixFrom(high, p.Bits()+1), kept, yield)
}
