package http

import "unicode/utf8"

// replacement stands for a character that has no single byte.
const replacement = '?'

// bestFit turns UTF-8 into single bytes in place and returns the new length:
// characters beyond ASCII become what looks like them in code page 1252, as
// some servers do, or a question mark. Overlong forms are decoded. Bytes that
// are no UTF-8 become question marks; a character cut off by the end is left
// out.
func bestFit(b []byte) int {
	i := 0
	for i < len(b) && b[i] < 0x80 {
		i++
	}
	out := i
	for i < len(b) {
		r, n, whole := looseRune(b[i:])
		i += n
		switch {
		case whole:
			b[out] = fitByte(r)
			out++
		case i < len(b) || n == 1 && !isLead(b[i-1]):
			b[out] = replacement
			out++
		}
	}
	return out
}

// isLead says whether c begins a character of several bytes.
func isLead(c byte) bool { return c >= 0xc0 && c < 0xf8 }

// looseRune decodes a character, overlong forms too: how many bytes it took,
// and whether they are a whole character.
func looseRune(b []byte) (r rune, n int, whole bool) {
	c := b[0]
	if c < 0x80 {
		return rune(c), 1, true
	}
	want := 2
	switch {
	case !isLead(c):
		return 0, 1, false
	case c >= 0xf0:
		want, r = 4, rune(c&0x07)
	case c >= 0xe0:
		want, r = 3, rune(c&0x0f)
	default:
		r = rune(c & 0x1f)
	}
	for n = 1; n < want && n < len(b); n++ {
		if b[n]&0xc0 != 0x80 {
			return 0, n, false
		}
		r = r<<6 | rune(b[n]&0x3f)
	}
	return r, n, n == want
}

// fitByte is the single byte that a character becomes.
func fitByte(r rune) byte {
	switch {
	case r < 0x100:
		return byte(r)
	case r >= 0xff01 && r <= 0xff5e: // full width forms
		return byte(r - 0xff01 + '!')
	case r >= utf8.MaxRune:
		return replacement
	}
	for _, f := range fits {
		if r >= f.from && r <= f.to {
			return f.is
		}
	}
	return replacement
}

// fits are characters that have a likeness: letters with marks, quotes,
// dashes, slashes, points.
var fits = [...]struct {
	from, to rune
	is       byte
}{
	{0x0100, 0x0100, 'A'}, {0x0101, 0x0101, 'a'}, {0x0102, 0x0102, 'A'}, {0x0103, 0x0103, 'a'}, {0x0104, 0x0104, 'A'}, {0x0105, 0x0105, 'a'},
	{0x0106, 0x0106, 'C'}, {0x0107, 0x0107, 'c'}, {0x0108, 0x0108, 'C'}, {0x0109, 0x0109, 'c'}, {0x010a, 0x010a, 'C'}, {0x010b, 0x010b, 'c'},
	{0x010c, 0x010c, 'C'}, {0x010d, 0x010d, 'c'}, {0x010e, 0x010e, 'D'}, {0x010f, 0x010f, 'd'}, {0x0112, 0x0112, 'E'}, {0x0113, 0x0113, 'e'},
	{0x0118, 0x0118, 'E'}, {0x0119, 0x0119, 'e'}, {0x011a, 0x011a, 'E'}, {0x011b, 0x011b, 'e'}, {0x011e, 0x011e, 'G'}, {0x011f, 0x011f, 'g'},
	{0x0130, 0x0130, 'I'}, {0x0131, 0x0131, 'i'}, {0x0141, 0x0141, 'L'}, {0x0142, 0x0142, 'l'}, {0x0143, 0x0143, 'N'}, {0x0144, 0x0144, 'n'},
	{0x0150, 0x0150, 'O'}, {0x0151, 0x0151, 'o'}, {0x0158, 0x0158, 'R'}, {0x0159, 0x0159, 'r'}, {0x015a, 0x015a, 'S'}, {0x015b, 0x015b, 's'},
	{0x015e, 0x015e, 'S'}, {0x015f, 0x015f, 's'}, {0x0164, 0x0164, 'T'}, {0x0165, 0x0165, 't'}, {0x016e, 0x016e, 'U'}, {0x016f, 0x016f, 'u'},
	{0x0170, 0x0170, 'U'}, {0x0171, 0x0171, 'u'}, {0x0179, 0x0179, 'Z'}, {0x017a, 0x017a, 'z'}, {0x017b, 0x017b, 'Z'}, {0x017c, 0x017c, 'z'},
	{0x02b9, 0x02bc, '\''}, {0x02c4, 0x02c4, '^'}, {0x02c8, 0x02c8, '\''}, {0x02cb, 0x02cb, '`'}, {0x02cd, 0x02cd, '_'}, {0x0300, 0x0300, '`'},
	{0x0302, 0x0302, '^'}, {0x0303, 0x0303, '~'}, {0x030e, 0x030e, '"'}, {0x0331, 0x0332, '_'}, {0x037e, 0x037e, ';'}, {0x04bb, 0x04bb, 'h'},
	{0x0589, 0x0589, ':'}, {0x066a, 0x066a, '%'}, {0x2000, 0x2006, ' '}, {0x2010, 0x2011, '-'}, {0x2017, 0x2017, '='}, {0x2018, 0x2019, '\''},
	{0x201c, 0x201d, '"'}, {0x2024, 0x2024, '.'}, {0x2032, 0x2032, '\''}, {0x2035, 0x2035, '`'}, {0x2044, 0x2044, '/'}, {0x2074, 0x2074, '4'},
	{0x2080, 0x2080, '0'}, {0x2081, 0x2081, '1'}, {0x2215, 0x2215, '/'}, {0x2216, 0x2216, '\\'}, {0x2212, 0x2212, '-'}, {0x2217, 0x2217, '*'}, {0x2223, 0x2223, '|'},
	{0x2236, 0x2236, ':'}, {0x223c, 0x223c, '~'}, {0x2303, 0x2303, '^'}, {0x2329, 0x2329, '<'}, {0x232a, 0x232a, '>'}, {0x2758, 0x2758, '|'},
	{0x3000, 0x3000, ' '}, {0x3008, 0x3008, '<'}, {0x3009, 0x3009, '>'}, {0x301a, 0x301a, '['}, {0x301b, 0x301b, ']'},
}
