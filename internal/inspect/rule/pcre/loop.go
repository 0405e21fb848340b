package pcre

import "bytes"

// loop runs a repeat of one set and gives where to go on first.
func (s *Scratch) loop(pc int32, in *inst, pos int32) (int32, bool) {
	n := int32(len(s.buf))
	limit := n
	if in.max >= 0 && in.max < n-pos {
		limit = pos + in.max
	}
	set := &s.re.sets[in.x]
	if in.lazy {
		return s.lazyLoop(pc, in, set, pos, limit)
	}
	end := s.runOver(set, pos, limit)
	least := pos + in.min
	if end < least {
		return pos, false
	}
	if in.possess || end == least {
		return end, true
	}
	if !s.push(frame{pc: pc + 1, pos: end + 1, aux: least, loop: pc}) {
		return pos, false
	}
	f := &s.stack[len(s.stack)-1]
	end, ok := s.again(f)
	if !ok {
		s.stack = s.stack[:len(s.stack)-1]
	}
	return end, ok
}

// lazyLoop takes the least first and leaves a frame to take more.
func (s *Scratch) lazyLoop(pc int32, in *inst, set *byteSet, pos, limit int32) (int32, bool) {
	least := pos + in.min
	if least > limit {
		return pos, false
	}
	for i := pos; i < least; i++ {
		if !set.has(s.buf[i]) {
			return pos, false
		}
	}
	if least < limit && !s.push(frame{pc: pc + 1, pos: least, aux: limit, loop: pc}) {
		return pos, false
	}
	return least, true
}

// again gives the next position that the loop of f may end at.
func (s *Scratch) again(f *frame) (int32, bool) {
	in := &s.re.insts[f.loop]
	if in.lazy {
		return s.more(f, in)
	}
	pos := f.pos - 1
	if in.y >= 0 { // only positions before the byte that must follow are worth a try
		pos = s.lastBefore(byte(in.y), f.aux, pos)
	}
	f.pos = pos
	return pos, pos >= f.aux
}

// lastBefore gives the last position in [least, pos] where buf has b, or less.
func (s *Scratch) lastBefore(b byte, least, pos int32) int32 {
	if pos >= int32(len(s.buf)) {
		pos = int32(len(s.buf)) - 1
	}
	start := pos
	for pos >= least && s.buf[pos] != b {
		pos--
	}
	s.steps -= int(start-pos) / scanCharge
	return pos
}

func (s *Scratch) more(f *frame, in *inst) (int32, bool) {
	set := &s.re.sets[in.x]
	for f.pos < f.aux && set.has(s.buf[f.pos]) {
		f.pos++
		if in.y < 0 || (int(f.pos) < len(s.buf) && s.buf[f.pos] == byte(in.y)) {
			return f.pos, true
		}
		if f.pos&(scanCharge-1) == 0 {
			s.steps--
		}
	}
	return 0, false
}

// runOver gives the end of the run of set from pos, at most limit.
func (s *Scratch) runOver(set *byteSet, pos, limit int32) int32 {
	if limit < pos {
		return pos
	}
	if set.full() {
		return limit
	}
	if set.allButNewline() {
		if i := bytes.IndexByte(s.buf[pos:limit], '\n'); i >= 0 {
			return pos + int32(i)
		}
		return limit
	}
	start := pos
	for pos < limit && set.has(s.buf[pos]) {
		pos++
	}
	s.steps -= int(pos-start) / scanCharge
	return pos
}
