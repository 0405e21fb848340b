package feed

import "github.com/masugata/masugata/internal/intel/reputation"

// patternParser reads a STIX pattern as alternatives. Precedence is STIX's: AND
// binds more than OR.
type patternParser struct {
	lexer
	depth int
	count int

	literals []string            // of the comparison that is read
	objects  []reputation.Object // of the pattern's branches
	list     []branch            // as the comparisons gave them
}

// read gives the alternatives of a STIX pattern, which are good until the next one is
// read. The error refuses it as a whole.
func (p *patternParser) read(s string) ([]branch, error) {
	if len(s) > maxPattern {
		return nil, &Refusal{Problem: "a pattern that is too long"}
	}
	*p = patternParser{lexer: lexer{s: s}, literals: p.literals[:0], objects: p.objects[:0], list: p.list[:0]}
	if err := p.next(); err != nil {
		return nil, err
	}
	list, err := p.observations()
	if err == nil && p.kind != markEnd {
		err = broken()
	}
	return list, err
}

// observations reads observations that OR joins.
func (p *patternParser) observations() ([]branch, error) {
	var all []branch
	for {
		list, err := p.observation()
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = list
		} else {
			all = append(all, list...)
		}
		if err := p.qualifier(); err != nil {
			return nil, err
		}
		switch {
		case p.isWord("OR"):
			if err := p.next(); err != nil {
				return nil, err
			}
		case p.isWord("AND"), p.isWord("FOLLOWEDBY"):
			return nil, &Refusal{Problem: "observations that are bad only together", Mend: "only observations joined by OR can be listed"}
		default:
			return all, nil
		}
	}
}

func (p *patternParser) observation() ([]branch, error) {
	open, end := p.text, "]"
	if p.kind != markSign || open != "[" && open != "(" {
		return nil, broken()
	}
	if p.depth++; p.depth > maxPatternDepth {
		return nil, tooDeep()
	}
	defer func() { p.depth-- }()
	if err := p.next(); err != nil {
		return nil, err
	}
	inner := p.anyOf
	if open == "(" {
		inner, end = p.observations, ")"
	}
	list, err := inner()
	if err != nil {
		return nil, err
	}
	return list, p.sign(end)
}

// qualifier reads what bounds observations in time or number. One observation is
// always within any time; other bounds cannot be listed.
func (p *patternParser) qualifier() error {
	for p.kind == markWord {
		switch p.text {
		case "WITHIN":
			if err := p.next(); err != nil {
				return err
			}
			if p.kind != markNumber {
				return broken()
			}
			if err := p.next(); err != nil {
				return err
			}
			if !p.isWord("SECONDS") {
				return broken()
			}
			if err := p.next(); err != nil {
				return err
			}
		case "REPEATS":
			return &Refusal{Problem: "a pattern that must be seen repeatedly", Mend: "only patterns that are bad at first sight can be listed"}
		case "START":
			return &Refusal{Problem: "a pattern that is bound to a time of observation", Mend: "write valid_from and valid_until instead"}
		default:
			return nil
		}
	}
	return nil
}

// anyOf reads comparisons that OR joins.
func (p *patternParser) anyOf() ([]branch, error) {
	all, err := p.allOf()
	for err == nil && p.isWord("OR") {
		if err = p.next(); err != nil {
			break
		}
		var list []branch
		list, err = p.allOf()
		all = append(all, list...)
	}
	return all, err
}

// allOf reads comparisons that AND joins.
func (p *patternParser) allOf() ([]branch, error) {
	all, err := p.comparison()
	for err == nil && p.isWord("AND") {
		if err = p.next(); err != nil {
			break
		}
		var list []branch
		if list, err = p.comparison(); err == nil {
			all = bothOf(all, list)
		}
	}
	return all, err
}

// comparison reads one comparison or a part in parentheses.
func (p *patternParser) comparison() ([]branch, error) {
	if p.kind == markSign && p.text == "(" {
		if p.depth++; p.depth > maxPatternDepth {
			return nil, tooDeep()
		}
		defer func() { p.depth-- }()
		if err := p.next(); err != nil {
			return nil, err
		}
		list, err := p.anyOf()
		if err != nil {
			return nil, err
		}
		return list, p.sign(")")
	}
	not, err := p.optional("NOT")
	if err != nil {
		return nil, err
	}
	exists, err := p.optional("EXISTS")
	if err != nil {
		return nil, err
	}
	if p.kind != markPath {
		return nil, broken()
	}
	cmp := comparison{path: p.text, not: not, op: "EXISTS"}
	if err := p.next(); err != nil || exists {
		return cmp.branches(p), err
	}
	if p.isWord("NOT") {
		cmp.not = !cmp.not
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	if p.kind != markSign && p.kind != markWord {
		return nil, broken()
	}
	cmp.op = p.text
	if err := p.next(); err != nil {
		return nil, err
	}
	if cmp.values, err = p.values(cmp.op == "IN"); err != nil {
		return nil, err
	}
	if p.count += len(cmp.values); p.count > maxBranches {
		return nil, &Refusal{Problem: "a pattern with too many alternatives"}
	}
	return cmp.branches(p), nil
}

// values reads one literal, or a set of them.
func (p *patternParser) values(set bool) ([]string, error) {
	if set {
		if err := p.sign("("); err != nil {
			return nil, err
		}
	}
	list := p.literals[:0]
	for {
		if p.kind != markText && p.kind != markNumber && p.kind != markOther && !p.isWord("TRUE") && !p.isWord("FALSE") {
			return nil, broken()
		}
		list = append(list, p.text)
		p.literals = list
		if err := p.next(); err != nil {
			return nil, err
		}
		if !set {
			return list, nil
		}
		if p.kind == markSign && p.text == "," {
			if err := p.next(); err != nil {
				return nil, err
			}
			continue
		}
		return list, p.sign(")")
	}
}

func (p *patternParser) isWord(w string) bool { return p.kind == markWord && p.text == w }

// optional passes over a keyword when it is there.
func (p *patternParser) optional(w string) (bool, error) {
	if !p.isWord(w) {
		return false, nil
	}
	return true, p.next()
}

// sign reads one sign that must be there.
func (p *patternParser) sign(s string) error {
	if p.kind != markSign || p.text != s {
		return broken()
	}
	return p.next()
}

func tooDeep() error { return &Refusal{Problem: "a pattern that is nested too deep"} }
