package index

import (
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxSegments is how deep the paths of expressions are looked for.
const maxSegments = 32

// URL says what is known of a URL in canonical form, and which listed object
// says so: the URL itself, an expression (host suffix and path prefix), its
// host or a name above it, or the host's address or network. The scheme makes
// no difference.
func (x *Index) URL(url []byte) (b reputation.Brief, matched reputation.Object) {
	return x.url(view(url))
}

func (x *Index) url(url string) (reputation.Brief, reputation.Object) {
	if len(url) > MaxText {
		return reputation.Brief{}, reputation.Object{}
	}
	l := split(url)
	best, network := x.host(l.host)
	if len(x.table.chunks) > 0 {
		wide := best.brief
		x.expressions(&best, l)
		x.exact(&best, l)
		if best.brief != wide || best.typ == reputation.TypeURL {
			network = netip.Prefix{}
		}
	}
	if network.IsValid() {
		return best.brief.brief(), reputation.Object{Type: reputation.TypePrefix, Prefix: network}
	}
	return best.brief.brief(), best.object()
}

// host says what is known of a URL's host: a name, or an address (then the
// prefix that says so is given as well).
func (x *Index) host(host string) (entry, netip.Prefix) {
	a, ok := parseHost(host)
	if !ok {
		return x.name(host, false), netip.Prefix{}
	}
	b, bits := x.Address(a)
	if !b.Listed() {
		return entry{}, netip.Prefix{}
	}
	p, _ := a.Unmap().Prefix(bits)
	return entry{brief: pack(b)}, p
}

// numeric says whether a host is or pretends to be an address: a name's last
// label is never a number.
func numeric(host string) bool {
	i := len(host)
	for i > 0 && host[i-1]-'0' <= 9 {
		i--
	}
	return i < len(host) && (i == 0 || host[i-1] == '.') || strings.HasPrefix(host, "[")
}

// parseHost reads the host of a URL that is an address.
func parseHost(host string) (netip.Addr, bool) {
	if host == "" || (host[0] != '[' && host[len(host)-1]-'0' > 9) {
		return netip.Addr{}, false
	}
	if host[0] == '[' {
		host = strings.TrimSuffix(host[1:], "]")
		if !strings.Contains(host, ":") {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(host)
		return a.WithZone(""), err == nil
	}
	// The parser of netip makes an error of what is a name after all.
	var v [4]byte
	part, digits, n := 0, 0, 0
	for i := 0; i <= len(host); i++ {
		if i == len(host) || host[i] == '.' {
			if digits == 0 || part > 3 {
				return netip.Addr{}, false
			}
			v[part], part, digits, n = byte(n), part+1, 0, 0
			continue
		}
		c := host[i] - '0'
		if n = n*10 + int(c); c > 9 || n > 255 {
			return netip.Addr{}, false
		}
		digits++
	}
	return netip.AddrFrom4(v), part == 4
}

// exact looks for the URL itself.
func (x *Index) exact(best *entry, l locator) {
	t := &x.table
	c := t.find(t.exactURL(l))
	for ref := t.next(&c); ref != 0; ref = t.next(&c) {
		if e := t.at(ref); e.typ == reputation.TypeURL && !e.below && split(e.text) == l && narrowWins(best.brief, e.brief) {
			*best = e
		}
	}
}

// expressions looks for each host suffix that has expressions at all, from the
// widest on, and there for each beginning of the path.
func (x *Index) expressions(best *entry, l locator) {
	if len(x.hosts.bits) == 0 {
		return
	}
	h, end := x.table.salts.name, len(l.host)
	if !numeric(l.host) {
		for i := end - 1; i >= 0; i-- {
			if l.host[i] != '.' {
				continue
			}
			h = hashText(h, l.host[i+1:end])
			end = i
			if x.hosts.has(h) {
				x.paths(best, h, locator{host: l.host[i+1:], path: l.path})
			}
		}
		h = hashText(h, l.host[:end])
	} else {
		h = hashName(h, l.host)
	}
	if x.hosts.has(h) {
		x.paths(best, h, locator{host: l.host, path: l.path})
	}
	if l.port == "" {
		return
	}
	if h = hashText(h, l.port); x.hosts.has(h) {
		x.paths(best, h, l)
	}
}

// paths looks for the expressions of one host, the shortest path first.
func (x *Index) paths(best *entry, host uint64, l locator) {
	h, p := mix(host, x.table.salts.path), x.table.salts.path
	x.begins(best, mix(h, p), l)
	w := walk{path: l.path}
	for n := 0; n < maxSegments && w.next(); n++ {
		p = hashText(p, w.segment)
		x.begins(best, mix(h, p), l)
	}
}

// begins looks for expressions of this host with which the path begins.
func (x *Index) begins(best *entry, key uint64, l locator) {
	t := &x.table
	c := t.find(key)
	for ref := t.next(&c); ref != 0; ref = t.next(&c) {
		e := t.at(ref)
		if e.typ != reputation.TypeURL || !e.below || !narrowWins(best.brief, e.brief) {
			continue
		}
		if s := split(e.text); s.host == l.host && s.port == l.port && strings.HasPrefix(rooted(l.path), s.path) {
			*best = e
		}
	}
}

// rooted is the path, "/" when it is empty.
func rooted(path string) string {
	if path == "" {
		return "/"
	}
	return path
}
