package pcre

// group reads what follows "(".
func (p *parser) group() *node {
	if p.accept("*") {
		return p.verb()
	}
	if !p.accept("?") {
		return p.capture("")
	}
	switch c := p.next(); c {
	case ':':
		return p.close(p.alternatives())
	case '|':
		p.fail("(?| is not supported: number the groups one by one")
	case '>':
		return &node{op: nAtomic, subs: []*node{p.close(p.alternatives())}}
	case '=', '!':
		return p.look(c == '!', false)
	case '<':
		if p.accept("=") {
			return p.look(false, true)
		}
		if p.accept("!") {
			return p.look(true, true)
		}
		return p.capture(p.until('>'))
	case '\'':
		return p.capture(p.until('\''))
	case 'P':
		return p.python()
	case '#':
		p.until(')')
		return nil
	case '(':
		return p.conditional()
	case 'R', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '&', '+':
		p.fail("recursion into groups is not supported")
	}
	p.pos--
	return p.options()
}

func (p *parser) close(n *node) *node {
	if !p.accept(")") {
		p.fail("the closing parenthesis is missing")
	}
	return n
}

func (p *parser) capture(name string) *node {
	if p.groups++; p.groups > maxGroups {
		p.fail("more than %d groups: write (?:…) where nothing is to be caught", maxGroups)
	}
	g := p.groups
	p.names = append(p.names, name)
	return &node{op: nGroup, group: g, subs: []*node{p.close(p.alternatives())}}
}

func (p *parser) python() *node {
	switch c := p.next(); c {
	case '<':
		return p.capture(p.until('>'))
	case '=':
		return p.reference(')')
	}
	p.fail("recursion into groups is not supported")
	return nil
}

// verb reads (*NAME): only those that fail or do nothing to a yes or no.
func (p *parser) verb() *node {
	switch name := p.until(')'); name {
	case "F", "FAIL":
		return &node{op: nFail}
	default:
		p.fail("(*%s) is not supported", name)
	}
	return nil
}

// look reads a look-ahead or look-behind. A look-behind becomes one for each of
// its alternatives, each of fixed length.
func (p *parser) look(neg, behind bool) *node {
	body := p.close(p.alternatives())
	if !behind {
		return &node{op: nLook, neg: neg, subs: []*node{body}}
	}
	subs := []*node{body}
	if body.op == nAlt {
		subs = body.subs
	}
	out := &node{op: nAlt}
	if neg {
		out.op = nCat
	}
	for _, s := range subs {
		lo, hi := s.width()
		if lo != hi {
			p.fail("a look-behind must have a fixed length")
		}
		out.subs = append(out.subs, &node{op: nLook, neg: neg, behind: true, min: lo, subs: []*node{s}})
	}
	if len(out.subs) == 1 {
		return out.subs[0]
	}
	return &node{op: nAtomic, subs: []*node{out}}
}

// conditional reads (?(1)yes|no), (?(<name>)yes|no) and (?(?=x)yes|no).
func (p *parser) conditional() *node {
	cond := &node{op: nCond}
	p.refers = true
	switch {
	case p.peek() == '?':
		p.pos++
		switch {
		case p.accept("="):
			cond.group = -1
			return p.lookConditional(p.look(false, false))
		case p.accept("!"):
			return p.lookConditional(p.look(true, false))
		case p.accept("<="):
			return p.lookConditional(p.look(false, true))
		case p.accept("<!"):
			return p.lookConditional(p.look(true, true))
		}
		p.fail("unknown condition")
	case p.accept("<"):
		cond.group = p.groupNamed(p.until('>'))
		p.next()
	case p.accept("'"):
		cond.group = p.groupNamed(p.until('\''))
		p.next()
	default:
		cond.group = p.reference(')').group
	}
	cond.subs = p.branches()
	return cond
}

// branches reads yes|no) of a conditional.
func (p *parser) branches() []*node {
	body := p.close(p.alternatives())
	if body.op != nAlt {
		return []*node{body, {op: nEmpty}}
	}
	if len(body.subs) > 2 {
		p.fail("a conditional has two branches at most")
	}
	return body.subs
}

// lookConditional writes (?(?=x)a|b) as (?:(?=x)a|(?!x)b).
func (p *parser) lookConditional(look *node) *node {
	if look.op != nLook {
		p.fail("alternatives of different length in a condition are not supported")
	}
	b := p.branches()
	not := *look
	not.neg = !look.neg
	return &node{op: nAlt, subs: []*node{
		{op: nCat, subs: []*node{look, b[0]}},
		{op: nCat, subs: []*node{&not, b[1]}},
	}}
}

// options reads (?i), (?i-s), (?i:…).
func (p *parser) options() *node {
	set, on := p.flags, true
	for {
		c := p.next()
		var f Flags
		switch c {
		case 'i':
			f = CaseLess
		case 'm':
			f = MultiLine
		case 's':
			f = DotAll
		case 'x':
			f = Extended
		case 'U':
			f = Ungreedy
		case 'J': // duplicate names: names are only looked up by their first group
		case '^':
			set &^= CaseLess | MultiLine | DotAll | Extended
		case '-':
			on = false
		case ')':
			p.flags = set
			return nil
		case ':':
			old := p.flags
			p.flags = set
			n := p.close(p.alternatives())
			p.flags = old
			return n
		default:
			p.fail("unknown option %q in (?…)", c)
		}
		if on {
			set |= f
		} else {
			set &^= f
		}
	}
}
