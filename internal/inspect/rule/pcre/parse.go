package pcre

import (
	"fmt"
	"strings"
)

// Flags change how an expression is read.
type Flags uint16

// The flags, with their letters in a rule.
const (
	CaseLess      Flags = 1 << iota // i
	MultiLine                       // m
	DotAll                          // s
	Extended                        // x
	Anchored                        // A
	DollarEndOnly                   // E
	Ungreedy                        // G
	NoCaptures                      // groups need not tell what they caught, which is faster
)

// limits of an expression
const (
	maxGroups = 99
	maxNest   = 200
	maxRepeat = 65535
)

// parser reads one expression. Problems are panics of type problem, caught in
// parse: expressions are read once and nested deeply.
type parser struct {
	src    string
	pos    int
	flags  Flags
	groups int
	names  []string // by group, "" without
	nest   int
	total  int  // groups in the whole expression, for forward references
	refers bool // something refers to a group
}

type problem string

func (p *parser) fail(format string, args ...any) {
	panic(problem(fmt.Sprintf(format, args...)))
}

// parse reads src. The group numbers and names are left in p.
func (p *parser) parse() (n *node, err error) {
	defer func() {
		if r := recover(); r != nil {
			why, ok := r.(problem)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("pcre: at character %d: %s", min(p.pos, len(p.src))+1, string(why))
		}
	}()
	p.names = []string{""}
	p.leadingVerbs()
	n = p.alternatives()
	if p.pos < len(p.src) {
		p.fail("unmatched closing parenthesis")
	}
	return n, nil
}

// leadingVerbs skips options such as (*UTF8) that say nothing over bytes.
func (p *parser) leadingVerbs() {
	for _, v := range []string{"(*ANYCRLF)", "(*ANY)", "(*LF)", "(*CRLF)", "(*CR)", "(*BSR_ANYCRLF)", "(*NO_START_OPT)", "(*NO_AUTO_POSSESS)"} {
		if strings.HasPrefix(p.src[p.pos:], v) {
			p.pos += len(v)
		}
	}
}

func (p *parser) more() bool { return p.pos < len(p.src) }

func (p *parser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *parser) next() byte {
	if p.pos >= len(p.src) {
		p.fail("the expression ends too early")
	}
	p.pos++
	return p.src[p.pos-1]
}

func (p *parser) accept(s string) bool {
	if strings.HasPrefix(p.src[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

// alternatives reads until ")" or the end. Flags set inside hold until there.
func (p *parser) alternatives() *node {
	if p.nest++; p.nest > maxNest {
		p.fail("nested too deeply")
	}
	defer func(f Flags) { p.flags = f; p.nest-- }(p.flags)
	subs := []*node{p.sequence()}
	for p.peek() == '|' && p.more() {
		p.pos++
		subs = append(subs, p.sequence())
	}
	if len(subs) == 1 {
		return subs[0]
	}
	return &node{op: nAlt, subs: subs}
}

func (p *parser) sequence() *node {
	cat := &node{op: nCat}
	for p.more() && p.peek() != '|' && p.peek() != ')' {
		if p.skipExtended() {
			continue
		}
		n := p.atom()
		if n == nil {
			continue
		}
		if n.quoted { // quantifiers bind to the last byte
			cat.subs = append(cat.subs, n.subs[:len(n.subs)-1]...)
			n = n.subs[len(n.subs)-1]
		}
		cat.subs = append(cat.subs, p.quantified(n))
	}
	if len(cat.subs) == 1 {
		return cat.subs[0]
	}
	return cat
}

// skipExtended skips blanks and # comments under flag x.
func (p *parser) skipExtended() bool {
	if p.flags&Extended == 0 {
		return false
	}
	switch p.peek() {
	case ' ', '\t', '\n', '\r', '\v', '\f':
		p.pos++
		return true
	case '#':
		for p.more() && p.next() != '\n' {
		}
		return true
	}
	return false
}

// quantified wraps n in the quantifiers that follow it.
func (p *parser) quantified(n *node) *node {
	for p.more() {
		for p.more() && p.skipExtended() {
		}
		lo, hi, ok := p.quantifier()
		if !ok {
			return n
		}
		if n.op == nAssert || n.op == nLook || n.op == nKeep {
			if lo > 0 {
				lo = 1
			}
			hi = 1
		}
		r := &node{op: nRepeat, min: lo, max: hi, subs: []*node{n}, lazy: p.flags&Ungreedy != 0}
		if p.accept("?") {
			r.lazy = !r.lazy
		} else if p.accept("+") {
			r.lazy, r.possessive = false, true
		}
		n = r
	}
	return n
}

func (p *parser) quantifier() (lo, hi int, ok bool) {
	switch p.peek() {
	case '*':
		p.pos++
		return 0, -1, true
	case '+':
		p.pos++
		return 1, -1, true
	case '?':
		p.pos++
		return 0, 1, true
	case '{':
		return p.braces()
	}
	return 0, 0, false
}

// braces reads {n}, {n,}, {n,m} and {,m}; anything else in braces is literal.
func (p *parser) braces() (lo, hi int, ok bool) {
	start := p.pos
	p.pos++
	lo, hasLo := p.number()
	hi = lo
	if p.accept(",") {
		var hasHi bool
		if hi, hasHi = p.number(); !hasHi {
			hi = -1
		}
		if !hasLo && !hasHi {
			p.pos = start
			return 0, 0, false
		}
	} else if !hasLo {
		p.pos = start
		return 0, 0, false
	}
	if !p.accept("}") {
		p.pos = start
		return 0, 0, false
	}
	if hi >= 0 && hi < lo {
		p.fail("quantifier {%d,%d}: the numbers are out of order", lo, hi)
	}
	return lo, hi, true
}

func (p *parser) number() (int, bool) {
	n, start := 0, p.pos
	for p.more() && p.peek()-'0' < 10 {
		if n = n*10 + int(p.next()-'0'); n > maxRepeat {
			p.fail("number too big, the most is %d", maxRepeat)
		}
	}
	return n, p.pos > start
}
