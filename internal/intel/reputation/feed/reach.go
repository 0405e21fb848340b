package feed

import (
	"net/netip"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// manyHosts is from how many addresses a warninglist is taken to name networks that
// are let to customers, or that are as large. IPv6 counts in /64.
const manyHosts = 1 << 20

// hostsOf is how many hosts a prefix has room for, at most manyHosts. Prefixes that
// nobody has on the internet have none.
func hostsOf(p netip.Prefix) int {
	if special(p.Addr()) {
		return 0
	}
	room := 64
	if p.Addr().Is4() {
		room = 32
	}
	if free := room - p.Bits(); free > 0 {
		return min(1<<min(free, 30), manyHosts)
	}
	return 1
}

// special says whether an address is in the registries of special purposes
// (RFC 6890 and the IANA registries that it began): private, local, for
// documentation, multicast or reserved.
func special(a netip.Addr) bool {
	if a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return true
	}
	if !a.Is4() {
		b := a.As16()
		return b[0] == 0 || b[0] == 0x20 && b[1] == 1 && b[2] == 0x0d && b[3] == 0xb8
	}
	b := a.As4()
	switch {
	case b[0] == 0, b[0] >= 240:
		return true
	case b[0] == 100:
		return b[1]&0xc0 == 64
	case b[0] == 192:
		return b[1] == 0 && (b[2] == 0 || b[2] == 2) || b[1] == 88 && b[2] == 99
	case b[0] == 198:
		return b[1]&0xfe == 18 || b[1] == 51 && b[2] == 100
	}
	return b[0] == 203 && b[1] == 0 && b[2] == 113
}

// isLarge says whether a list of prefixes names more hosts than a list of well-known
// servers would: the networks of clouds and carriers, in which good and bad live
// side by side.
func isLarge(list []string) bool {
	n := 0
	for _, s := range list {
		if o, err := canon.Address(s); err == nil && n < manyHosts {
			n += hostsOf(o.Prefix)
		}
	}
	return n >= manyHosts
}

// ofNetwork makes an entry of a large list known only: no list can vouch for each
// customer of a cloud.
func ofNetwork(c *reputation.Claim) {
	if c.Kind == reputation.KindBenign && !special(c.Object.Prefix.Addr()) {
		c.Kind = reputation.KindKnown
	}
}
