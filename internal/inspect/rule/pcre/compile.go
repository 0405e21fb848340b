package pcre

import "fmt"

// op is an instruction of the backtracking machine.
type op uint8

const (
	opByte    op = iota // b
	opFold              // lower(byte) == b
	opSet               // sets[x]
	opLoop              // one of sets[x], min to max times; y: the byte that must follow, -1 unknown
	opSplit             // x first, then y
	opJump              // x
	opOpen              // regs: caps[x] = position
	opClose             // caps[x], caps[x+1] = caps[y], position
	opAssert            // assertion x
	opBackref           // group x
	opLook              // program at next to opSubEnd, goes on at x; y: bytes behind
	opAtomic            // program at next to opSubEnd, goes on at x
	opSubEnd            // end of a look-around or atomic group
	opCond              // next if group x has caught something, else y
	opMark              // regs: caps[x] = position at the begin of an iteration
	opCheck             // leaves the loop (goes on at y) when the iteration since caps[x] was empty, else on at next
	opKeep              // the match begins here
	opFail
	opMatch
)

type inst struct {
	op       op
	b        byte
	fold     bool
	neg      bool
	lazy     bool
	possess  bool
	behind   bool
	memo     int32 // number of the state in the memory of failures, -1 for none
	x, y     int32
	min, max int32 // max -1: no limit
}

// maxProgram bounds the instructions of one expression.
const maxProgram = 1 << 16

// Regexp is a compiled expression. It never changes and is shared by
// goroutines.
type Regexp struct {
	insts   []inst
	sets    []byteSet
	groups  int
	names   []string
	slots   int  // capture slots and loop registers
	regular bool // no look-around, back-reference, atomic group: failures depend on state and position only
	memos   int  // states with a memory
	search
}

// Compile reads an expression.
func Compile(expr string, flags Flags) (*Regexp, error) {
	p := &parser{src: expr, flags: flags}
	tree, err := p.parse()
	if err != nil {
		return nil, err
	}
	re := &Regexp{groups: p.groups, names: p.names, regular: true}
	re.slots = 2 * (p.groups + 1)
	c := &compiler{re: re, catches: flags&NoCaptures == 0 || p.refers}
	if !c.node(tree) || !c.emit(inst{op: opMatch}) {
		return nil, fmt.Errorf("pcre: the expression is too large: its counted repeats make more than %d steps", maxProgram)
	}
	re.numberMemos()
	re.plan(tree, flags)
	return re, nil
}

// Groups is the number of capturing groups.
func (re *Regexp) Groups() int { return re.groups }

// GroupNames are the names of the groups by number, "" for those without; the
// first is the whole match.
func (re *Regexp) GroupNames() []string { return re.names }

type compiler struct {
	re      *Regexp
	catches bool // groups note what they caught
}

func (c *compiler) here() int32 { return int32(len(c.re.insts)) }

func (c *compiler) emit(in inst) bool {
	in.memo = -1
	c.re.insts = append(c.re.insts, in)
	return len(c.re.insts) <= maxProgram
}

func (c *compiler) set(s *byteSet) int32 {
	for i := range c.re.sets {
		if c.re.sets[i] == *s {
			return int32(i)
		}
	}
	c.re.sets = append(c.re.sets, *s)
	return int32(len(c.re.sets) - 1)
}

// node emits n; false when the program is too large.
func (c *compiler) node(n *node) bool {
	switch n.op {
	case nByte:
		if n.fold {
			return c.emit(inst{op: opFold, b: n.b})
		}
		return c.emit(inst{op: opByte, b: n.b})
	case nSet:
		return c.emit(inst{op: opSet, x: c.set(n.set)})
	case nCat:
		for _, s := range n.subs {
			if !c.node(s) {
				return false
			}
		}
		return true
	case nAlt:
		return c.alternatives(n.subs)
	case nRepeat:
		return c.repeat(n)
	case nGroup:
		return c.group(n)
	case nAssert:
		return c.emit(inst{op: opAssert, x: int32(n.assert)})
	case nEmpty:
		return true
	case nFail:
		return c.emit(inst{op: opFail})
	}
	c.re.regular = false
	return c.irregular(n)
}

// group emits a group. What it catches counts from its end on: a reference
// inside of it is to what it caught before.
func (c *compiler) group(n *node) bool {
	if !c.catches {
		return c.node(n.subs[0])
	}
	reg := c.register()
	return c.emit(inst{op: opOpen, x: reg}) && c.node(n.subs[0]) && c.emit(inst{op: opClose, x: int32(2 * n.group), y: reg})
}

// register gives a slot behind those of the groups.
func (c *compiler) register() int32 {
	c.re.slots++
	return int32(c.re.slots - 1)
}

// irregular emits the nodes that make a failure depend on more than position.
func (c *compiler) irregular(n *node) bool {
	at := c.here()
	switch n.op {
	case nLook, nAtomic:
		o := opAtomic
		if n.op == nLook {
			o = opLook
		}
		if !c.emit(inst{op: o, neg: n.neg, behind: n.behind, y: int32(n.min)}) || !c.node(n.subs[0]) || !c.emit(inst{op: opSubEnd}) {
			return false
		}
		c.re.insts[at].x = c.here()
		return true
	case nBackref:
		return c.emit(inst{op: opBackref, x: int32(n.group), fold: n.fold})
	case nCond:
		if !c.emit(inst{op: opCond, x: int32(n.group)}) || !c.node(n.subs[0]) {
			return false
		}
		jump := c.here()
		ok := c.emit(inst{op: opJump})
		c.re.insts[at].y = c.here()
		ok = ok && c.node(n.subs[1])
		c.re.insts[jump].x = c.here()
		return ok
	}
	return c.emit(inst{op: opKeep})
}

func (c *compiler) alternatives(subs []*node) bool {
	var jumps []int32
	for i, s := range subs {
		split := c.here()
		last := i == len(subs)-1
		if !last && !c.emit(inst{op: opSplit, x: split + 1}) {
			return false
		}
		if !c.node(s) {
			return false
		}
		if !last {
			jumps = append(jumps, c.here())
			if !c.emit(inst{op: opJump}) {
				return false
			}
			c.re.insts[split].y = c.here()
		}
	}
	for _, j := range jumps {
		c.re.insts[j].x = c.here()
	}
	return true
}

// repeat emits a quantifier: one instruction for a set, copies for the rest.
func (c *compiler) repeat(n *node) bool {
	sub := n.subs[0]
	if s := single(sub); s != nil {
		return c.emit(inst{op: opLoop, x: c.set(s), y: -1, min: int32(n.min), max: int32(n.max), lazy: n.lazy, possess: n.possessive})
	}
	if n.possessive {
		plain := *n
		plain.possessive = false
		return c.node(&node{op: nAtomic, subs: []*node{&plain}})
	}
	for range n.min {
		if !c.node(sub) {
			return false
		}
	}
	if n.max < 0 {
		return c.star(sub, n.lazy)
	}
	var splits []int32
	for range n.max - n.min {
		splits = append(splits, c.here())
		if !c.emit(inst{op: opSplit}) || !c.node(sub) {
			return false
		}
	}
	for _, at := range splits {
		c.branch(at, at+1, c.here(), n.lazy)
	}
	return true
}

// branch fills a split that prefers into (or, lazy, past).
func (c *compiler) branch(at, into, past int32, lazy bool) {
	if lazy {
		into, past = past, into
	}
	c.re.insts[at].x, c.re.insts[at].y = into, past
}

// star emits sub any number of times.
func (c *compiler) star(sub *node, lazy bool) bool {
	lo, _ := sub.width()
	at := c.here()
	if !c.emit(inst{op: opSplit}) {
		return false
	}
	if lo > 0 {
		if !c.node(sub) || !c.emit(inst{op: opJump, x: at}) {
			return false
		}
		c.branch(at, at+1, c.here(), lazy)
		return true
	}
	c.re.regular = false
	reg := c.register()
	if !c.emit(inst{op: opMark, x: reg}) || !c.node(sub) {
		return false
	}
	check := c.here()
	if !c.emit(inst{op: opCheck, x: reg}) || !c.emit(inst{op: opJump, x: at}) {
		return false
	}
	c.branch(at, at+1, c.here(), lazy)
	c.re.insts[check].y = c.here()
	return true
}

// single gives the set of a node that matches exactly one byte, else nil.
func single(n *node) *byteSet {
	switch n.op {
	case nSet:
		return n.set
	case nByte:
		s := new(byteSet)
		s.add(n.b)
		if n.fold {
			s.fold()
		}
		return s
	}
	return nil
}

// numberMemos gives states that backtracking may enter a place in the memory
// of failures, and tells loops which byte must follow them.
func (re *Regexp) numberMemos() {
	for i := range re.insts {
		in := &re.insts[i]
		if in.op == opLoop || in.op == opSplit {
			re.mark(int32(i))
		}
		if in.op == opLoop && i+1 < len(re.insts) {
			re.mark(int32(i + 1))
			if next := &re.insts[i+1]; next.op == opByte {
				in.y = int32(next.b)
			}
		}
		if in.op == opSplit {
			re.mark(in.x)
			re.mark(in.y)
		}
	}
}

func (re *Regexp) mark(pc int32) {
	if re.insts[pc].memo < 0 {
		re.insts[pc].memo = int32(re.memos)
		re.memos++
	}
}
