package http

import "bytes"

// target is a request target in its pieces, as sent.
type target struct {
	scheme, user, host, port []byte
	path, query, fragment    []byte
	hasQuery, hasFragment    bool
	portNumber               int32 // -1 for none
}

// parseTarget splits a request target: a path with query and fragment, or an
// absolute URI.
func parseTarget(b []byte) target {
	t := target{portNumber: -1}
	if len(b) > 0 && b[0] != '/' {
		if colon := bytes.IndexByte(b, ':'); colon >= 0 {
			t.scheme, b = b[:colon], b[colon+1:]
			b = t.authority(b)
		}
	}
	if i := bytes.IndexByte(b, '#'); i >= 0 {
		t.fragment, t.hasFragment, b = b[i+1:], true, b[:i]
	}
	if i := bytes.IndexByte(b, '?'); i >= 0 {
		t.query, t.hasQuery, b = b[i+1:], true, b[:i]
	}
	t.path = b
	return t
}

// authority takes "//user@host:port" from the beginning of b.
func (t *target) authority(b []byte) []byte {
	if len(b) < 3 || b[0] != '/' || b[1] != '/' || b[2] == '/' {
		return b
	}
	b = b[2:]
	end := bytes.IndexAny(b, "/?#")
	if end < 0 {
		end = len(b)
	}
	a := b[:end]
	if at := bytes.IndexByte(a, '@'); at >= 0 {
		t.user, a = a[:at], a[at+1:]
	}
	t.setHost(a)
	return b[end:]
}

// setHost splits a host and a port.
func (t *target) setHost(a []byte) {
	host, port, valid := splitHostPort(a)
	t.host, t.portNumber = host, port
	if len(host) < len(a) {
		t.port = bytes.TrimPrefix(a[len(host):], []byte(":"))
	}
	if !valid && t.portNumber <= 0 {
		t.portNumber = -1
	}
}

// normalise builds http.uri from the request target.
func (t *transaction) normalise(c *uriConfig) {
	if t.methodID == methodConnect {
		t.target = target{portNumber: -1}
		t.target.setHost(t.uri)
		if !validHost(t.target.host) || len(t.target.port) > 0 && t.target.portNumber < 0 {
			t.insp.Events.Set(evURIHostInvalid)
		}
		return
	}
	t.target = parseTarget(t.uri)
	u := &t.target
	if u.host != nil && (!validHost(u.host) || len(u.port) > 0 && u.portNumber < 0) {
		t.insp.Events.Set(evURIHostInvalid)
	}
	b := t.normal[:0]
	if c.includeAll {
		b = appendAuthority(b, u)
	}
	start := len(b)
	b = c.appendPath(b, u.path)
	if c.doubleDecodePath {
		again := len(b)
		b = c.appendPath(b, b[start:])
		if len(b)-again < again-start {
			t.insp.Events.Set(evDoubleEncodedURI)
		}
		b = append(b[:start], b[again:]...)
	}
	end := len(b)
	if u.hasQuery {
		b = append(b, '?')
		b = t.appendQuery(b, c)
	}
	if u.hasFragment {
		b = c.appendDecoded(append(b, '#'), u.fragment, decodeFragment)
	}
	t.normal, t.path = b, b[start:end]
}

func appendAuthority(b []byte, u *target) []byte {
	if u.scheme != nil {
		b = append(append(b, u.scheme...), ':')
	}
	if u.host == nil {
		return b
	}
	b = append(b, "//"...)
	if u.user != nil {
		b = append(append(b, u.user...), '@')
	}
	b = appendHost(b, u.host)
	if len(u.port) > 0 {
		b = append(append(b, ':'), u.port...)
	}
	return b
}

func (t *transaction) appendQuery(b []byte, c *uriConfig) []byte {
	start := len(b)
	b = c.appendDecoded(b, t.target.query, decodeQuery)
	if !c.doubleDecodeQuery {
		return b
	}
	again := len(b)
	b = c.appendDecoded(b, b[start:], decodeQuery)
	if len(b)-again < again-start {
		t.insp.Events.Set(evDoubleEncodedURI)
	}
	return append(b[:start], b[again:]...)
}

// appendPath appends a path, decoded and without empty and dot segments.
func (c *uriConfig) appendPath(dst, path []byte) []byte {
	start := len(dst)
	dst = c.appendDecoded(dst, path, decodePath)
	if c.bestFit {
		dst = dst[:start+bestFit(dst[start:])]
	}
	return dst[:start+removeDots(dst[start:])]
}

// decoding is which part of a target is decoded.
type decoding uint8

const (
	decodePath decoding = iota
	decodeQuery
	decodeFragment
)

// appendDecoded undoes percent-encoding; in a path separators are unified too.
func (c *uriConfig) appendDecoded(dst, src []byte, what decoding) []byte {
	path := what == decodePath
	slash := false
	for i := 0; i < len(src); {
		ch, n := src[i], 1
		switch {
		case ch == '%':
			var keep bool
			ch, n, keep = c.percent(src[i:], what != decodeQuery && c.uEncoding)
			if !keep {
				i += n
				continue
			}
			if ch == 0 && n > 1 && c.nulEncodedEnds && path {
				return dst
			}
			if ch == '/' && n > 1 && path && !c.decodeSeparators {
				dst = append(dst, src[i:i+n]...)
				i += n
				continue
			}
		case ch == 0 && c.nulRawEnds && path:
			return dst
		case ch == '+' && what == decodeQuery && c.plusSpace:
			ch = ' '
		}
		i += n
		if path {
			if ch == '\\' && c.backslash {
				ch = '/'
			}
			if c.lowercase {
				ch = lower(ch)
			}
			if c.compress && ch == '/' {
				if slash {
					continue
				}
				slash = true
			} else {
				slash = false
			}
		}
		dst = append(dst, ch)
	}
	return dst
}

// percent decodes what begins with a percent sign: the byte, how much of src
// it took, and whether there is a byte at all.
func (c *uriConfig) percent(src []byte, uEncoding bool) (ch byte, n int, keep bool) {
	if len(src) >= 6 && lower(src[1]) == 'u' && uEncoding {
		v := 0
		for _, h := range src[2:6] {
			x := hexValue(h)
			if x < 0 {
				v = -1
				break
			}
			v = v<<4 | x
		}
		if v >= 0 {
			return fitByte(rune(v)), 6, true
		}
	}
	if len(src) >= 3 {
		hi, lo := hexValue(src[1]), hexValue(src[2])
		if hi >= 0 && lo >= 0 {
			return byte(hi<<4 | lo), 3, true
		}
		if c.invalid == invalidProcess {
			return byte(looseHex(src[1])<<4 | looseHex(src[2])&15), 3, true
		}
	}
	return '%', 1, c.invalid != invalidDrop
}

// looseHex is what old servers make of a byte that is no hexadecimal digit.
func looseHex(c byte) int {
	if c >= 'A' {
		return int(c&0xdf-'A') + 10
	}
	return int(c - '0')
}

// removeDots removes dot segments in place (RFC 3986 section 5.2.4) and
// returns the new length. Unlike there, no slash stays for a last segment of
// dots.
func removeDots(b []byte) int {
	if bytes.IndexByte(b, '.') < 0 {
		return len(b)
	}
	out := 0
	for i := 0; i < len(b); {
		rest := b[i:]
		switch {
		case bytes.HasPrefix(rest, []byte("../")):
			i += 3
		case bytes.HasPrefix(rest, []byte("./")):
			i += 2
		case string(rest) == "/.", string(rest) == "/./":
			return out
		case string(rest) == "/..", string(rest) == "/../":
			return lastSegment(b[:out])
		case bytes.HasPrefix(rest, []byte("/./")):
			i += 2
		case bytes.HasPrefix(rest, []byte("/../")):
			i += 3
			out = lastSegment(b[:out])
		case string(rest) == ".", string(rest) == "..":
			return out
		default:
			n := bytes.IndexByte(rest[1:], '/') + 1
			if n == 0 {
				n = len(rest)
			}
			out += copy(b[out:], rest[:n])
			i += n
		}
	}
	return out
}

// lastSegment is where the last segment of b begins, with its slash.
func lastSegment(b []byte) int {
	return max(bytes.LastIndexByte(b, '/'), 0)
}
