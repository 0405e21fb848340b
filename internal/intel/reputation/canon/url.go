package canon

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// MaxURL is the longest URL that is read, in bytes.
const MaxURL = 4096

// URL reads a URL, with or without its scheme, into the form that look-ups
// compare: host, path and query after the canonicalisation that the Safe
// Browsing documentation publishes ("URLs and Hashing"), e.g.
// "evil.example.com/a/b?c=d". Scheme, user, port and fragment are left out,
// escapes are undone until none is left and made again where needed, dot
// segments and double slashes of the path are resolved, the host is a
// canonical name or address ("http://0xC0000201/" gives "192.0.2.1/"). A "*"
// at the end sets Below. Other than in that documentation a host that is
// neither a name nor an address is refused. Errors are *Error.
func URL(s string) (reputation.Object, error) {
	t := strings.TrimSpace(s)
	below := len(t) > 1 && strings.HasSuffix(t, "/*")
	if below {
		t = t[:len(t)-1]
	}
	text, e := canonicalURL(t)
	if e != nil {
		return reputation.Object{}, e
	}
	return reputation.Object{Type: reputation.TypeURL, Text: text, Below: below}, nil
}

// canonicalURL gives a part of the argument where that is canonical already.
func canonicalURL(t string) (string, *Error) {
	if rest, e := scheme(t); e == nil && isCanonical(rest) {
		return rest, nil
	}
	b, e := appendURL(make([]byte, 0, len(t)+8), t)
	if e != nil {
		return "", e
	}
	return string(b), nil
}

// Expressions calls yield with the up to 5 x 6 expressions of a canonical URL
// (the Text of a URL's Object) in the order of the Safe Browsing documentation
// until yield says false: for each host suffix (the whole host, then up to
// four made of its last five labels, none a single label; an address only
// whole) the path with query, without it, then "/" and up to three longer
// folders. An Object without Below is meant by those expressions only that
// have the whole host and the whole path (with or without the query); one with
// Below by each that equals its text. host and path are parts of the argument;
// nothing is allocated.
func Expressions(url string, yield func(host, path string) bool) {
	slash := strings.IndexByte(url, '/')
	if slash <= 0 {
		return
	}
	host, rest := url[:slash], url[slash:]
	path := rest
	if q := strings.IndexByte(rest, '?'); q >= 0 {
		path = rest[:q]
	}
	if !eachPath(host, rest, path, yield) || isNumericHost(host) {
		return
	}
	sub := host
	for dots := strings.Count(host, "."); dots > 1; dots-- {
		sub = sub[strings.IndexByte(sub, '.')+1:]
		if dots > 5 {
			continue // more than five labels are left
		}
		if !eachPath(sub, rest, path, yield) {
			return
		}
	}
}

// eachPath yields the path expressions under one host.
func eachPath(host, rest, path string, yield func(host, path string) bool) bool {
	if len(rest) != len(path) && !yield(host, rest) {
		return false
	}
	if !yield(host, path) {
		return false
	}
	for i, n := 0, 0; i < len(path)-1 && n < 4; i++ {
		if path[i] != '/' {
			continue
		}
		if n++; !yield(host, path[:i+1]) {
			return false
		}
	}
	return true
}

// isNumericHost says whether a canonical host is an address.
func isNumericHost(host string) bool {
	last := host[len(host)-1]
	return host[0] == '[' || '0' <= last && last <= '9' && mayBeAddress(host)
}
