package pcre

import "strings"

// class reads what follows "[".
func (p *parser) class() *node {
	set := new(byteSet)
	neg := p.accept("^")
	for first := true; ; first = false {
		if p.accept("]") && !first {
			break
		}
		if first && p.pos > 0 && p.src[p.pos-1] == ']' {
			p.pos--
		}
		p.classItem(set)
	}
	if p.flags&CaseLess != 0 {
		set.fold()
	}
	if neg {
		set.invert()
	}
	return &node{op: nSet, set: set}
}

// classItem reads a byte, a range, a shorthand or a POSIX class.
func (p *parser) classItem(set *byteSet) {
	if p.posix(set) || p.accept(`\E`) {
		return
	}
	if p.accept(`\Q`) {
		for !p.accept(`\E`) {
			set.add(p.next())
		}
		return
	}
	lo, ok := p.classByte(set)
	if !ok {
		return
	}
	if p.peek() != '-' || p.pos+1 >= len(p.src) || p.src[p.pos+1] == ']' {
		set.add(lo)
		return
	}
	p.pos++
	hi, ok := p.classByte(set)
	if !ok { // [a-\d]: the hyphen is itself
		set.add(lo)
		set.add('-')
		return
	}
	if hi < lo {
		p.fail("range %q-%q in a class is out of order", lo, hi)
	}
	set.addRange(lo, hi)
}

// classByte reads one byte; a shorthand goes into set and gives false.
func (p *parser) classByte(set *byteSet) (byte, bool) {
	c := p.next()
	if c != '\\' {
		return c, true
	}
	c = p.next()
	if c == 'b' {
		return '\b', true
	}
	if s := shorthand(c); s != nil {
		set.union(s)
		return 0, false
	}
	return p.escapedByte(c), true
}

// posix reads [:alpha:] and [:^alpha:].
func (p *parser) posix(set *byteSet) bool {
	if !strings.HasPrefix(p.src[p.pos:], "[:") {
		return false
	}
	end := strings.Index(p.src[p.pos:], ":]")
	if end < 0 {
		return false
	}
	name := p.src[p.pos+2 : p.pos+end]
	name, neg := strings.CutPrefix(name, "^")
	s := posixSet(name)
	if s == nil {
		return false
	}
	if neg {
		s.invert()
	}
	set.union(s)
	p.pos += end + 2
	return true
}

// posixSet gives the ASCII meaning of a POSIX class, nil for an unknown one.
func posixSet(name string) *byteSet {
	ranges := map[string]string{
		"alpha": "azAZ", "digit": "09", "alnum": "azAZ09", "upper": "AZ", "lower": "az",
		"xdigit": "09afAF", "space": "\t\r  ", "blank": "\t\t  ", "cntrl": "\x00\x1f\x7f\x7f",
		"print": " ~", "graph": "!~", "punct": "!/:@[`{~", "word": "azAZ09__", "ascii": "\x00\x7f",
	}
	r, ok := ranges[name]
	if !ok {
		return nil
	}
	return rangesOf(r)
}

func rangesOf(r string) *byteSet {
	s := new(byteSet)
	for i := 0; i+1 < len(r); i += 2 {
		s.addRange(r[i], r[i+1])
	}
	return s
}

// shorthand gives \d, \w, \s, \h, \v, \N and their opposites; nil for others.
func shorthand(c byte) *byteSet {
	var s *byteSet
	switch c | 0x20 {
	case 'd':
		s = rangesOf("09")
	case 'w':
		s = rangesOf("azAZ09__")
	case 's':
		s = rangesOf("\t\r  ")
	case 'h':
		s = rangesOf("\t\t  \xa0\xa0")
	case 'v':
		s = rangesOf("\n\r\x85\x85")
	default:
		if c != 'N' {
			return nil
		}
		s = rangesOf("\n\n")
	}
	if c-'A' < 26 {
		s.invert()
	}
	return s
}

// escapedByte reads the rest of an escape that stands for one byte; c is the
// character behind the backslash.
func (p *parser) escapedByte(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'f':
		return '\f'
	case 'e':
		return 0x1b
	case 'a':
		return 0x07
	case 'x':
		return p.hexByte()
	case 'o':
		if p.accept("{") {
			return p.digits(p.until('}'), 8)
		}
		p.fail(`\o wants {octal digits}`)
	case 'c':
		return (p.next() &^ 0x20) ^ 0x40
	}
	if c >= '0' && c <= '7' {
		p.pos--
		start := p.pos
		for p.pos < start+3 && p.more() && p.peek()-'0' < 8 {
			p.pos++
		}
		return p.digits(p.src[start:p.pos], 8)
	}
	if (c|0x20)-'a' < 26 {
		p.fail(`unknown escape \%c`, c)
	}
	return c
}

// hexByte reads \x41, \x4, \x and \x{41}.
func (p *parser) hexByte() byte {
	if p.accept("{") {
		return p.digits(p.until('}'), 16)
	}
	start := p.pos
	for p.pos < start+2 && p.more() && hexDigit(p.peek()) >= 0 {
		p.pos++
	}
	return p.digits(p.src[start:p.pos], 16)
}

func (p *parser) digits(s string, base int) byte {
	v := 0
	for i := 0; i < len(s); i++ {
		d := hexDigit(s[i])
		if d < 0 || d >= base {
			p.fail("%q is not a digit of base %d", s[i], base)
		}
		if v = v*base + d; v > 255 {
			p.fail("character %s is above 255: expressions match bytes", s)
		}
	}
	return byte(v)
}

func hexDigit(c byte) int {
	switch {
	case c-'0' < 10:
		return int(c - '0')
	case (c|0x20)-'a' < 6:
		return int(c|0x20-'a') + 10
	}
	return -1
}
