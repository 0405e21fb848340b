package syntax

import (
	"bytes"
	"strings"
)

// Pos is a place in a file, both counted from 1.
type Pos struct{ Line, Column int }

// Error says what is wrong with a text, where, and what to write instead.
type Error struct {
	At      int // offset in Rule.Text
	Problem string
	Mend    string // "" when there is no advice
}

// Error is the problem in one line.
func (e *Error) Error() string { return e.Problem }

// Token is a piece of a rule's text.
type Token struct {
	Text string
	At   int // offset in Rule.Text
}

// Option is one "name;" or "name:value;" between the brackets.
type Option struct {
	Name     Token
	Value    Token // trimmed; quotes and escapes are still there
	HasValue bool
}

// Rule is one rule as a tree of tokens. Tokens share memory with Text.
type Rule struct {
	Text   string // lines joined, continuation marks removed
	Action Token
	Proto  Token
	Src    Token
	Sport  Token
	Arrow  Token
	Dst    Token
	Dport  Token

	Options []Option

	lines []line
}

// line says where in the file a part of Rule.Text comes from.
type line struct {
	at     int // offset in Rule.Text
	number int
	column int // of Text[at]
}

// Pos is the place of Rule.Text[at] in the file.
func (r *Rule) Pos(at int) Pos {
	p := Pos{1, 1}
	for _, l := range r.lines {
		if l.at > at {
			break
		}
		p = Pos{l.number, l.column + at - l.at}
	}
	return p
}

// Scanner reads the rules of one file in order.
type Scanner struct {
	text   []byte
	number int // of the line that text begins with
	buf    []byte
}

// NewScanner reads text, which must not change until it is done.
func NewScanner(text []byte) *Scanner {
	return &Scanner{text: bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), number: 1}
}

// MaxRule is the longest rule in bytes.
const MaxRule = 1 << 20

// Next reads the next rule into r, whose slices are used again. It gives false
// at the end of the file. After an error the rule is skipped: r then holds
// what was read of it and Next goes on behind it.
func (s *Scanner) Next(r *Rule) (bool, *Error) {
	for len(s.text) > 0 {
		s.join(r)
		t := strings.TrimSpace(r.Text)
		if t == "" || t[0] == '#' {
			continue
		}
		if len(r.Text) > MaxRule {
			r.Text = r.Text[:80]
			return true, &Error{Problem: "the rule is longer than 1 MiB"}
		}
		return true, r.parse()
	}
	return false, nil
}

// join takes one line and those that continue it.
func (s *Scanner) join(r *Rule) {
	*r = Rule{Options: r.Options[:0], lines: r.lines[:0]}
	s.buf = s.buf[:0]
	for len(s.text) > 0 {
		end := bytes.IndexByte(s.text, '\n')
		l := s.text
		if end >= 0 {
			l, s.text = s.text[:end], s.text[end+1:]
		} else {
			s.text = nil
		}
		r.lines = append(r.lines, line{len(s.buf), s.number, 1})
		s.number++
		l = bytes.TrimSuffix(l, []byte("\r"))
		more := len(l) > 0 && l[len(l)-1] == '\\' && (len(s.buf) > 0 || !comment(l))
		if more {
			l = l[:len(l)-1]
		}
		s.buf = append(s.buf, l...)
		if !more || len(s.buf) > MaxRule {
			break
		}
	}
	r.Text = string(s.buf)
}

func comment(l []byte) bool {
	l = bytes.TrimSpace(l)
	return len(l) > 0 && l[0] == '#'
}
