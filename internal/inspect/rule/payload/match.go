package payload

// matcher is the part of State that belongs to one Match.
type matcher struct {
	vars  [MaxVariables]uint64
	buf   []byte
	base  int // -(stream offset of buf[0]), where the buffer really begins
	steps int
	nest  int

	regexp  regexpState
	decoded [maxBase64Nest][]byte
}

func (m *matcher) forget() { m.vars = [MaxVariables]uint64{} }

// everything is the conflict of a failure that nothing can mend.
const matched = ^uint64(0)

// Match says whether all steps hold for buf, whose first byte is base bytes
// behind the buffer's real begin (windows of growing buffers; 0 for others).
// Contents that others are relative to are tried at all their places.
func (p *Program) Match(buf []byte, base uint64, st *State) bool {
	if p.absent && !p.orElse {
		return false
	}
	limit := st.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	return p.match(buf, base, st, limit)
}

func (p *Program) match(buf []byte, base uint64, st *State, limit int) bool {
	oldBuf, oldBase, oldSteps, caught := st.buf, st.base, st.steps, len(st.Captures)
	st.buf, st.base, st.steps = buf, -int(min(base, 1<<50)), limit
	ok := p.run(0, st.base, st) == matched
	if !ok {
		st.Captures = st.Captures[:caught]
	}
	st.buf, st.base, st.steps = oldBuf, oldBase, oldSteps
	return ok
}

// run tries the steps from i on, the last match having ended at pos. It gives
// matched, or the set of steps one of which must find another place for the
// outcome to change.
func (p *Program) run(i, pos int, st *State) uint64 {
	for ; i < len(p.steps); i++ {
		s := &p.steps[i]
		if st.steps--; st.steps < 0 {
			return 0
		}
		switch s.kind {
		case Content:
			if s.retry {
				return p.places(i, pos, st)
			}
			at := s.content(pos, st)
			if (at >= 0) == s.negated {
				return s.depends
			}
			if !s.negated {
				pos = at + s.needle.Len()
			}
		case PCRE:
			if s.retry {
				return p.matches(i, pos, st)
			}
			end, _, ok := s.regexp(pos, 0, st)
			if ok == s.negated {
				return s.depends
			}
			if ok {
				pos = end
			}
		default:
			ok := false
			if pos, ok = s.test(pos, st); !ok {
				return s.depends
			}
		}
	}
	return matched
}

// places tries the rest of the program behind every place of content i.
func (p *Program) places(i, pos int, st *State) uint64 {
	s := &p.steps[i]
	from, end, ok := s.window(pos, st)
	if !ok {
		return s.depends
	}
	var conflict uint64
	for {
		at := s.find(from, end, st.buf)
		if at < 0 {
			return (conflict | s.depends) &^ (1 << i)
		}
		if st.steps < 0 {
			return 0
		}
		r := p.run(i+1, at+s.needle.Len(), st)
		if r == matched || r>>i&1 == 0 {
			return r
		}
		conflict |= r
		from = at + 1
	}
}

// matches tries the rest of the program behind every match of pcre i.
func (p *Program) matches(i, pos int, st *State) uint64 {
	s := &p.steps[i]
	var conflict uint64
	from := 0
	for {
		caught := len(st.Captures)
		end, begin, ok := s.regexp(pos, from, st)
		if !ok || st.steps < 0 {
			return (conflict | s.depends) &^ (1 << i)
		}
		st.steps--
		r := p.run(i+1, end, st)
		if r == matched || r>>i&1 == 0 {
			return r
		}
		st.Captures = st.Captures[:caught]
		conflict |= r
		from = begin + 1
	}
}

// value gives a slot's number.
func (st *State) value(s slot) int64 {
	if s.v >= 0 {
		return int64(min(st.vars[s.v], 1<<40))
	}
	return s.n
}

// content gives the first place of the step's content, -1 for none.
func (s *step) content(pos int, st *State) int {
	from, end, ok := s.window(pos, st)
	if !ok {
		return -1
	}
	return s.find(from, end, st.buf)
}

// window gives the part of the buffer that the content must lie in.
func (s *step) window(pos int, st *State) (from, end int, ok bool) {
	end = len(st.buf)
	switch {
	case s.relative:
		d := int(st.value(s.distance))
		from = pos + d
		if s.within.used {
			end = min(end, from+int(st.value(s.within)))
		}
	case s.starts:
		from = st.base
		end = min(end, from+s.needle.Len())
	default:
		from = st.base + int(st.value(s.offset))
		if s.depth.used {
			end = min(end, from+int(st.value(s.depth)))
		}
	}
	from = max(from, 0)
	return from, end, end-from >= s.needle.Len()
}

// find gives the first place of the content in buf[from:end].
func (s *step) find(from, end int, buf []byte) int {
	if s.ends {
		at := len(buf) - s.needle.Len()
		if at < from || end < len(buf) || !s.needle.At(buf, at) {
			return -1
		}
		return at
	}
	return s.needle.Index(buf, from, end)
}
