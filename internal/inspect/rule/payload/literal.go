package payload

// collect gathers the literals that must occur for the program to match.
func (p *Program) collect() {
	for i := range p.steps {
		s := &p.steps[i]
		switch {
		case s.Kind == Content && !s.Negated:
			p.literals = append(p.literals, s.literal(i))
		case s.Kind == PCRE && !s.Negated:
			if r := s.Expr.prog.Required(); len(r.Bytes) > 0 {
				p.literals = append(p.literals, Literal{Op: i, Bytes: r.Bytes, NoCase: r.NoCase, FromPCRE: true})
			}
		}
	}
	for i := range p.literals {
		if l := &p.literals[i]; len(l.Bytes) > 255 {
			l.Bytes, l.Depth, l.Whole = l.Bytes[:255], 0, false
		}
	}
}

func (s *step) literal(i int) Literal {
	l := Literal{Op: i, Bytes: s.Bytes, NoCase: s.NoCase, FastPattern: s.FastPattern}
	fixed := s.offset.v < 0 && s.depth.v < 0 && !s.relative
	if fixed {
		l.Offset = int(max(s.offset.n, 0))
		if s.depth.used {
			l.Depth = l.Offset + int(s.depth.n)
		}
		if s.StartsWith {
			l.Depth = len(s.Bytes)
		}
		l.Whole = !s.EndsWith && !s.retry
	}
	if s.ChopLen > 0 && s.ChopFrom >= 0 && s.ChopFrom+s.ChopLen <= len(s.Bytes) {
		l.Bytes = s.Bytes[s.ChopFrom : s.ChopFrom+s.ChopLen]
		l.Whole = false
		l.Offset += s.ChopFrom
	}
	return l
}
