package feed

import (
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// hosts reads a line of a hosts file (hosts(5)) that points names to nowhere: an
// unspecified or loopback address, then names. The names that each host gives
// itself (localhost and its kin) are passed over.
func hosts(r *lineReader, line []byte, c *reputation.Claim) error {
	word, rest := field(uncommented(line, '#'))
	if len(word) == 0 {
		return nil
	}
	a, err := netip.ParseAddr(string(word))
	switch {
	case err != nil:
		return &Refusal{Problem: "no address before the names", Mend: `write "0.0.0.0 name"; for names alone use the format domain`}
	case !a.IsUnspecified() && !a.IsLoopback():
		return &Refusal{Problem: "a name with a real address", Mend: "hosts lists block by 0.0.0.0 or 127.0.0.1"}
	}
	r.more, r.failed = r.more[:0], r.failed[:0]
	for len(rest) > 0 {
		word, rest = field(rest)
		if ownName(string(word)) {
			continue
		}
		o, err := canon.Domain(string(word))
		if err != nil {
			r.failed = append(r.failed, err)
			continue
		}
		if r.o.Below {
			o = canon.Widen(o)
		}
		r.more = append(r.more, o)
	}
	if len(r.more) > 0 {
		c.Object, r.more = r.more[0], r.more[1:]
	}
	return nil
}

// ownName says whether a name is one that hosts files give the host itself.
func ownName(s string) bool {
	switch strings.ToLower(s) {
	case "localhost", "localhost.localdomain", "local", "broadcasthost", "loopback", "0.0.0.0",
		"localhost6", "localhost6.localdomain6":
		return true
	}
	return strings.HasPrefix(s, "ip6-")
}
