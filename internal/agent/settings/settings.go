// Package settings reads the agent's configuration file: a small strict part
// of YAML (flat keys, scalars and lists of scalars), so that the agent on a
// small device need not link a whole YAML library (0.4 MB). It knows the shape
// of the text and nothing of what the keys mean; internal/agent calls it.
//
// What it accepts, every YAML reader understands the same way. What it does
// not accept (nesting, anchors, block texts, flow maps) is refused by name.
package settings

import (
	"errors"
	"strconv"
	"strings"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 64 << 10

// Entry is one key with its value or list.
type Entry struct {
	Key    string
	Line   int // 0 when it came from the command line
	Values []string
	List   bool // written as a list
}

// Problem is one thing wrong with a file.
type Problem struct {
	File string
	Line int
	Key  string
	Text string // what is wrong and what to write instead
}

// String gives "file:line: key: text".
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
	}
	if p.Key != "" {
		s += ": " + p.Key
	}
	return s + ": " + p.Text
}

// Problems is the error of a file with at least one problem.
type Problems []Problem

// Error gives one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// Parse splits text into entries in the order of the file. It goes on after a
// problem, so that all are reported at once.
func Parse(file, text string) ([]Entry, Problems) {
	p := parser{file: file}
	if len(text) > MaxSize {
		p.problem(0, "", "is larger than "+strconv.Itoa(MaxSize)+" bytes")
		return nil, p.problems
	}
	text = strings.TrimPrefix(text, "\ufeff")
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		p.line(n, strings.TrimSuffix(line, "\r"))
	}
	return p.entries, p.problems
}

// ParseSet reads one "key=value" of the command line; a value in brackets is
// a list.
func ParseSet(set string) (Entry, error) {
	key, value, ok := strings.Cut(set, "=")
	key = strings.TrimSpace(key)
	if !ok || key == "" {
		return Entry{}, errors.New("--set " + set + ": want KEY=VALUE")
	}
	e := Entry{Key: key}
	if err := e.value(strings.TrimSpace(value)); err != nil {
		return Entry{}, errors.New("--set " + set + ": " + err.Error())
	}
	return e, nil
}

type parser struct {
	file     string
	entries  []Entry
	problems Problems
	open     bool // the last key had no value on its line: items may follow
}

func (p *parser) problem(line int, key, text string) {
	p.problems = append(p.problems, Problem{File: p.file, Line: line, Key: key, Text: text})
}

func (p *parser) line(n int, line string) {
	trimmed := strings.TrimLeft(line, " ")
	switch {
	case strings.Contains(line, "\t") && strings.TrimLeft(line, " \t") != trimmed:
		p.problem(n, "", "indent with spaces, not with tabs")
	case trimmed == "" || trimmed[0] == '#' || trimmed == "---" && n == 1:
	case trimmed == "-" || strings.HasPrefix(trimmed, "- "):
		p.item(n, strings.TrimSpace(trimmed[1:]))
	case trimmed != line:
		p.problem(n, "", "is indented; keys begin in the first column (this file has no nesting)")
	default:
		p.key(n, trimmed)
	}
}

func (p *parser) item(n int, text string) {
	if !p.open {
		p.problem(n, "", "a list item without a key above it")
		return
	}
	e := &p.entries[len(p.entries)-1]
	v, err := scalar(text)
	if err != nil {
		p.problem(n, e.Key, err.Error())
		return
	}
	e.List = true
	e.Values = append(e.Values, v)
}

func (p *parser) key(n int, line string) {
	key, rest, ok := strings.Cut(line, ":")
	if !ok || key == "" || strings.ContainsAny(key, " \"'{[&*!|>%@`") || rest != "" && rest[0] != ' ' {
		p.open = false
		p.problem(n, "", "want `key: value`")
		return
	}
	for _, e := range p.entries {
		if e.Key == key {
			p.problem(n, key, "is given twice; it is on line "+strconv.Itoa(e.Line)+" too")
		}
	}
	e := Entry{Key: key, Line: n}
	rest = strings.TrimSpace(rest)
	p.open = rest == "" || rest[0] == '#'
	if !p.open {
		if err := e.value(rest); err != nil {
			p.problem(n, key, err.Error())
			return
		}
	}
	p.entries = append(p.entries, e)
}

// value reads a scalar or a list in brackets.
func (e *Entry) value(text string) error {
	if !strings.HasPrefix(text, "[") {
		v, err := scalar(text)
		if err != nil {
			return err
		}
		e.Values = []string{v}
		return nil
	}
	e.List = true
	rest := text[1:]
	for {
		rest = strings.TrimLeft(rest, " ")
		if rest == "" {
			return errors.New("the list has no closing ]")
		}
		if rest[0] == ']' {
			return tail(rest[1:])
		}
		v, after, err := flowItem(rest)
		if err != nil {
			return err
		}
		e.Values = append(e.Values, v)
		rest = strings.TrimLeft(after, " ")
		if strings.HasPrefix(rest, ",") {
			rest = rest[1:]
		} else if !strings.HasPrefix(rest, "]") {
			return errors.New("want , or ] after a list item")
		}
	}
}

func flowItem(text string) (value, rest string, err error) {
	if text[0] == '"' || text[0] == '\'' {
		return quoted(text)
	}
	end := strings.IndexAny(text, ",]")
	if end < 0 {
		return "", "", errors.New("the list has no closing ]")
	}
	v, err := scalar(strings.TrimSpace(text[:end]))
	return v, text[end:], err
}

// scalar reads a plain or quoted value; a comment may follow.
func scalar(text string) (string, error) {
	if text == "" || text[0] == '#' {
		return "", nil
	}
	switch text[0] {
	case '"', '\'':
		v, rest, err := quoted(text)
		if err == nil {
			err = tail(rest)
		}
		return v, err
	case '{', '[', '&', '*', '!', '|', '>', '%', '@', '`', ',', ']', '}':
		return "", errors.New("a value cannot begin with " + text[:1] + "; put it in quotes")
	}
	if text == "-" || text == "?" || strings.HasPrefix(text, "- ") || strings.HasPrefix(text, "? ") {
		return "", errors.New("nested lists and keys are not known here; put the value in quotes")
	}
	if i := strings.Index(text, " #"); i >= 0 {
		text = strings.TrimSpace(text[:i])
	}
	if strings.Contains(text, ": ") || strings.HasSuffix(text, ":") {
		return "", errors.New("a value with a colon before a space must be put in quotes")
	}
	return text, nil
}

// quoted reads a value in single quotes (” is a quote) or double quotes (\" and \\).
func quoted(text string) (value, rest string, err error) {
	q := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		c := text[i]
		switch {
		case c == q && q == '\'' && i+1 < len(text) && text[i+1] == q:
			i++
		case c == q:
			return b.String(), text[i+1:], nil
		case c == '\\' && q == '"':
			i++
			if i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", "", errors.New(`in double quotes only \" and \\ are known; use single quotes`)
			}
			c = text[i]
		}
		b.WriteByte(c)
	}
	return "", "", errors.New("a quote is not closed")
}

func tail(text string) error {
	text = strings.TrimLeft(text, " ")
	if text != "" && text[0] != '#' {
		return errors.New("unexpected text after the value: " + text)
	}
	return nil
}
