package ledger

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxLevels bounds how many objects may cover another; the broadest beyond are
// not heard.
const maxLevels = 24

// found is one object that holds for the key that was asked.
type found struct {
	id    uint32
	scope scope
}

// covers appends the objects that hold for a key, the most exact first; id is
// the object of the key itself, 0 when it is not kept.
func (l *Ledger) covers(key []byte, id uint32, out []found) []found {
	if id != 0 {
		out = append(out, found{id, exact})
	}
	switch typeOf(key) {
	case reputation.TypePrefix:
		out = l.networks(prefixOf(key), exact, out)
	case reputation.TypeDomain:
		out = l.names(key[1:], key[0]&belowBit != 0, exact, out)
	case reputation.TypeURL:
		out = l.urls(key, out)
	case reputation.TypeEndpoint:
		out = l.hostOf(key[1:], out)
	case reputation.TypeDevice:
		out = l.maker(key, out)
	}
	return out
}

// maker appends what is known of all models of a device's maker.
func (l *Ledger) maker(key []byte, out []found) []found {
	slash := bytes.IndexByte(key, '/')
	if slash < 0 || slash+1 == len(key) {
		return out
	}
	var room [256]byte
	all := append(room[:0], key[:slash+1]...)
	all[0] = tag(reputation.TypeDevice, true)
	if id := l.find(all); id != 0 {
		out = add(out, found{id, exact})
	}
	return out
}

// networks appends the prefixes that hold p and are shorter.
func (l *Ledger) networks(p netip.Prefix, s scope, out []found) []found {
	var room [maxLevels]uint32
	for _, id := range l.wide.above(p, room[:0]) {
		out = add(out, found{id, s})
	}
	return out
}

func add(out []found, f found) []found {
	if len(out) == cap(out) {
		return out
	}
	return append(out, f)
}

// names appends the names that stand for all below them and hold this one.
// below says that the name itself was asked with all below it.
func (l *Ledger) names(name []byte, below bool, s scope, out []found) []found {
	var room [256]byte
	if len(name) >= len(room) {
		return out
	}
	room[0] = tag(reputation.TypeDomain, true)
	key := append(room[:1], name...)
	for first := true; ; first = false {
		if !first || !below {
			if id := l.find(key); id != 0 {
				out = add(out, found{id, s})
			}
		}
		dot := bytes.IndexByte(key[1:], '.')
		if dot < 0 {
			return out
		}
		key = key[1+dot:]
		key[0] = room[0]
	}
}

// urls appends the expressions of a URL that are listed, then what is known of
// its host.
func (l *Ledger) urls(key []byte, out []found) []found {
	text := key[1:]
	if q := bytes.IndexByte(text, '?'); q > 0 && key[0]&belowBit == 0 {
		if id := l.find(key[:1+q]); id != 0 {
			out = add(out, found{id, exact})
		}
	}
	if l.prefixes > 0 {
		out = l.expressions(key, out)
	}
	slash := bytes.IndexByte(text, '/')
	if slash <= 0 {
		return out
	}
	if l.paths > 0 {
		out = l.pathAlone(text[slash:], out)
	}
	return l.hostNamed(text[:slash], key[0]&belowBit == 0, out)
}

// pathAlone appends what is known of a path, with and without its query, on every
// host.
func (l *Ledger) pathAlone(path []byte, out []found) []found {
	var room [512]byte
	room[0] = tag(reputation.TypeURL, false)
	key := append(room[:1], path...)
	if id := l.find(key); id != 0 {
		out = add(out, found{id, anywhere})
	}
	if q := bytes.IndexByte(path, '?'); q > 0 {
		if id := l.find(key[:1+q]); id != 0 {
			out = add(out, found{id, anywhere})
		}
	}
	return out
}

// hostOf appends what is known of the host of an endpoint.
func (l *Ledger) hostOf(endpoint []byte, out []found) []found {
	if colon := bytes.LastIndexByte(endpoint, ':'); colon > 0 {
		return l.hostNamed(endpoint[:colon], true, out)
	}
	return out
}

// hostNamed appends what is known of a host, an address or a name; alone is false for an
// expression, which holds for names below its host too, of which an entry of the
// name alone says nothing.
func (l *Ledger) hostNamed(h []byte, alone bool, out []found) []found {
	if last := h[len(h)-1]; last == ']' || '0' <= last && last <= '9' {
		return l.hostAddress(h, out)
	}
	var room [256]byte
	if len(h) >= len(room) {
		return out
	}
	room[0] = tag(reputation.TypeDomain, false)
	if id := l.find(append(room[:1], h...)); id != 0 && alone {
		out = add(out, found{id, host})
	}
	return l.names(h, false, host, out)
}

// expressions looks for what canon.Expressions names, which are all pieces of
// the text: they begin at a suffix of the host and end in the path.
func (l *Ledger) expressions(key []byte, out []found) []found {
	text := key[1:]
	slash := bytes.IndexByte(text, '/')
	if slash <= 0 {
		return out
	}
	var room [maxEnds]int
	ends := pathEnds(text, slash, room[:0])
	last := text[slash-1]
	address := last == ']' || '0' <= last && last <= '9'
	dots := bytes.Count(text[:slash], []byte{'.'})
	var buf [512]byte
	buf[0] = tag(reputation.TypeURL, true)
	for from := 0; ; dots-- {
		if from == 0 || dots <= 4 {
			for _, end := range ends {
				k := append(buf[:1], text[from:end]...)
				if id := l.find(k); id != 0 && !bytes.Equal(k, key) {
					out = add(out, found{id, exact})
				}
			}
		}
		if address || dots <= 1 {
			return out
		}
		from += bytes.IndexByte(text[from:], '.') + 1
	}
}

// maxEnds is how many expressions a URL has under one host.
const maxEnds = 6

// pathEnds appends where the expressions of a URL end, the longest first.
func pathEnds(text []byte, slash int, ends []int) []int {
	path := len(text)
	if q := bytes.IndexByte(text[slash:], '?'); q >= 0 {
		path = slash + q
		ends = append(ends, len(text))
	}
	ends = append(ends, path)
	folders := len(ends)
	for i, n := slash, 0; i < path-1 && n < 4; i++ {
		if text[i] == '/' {
			ends = append(ends, i+1)
			n++
		}
	}
	slices.Reverse(ends[folders:])
	return ends
}

func (l *Ledger) hostAddress(h []byte, out []found) []found {
	a, ok := parseHost(h)
	if !ok {
		return out
	}
	p := netip.PrefixFrom(a, a.BitLen())
	var room [24]byte
	room[0] = tag(reputation.TypePrefix, false)
	if id := l.find(appendPrefix(room[:1], p)); id != 0 {
		out = add(out, found{id, host})
	}
	return l.networks(p, host, out)
}

// parseHost reads the address that a canonical URL has as its host. IPv4 costs
// no allocation.
func parseHost(h []byte) (netip.Addr, bool) {
	if h[0] == '[' && len(h) > 2 {
		a, err := netip.ParseAddr(string(h[1 : len(h)-1]))
		return a.Unmap(), err == nil && a.Zone() == ""
	}
	var four [4]byte
	at, n, digits := 0, 0, 0
	for _, c := range h {
		switch {
		case c == '.' && digits > 0 && at < 3:
			at, n, digits = at+1, 0, 0
		case '0' <= c && c <= '9' && n*10+int(c-'0') <= 255:
			n, digits = n*10+int(c-'0'), digits+1
			four[at] = byte(n)
		default:
			return netip.Addr{}, false
		}
	}
	return netip.AddrFrom4(four), at == 3 && digits > 0
}
