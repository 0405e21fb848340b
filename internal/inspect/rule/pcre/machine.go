package pcre

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/rule/needle"
)

// Scratch is the memory of one goroutine for matching. The zero value is
// ready. Any number of Regexps may use it in turn.
type Scratch struct {
	// Caps holds begin and end of the match and of each group after a match,
	// -1 for groups that caught nothing.
	Caps []int32

	re    *Regexp
	buf   []byte
	from  int32
	stack []frame
	steps int
	memo  []uint64 // failed states, nil when not kept
	keep  bool
	over  bool // the bound on steps was met
	begin int32
}

// frame is a way not yet tried.
type frame struct {
	pc   int32 // where to go on; kinds of frames below 0
	pos  int32
	aux  int32 // loop: last position to give back to; restore: slot
	loop int32 // the loop instruction, -1 for none
}

const (
	restoreSlot  = -1 // caps[aux] = pos
	restoreBegin = -2
)

const (
	maxSteps   = 200_000 // of one search without memory of failures
	maxMemo    = 1 << 22 // bits
	maxBacks   = 1 << 16 // frames
	stepsLast  = 4_000_000
	scanCharge = 16 // bytes that a loop may run over for one step
)

// try runs the program from its begin at pos.
func (s *Scratch) try(pos int32) bool {
	re := s.re
	for i := range s.Caps {
		s.Caps[i] = -1
	}
	s.begin = pos
	s.stack = s.stack[:0]
	end, ok := s.run(0, pos, 0)
	if !ok {
		return false
	}
	s.Caps[0], s.Caps[1] = s.begin, end
	_ = re
	return true
}

// run executes from pc at pos until opMatch or opSubEnd; ways not tried before
// stack[base] are the caller's.
func (s *Scratch) run(pc, pos int32, base int) (int32, bool) {
	re, buf := s.re, s.buf
	n := int32(len(buf))
	for {
		if s.steps--; s.steps < 0 {
			s.over = true
			return 0, false
		}
		in := &re.insts[pc]
		ok := false
		if s.keep && in.memo >= 0 && s.failed(in.memo, pos) {
			goto back
		}
		switch in.op {
		case opByte:
			ok = pos < n && buf[pos] == in.b
			pos++
			pc++
		case opFold:
			ok = pos < n && needle.Lower(buf[pos]) == in.b
			pos++
			pc++
		case opSet:
			ok = pos < n && re.sets[in.x].has(buf[pos])
			pos++
			pc++
		case opLoop:
			pos, ok = s.loop(pc, in, pos)
			pc++
		case opSplit:
			ok = s.push(frame{pc: in.y, pos: pos, loop: -1})
			pc = in.x
		case opJump:
			ok, pc = true, in.x
		case opOpen, opMark:
			ok = s.save(in.x, pos)
			pc++
		case opClose:
			ok = s.save(in.x, s.Caps[in.y]) && s.save(in.x+1, pos)
			pc++
		case opAssert:
			ok = s.holds(assertion(in.x), pos)
			pc++
		case opMatch, opSubEnd:
			return pos, true
		default:
			pc, pos, ok = s.rare(pc, pos, in)
		}
		if ok {
			continue
		}
	back:
		if pc, pos, ok = s.back(base); !ok {
			return 0, false
		}
	}
}

// rare executes the instructions that few expressions have.
func (s *Scratch) rare(pc, pos int32, in *inst) (int32, int32, bool) {
	switch in.op {
	case opBackref:
		end, ok := s.backref(in, pos)
		return pc + 1, end, ok
	case opLook:
		return in.x, pos, s.look(pc, pos, in)
	case opAtomic:
		base := len(s.stack)
		end, ok := s.run(pc+1, pos, base)
		s.settle(base, ok)
		return in.x, end, ok
	case opCond:
		if s.Caps[2*in.x+1] < 0 {
			return in.y, pos, true
		}
		return pc + 1, pos, true
	case opCheck:
		if s.Caps[in.x] == pos {
			return in.y, pos, true
		}
		return pc + 1, pos, true
	case opKeep:
		ok := s.push(frame{pc: restoreBegin, pos: s.begin})
		s.begin = pos
		return pc + 1, pos, ok
	}
	return pc, pos, false
}

func (s *Scratch) push(f frame) bool {
	if len(s.stack) >= maxBacks {
		s.over = true
		s.steps = 0
		return false
	}
	s.stack = append(s.stack, f)
	return true
}

func (s *Scratch) save(slot, pos int32) bool {
	ok := s.push(frame{pc: restoreSlot, pos: s.Caps[slot], aux: slot})
	s.Caps[slot] = pos
	return ok
}

// back takes the last way not tried above base.
func (s *Scratch) back(base int) (pc, pos int32, ok bool) {
	for len(s.stack) > base {
		f := &s.stack[len(s.stack)-1]
		if f.pc < 0 {
			s.restore(f)
			s.stack = s.stack[:len(s.stack)-1]
			continue
		}
		if f.loop < 0 {
			pc, pos = f.pc, f.pos
			s.stack = s.stack[:len(s.stack)-1]
			return pc, pos, true
		}
		if pos, ok = s.again(f); ok {
			return f.pc, pos, true
		}
		s.stack = s.stack[:len(s.stack)-1]
	}
	return 0, 0, false
}

func (s *Scratch) restore(f *frame) {
	if f.pc == restoreBegin {
		s.begin = f.pos
		return
	}
	s.Caps[f.aux] = f.pos
}

// settle removes the ways not tried above base and keeps (success) or carries
// out (failure) the restoring of slots.
func (s *Scratch) settle(base int, ok bool) {
	if !ok {
		for i := len(s.stack) - 1; i >= base; i-- {
			if s.stack[i].pc < 0 {
				s.restore(&s.stack[i])
			}
		}
		s.stack = s.stack[:base]
		return
	}
	kept := base
	for i := base; i < len(s.stack); i++ {
		if s.stack[i].pc < 0 {
			s.stack[kept] = s.stack[i]
			kept++
		}
	}
	s.stack = s.stack[:kept]
}

func (s *Scratch) look(pc, pos int32, in *inst) bool {
	if in.behind {
		if pos -= in.y; pos < 0 {
			return in.neg
		}
	}
	base := len(s.stack)
	begin := s.begin
	_, ok := s.run(pc+1, pos, base)
	s.begin = begin
	s.settle(base, ok && !in.neg)
	return ok != in.neg && !s.over
}

func (s *Scratch) backref(in *inst, pos int32) (int32, bool) {
	a, b := s.Caps[2*in.x], s.Caps[2*in.x+1]
	if a < 0 || b < a || int(pos+b-a) > len(s.buf) {
		return pos, false
	}
	want, got := s.buf[a:b], s.buf[pos:pos+b-a]
	if in.fold {
		for i := range want {
			if needle.Lower(want[i]) != needle.Lower(got[i]) {
				return pos, false
			}
		}
		return pos + b - a, true
	}
	return pos + b - a, bytes.Equal(want, got)
}

// failed says whether the state was entered at pos before, and notes it.
func (s *Scratch) failed(memo, pos int32) bool {
	i := uint64(memo)*uint64(len(s.buf)+1) + uint64(pos)
	if s.memo[i>>6]>>(i&63)&1 != 0 {
		return true
	}
	s.memo[i>>6] |= 1 << (i & 63)
	return false
}

// holds tests an assertion.
func (s *Scratch) holds(a assertion, pos int32) bool {
	buf, n := s.buf, int32(len(s.buf))
	switch a {
	case atStart:
		return pos == 0
	case atLine:
		return pos == 0 || (pos < n && buf[pos-1] == '\n')
	case atEnd:
		return pos == n
	case atEndNL:
		return pos == n || (pos == n-1 && buf[pos] == '\n')
	case atLineEnd:
		return pos == n || buf[pos] == '\n'
	case atFrom:
		return pos == s.from
	}
	before := pos > 0 && isWord(buf[pos-1])
	after := pos < n && isWord(buf[pos])
	return (before != after) == (a == atWord)
}

func isWord(c byte) bool {
	return (c|0x20)-'a' < 26 || c-'0' < 10 || c == '_'
}
