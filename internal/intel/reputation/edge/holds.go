package edge

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Holds says what beside addresses a set holds, so that whoever looks things up
// need not make ready what no entry can fit.
type Holds uint16

// What a set may hold.
const (
	HoldsNames  Holds = 1 << iota
	HoldsURLs         // URLs themselves
	HoldsBelow        // URLs with all that begins with them
	HoldsMD5          // files by it
	HoldsSHA1         // files by it
	HoldsSHA256       // files by it
	HoldsJA4
	HoldsCerts
	HoldsEndpoints
	HoldsOthers // AS numbers, mail addresses and the like
	holdsEnd
	holdsSigns Holds = 1 << 15 // the other signs are to be believed
)

// Signs are entries that no look-up of a thing finds: files are never listed
// with all below them. Each bit of Holds has one. A set of before there were
// signs has none, and may hold anything.
func signOf(k0, k1 uint64, h Holds) uint64 {
	text := [3]byte{'?', byte(h >> 8), byte(h)}
	return sip(k0, k1, text[:]) ^ space(reputation.TypeFile, true)
}

// signs adds the signs of what is held. They are kept before all else.
func signs(items []item, held Holds, c *Config) []item {
	if held == 0 {
		return items
	}
	k0, k1 := c.Key.halves()
	for h := Holds(1); h != 0; h <<= 1 {
		if (held|holdsSigns)&h != 0 {
			items = append(items, item{high: signOf(k0, k1, h), rank: 1<<16 - 1, family: familyHash, tier: TierDeny, bits: c.Class.hashBits()})
		}
	}
	return items
}

// holdsOf is what a set with the object holds.
func holdsOf(o *reputation.Object) Holds {
	switch o.Type {
	case reputation.TypeNone, reputation.TypePrefix:
		return 0
	case reputation.TypeDomain:
		return HoldsNames
	case reputation.TypeURL:
		if o.Below {
			return HoldsBelow
		}
		return HoldsURLs
	case reputation.TypeFile:
		switch len(o.Text) {
		case 2 * 16:
			return HoldsMD5
		case 2 * 20:
			return HoldsSHA1
		}
		return HoldsSHA256
	case reputation.TypeJA4:
		return HoldsJA4
	case reputation.TypeCert:
		return HoldsCerts
	case reputation.TypeEndpoint:
		return HoldsEndpoints
	}
	return HoldsOthers
}

// readSigns finds the signs of a set that was loaded, and leaves them out of the
// number of entries.
func (s *Set) readSigns(hashes int) {
	has := func(h Holds) bool { return s.find(signOf(s.k0, s.k1, h)).Tier != TierNone }
	switch {
	case hashes == 0:
	case !has(holdsSigns):
		s.holds = holdsEnd - 1
	default:
		s.entries--
		for h := Holds(1); h < holdsEnd; h <<= 1 {
			if has(h) {
				s.holds |= h
				s.entries--
			}
		}
	}
}

// Holds says what beside addresses the set holds.
func (s *Set) Holds() Holds { return s.holds }

// String names what is held.
func (h Holds) String() string {
	var out []string
	for i, name := range [...]string{"names", "URLs", "URLs with all below", "MD5", "SHA-1", "SHA-256", "JA4", "certificates", "endpoints", "others"} {
		if h&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}
