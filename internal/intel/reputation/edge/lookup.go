package edge

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"unsafe"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxText is the longest text that a set takes; a longer one is in none.
const maxText = 2048

// Domain says what is said of a name or of a name above it for all below. Case
// and a dot at the end do not matter; the name is in ASCII. Single labels are
// not looked for: no set lists a whole top-level domain.
func (s *Set) Domain(name string) Match {
	name = strings.TrimSuffix(name, ".")
	if len(name) == 0 || len(name) > 253 {
		return Match{}
	}
	if hasCapitals(name) {
		var text [256]byte
		b := text[:copy(text[:], name)]
		for i, c := range b {
			if 'A' <= c && c <= 'Z' {
				b[i] = c | 0x20
			}
		}
		return s.domain(unsafe.String(&b[0], len(b))) // b is not changed any more
	}
	return s.domain(name)
}

// hasCapitals says whether an ASCII letter of a name is a capital, eight at a time: in
// the highest bit of each byte stands whether the byte is 'A' or more, and not above
// 'Z'.
func hasCapitals(name string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(name); i += 8 {
		x := word(name[i:])
		low := x &^ highs
		if (low+ones*(0x80-'A'))&^(low+ones*(0x80-'Z'-1))&^x&highs != 0 {
			return true
		}
	}
	for ; i < len(name); i++ {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			return true
		}
	}
	return false
}

// domain asks for a name in small letters and those above it. The hash of the next name
// is made before the one before it is looked for, so that the processor waits for
// both at once.
func (s *Set) domain(name string) Match {
	h := sip(s.k0, s.k1, name)
	name, more := above(name)
	var next uint64
	if more {
		next = sip(s.k0, s.k1, name)
	}
	m := s.find(h ^ space(reputation.TypeDomain, false))
	for {
		if wide := s.find(h ^ space(reputation.TypeDomain, true)); wide.Tier != TierNone {
			m = widen(m, wide)
		}
		if !more || m.Tier.local() {
			return m
		}
		h = next
		if name, more = above(name); more {
			next = sip(s.k0, s.k1, name)
		}
	}
}

// above is the name above a name; ok is false when that has a single label.
func above(name string) (up string, ok bool) {
	up = name[strings.IndexByte(name, '.')+1:]
	return up, len(up) < len(name) && strings.IndexByte(up, '.') >= 0
}

// widen joins a match with that of a wider entry.
func widen(m, wide Match) Match {
	switch t := over(m.Tier, wide.Tier); {
	case t == m.Tier && t == wide.Tier:
		m.Sure = m.Sure || wide.Sure
		return m
	case t == wide.Tier:
		return wide
	}
	return m
}

// Expression says what is said of a host and a path as canon.Expressions gives
// them: whole is set for the first, the URL itself, for which its path alone is asked
// too.
func (s *Set) Expression(host, path string, whole bool) Match {
	var text [maxText]byte
	if len(host)+len(path) > maxText {
		return Match{}
	}
	n := copy(text[:], host)
	n += copy(text[n:], path)
	h := sip(s.k0, s.k1, text[:n])
	m := s.find(h ^ space(reputation.TypeURL, true))
	if whole {
		m = widen(s.find(h^space(reputation.TypeURL, false)), m)
		m = widen(m, s.path(path))
	}
	return m
}

// path says what is said of a path, with and without its query, on every host.
func (s *Set) path(path string) Match {
	if path == "" || path == "/" {
		return Match{}
	}
	one := space(reputation.TypeURL, false)
	m := s.find(sip(s.k0, s.k1, path) ^ one)
	if q := strings.IndexByte(path, '?'); q > 1 {
		m = widen(m, s.find(sip(s.k0, s.k1, path[:q])^one))
	}
	return m
}

// Endpoint says what is said of an address with a port, or of the address. Names with a
// port are asked by Object.
func (s *Set) Endpoint(a netip.AddrPort) Match {
	t := s.Address(a.Addr())
	m := Match{t, t != TierNone}
	if !a.IsValid() {
		return m
	}
	var text [64]byte
	b := netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).AppendTo(text[:0])
	return widen(s.find(sip(s.k0, s.k1, b)^space(reputation.TypeEndpoint, false)), m)
}

// File says what is said of a file by one of its hashes (MD5, SHA-1 or SHA-256
// as bytes).
func (s *Set) File(sum []byte) Match {
	return s.find(sip(s.k0, s.k1, sum) ^ space(reputation.TypeFile, false))
}

// Object says what is said of an object in canonical form, exactly or, of
// addresses and names, by what covers it.
func (s *Set) Object(o reputation.Object) Match {
	switch o.Type {
	case reputation.TypePrefix:
		if o.Prefix.IsSingleIP() {
			t := s.Address(o.Prefix.Addr())
			return Match{t, t != TierNone}
		}
		return Match{}
	case reputation.TypeDomain:
		return s.Domain(o.Text)
	case reputation.TypeEndpoint:
		return s.endpoint(o)
	}
	h, ok := hashOf(s.k0, s.k1, o)
	if !ok {
		return Match{}
	}
	return s.find(h)
}

// endpoint says what is said of an endpoint or of its host.
func (s *Set) endpoint(o reputation.Object) Match {
	h, ok := hashOf(s.k0, s.k1, o)
	colon := strings.LastIndexByte(o.Text, ':')
	if !ok || colon <= 0 {
		return Match{}
	}
	host := o.Text[:colon]
	if a, err := netip.ParseAddrPort(o.Text); err == nil {
		t := s.Address(a.Addr())
		return widen(s.find(h), Match{t, t != TierNone})
	}
	return widen(s.find(h), s.Domain(host))
}

// hashOf is the hash of all but addresses; ok is false for what has no place
// in a set.
func hashOf(k0, k1 uint64, o reputation.Object) (h uint64, ok bool) {
	text := o.Text
	switch o.Type {
	case reputation.TypeNone, reputation.TypePrefix, reputation.TypeDevice: // models are not seen on the wire
		return 0, false
	case reputation.TypeFile, reputation.TypeCert:
		var b [64]byte
		n, err := hex.Decode(b[:], []byte(text[:min(len(text), 128)]))
		if err != nil || n == 0 || len(text) > 128 {
			return 0, false
		}
		return sip(k0, k1, b[:n]) ^ space(o.Type, false), true
	case reputation.TypeASN:
		text = o.String()
	case reputation.TypeURL:
		if _, after, found := strings.Cut(text, "://"); found {
			text = after
		}
	}
	if len(text) == 0 || len(text) > maxText {
		return 0, false
	}
	return sip(k0, k1, text) ^ space(o.Type, o.Below), true
}
