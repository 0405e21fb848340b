package pcre

// atom reads one element: a byte, a class, a group, an assertion. It gives nil
// for what only changes flags.
func (p *parser) atom() *node {
	c := p.next()
	switch c {
	case '.':
		return p.dot()
	case '[':
		return p.class()
	case '(':
		return p.group()
	case '\\':
		return p.escape()
	case '^':
		if p.flags&MultiLine != 0 {
			return &node{op: nAssert, assert: atLine}
		}
		return &node{op: nAssert, assert: atStart}
	case '$':
		return &node{op: nAssert, assert: p.dollar()}
	case '*', '+', '?':
		p.fail("quantifier %q has nothing to repeat", c)
	}
	return p.literal(c)
}

func (p *parser) literal(c byte) *node {
	fold := p.flags&CaseLess != 0 && (c|0x20)-'a' < 26
	if fold {
		c |= 0x20
	}
	return &node{op: nByte, b: c, fold: fold}
}

func (p *parser) dot() *node {
	s := new(byteSet)
	if p.flags&DotAll == 0 {
		s.add('\n')
	}
	s.invert()
	return &node{op: nSet, set: s}
}

func (p *parser) dollar() assertion {
	switch {
	case p.flags&MultiLine != 0:
		return atLineEnd
	case p.flags&DollarEndOnly != 0:
		return atEnd
	}
	return atEndNL
}

// escape reads what follows a backslash outside a class.
func (p *parser) escape() *node {
	c := p.next()
	if a, ok := escapeAssertion(c); ok {
		return &node{op: nAssert, assert: a}
	}
	if s := shorthand(c); s != nil {
		return &node{op: nSet, set: s}
	}
	switch c {
	case 'Q':
		return p.quoted()
	case 'E':
		return nil
	case 'K':
		return &node{op: nKeep}
	case 'R':
		return lineEnding()
	case 'C':
		s := new(byteSet)
		s.invert()
		return &node{op: nSet, set: s}
	case 'g', 'k':
		return p.namedBackref(c)
	case 'p', 'P', 'X':
		p.fail(`\%c matches Unicode properties, which bytes do not have: write a class such as [a-z]`, c)
	}
	if c >= '1' && c <= '9' {
		if n := p.digitBackref(c); n != nil {
			return n
		}
	}
	return p.literal(p.escapedByte(c))
}

func escapeAssertion(c byte) (assertion, bool) {
	switch c {
	case 'b':
		return atWord, true
	case 'B':
		return notAtWord, true
	case 'A':
		return atStart, true
	case 'Z':
		return atEndNL, true
	case 'z':
		return atEnd, true
	case 'G':
		return atFrom, true
	}
	return 0, false
}

// quoted reads \Q…\E.
func (p *parser) quoted() *node {
	n := &node{op: nCat, quoted: true}
	for p.more() && !p.accept(`\E`) {
		n.subs = append(n.subs, p.literal(p.next()))
	}
	if len(n.subs) == 0 {
		return nil
	}
	return n
}

// lineEnding is \R.
func lineEnding() *node {
	crlf := &node{op: nCat, subs: []*node{{op: nByte, b: '\r'}, {op: nByte, b: '\n'}}}
	one := new(byteSet)
	one.addRange('\n', '\r')
	one.add(0x85)
	return &node{op: nAtomic, subs: []*node{{op: nAlt, subs: []*node{crlf, {op: nSet, set: one}}}}}
}

// digitBackref reads \1 … \99; nil when Perl takes the digits for octal.
func (p *parser) digitBackref(c byte) *node {
	start := p.pos
	p.pos--
	n, _ := p.number()
	if n < 10 || n <= p.countGroups() {
		return p.backref(n)
	}
	p.pos = start
	if c >= '8' {
		p.fail("there is no group %d", n)
	}
	return nil
}

func (p *parser) backref(n int) *node {
	if n < 1 || n > p.countGroups() {
		p.fail("there is no group %d", n)
	}
	p.refers = true
	return &node{op: nBackref, group: n, fold: p.flags&CaseLess != 0}
}

// namedBackref reads \g1, \g{1}, \g{-1}, \k<name>, \k'name', \k{name}.
func (p *parser) namedBackref(c byte) *node {
	if c == 'g' && p.peek() != '{' {
		back := p.accept("-")
		n, ok := p.number()
		if !ok {
			p.fail(`\g wants the number of a group`)
		}
		if back {
			n = p.groups + 1 - n
		}
		return p.backref(n)
	}
	ends := map[byte]byte{'{': '}', '<': '>', '\'': '\''}
	end, ok := ends[p.next()]
	if !ok {
		p.fail(`\%c wants {name}`, c)
	}
	return p.reference(end)
}

// reference reads a group's name or number up to end.
func (p *parser) reference(end byte) *node {
	name := p.until(end)
	back := len(name) > 0 && name[0] == '-'
	n, digits := 0, len(name) > 0
	for i := 0; i < len(name); i++ {
		if i == 0 && back {
			continue
		}
		if d := name[i] - '0'; d < 10 && n < 1000 {
			n = n*10 + int(d)
		} else {
			digits = false
		}
	}
	if !digits {
		return p.backref(p.groupNamed(name))
	}
	if back {
		n = p.groups + 1 - n
	}
	return p.backref(n)
}

func (p *parser) until(end byte) string {
	start := p.pos
	for p.next() != end {
	}
	return p.src[start : p.pos-1]
}

func (p *parser) groupNamed(name string) int {
	for i, n := range p.names {
		if n == name && n != "" {
			return i
		}
	}
	p.fail("there is no group named %q", name)
	return 0
}

// countGroups counts the capturing groups of the whole expression.
func (p *parser) countGroups() int {
	if p.total > 0 {
		return p.total
	}
	for i := 0; i < len(p.src); i++ {
		switch p.src[i] {
		case '\\':
			i++
		case '[':
			i = skipClass(p.src, i)
		case '(':
			if capturing(p.src[i+1:]) {
				p.total++
			}
		}
	}
	return p.total
}

func skipClass(s string, i int) int {
	j := i + 1
	if j < len(s) && s[j] == '^' {
		j++
	}
	for first := j; j < len(s) && (s[j] != ']' || j == first); j++ {
		if s[j] == '\\' {
			j++
		}
	}
	return j
}

func capturing(after string) bool {
	if after == "" || after[0] == '*' {
		return false
	}
	if after[0] != '?' {
		return true
	}
	if len(after) < 3 {
		return false
	}
	switch after[1] {
	case 'P':
		return after[2] == '<'
	case '<':
		return after[2] != '=' && after[2] != '!'
	}
	return after[1] == '\''
}
