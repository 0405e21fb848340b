package payload

// mostLiteral is the longest literal given: prefilter's MaxPattern.
const mostLiteral = 255

// Literals are the strings that must occur for the program to match, in the
// order of their Ops. Programs with none cannot be prefiltered. They are made
// at each call: it is meant for the compilation of rules.
func (p *Program) Literals() []Literal {
	var list []Literal
	for i := range p.steps {
		switch s := &p.steps[i]; {
		case s.negated:
		case s.kind == Content:
			list = append(list, s.literal(i))
		case s.kind == PCRE:
			if r := s.expr.prog.Required(); len(r.Bytes) > 0 {
				list = append(list, Literal{Op: i, Bytes: r.Bytes, NoCase: r.NoCase, FromPCRE: true})
			}
		}
	}
	for i := range list {
		if l := &list[i]; len(l.Bytes) > mostLiteral {
			l.Bytes, l.Depth, l.Whole = l.Bytes[:mostLiteral], 0, false
		}
	}
	return list
}

// Negated tells which contents could select the rule: plain when there is one
// that must occur, longest is the length of the longest that must not.
// With asked it is the one that the author wants for the prefilter.
func (p *Program) Negated() (longest int, plain, asked bool) {
	for i := range p.steps {
		s := &p.steps[i]
		if s.kind != Content {
			continue
		}
		if s.fast {
			return len(s.needle.Bytes()), !s.negated, true
		}
		if s.negated {
			longest = max(longest, len(s.needle.Bytes()))
		} else {
			plain = true
		}
	}
	return longest, plain, false
}

func (s *step) literal(i int) Literal {
	l := Literal{Op: i, Bytes: s.needle.Bytes(), NoCase: s.needle.NoCase(), FastPattern: s.fast}
	if s.offset.v < 0 && s.depth.v < 0 && !s.relative {
		l.Offset = int(max(s.offset.n, 0))
		if s.depth.used {
			l.Depth = l.Offset + int(s.depth.n)
		}
		if s.starts {
			l.Depth = len(l.Bytes)
		}
		l.Whole = !s.ends && !s.retry
	}
	if from, n := int(s.chopFrom), int(s.chopLen); n > 0 && from+n <= len(l.Bytes) {
		l.Bytes = l.Bytes[from : from+n]
		l.Whole = false
		l.Offset += from
	}
	return l
}
