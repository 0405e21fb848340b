package payload

import "github.com/masugata/masugata/internal/inspect/rule/pcre"

// regexpState is the scratch of regular expressions.
type regexpState struct{ scratch pcre.Scratch }

// regexp looks for the step's expression; from is where in the subject to
// begin. It gives where the match ends in the buffer, and where it begins in
// the subject.
func (s *step) regexp(pos, from int, st *State) (end, begin int, ok bool) {
	subject, shift := st.buf, 0
	if s.relative {
		if pos > len(st.buf) {
			return 0, 0, false
		}
		shift = max(pos, 0)
		subject = st.buf[shift:]
	}
	m := &st.regexp.scratch
	if from > len(subject) || !s.expr.prog.Match(m, subject, from) {
		return 0, 0, false
	}
	for g, c := range s.expr.captures {
		if c.name == "" || 2*g+1 >= len(m.Caps) || m.Caps[2*g] < 0 || len(st.Captures) >= maxCaptures {
			continue
		}
		st.Captures = append(st.Captures, Capture{Name: c.name, Flow: c.flow, Value: subject[m.Caps[2*g]:m.Caps[2*g+1]]})
	}
	return shift + int(m.Caps[1]), int(m.Caps[0]), true
}

// maxCaptures bounds what one goroutine gathers before the caller empties it.
const maxCaptures = 64
