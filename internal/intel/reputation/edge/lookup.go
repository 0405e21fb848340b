package edge

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxText is the longest text that a set takes; a longer one is in none.
const maxText = 2048

// Domain says what is said of a name or of a name above it for all below. Case
// and a dot at the end do not matter; the name is in ASCII. Single labels are
// not looked for: no set lists a whole top-level domain.
func (s *Set) Domain(name string) Match {
	var text [256]byte
	name = strings.TrimSuffix(name, ".")
	if len(name) == 0 || len(name) > 253 {
		return Match{}
	}
	b := text[:copy(text[:], name)]
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	h := sip(s.k0, s.k1, b, sipWord, sipEnd)
	m := s.find(h ^ space(reputation.TypeDomain, false))
	for {
		m = widen(m, s.find(h^space(reputation.TypeDomain, true)))
		for len(b) > 0 && b[0] != '.' {
			b = b[1:]
		}
		if len(b) < 2 || m.Tier.local() || bytes.IndexByte(b[1:], '.') < 0 {
			return m
		}
		b = b[1:]
		h = sip(s.k0, s.k1, b, sipWord, sipEnd)
	}
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
	h := sip(s.k0, s.k1, text[:n], sipWord, sipEnd)
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
	m := s.find(sip(s.k0, s.k1, path, sipWord, sipEnd) ^ one)
	if q := strings.IndexByte(path, '?'); q > 1 {
		m = widen(m, s.find(sip(s.k0, s.k1, path[:q], sipWord, sipEnd)^one))
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
	return widen(s.find(sip(s.k0, s.k1, b, sipWord, sipEnd)^space(reputation.TypeEndpoint, false)), m)
}

// File says what is said of a file by one of its hashes (MD5, SHA-1 or SHA-256
// as bytes).
func (s *Set) File(sum []byte) Match {
	return s.find(sip(s.k0, s.k1, sum, sipWord, sipEnd) ^ space(reputation.TypeFile, false))
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
	case reputation.TypeNone, reputation.TypePrefix:
		return 0, false
	case reputation.TypeFile, reputation.TypeCert:
		var b [64]byte
		n, err := hex.Decode(b[:], []byte(text[:min(len(text), 128)]))
		if err != nil || n == 0 || len(text) > 128 {
			return 0, false
		}
		return sip(k0, k1, b[:n], sipWord, sipEnd) ^ space(o.Type, false), true
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
	return sip(k0, k1, text, sipWord, sipEnd) ^ space(o.Type, o.Below), true
}
