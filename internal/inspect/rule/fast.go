package rule

import (
	"sort"

	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/prefilter"
)

// fastPattern is the literal that decides whether a rule is looked at.
type fastPattern struct {
	step    int // index of the rule's step, -1 for its payload
	found   bool
	score   int // what its literal is worth
	pattern prefilter.Pattern
}

// sortSteps puts what is known first, and cheap, before what comes later.
func sortSteps(steps []step) {
	cost := func(s *step) int {
		switch s.kind {
		case stepStage, stepEvent, stepUint, stepTest:
			return 0
		case stepBytes:
			return 1
		case stepStream:
			return 3
		}
		return 2
	}
	sort.SliceStable(steps, func(i, j int) bool { // package slices would cost the agent 16 KB
		a, b := &steps[i], &steps[j]
		if a.stage != b.stage {
			return a.stage < b.stage
		}
		return cost(a) < cost(b)
	})
}

// chooseFast picks the literal of a rule that is rarest in traffic: the one
// its author names, else the longest, those in small buffers first.
func (c *compiler) chooseFast(r *rule) fastPattern {
	best := fastPattern{step: -1}
	if r.class == classPacket {
		best.try(-1, r.payload, 0)
		return best
	}
	if r.class != classTx {
		return best
	}
	for i := range r.steps {
		switch s := &r.steps[i]; s.kind {
		case stepBytes:
			best.try(i, s.program, 4)
		case stepStream:
			best.try(i, s.program, 0)
		}
	}
	return best
}

// try takes a literal of a program, nil for none, when one is worth more than
// what was found before; all of them count bonus more.
func (f *fastPattern) try(at int, p *payload.Program, bonus int) {
	if p == nil || p.MatchAbsent() {
		return
	}
	for _, l := range p.Literals() {
		n := worth(l.Bytes) + bonus
		if l.FastPattern {
			n += 1 << 20
		}
		if n > f.score || !f.found {
			f.step, f.found, f.score, f.pattern = at, true, n, patternOf(&l)
		}
	}
}

// worth rates a literal: its length, with bytes that are everywhere counting
// less.
func worth(b []byte) int {
	n := 0
	var last byte
	for i, c := range b {
		switch {
		case i > 0 && c == last:
			n++
		case c == 0 || c == ' ' || c == 0xff:
			n += 2
		default:
			n += 4
		}
		last = c
	}
	return min(n, 96)
}

func patternOf(l *payload.Literal) prefilter.Pattern {
	p := prefilter.Pattern{Bytes: l.Bytes, NoCase: l.NoCase, Offset: l.Offset, Depth: l.Depth}
	if len(p.Bytes) > prefilter.MaxPattern {
		p.Bytes, p.Depth = p.Bytes[:prefilter.MaxPattern], 0
	}
	return p
}
