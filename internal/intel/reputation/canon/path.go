package canon

// unescape appends t without tabs and line ends and with percent escapes
// undone until none is left. An escape that others complete is undone as soon
// as its last digit stands there: the result is the same as that of repeated
// passes because two escapes never overlap, in time that grows with the length
// only.
func unescape(dst []byte, t string) []byte {
	start := len(dst)
	for i := range len(t) {
		c := t[i]
		if c == '\t' || c == '\n' || c == '\r' {
			continue
		}
		for {
			n := len(dst)
			if n-start < 2 || dst[n-2] != '%' || !isHex(dst[n-1]) || !isHex(c) {
				break
			}
			c = unhex(dst[n-1])<<4 | unhex(c)
			dst = dst[:n-2]
		}
		dst = append(dst, c)
	}
	return dst
}

// appendPath appends path and query (which begin with "/", "?" or are empty)
// in canonical form.
func appendPath(dst []byte, t string) []byte {
	if len(t) == 0 || t[0] != '/' {
		dst = append(dst, '/')
	}
	if isCanonicalPath(t) {
		return append(dst, t...)
	}
	var room [512]byte
	b := unescape(room[:0], t)
	query := len(b)
	for i, c := range b {
		if c == '?' {
			query = i
			break
		}
	}
	root := len(dst)
	if len(t) > 0 && t[0] == '/' {
		dst = append(dst, '/')
	} else {
		root-- // the slash stands there already
	}
	dst = appendSegments(dst, root, b[:query])
	return appendEscaped(dst, b[query:])
}

// appendSegments appends the segments of a path after the slash at root:
// empty ones and "." are left out, ".." takes the one before it away.
func appendSegments(dst []byte, root int, path []byte) []byte {
	for len(path) > 0 {
		end := 0
		for end < len(path) && path[end] != '/' {
			end++
		}
		seg, last := path[:end], end == len(path)
		switch {
		case len(seg) == 0 || string(seg) == ".":
		case string(seg) == "..":
			for n := len(dst) - 1; n > root; n = len(dst) - 1 {
				dst = dst[:n]
				if dst[n-1] == '/' {
					break
				}
			}
		default:
			dst = appendEscaped(dst, seg)
			if !last {
				dst = append(dst, '/')
			}
		}
		if last {
			break
		}
		path = path[end+1:]
	}
	return dst
}

// appendEscaped appends bytes with those escaped that a canonical URL has not
// in the clear.
func appendEscaped(dst, b []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range b {
		if mustEscape(c) {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

func mustEscape(c byte) bool { return c <= ' ' || c >= 0x7f || c == '#' || c == '%' }

// isCanonical says whether a text is a URL that appendURL would leave alone.
// It may say no of one.
func isCanonical(t string) bool {
	slash := -1
	for i := range len(t) {
		if t[i] == '/' {
			slash = i
			break
		}
	}
	if slash <= 0 || !plainHost(t[:slash]) {
		return false
	}
	if last := t[slash-1]; '0' <= last && last <= '9' && !mayBeDotted(t[:slash]) {
		return false
	}
	return isCanonicalPath(t[slash:])
}

// isCanonicalPath says whether path and query need no change.
func isCanonicalPath(t string) bool {
	query := false
	for i := range len(t) {
		c := t[i]
		if mustEscape(c) {
			return false
		}
		switch {
		case c == '?':
			query = true
		case c == '/' && i > 0 && t[i-1] == '/' && !query:
			return false
		case c == '.' && i > 0 && t[i-1] == '/' && !query:
			return false // perhaps a dot segment
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
