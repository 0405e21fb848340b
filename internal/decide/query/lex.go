package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLength is how many bytes a query may have; MaxTerms how many terms and
// parentheses.
const (
	MaxLength = 4096
	MaxTerms  = 256
)

// Error says what is wrong with a query, where, and what would mend it.
type Error struct {
	Column int    // of the first wrong character, from 1, in characters
	Reason string // what is wrong
	Hint   string // what to write instead; may be empty
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("query:%d: %s", e.Column, e.Reason)
	if e.Hint != "" {
		s += ", " + e.Hint
	}
	return s
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenOpen
	tokenClose
	tokenMinus // a minus that stands before a term
	tokenWord  // anything else; see pieces
	tokenField // the name before a colon
	tokenComma
)

// token is one lexical unit. pieces holds the text with its quoted parts kept
// apart, because * and operators mean something only outside of quotes.
type token struct {
	kind   tokenKind
	pos    int // byte offset in the query
	pieces []piece
}

type piece struct {
	text   string
	quoted bool
	pos    int
}

// plain gives the text of a word without any quotes.
func (t token) plain() (string, bool) {
	if t.kind == tokenWord && len(t.pieces) == 1 && !t.pieces[0].quoted {
		return t.pieces[0].text, true
	}
	return "", false
}

func (t token) text() string {
	var b strings.Builder
	for _, p := range t.pieces {
		b.WriteString(p.text)
	}
	return b.String()
}

type lexer struct {
	src    string
	pos    int
	value  bool // the next word is a field's value
	tokens []token
}

func lex(src string) ([]token, *Error) {
	if len(src) > MaxLength {
		return nil, &Error{Column: 1, Reason: fmt.Sprintf("longer than %d bytes", MaxLength)}
	}
	if e := checkText(src); e != nil {
		return nil, e
	}
	l := lexer{src: src}
	for {
		l.skipSpace()
		if l.pos >= len(l.src) {
			l.tokens = append(l.tokens, token{kind: tokenEnd, pos: len(l.src)})
			return l.tokens, nil
		}
		if e := l.next(); e != nil {
			return nil, e
		}
	}
}

func checkText(src string) *Error {
	for i, r := range src {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(src[i:]); n == 1 {
				return errorAt(src, i, "not valid UTF-8", "")
			}
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return errorAt(src, i, "a control character", "remove it")
		}
	}
	return nil
}

func errorAt(src string, pos int, reason, hint string) *Error {
	return &Error{Column: utf8.RuneCountInString(src[:min(pos, len(src))]) + 1, Reason: reason, Hint: hint}
}

// skipSpace also ends a field's value: `rule: x` is a rule without a value.
func (l *lexer) skipSpace() {
	for l.pos < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.pos:])
		if !unicode.IsSpace(r) {
			return
		}
		l.pos += n
		l.value = false
	}
}

func (l *lexer) next() *Error {
	start := l.pos
	switch c := l.src[l.pos]; {
	case c == '(':
		l.single(tokenOpen)
	case c == ')':
		l.single(tokenClose)
	case c == ',' && l.value:
		l.single(tokenComma)
		l.value = true
	case (c == '-' || c == '!') && !l.value:
		l.single(tokenMinus)
	default:
		return l.word(start)
	}
	return nil
}

func (l *lexer) single(kind tokenKind) {
	l.tokens = append(l.tokens, token{kind: kind, pos: l.pos})
	l.pos++
	l.value = false
}

// word reads up to a space, a parenthesis, in a value a comma, or the colon
// that ends a field's name.
func (l *lexer) word(start int) *Error {
	var pieces []piece
	from := l.pos
	flush := func() {
		if l.pos > from {
			pieces = append(pieces, piece{text: l.src[from:l.pos], pos: from})
		}
	}
	for l.pos < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.pos:])
		if unicode.IsSpace(r) || r == '(' || r == ')' || r == ',' && l.value {
			break
		}
		if r == ':' && !l.value && len(pieces) == 0 && isName(l.src[from:l.pos]) {
			l.tokens = append(l.tokens, token{kind: tokenField, pos: start, pieces: []piece{{text: l.src[from:l.pos], pos: from}}})
			l.pos++
			l.value = true
			return nil
		}
		if r != '"' {
			l.pos += n
			continue
		}
		flush()
		text, e := l.quoted()
		if e != nil {
			return e
		}
		pieces = append(pieces, piece{text: text, quoted: true, pos: from})
		from = l.pos
	}
	flush()
	l.tokens = append(l.tokens, token{kind: tokenWord, pos: start, pieces: pieces})
	return nil
}

// quoted reads from one quote to the next; \" and \\ stand for themselves.
func (l *lexer) quoted() (string, *Error) {
	start := l.pos
	l.pos++
	var b strings.Builder
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		l.pos++
		switch {
		case c == '"':
			return b.String(), nil
		case c == '\\' && l.pos < len(l.src) && (l.src[l.pos] == '"' || l.src[l.pos] == '\\'):
			b.WriteByte(l.src[l.pos])
			l.pos++
		default:
			b.WriteByte(c)
		}
	}
	return "", errorAt(l.src, start, "a quote that is not closed", `write another " at the end`)
}

func isName(s string) bool {
	if s == "" {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
