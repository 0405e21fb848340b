package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// plain gives how many bytes of b come before a quote, a backslash or a control
// character, and whether all of them are ASCII. It looks at eight bytes at a
// time (Hacker's Delight, 6-1: the lowest byte that is found is right).
func plain(b []byte) (n int, ascii bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	var seen uint64
	for ; n+8 <= len(b); n += 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		found := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*' ')&^x) & highs
		if found == 0 {
			seen |= x
			continue
		}
		k := bits.TrailingZeros64(found) &^ 7
		seen |= x & (1<<k - 1)
		return n + k/8, seen&highs == 0
	}
	for ; n < len(b); n++ {
		ch := b[n]
		if ch < ' ' || ch == '"' || ch == '\\' {
			break
		}
		seen |= uint64(ch)
	}
	return n, seen&highs == 0
}

// Text reads a string. Escapes are undone, and bytes that are not UTF-8 become
// U+FFFD, as encoding/json does.
func (s *Scanner) Text() ([]byte, error) {
	ch, err := s.must()
	if err != nil {
		return nil, err
	}
	if ch != '"' {
		return nil, s.wrong("a string is missing")
	}
	s.w.At++
	if n, ascii := plain(s.w.Buf[s.w.At:s.w.End]); ascii && s.w.At+n < s.w.End && s.w.Buf[s.w.At+n] == '"' {
		b := s.w.Buf[s.w.At : s.w.At+n]
		s.w.At += n + 1
		return b, nil
	}
	return s.escaped()
}

// escaped reads the rest of a string with escapes, other letters than ASCII, or its
// end beyond the buffer.
func (s *Scanner) escaped() ([]byte, error) {
	out := s.text[:0]
	valid := true
	for {
		n, ascii := plain(s.w.Buf[s.w.At:s.w.End])
		valid = valid && ascii
		out = append(out, s.w.Buf[s.w.At:s.w.At+n]...)
		s.w.At += n
		if s.w.At == s.w.End {
			if !s.w.Fill(s.w.At) {
				return nil, s.w.Stop()
			}
			continue
		}
		switch s.w.Buf[s.w.At] {
		case '"':
			s.w.At++
			if !valid && !utf8.Valid(out) {
				out = replaced(out)
			}
			s.text = out
			return out, nil
		case '\\':
			var err error
			if out, err = s.escape(out); err != nil {
				return nil, err
			}
			valid = valid && out[len(out)-1] < utf8.RuneSelf
		default:
			return nil, s.wrong("a control character in a string")
		}
	}
}

// replaced puts U+FFFD in the place of each byte that is not UTF-8.
func replaced(b []byte) []byte {
	out := make([]byte, 0, len(b)+8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return out
}

// skipText passes over a string.
func (s *Scanner) skipText() error {
	s.w.At++
	for {
		n, _ := plain(s.w.Buf[s.w.At:s.w.End])
		if s.w.At += n; s.w.At == s.w.End {
			if !s.w.Fill(s.w.At) {
				return s.w.Stop()
			}
			continue
		}
		switch s.w.Buf[s.w.At] {
		case '"':
			s.w.At++
			return nil
		case '\\':
			if _, err := s.escape(s.key[:0]); err != nil {
				return err
			}
		default:
			return s.wrong("a control character in a string")
		}
	}
}

// escape appends what an escape at the next byte stands for. Halves of pairs that
// stand alone are U+FFFD.
func (s *Scanner) escape(out []byte) ([]byte, error) {
	if !s.w.Have(2) {
		return nil, s.w.Stop()
	}
	ch := s.w.Buf[s.w.At+1]
	switch ch {
	case '"', '\\', '/':
	case 'b':
		ch = '\b'
	case 'f':
		ch = '\f'
	case 'n':
		ch = '\n'
	case 'r':
		ch = '\r'
	case 't':
		ch = '\t'
	case 'u':
		r, err := s.unit()
		if err != nil {
			return nil, err
		}
		if utf16.IsSurrogate(r) {
			r, err = s.pair(r)
		}
		return utf8.AppendRune(out, r), err
	default:
		return nil, s.wrong("an unknown escape")
	}
	s.w.At += 2
	return append(out, ch), nil
}

// pair reads the second half of a pair if it follows.
func (s *Scanner) pair(high rune) (rune, error) {
	if s.w.Have(1) && s.w.Buf[s.w.At] != '\\' {
		return utf8.RuneError, nil
	}
	if !s.w.Have(2) {
		return utf8.RuneError, s.w.Stop()
	}
	if s.w.Buf[s.w.At+1] != 'u' {
		return utf8.RuneError, nil
	}
	at := s.w.At
	low, err := s.unit()
	if err != nil {
		return utf8.RuneError, err
	}
	r := utf16.DecodeRune(high, low)
	if r == utf8.RuneError {
		s.w.At = at // it stands for itself
	}
	return r, nil
}

// unit reads \uXXXX.
func (s *Scanner) unit() (rune, error) {
	if !s.w.Have(6) {
		return 0, s.w.Stop()
	}
	var r rune
	for _, ch := range s.w.Buf[s.w.At+2 : s.w.At+6] {
		switch {
		case ch >= '0' && ch <= '9':
			ch -= '0'
		case ch|0x20 >= 'a' && ch|0x20 <= 'f':
			ch = ch | 0x20 - 'a' + 10
		default:
			return 0, s.wrong("an unknown escape")
		}
		r = r<<4 | rune(ch)
	}
	s.w.At += 6
	return r, nil
}

// Scalar reads a number, true, false or null, and gives it as it is written.
func (s *Scanner) Scalar() ([]byte, error) {
	ch, err := s.must()
	if err != nil {
		return nil, err
	}
	n := 1
	for ; ; n++ {
		if s.w.At+n == s.w.End {
			if !s.w.Fill(s.w.At) {
				if s.w.Err == nil || s.w.Err.Error() != "EOF" {
					return nil, s.w.Err
				}
				break
			}
		}
		if c := s.w.Buf[s.w.At+n]; c != '.' && c != '+' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
	}
	word := s.w.Buf[s.w.At : s.w.At+n]
	known := false
	switch ch {
	case 't':
		known = string(word) == "true"
	case 'f':
		known = string(word) == "false"
	case 'n':
		known = string(word) == "null"
	default:
		known = isNumber(word)
	}
	if !known {
		return nil, s.wrong("a value is missing")
	}
	s.w.At += n
	return word, nil
}

// isNumber says whether b is a number as RFC 8259, section 6, writes them.
func isNumber(b []byte) bool {
	if b[0] == '-' {
		b = b[1:]
	}
	n := digits(b)
	if n == 0 || n > 1 && b[0] == '0' {
		return false
	}
	if b = b[n:]; len(b) > 0 && b[0] == '.' {
		if n = digits(b[1:]); n == 0 {
			return false
		}
		b = b[1+n:]
	}
	if len(b) > 0 && b[0]|0x20 == 'e' {
		if b = b[1:]; len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		if n = digits(b); n == 0 {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0
}

func digits(b []byte) (n int) {
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}
