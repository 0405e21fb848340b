package payload

import (
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/pcre"
)

// Regexp is a compiled argument of the keyword pcre. It is shared by
// goroutines.
type Regexp struct {
	// Location is the letter among the flags that names the buffer to look at
	// (U: normalised URI, P: body …), 0 for none.
	Location byte
	// Relative says that flag R was given.
	Relative bool

	prog     *pcre.Regexp
	captures []captureName // by group, from 1
}

type captureName struct {
	name string
	flow bool
}

// ParseRegexp reads the argument of pcre without quotes and without the leading
// "!" of negation: "/expression/flags", then ", flow:name, pkt:name" for what
// groups 1, 2 … are to be kept as.
func ParseRegexp(arg string) (*Regexp, error) {
	rest := strings.TrimSpace(arg)
	if rest == "" || rest[0] != '/' {
		return nil, fmt.Errorf(`pcre: want "/expression/flags", with a slash at both ends`)
	}
	end := strings.LastIndexByte(rest, '/')
	if end == 0 {
		return nil, fmt.Errorf("pcre: the closing slash is missing")
	}
	expr, tail := rest[1:end], rest[end+1:]
	tail, names, _ := strings.Cut(tail, ",")
	re := &Regexp{}
	flags, err := re.flags(strings.TrimSpace(tail))
	if err != nil {
		return nil, err
	}
	if re.prog, err = pcre.Compile(expr, flags|pcre.NoCaptures); err != nil {
		return nil, err
	}
	if err = re.nameCaptures(names); err != nil || len(re.captures) == 0 {
		return re, err
	}
	re.prog, err = pcre.Compile(expr, flags)
	return re, err
}

func (re *Regexp) flags(text string) (pcre.Flags, error) {
	var f pcre.Flags
	for i := range len(text) {
		switch c := text[i]; c {
		case 'i':
			f |= pcre.CaseLess
		case 'm':
			f |= pcre.MultiLine
		case 's':
			f |= pcre.DotAll
		case 'x':
			f |= pcre.Extended
		case 'A':
			f |= pcre.Anchored
		case 'E':
			f |= pcre.DollarEndOnly
		case 'G':
			f |= pcre.Ungreedy
		case 'B', 'O': // raw bytes as ever; no match limit of its own
		case 'R':
			re.Relative = true
		case 'U', 'I', 'P', 'Q', 'H', 'D', 'M', 'C', 'S', 'Y', 'V', 'W', 'Z':
			if re.Location != 0 && re.Location != c {
				return 0, fmt.Errorf("pcre: flags %c and %c name different buffers, keep one", re.Location, c)
			}
			re.Location = c
		default:
			return 0, fmt.Errorf("pcre: unknown flag %q", c)
		}
	}
	return f, nil
}

// nameCaptures takes names from "flow:a, pkt:b" and from groups (?P<flow_a>…).
func (re *Regexp) nameCaptures(list string) error {
	for i, name := range re.prog.GroupNames() {
		if kind, rest, ok := strings.Cut(name, "_"); ok && (kind == "flow" || kind == "pkt") {
			re.setCapture(i, captureName{name: rest, flow: kind == "flow"})
		}
	}
	if strings.TrimSpace(list) == "" {
		return nil
	}
	for i, item := range strings.Split(list, ",") {
		kind, name, ok := strings.Cut(strings.TrimSpace(item), ":")
		if !ok || name == "" || (kind != "flow" && kind != "pkt" && kind != "alert") {
			return fmt.Errorf("pcre: capture %q: write flow:NAME or pkt:NAME", strings.TrimSpace(item))
		}
		if i+1 > re.prog.Groups() {
			return fmt.Errorf("pcre: capture %q has no group: the expression has %d", name, re.prog.Groups())
		}
		re.setCapture(i+1, captureName{name: name, flow: kind == "flow"})
	}
	return nil
}

func (re *Regexp) setCapture(group int, c captureName) {
	for len(re.captures) <= group {
		re.captures = append(re.captures, captureName{})
	}
	re.captures[group] = c
}
