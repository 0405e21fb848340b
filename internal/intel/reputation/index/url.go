package index

import (
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// maxSegments is how deep the paths of expressions are looked for.
const maxSegments = 32

// URL says what is known of a URL in canonical form, and which listed object
// says so: the URL itself, with or without its query; an expression; the host
// or a name above it; the host's address or network. Of two expressions or
// names of which neither covers the other the heavier answers. A scheme makes
// no difference.
func (x *Index) URL(url []byte) (b reputation.Brief, matched reputation.Object) {
	return x.url(view(url))
}

func (x *Index) url(url string) (reputation.Brief, reputation.Object) {
	if len(url) > MaxText {
		return reputation.Brief{}, reputation.Object{}
	}
	l := split(url)
	if len(x.table.chunks) > 0 {
		e := x.exact(l)
		if e.brief == 0 {
			if e = x.expressions(l); e.brief != 0 {
				e = x.orName(e, l.host)
			}
		}
		if p := x.path(l); p.brief != 0 {
			return x.orPath(e, p, l)
		}
		if e.brief != 0 {
			return e.brief.brief(), e.object()
		}
	}
	return x.host(l)
}

// path looks for what is known of a URL's path on every host.
func (x *Index) path(l locator) entry {
	if x.alone == 0 || l.host == "" || len(l.path) < 2 {
		return entry{}
	}
	whole := locator{path: l.path}
	if !x.hosts.has(x.table.exactURL(whole)) {
		q := strings.IndexByte(l.path, '?')
		if q < 0 || !x.hosts.has(x.table.exactURL(locator{path: l.path[:q]})) {
			return entry{}
		}
	}
	return x.exact(whole)
}

// orPath chooses between what is known of a URL and of its path on every host: the
// heavier counts, but a host that is held to be good is heard before a path.
func (x *Index) orPath(e, p entry, l locator) (reputation.Brief, reputation.Object) {
	if e.brief != 0 && !secondWins(e.brief, p.brief) {
		return e.brief.brief(), e.object()
	}
	if b, o := x.host(l); b.Listed() && (b.Local != reputation.LocalNo || b.Kind == reputation.KindBenign || b.Score > p.brief.brief().Score) {
		return b, o
	}
	return p.brief.brief(), p.object()
}

// host says what is known of a URL's host.
func (x *Index) host(l locator) (reputation.Brief, reputation.Object) {
	a, ok := parseHost(l.host)
	if !ok {
		e := x.name(l.host, false)
		return e.brief.brief(), e.object()
	}
	b, bits := x.Address(a)
	if !b.Listed() {
		return b, reputation.Object{}
	}
	p, _ := a.Unmap().Prefix(bits)
	return b, reputation.Object{Type: reputation.TypePrefix, Prefix: p}
}

// orName chooses between an expression and what is known of a narrower name of
// the host, or of its name alone, which the expression does not know of.
func (x *Index) orName(e entry, host string) entry {
	n := x.name(host, false)
	own := len(split(e.text).host)
	if (len(n.text) > own || len(n.text) == own && !n.below) && secondWins(e.brief, n.brief) {
		return n
	}
	return e
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

// exact looks for the URL itself, then for it without its query.
func (x *Index) exact(l locator) entry {
	t := &x.table
	for {
		c := t.find(t.exactURL(l))
		for ref := t.next(&c); ref != 0; ref = t.next(&c) {
			if e := t.at(ref); e.typ == reputation.TypeURL && !e.below && split(e.text) == l {
				return e
			}
		}
		q := strings.IndexByte(l.path, '?')
		if q < 0 {
			return entry{}
		}
		l.path = l.path[:q]
	}
}

// expressions looks for each host suffix that has expressions at all, from the
// widest on, and there for each beginning of the path.
func (x *Index) expressions(l locator) (best entry) {
	if len(x.hosts.bits) == 0 {
		return best
	}
	h, end, name := x.table.salts.name, len(l.host), !numeric(l.host)
	for i := end - 1; i >= 0 && name; i-- {
		if l.host[i] != '.' {
			continue
		}
		h = hashText(h, l.host[i+1:end])
		end = i
		if x.hosts.has(h) {
			best = narrower(best, x.paths(h, locator{host: l.host[i+1:], path: l.path}))
		}
	}
	if end == len(l.host) {
		h = hashName(h, l.host)
	} else {
		h = hashText(h, l.host[:end])
	}
	if x.hosts.has(h) {
		best = narrower(best, x.paths(h, locator{host: l.host, path: l.path}))
	}
	if l.port != "" {
		if h = hashText(h, l.port); x.hosts.has(h) {
			best = narrower(best, x.paths(h, l))
		}
	}
	return best
}

// narrower chooses between the expressions of a host and of one below it.
func narrower(wide, narrow entry) entry {
	switch {
	case narrow.brief == 0:
		return wide
	case wide.brief == 0 || len(split(narrow.text).path) >= len(split(wide.text).path) || secondWins(wide.brief, narrow.brief):
		return narrow
	}
	return wide
}

// paths looks for the expressions of one host; the longest path answers.
func (x *Index) paths(host uint64, l locator) (best entry) {
	h, p := mix(host, x.table.salts.path), x.table.salts.path
	x.begins(&best, mix(h, p), l)
	w := walk{path: l.path}
	for n := 0; n < maxSegments && w.next(); n++ {
		p = hashText(p, w.segment)
		x.begins(&best, mix(h, p), l)
	}
	return best
}

// begins looks for expressions of this host with which the path begins.
func (x *Index) begins(best *entry, key uint64, l locator) {
	t := &x.table
	c := t.find(key)
	for ref := t.next(&c); ref != 0; ref = t.next(&c) {
		e := t.at(ref)
		if e.typ != reputation.TypeURL || !e.below {
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
