package memory

import (
	"fmt"
	"strconv"
	"strings"
)

// Problem is a line of a configuration file that cannot be honoured.
type Problem struct {
	File         string
	Line, Column int // 1-based
	Problem      string
	Mend         string // what to write instead, "" when nothing is known
}

// Error gives place and problem.
func (p *Problem) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Problem)
	if p.Mend != "" {
		s += ", " + p.Mend
	}
	return s
}

// Limits are the lines of a threshold.config file.
type Limits struct {
	thresholds []limited
	suppress   []suppressed
}

type limited struct {
	gid, sid  uint32
	threshold Threshold
}

type suppressed struct {
	gid, sid uint32
	all      bool // whatever the addresses
	track    Track
	nets     Nets
}

// ParseLimits reads a threshold.config file: suppress, threshold (also spelled
// event_filter) and rate_filter lines. vars are the address variables
// (HOME_NET → "[…]"). Lines that cannot be honoured are left out and returned.
func ParseLimits(file string, text []byte, vars map[string]string) (*Limits, []Problem) {
	l := &Limits{}
	var problems []Problem
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		at, line := i, strings.TrimSuffix(lines[i], "\r")
		for strings.HasSuffix(line, "\\") && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + " " + strings.TrimSuffix(lines[i], "\r")
		}
		if c := strings.TrimSpace(line); c == "" || c[0] == '#' {
			continue
		}
		if p := l.line(line, vars); p != nil {
			p.File, p.Line = file, at+1
			problems = append(problems, *p)
		}
	}
	return l, problems
}

// pairs are the "name value" parts of a line, with where each begins.
type pairs struct {
	line  string
	names []string
	vals  []string
	at    []int
	used  []bool
}

func (p *pairs) split(line string, from int) *Problem {
	p.line = line
	for pos := from; pos < len(line); {
		end, depth := pos, 0
		for ; end < len(line) && (line[end] != ',' || depth > 0); end++ {
			switch line[end] {
			case '[':
				depth++
			case ']':
				depth--
			}
		}
		part := line[pos:end]
		at := pos + len(part) - len(strings.TrimLeft(part, " \t"))
		name, val, ok := strings.Cut(strings.TrimSpace(part), " ")
		if !ok {
			return &Problem{Column: at + 1, Problem: fmt.Sprintf("%q has no value", name), Mend: "write NAME VALUE, separated by commas"}
		}
		p.names, p.vals, p.at, p.used = append(p.names, name), append(p.vals, strings.TrimSpace(val)), append(p.at, at), append(p.used, false)
		pos = end + 1
	}
	return nil
}

// text gives the value of a name, "" when it is absent, and its column.
func (p *pairs) text(name string) (string, int) {
	for i, n := range p.names {
		if n == name {
			p.used[i] = true
			return p.vals[i], p.at[i] + 1
		}
	}
	return "", 1
}

func (p *pairs) number(name string) (uint32, *Problem) {
	s, at := p.text(name)
	if s == "" {
		return 0, &Problem{Column: 1, Problem: fmt.Sprintf("%q is missing", name), Mend: fmt.Sprintf("add \"%s NUMBER\"", name)}
	}
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, &Problem{Column: at, Problem: fmt.Sprintf("%s: %q is no number from 0 to 4294967295", name, s)}
	}
	return uint32(v), nil
}

func (p *pairs) word(name string, words ...string) (int, *Problem) {
	s, at := p.text(name)
	for i, w := range words {
		if s == w && w != "" {
			return i, nil
		}
	}
	if s == "" {
		return 0, &Problem{Column: 1, Problem: fmt.Sprintf("%q is missing", name), Mend: "write one of " + strings.Join(words, ", ")}
	}
	return 0, &Problem{Column: at, Problem: fmt.Sprintf("unknown %s %q", name, s), Mend: "write one of " + strings.Join(words, ", ")}
}

func (p *pairs) rest() *Problem {
	for i, u := range p.used {
		if !u {
			return &Problem{Column: p.at[i] + 1, Problem: fmt.Sprintf("unknown option %q", p.names[i])}
		}
	}
	return nil
}

var trackWords = []string{TrackSrc: "by_src", TrackDst: "by_dst", TrackBoth: "by_both", TrackRule: "by_rule", TrackFlow: "by_flow"}

// line takes one line.
func (l *Limits) line(line string, vars map[string]string) *Problem {
	start := len(line) - len(strings.TrimLeft(line, " \t"))
	word, _, _ := strings.Cut(line[start:], " ")
	var p pairs
	if bad := p.split(line, start+len(word)); bad != nil {
		return bad
	}
	gid, bad := p.number("gen_id")
	if bad != nil {
		return bad
	}
	sid, bad := p.number("sig_id")
	if bad != nil {
		return bad
	}
	switch word {
	case "suppress":
		bad = l.suppression(&p, gid, sid, vars)
	case "threshold", "event_filter":
		bad = l.threshold(&p, gid, sid)
	case "rate_filter":
		bad = l.rate(&p, gid, sid)
	default:
		bad = &Problem{Column: start + 1, Problem: fmt.Sprintf("unknown word %q", word), Mend: "write suppress, threshold or rate_filter"}
	}
	return bad
}

func (l *Limits) suppression(p *pairs, gid, sid uint32, vars map[string]string) *Problem {
	s := suppressed{gid: gid, sid: sid}
	if t, _ := p.text("track"); t == "" {
		s.all = true
	} else {
		n, bad := p.word("track", "by_src", "by_dst", "by_either")
		if bad != nil {
			return bad
		}
		s.track = [...]Track{TrackSrc, TrackDst, TrackEither}[n]
		text, at := p.text("ip")
		if text == "" {
			return &Problem{Column: at, Problem: "\"ip\" is missing", Mend: "add \"ip ADDRESS\""}
		}
		nets, err := ParseNets(text, vars)
		if err != nil {
			return &Problem{Column: at, Problem: err.Error()}
		}
		s.nets = nets
	}
	if bad := p.rest(); bad != nil {
		return bad
	}
	l.suppress = append(l.suppress, s)
	return nil
}

func (l *Limits) threshold(p *pairs, gid, sid uint32) *Problem {
	kind, bad := p.word("type", "limit", "threshold", "both", "backoff")
	if bad != nil {
		return bad
	}
	th := Threshold{Kind: [...]ThresholdKind{KindLimit, KindThreshold, KindBoth, KindBackoff}[kind]}
	track, bad := p.word("track", trackWords...)
	if bad != nil {
		return bad
	}
	th.Track = Track(track)
	if th.Count, bad = p.number("count"); bad != nil {
		return bad
	}
	if th.Kind == KindBackoff {
		th.Multiplier, bad = p.number("multiplier")
	} else {
		th.Seconds, bad = p.number("seconds")
	}
	if bad != nil {
		return bad
	}
	if bad = p.rest(); bad != nil {
		return bad
	}
	l.thresholds = append(l.thresholds, limited{gid, sid, th})
	return nil
}

func (l *Limits) rate(p *pairs, gid, sid uint32) *Problem {
	th := Threshold{Kind: KindRate}
	track, bad := p.word("track", trackWords...)
	if bad != nil {
		return bad
	}
	th.Track = Track(track)
	for _, n := range []struct {
		name string
		into *uint32
	}{{"count", &th.Count}, {"seconds", &th.Seconds}, {"timeout", &th.Timeout}} {
		if *n.into, bad = p.number(n.name); bad != nil {
			return bad
		}
	}
	action, bad := p.word("new_action", "alert", "drop", "pass", "reject")
	if bad != nil {
		return bad
	}
	th.Action = RateAction(action)
	if bad = p.rest(); bad != nil {
		return bad
	}
	l.thresholds = append(l.thresholds, limited{gid, sid, th})
	return nil
}

func names(gid, sid, wantGID, wantSID uint32) bool {
	return (gid == 0 || gid == wantGID) && (sid == 0 || sid == wantSID)
}

// Of gives the thresholds and rate filters for a rule, the last line of each
// kind that names it; lines with gen_id or sig_id 0 name every rule and give
// way to lines that name one. They replace the rule's own.
func (l *Limits) Of(gid, sid uint32) (out []Threshold) {
	var rate, other *limited
	for i := range l.thresholds {
		t := &l.thresholds[i]
		at := &other
		if t.threshold.Kind == KindRate {
			at = &rate
		}
		if names(t.gid, t.sid, gid, sid) && (*at == nil || (*at).sid == 0 || t.sid != 0) {
			*at = t
		}
	}
	for _, t := range []*limited{rate, other} {
		if t != nil {
			out = append(out, t.threshold)
		}
	}
	return out
}

// Suppression says for which packets a rule is suppressed. The zero value is never.
type Suppression struct{ lines []suppressed }

// Suppression gives the suppress lines for a rule.
func (l *Limits) Suppression(gid, sid uint32) (s Suppression) {
	for _, x := range l.suppress {
		if names(x.gid, x.sid, gid, sid) {
			s.lines = append(s.lines, x)
		}
	}
	return s
}

// Empty says that nothing is suppressed.
func (s *Suppression) Empty() bool { return len(s.lines) == 0 }

// Has says whether the rule is suppressed for a packet.
func (s *Suppression) Has(w *Who) bool {
	for i := range s.lines {
		x := &s.lines[i]
		switch {
		case x.all,
			x.track != TrackDst && x.nets.Has(w.Src),
			x.track != TrackSrc && x.nets.Has(w.Dst):
			return true
		}
	}
	return false
}
