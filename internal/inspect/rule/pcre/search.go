package pcre

import (
	"bytes"
	"slices"

	"github.com/masugata/masugata/internal/inspect/rule/needle"
)

// search is what shortens the way to places where a match may begin.
type search struct {
	anchored bool     // only at the begin of the subject
	lines    bool     // only at begins of lines
	first    byteSet  // bytes that a match may begin with
	anyFirst bool     // first says nothing, or the match may be empty
	prefix   []byte   // every match begins with it, as written
	fold     bool     // prefix: lower case, either case matches
	required Required // must occur somewhere in a match
	needle   needle.Needle
	loop     bool // it begins with an endless repeat of one set: see pastLoop
}

// Required is a string that every match holds, empty when none is known.
type Required struct {
	Bytes  []byte
	NoCase bool // Bytes is lower case and matches either
}

// Required gives the longest string that every match is known to hold.
func (re *Regexp) Required() Required { return re.required }

// AnchoredAtStart says whether a match can only begin at the subject's begin.
func (re *Regexp) AnchoredAtStart() bool { return re.anchored }

func (re *Regexp) plan(tree *node, flags Flags) {
	re.anchored = flags&Anchored != 0 || startsWith(tree, atStart)
	re.lines = startsWith(tree, atLine)
	re.anyFirst = !firstBytes(tree, &re.first) || re.first.full()
	if in := &re.insts[0]; in.op == opLoop && in.max < 0 && in.min <= 1 && !re.fromMatters() {
		re.loop = true
	}
	l := &literals{}
	l.walk(tree)
	l.end()
	re.needle = needle.New(l.best.bytes, l.best.fold)
	re.required = Required{Bytes: l.best.bytes, NoCase: l.best.fold}
	if l.first.at == 0 && len(l.first.bytes) > 1 {
		re.prefix, re.fold = l.first.bytes, l.first.fold
	}
}

// Match looks for the first match that begins at from or later, within buf as
// the whole subject ("^" is buf's begin). It says whether there is one and
// leaves its places in s.Caps. A search that meets the bound on steps finds
// nothing.
func (re *Regexp) Match(s *Scratch, buf []byte, from int) bool {
	if from < 0 || from > len(buf) || len(buf) > 1<<30 || re.lacks(buf, from) {
		return false
	}
	if need := re.slots; cap(s.Caps) < need {
		s.Caps = make([]int32, need)
	}
	s.Caps = s.Caps[:re.slots]
	s.re, s.buf, s.from, s.keep, s.over = re, buf, int32(from), false, false
	s.steps = maxSteps
	ok := s.find(from)
	if !ok && s.over && re.regular && re.memos*(len(buf)+1) <= maxMemo {
		ok = s.findWithMemory(from)
	}
	s.Caps = s.Caps[:2*(re.groups+1)]
	s.buf, s.re = nil, nil
	return ok
}

// lacks says that buf has not what every match must hold. Short buffers and
// expressions that begin with it are searched as fast without this question.
func (re *Regexp) lacks(buf []byte, from int) bool {
	const short = 24
	if len(re.required.Bytes) < 2 || len(re.prefix) > 0 && !re.fold || len(buf)-from < short {
		return false
	}
	return re.needle.Index(buf, from, len(buf)) < 0
}

func (s *Scratch) findWithMemory(from int) bool {
	need := (s.re.memos*(len(s.buf)+1) + 63) / 64
	if cap(s.memo) < need {
		s.memo = make([]uint64, need)
	}
	s.memo = s.memo[:need]
	clear(s.memo)
	s.keep, s.over, s.steps = true, false, stepsLast
	return s.find(from)
}

// find tries the places where a match may begin.
func (s *Scratch) find(from int) bool {
	re := s.re
	for at := from; !s.over; at++ {
		at = re.candidate(s.buf, at)
		if at < 0 {
			return false
		}
		if s.try(int32(at)) {
			return true
		}
		if re.anchored {
			return false
		}
		if re.loop {
			at = s.pastLoop(at)
		}
	}
	return false
}

// pastLoop gives the last place from which a match cannot begin because none
// began at at: an expression that begins with a repeat of a set has tried, from
// there, all that it could try from any place within the run.
func (s *Scratch) pastLoop(at int) int {
	return int(s.runOver(&s.re.sets[s.re.insts[0].x], int32(at), int32(len(s.buf))))
}

// fromMatters says whether the expression asks where the search began.
func (re *Regexp) fromMatters() bool {
	return slices.ContainsFunc(re.insts, func(in inst) bool { return in.op == opAssert && assertion(in.x) == atFrom })
}

// candidate is the first place at or behind at where a match may begin, -1 for
// none.
func (re *Regexp) candidate(buf []byte, at int) int {
	switch {
	case at > len(buf):
		return -1
	case re.anchored:
		if at > 0 {
			return -1
		}
		return 0
	case re.lines:
		return nextLine(buf, at)
	case len(re.prefix) > 0 && !re.fold:
		if i := bytes.Index(buf[at:], re.prefix); i >= 0 {
			return at + i
		}
		return -1
	case re.anyFirst:
		return at
	}
	for ; at < len(buf); at++ {
		if re.first.has(buf[at]) {
			return at
		}
	}
	return -1
}

func nextLine(buf []byte, at int) int {
	if at == 0 {
		return 0
	}
	i := bytes.IndexByte(buf[at-1:], '\n')
	if i < 0 || at+i >= len(buf) {
		return -1
	}
	return at + i
}

// startsWith says whether every match begins with the assertion.
func startsWith(n *node, a assertion) bool {
	switch n.op {
	case nAssert:
		return n.assert == a
	case nGroup, nAtomic:
		return startsWith(n.subs[0], a)
	case nCat:
		return len(n.subs) > 0 && startsWith(n.subs[0], a)
	case nAlt:
		for _, s := range n.subs {
			if !startsWith(s, a) {
				return false
			}
		}
		return true
	case nRepeat:
		return n.min > 0 && startsWith(n.subs[0], a)
	}
	return false
}

// firstBytes adds to set what n may begin with. It says false when n may be
// empty or begin with anything.
func firstBytes(n *node, set *byteSet) bool {
	switch n.op {
	case nByte, nSet:
		set.union(single(n))
		return true
	case nGroup, nAtomic:
		return firstBytes(n.subs[0], set)
	case nCat:
		for _, s := range n.subs {
			if firstBytes(s, set) {
				return true
			}
			if s.op == nBackref || s.op == nCond || s.op == nFail {
				return false
			}
		}
		return false
	case nAlt:
		all := true
		for _, s := range n.subs {
			all = firstBytes(s, set) && all
		}
		return all
	case nRepeat:
		return firstBytes(n.subs[0], set) && n.min > 0
	}
	return false
}
