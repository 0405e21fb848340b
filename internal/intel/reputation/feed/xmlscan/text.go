package xmlscan

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// chars reads the text up to the next tag or the end.
func (s *Scanner) chars() ([]byte, error) {
	s.text = s.text[:0]
	for from := 0; ; {
		i := bytes.IndexByte(s.w.Buf[s.w.At+from:s.w.End], '<')
		if i < 0 {
			from = s.w.End - s.w.At
			if s.w.Fill(s.w.At) {
				continue
			}
			if s.w.Err.Error() != "EOF" {
				return nil, s.w.Err
			}
			i = 0
		}
		b := s.w.Buf[s.w.At : s.w.At+from+i]
		if bytes.Contains(b, []byte("]]>")) {
			return nil, s.wrong("']]>' in a text")
		}
		s.w.At += from + i
		return s.clean(b, false)
	}
}

// clean gives a text as it is meant: with references resolved and line ends of one
// form. It appends to s.text only what had to change.
func (s *Scanner) clean(b []byte, literal bool) ([]byte, error) {
	if plain(b) {
		return b, nil
	}
	start := len(s.text)
	for i := 0; i < len(b); {
		ch := b[i]
		switch {
		case ch == '&' && !literal:
			n, ok := s.reference(b[i:])
			if !ok {
				return nil, s.wrong("an unknown entity")
			}
			i += n
			continue
		case ch == '\r':
			if i+1 == len(b) || b[i+1] != '\n' {
				s.text = append(s.text, '\n')
			}
		case ch < utf8.RuneSelf:
			if !allowed(rune(ch)) {
				return nil, s.wrong("a control character")
			}
			s.text = append(s.text, ch)
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 || !allowed(r) {
				return nil, s.wrong("bytes that are not UTF-8")
			}
			s.text = append(s.text, b[i:i+n]...)
			i += n
			continue
		}
		i++
	}
	return s.text[start:len(s.text):len(s.text)], nil
}

// plain says that a text means itself.
func plain(b []byte) bool {
	for _, ch := range b {
		if ch == '&' || ch >= utf8.RuneSelf || ch < ' ' && ch != '\n' && ch != '\t' {
			return false
		}
	}
	return true
}

// allowed says whether XML 1.0, section 2.2, has a character.
func allowed(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= utf8.MaxRune
}

// reference appends what the reference at the beginning of b stands for and gives its
// length.
func (s *Scanner) reference(b []byte) (n int, ok bool) {
	end := bytes.IndexByte(b[:min(len(b), 16)], ';')
	if end < 2 {
		return 0, false
	}
	name := string(b[1:end])
	switch name {
	case "lt":
		s.text = append(s.text, '<')
	case "gt":
		s.text = append(s.text, '>')
	case "amp":
		s.text = append(s.text, '&')
	case "quot":
		s.text = append(s.text, '"')
	case "apos":
		s.text = append(s.text, '\'')
	default:
		if name[0] != '#' || len(name) < 2 {
			return 0, false
		}
		base, digits := 10, name[1:]
		if digits[0] == 'x' {
			base, digits = 16, digits[1:]
		}
		v, err := strconv.ParseUint(digits, base, 31)
		if err != nil || !allowed(rune(v)) {
			return 0, false
		}
		s.text = utf8.AppendRune(s.text, rune(v))
	}
	return end + 1, true
}

// nameOf cuts a name off.
func nameOf(b []byte) (name, rest []byte) {
	i := 0
	for i < len(b) {
		ch := b[i]
		if ch|0x20 >= 'a' && ch|0x20 <= 'z' || ch == '_' || ch == ':' || ch >= utf8.RuneSelf || i > 0 && (ch >= '0' && ch <= '9' || ch == '.' || ch == '-') {
			i++
			continue
		}
		break
	}
	if !utf8.Valid(b[:i]) {
		return nil, b
	}
	return b[:i], b[i:]
}

// local is a name without its prefix.
func local(name []byte) []byte {
	if i := bytes.IndexByte(name, ':'); i > 0 && i+1 < len(name) {
		return name[i+1:]
	}
	return name
}

// blank cuts blanks off at the beginning.
func blank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}
