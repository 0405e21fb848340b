package canon

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendURL appends the canonical text of a URL to dst, as URL makes it, for
// look-ups: with room in dst and a plain ASCII host it allocates nothing. The
// error is an *Error; dst is then unchanged.
func AppendURL(dst []byte, raw string) ([]byte, error) {
	b, e := appendURL(dst, strings.TrimSpace(raw))
	if e != nil {
		return dst, e
	}
	return b, nil
}

func appendURL(dst []byte, t string) ([]byte, *Error) {
	whole := t
	t, e := scheme(t)
	if e != nil {
		return dst, e
	}
	if hash := strings.IndexByte(t, '#'); hash >= 0 {
		t = t[:hash]
	}
	end := strings.IndexAny(t, "/?")
	if end < 0 {
		end = len(t)
	}
	host, e := hostPart(whole, t[:end])
	if e != nil {
		return dst, e
	}
	start := len(dst)
	b, e := appendHost(dst, whole, host)
	if e != nil {
		return dst, e
	}
	b = appendPath(b, t[end:])
	if len(b)-start > 3*MaxURL {
		return dst, refuse(whole, "a URL that is too long", "shorten its path")
	}
	return b, nil
}

// scheme cuts "http://" and its like off.
func scheme(t string) (rest string, e *Error) {
	if t == "" || len(t) > MaxURL {
		return "", refuse(t, "a URL must have 1 to 4096 bytes", "")
	}
	i := strings.IndexAny(t, "/?#")
	if i <= 0 || t[i] != '/' || t[i-1] != ':' || !strings.HasPrefix(t[i:], "//") {
		return t, nil
	}
	for j := range i - 1 {
		c := t[j] | 0x20
		if (c < 'a' || c > 'z') && (j == 0 || (t[j] < '0' || t[j] > '9') && t[j] != '+' && t[j] != '-' && t[j] != '.') {
			return "", refuse(t, "a URL with a bad scheme", "write it like http://example.net/path")
		}
	}
	if i == 1 {
		return "", refuse(t, "a URL with an empty scheme", "write it like http://example.net/path")
	}
	return t[i+2:], nil
}

// hostPart takes user and port off.
func hostPart(whole, t string) (string, *Error) {
	t = t[strings.LastIndexByte(t, '@')+1:]
	if strings.HasPrefix(t, "[") {
		end := strings.IndexByte(t, ']')
		if end < 0 || end+1 < len(t) && t[end+1] != ':' {
			return "", refuse(whole, "a URL with a bad IPv6 address", "write the address in brackets: http://[2001:db8::1]/")
		}
		return t[:end+1], nil
	}
	if colon := strings.LastIndexByte(t, ':'); colon >= 0 {
		for i := colon + 1; i < len(t); i++ {
			if t[i] < '0' || t[i] > '9' {
				return "", refuse(whole, "a URL with a bad port", "write a number after the colon")
			}
		}
		if len(t)-colon > 6 {
			return "", refuse(whole, "a URL with a bad port", "write a number up to 65535 after the colon")
		}
		t = t[:colon]
	}
	return t, nil
}

// appendHost appends the canonical host: dots at its ends and double ones go,
// anything that inet_aton takes for an IPv4 address becomes one.
func appendHost(dst []byte, whole, host string) ([]byte, *Error) {
	if strings.HasPrefix(host, "[") {
		return appendIPv6(dst, whole, host[1:len(host)-1])
	}
	if plainHost(host) {
		dst = append(dst, host...)
		if c := host[len(host)-1]; c < '0' || c > '9' || mayBeDotted(host) {
			return dst, nil
		}
		dst = dst[:len(dst)-len(host)]
	}
	var room [2 * maxName]byte
	b := unescape(room[:0], host)
	n := 0
	for i, c := range b {
		if c == '.' && (n == 0 || i+1 == len(b) || b[n-1] == '.') {
			continue
		}
		b[n] = c
		n++
	}
	for n > 0 && b[n-1] == '.' {
		n--
	}
	if a, ok := inetAton(b[:n]); ok {
		return a.AppendTo(dst), nil
	}
	b = b[:n]
	if lowerASCII(b) {
		if problem := labels(b); problem != "" {
			return dst, refuse(whole, problem, "write a name like camera.example.net")
		}
		return append(dst, b...), nil
	}
	name, e := hostname(whole, string(b))
	if e != nil {
		return dst, e
	}
	return append(dst, name...), nil
}

// lowerASCII makes ASCII letters small and says whether all bytes are ASCII.
func lowerASCII(b []byte) bool {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// plainHost says whether a host is canonical as far as its letters tell.
func plainHost(host string) bool {
	return host != "" && host[0] != '.' && host[len(host)-1] != '.' && labels(host) == ""
}

// mayBeDotted says whether a host that ends in a digit, and has a letter in its
// last label, is no number to inet_aton.
func mayBeDotted(host string) bool {
	_, ok := aton(host[strings.LastIndexByte(host, '.')+1:])
	return !ok
}

func appendIPv6(dst []byte, whole, host string) ([]byte, *Error) {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" || !a.Is6() {
		return dst, refuse(whole, "a URL with a bad IPv6 address", "write it like http://[2001:db8::1]/")
	}
	if a = a.Unmap(); a.Is4() {
		return a.AppendTo(dst), nil
	}
	return append(a.AppendTo(append(dst, '[')), ']'), nil
}

// inetAton reads an IPv4 address as the C function of that name does: one to
// four parts, decimal, octal or hexadecimal, the last one filling the rest.
func inetAton(b []byte) (netip.Addr, bool) {
	var part [4]uint32
	n, start := 0, 0
	for i := 0; i <= len(b); i++ {
		if i < len(b) && b[i] != '.' {
			continue
		}
		v, ok := aton(string(b[start:i]))
		if !ok || n == 4 {
			return netip.Addr{}, false
		}
		part[n] = v
		n, start = n+1, i+1
	}
	v := uint64(part[n-1])
	if v >= 1<<(8*(5-n)) {
		return netip.Addr{}, false
	}
	for i := range n - 1 {
		if part[i] > 255 {
			return netip.Addr{}, false
		}
		v |= uint64(part[i]) << (24 - 8*i)
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), true
}

func aton(s string) (uint32, bool) {
	if s == "" || len(s) > 12 || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	base := 10
	if s[0] == '0' && len(s) > 1 {
		if base = 8; s[1]|0x20 == 'x' {
			s, base = s[2:], 16
			if s == "" {
				return 0, true
			}
		}
	}
	for i := range len(s) {
		if !isHex(s[i]) {
			return 0, false // spares the error of strconv
		}
	}
	v, err := strconv.ParseUint(s, base, 32)
	return uint32(v), err == nil
}
