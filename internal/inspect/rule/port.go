package rule

import (
	"sort"
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// portSpan is a closed range of ports.
type portSpan struct{ lo, hi uint16 }

// portSet is a set of ports: sorted ranges that do not touch.
type portSet []portSpan

func (s portSet) contains(p uint16) bool {
	for i := range s {
		if p <= s[i].hi {
			return p >= s[i].lo
		}
	}
	return false
}

func (s portSet) isAny() bool { return len(s) == 1 && s[0] == portSpan{0, 65535} }

// size is the number of ports in the set.
func (s portSet) size() int {
	n := 0
	for _, p := range s {
		n += int(p.hi) - int(p.lo) + 1
	}
	return n
}

func joinPorts(in portSet) portSet {
	sort.Slice(in, func(i, j int) bool { return in[i].lo < in[j].lo }) // package slices would cost the agent 16 KB
	out := in[:0]
	for _, s := range in {
		if n := len(out); n > 0 && int(s.lo) <= int(out[n-1].hi)+1 {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}

func (s portSet) invert() portSet {
	var out portSet
	next := 0
	for _, p := range s {
		if int(p.lo) > next {
			out = append(out, portSpan{uint16(next), p.lo - 1})
		}
		next = int(p.hi) + 1
	}
	if next <= 65535 {
		out = append(out, portSpan{uint16(next), 65535})
	}
	return out
}

// without takes the ports of t out of s; both are joined.
func (s portSet) without(t portSet) portSet { return s.intersect(t.invert()) }

func (s portSet) intersect(t portSet) portSet {
	var out portSet
	for _, a := range s {
		for _, b := range t {
			if lo, hi := max(a.lo, b.lo), min(a.hi, b.hi); lo <= hi {
				out = append(out, portSpan{lo, hi})
			}
		}
	}
	return joinPorts(out)
}

// portList resolves a port list.
func (p *headerParser) portList(l *syntax.List, depth int) (portSet, error) {
	s, err := p.plainPorts(l, depth)
	if err == nil && l.Negated {
		s = s.invert()
	}
	return s, err
}

func (p *headerParser) plainPorts(l *syntax.List, depth int) (portSet, error) {
	switch {
	case depth > maxVariableDepth:
		return nil, fail(l.Token, "variables name each other in a circle", "")
	case l.Group:
		return p.portGroup(l, depth)
	case strings.HasPrefix(l.Text, "$"):
		text, ok := p.portVars[l.Text[1:]]
		if !ok {
			return nil, unknownVariable(l.Token, p.portVars)
		}
		v, err := parseVariable(l.Token, text)
		if err != nil {
			return nil, err
		}
		return p.portList(&v, depth+1)
	case strings.EqualFold(l.Text, "any"):
		return portSet{{0, 65535}}, nil
	}
	if s, ok := parsePorts(l.Text); ok {
		return portSet{s}, nil
	}
	return nil, fail(l.Token, "%q is no port", "write 80, 1024:, :1023, 80:90, [80,443], $NAME or any", l.Text)
}

func parsePorts(text string) (portSpan, bool) {
	lo, hi, ranged := strings.Cut(text, ":")
	if !ranged {
		n, ok := parseUint(text, 16)
		return portSpan{uint16(n), uint16(n)}, ok
	}
	s, ok := portSpan{0, 65535}, text != ":"
	if lo = strings.TrimSpace(lo); lo != "" {
		n, good := parseUint(lo, 16)
		s.lo, ok = uint16(n), ok && good
	}
	if hi = strings.TrimSpace(hi); hi != "" {
		n, good := parseUint(hi, 16)
		s.hi, ok = uint16(n), ok && good
	}
	return s, ok && s.lo <= s.hi
}

func (p *headerParser) portGroup(l *syntax.List, depth int) (portSet, error) {
	var yes, no portSet
	positive := false
	for i := range l.Items {
		it := &l.Items[i]
		s, err := p.plainPorts(it, depth+1)
		if err != nil {
			return nil, err
		}
		if it.Negated {
			no = append(no, s...)
		} else {
			yes, positive = append(yes, s...), true
		}
	}
	if !positive {
		yes = portSet{{0, 65535}}
	}
	return joinPorts(yes).without(joinPorts(no)), nil
}
