package payload

// maxBase64Nest is how many base64_decode may stand inside one another.
const maxBase64Nest = 4

// maxBase64 bounds what one base64_decode gives.
const maxBase64 = 64 << 10

// base64 decodes and, when the rule asks, runs base64_data's program.
func (s *step) base64(pos int, st *State) bool {
	from := s.place(pos, st)
	if from < 0 || from >= len(st.buf) || st.nest >= maxBase64Nest {
		return false
	}
	b := st.buf[from:]
	if n := int(st.value(s.count)); n > 0 && n < len(b) {
		b = b[:n]
	}
	dst := appendBase64(st.decoded[st.nest][:0], b, s.mode, maxBase64)
	st.decoded[st.nest] = dst
	if len(dst) == 0 || s.sub == nil {
		return len(dst) > 0
	}
	st.nest++
	ok := s.sub.match(dst, 0, st, st.steps)
	st.nest--
	return ok
}

// appendBase64 decodes b as far as the mode allows, at most limit bytes.
func appendBase64(dst, b []byte, mode Base64Mode, limit int) []byte {
	begin := len(dst)
	var word uint32
	n := 0
	for i, c := range b {
		v := base64Value(c)
		if v > 63 {
			if mode == RFC2045 && c != '=' {
				continue
			}
			if mode == Strict && (c != '=' || !paddingOnly(b[i:], n)) {
				return dst[:begin]
			}
			break
		}
		word = word<<6 | uint32(v)
		if n++; n == 4 {
			if len(dst)-begin+3 > limit {
				return dst
			}
			dst = append(dst, byte(word>>16), byte(word>>8), byte(word))
			word, n = 0, 0
		}
	}
	if mode == Strict && len(b)%4 != 0 {
		return dst[:begin]
	}
	switch n {
	case 2:
		dst = append(dst, byte(word>>4))
	case 3:
		dst = append(dst, byte(word>>10), byte(word>>2))
	}
	return dst
}

// paddingOnly says whether rest is the padding that n characters want.
func paddingOnly(rest []byte, n int) bool {
	return n >= 2 && len(rest) == 4-n && rest[len(rest)-1] == '='
}

func base64Value(c byte) byte {
	switch {
	case c-'A' < 26:
		return c - 'A'
	case c-'a' < 26:
		return c - 'a' + 26
	case c-'0' < 10:
		return c - '0' + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return 255
}
