package mime

import "bytes"

// param finds a parameter of a header value such as `text/plain; name="a b"`.
// dst is the memory for the result. RFC 2231 sections and percent-encoding are
// put together; RFC 2047 words are left as they are, so that rules see what was
// sent.
func param(dst, value []byte, name string) ([]byte, bool) {
	found, section := false, 0
	dst = dst[:0]
	for rest := skipToken(value); len(rest) > 0; {
		var key, v []byte
		key, v, rest = nextParam(rest)
		if is(key, name) {
			return append(dst[:0], v...), true
		}
		if !hasPrefix(key, name) || len(key) <= len(name) || key[len(name)] != '*' {
			continue
		}
		encoded, number, ok := sectionOf(key[len(name):])
		if !ok || number != section {
			continue
		}
		found, section = true, section+1
		if encoded {
			dst = appendPercent(dst, v, number == 0)
			continue
		}
		dst = append(dst, v...)
	}
	return dst, found
}

// skipToken drops everything up to the first parameter.
func skipToken(v []byte) []byte {
	if i := bytes.IndexByte(v, ';'); i >= 0 {
		return v[i+1:]
	}
	return nil
}

// nextParam takes `key=value` or `key="quoted value"` off rest.
func nextParam(rest []byte) (key, value, after []byte) {
	eq := bytes.IndexAny(rest, "=;")
	if eq < 0 {
		return nil, nil, nil
	}
	if rest[eq] == ';' {
		return nil, nil, rest[eq+1:]
	}
	key, rest = bytes.Trim(rest[:eq], " \t"), bytes.TrimLeft(rest[eq+1:], " \t")
	if len(rest) > 0 && rest[0] == '"' {
		end := bytes.IndexByte(rest[1:], '"')
		if end < 0 {
			return key, rest[1:], nil
		}
		return key, rest[1 : end+1], skipToken(rest[end+2:])
	}
	end := bytes.IndexByte(rest, ';')
	if end < 0 {
		return key, bytes.TrimRight(rest, " \t"), nil
	}
	return key, bytes.TrimRight(rest[:end], " \t"), rest[end+1:]
}

// sectionOf reads the "*", "*0" or "*0*" behind a parameter's name (RFC 2231).
func sectionOf(s []byte) (encoded bool, number int, ok bool) {
	s = s[1:]
	if len(s) == 0 {
		return true, 0, true
	}
	if s[len(s)-1] == '*' {
		encoded, s = true, s[:len(s)-1]
	}
	if len(s) == 0 || len(s) > 3 {
		return false, 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false, 0, false
		}
		number = number*10 + int(c-'0')
	}
	return encoded, number, true
}

// appendPercent decodes %XX; the first section has charset'language' in front.
func appendPercent(dst, v []byte, first bool) []byte {
	if first {
		if i := bytes.IndexByte(v, '\''); i >= 0 {
			if j := bytes.IndexByte(v[i+1:], '\''); j >= 0 {
				v = v[i+j+2:]
			}
		}
	}
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) && unhex(v[i+1]) >= 0 && unhex(v[i+2]) >= 0 {
			dst = append(dst, byte(unhex(v[i+1])<<4|unhex(v[i+2])))
			i += 2
			continue
		}
		dst = append(dst, v[i])
	}
	return dst
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
