package edge

import (
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Named says what is said of a name with a port, or of the name. Case and a dot
// at the end do not matter. Unlike Object it allocates nothing.
func (s *Set) Named(name string, port uint16) Match {
	m := s.Domain(name)
	name = strings.TrimSuffix(name, ".")
	if len(name) == 0 || len(name) > 253 {
		return m
	}
	var text [253 + 6]byte
	n := copy(text[:], name)
	for i, c := range text[:n] {
		if 'A' <= c && c <= 'Z' {
			text[i] = c | 0x20
		}
	}
	b := strconv.AppendUint(append(text[:n], ':'), uint64(port), 10)
	return widen(s.find(sip(s.k0, s.k1, b)^space(reputation.TypeEndpoint, false)), m)
}
