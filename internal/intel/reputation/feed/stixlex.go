package feed

import "strings"

// Bounds of a STIX pattern.
const (
	maxPattern      = 256 << 10 // bytes
	maxPatternDepth = 32        // of parentheses
)

// mark is what a token of a STIX pattern is.
type mark uint8

const (
	markEnd    mark = iota
	markWord        // keyword: AND, OR, IN, …
	markPath        // object path
	markText        // 'text'
	markNumber      // number
	markOther       // h'…', b'…', t'…'
	markSign        // operator, bracket or comma
)

// lexer splits a STIX pattern (STIX 2.1, section 9) into tokens.
type lexer struct {
	s    string
	at   int
	kind mark
	text string // of the token: keywords in capitals, paths without quotes, texts unescaped
}

func broken() error {
	return &Refusal{Problem: "not a STIX pattern", Mend: "write it as STIX 2.1, section 9, says: [ipv4-addr:value = '192.0.2.1']"}
}

// next reads the next token.
func (l *lexer) next() error {
	for l.at < len(l.s) && l.s[l.at] <= ' ' {
		l.at++
	}
	if l.at == len(l.s) {
		l.kind, l.text = markEnd, ""
		return nil
	}
	ch := l.s[l.at]
	switch {
	case ch == '\'':
		l.kind = markText
		return l.quoted(&l.text)
	case (ch == 'h' || ch == 'b' || ch == 't') && l.at+1 < len(l.s) && l.s[l.at+1] == '\'':
		l.kind = markOther
		l.at++
		return l.quoted(&l.text)
	case ch >= '0' && ch <= '9' || ch == '-' || ch == '+':
		start := l.at
		for l.at++; l.at < len(l.s) && (isWordByte(l.s[l.at]) || l.s[l.at] == '.'); l.at++ {
		}
		l.kind, l.text = markNumber, l.s[start:l.at]
		return nil
	case isWordByte(ch):
		return l.wordOrPath()
	}
	l.kind = markSign
	n := 1
	if two := l.s[l.at:min(l.at+2, len(l.s))]; two == "!=" || two == "<>" || two == "<=" || two == ">=" || two == "==" {
		n = 2
	}
	l.text = l.s[l.at : l.at+n]
	l.at += n
	if strings.IndexByte("[]()=<>!,", ch) < 0 {
		return broken()
	}
	return nil
}

// quoted reads a text in single quotes, in which a backslash escapes.
func (l *lexer) quoted(out *string) error {
	l.at++
	start := l.at
	plain := true
	for ; l.at < len(l.s); l.at++ {
		switch l.s[l.at] {
		case '\\':
			plain = false
			l.at++
		case '\'':
			*out = l.s[start:l.at]
			if l.at++; !plain {
				*out = unescaped(*out)
			}
			return nil
		}
	}
	l.at = len(l.s)
	return broken()
}

func unescaped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// wordOrPath reads a keyword, or "type:member.'quoted'[*]" without its quotes.
func (l *lexer) wordOrPath() error {
	start := l.at
	for l.at < len(l.s) && isWordByte(l.s[l.at]) {
		l.at++
	}
	if l.at == len(l.s) || l.s[l.at] != ':' {
		l.kind, l.text = markWord, strings.ToUpper(l.s[start:l.at])
		return nil
	}
	for l.at < len(l.s) && (isWordByte(l.s[l.at]) || l.s[l.at] == ':' || l.s[l.at] == '.') {
		l.at++
	}
	if l.at == len(l.s) || l.s[l.at] != '\'' && l.s[l.at] != '[' {
		l.kind, l.text = markPath, l.s[start:l.at]
		return nil
	}
	var b strings.Builder
	b.WriteString(l.s[start:l.at])
	for l.at < len(l.s) {
		switch ch := l.s[l.at]; {
		case isWordByte(ch) || ch == ':' || ch == '.':
			b.WriteByte(ch)
			l.at++
		case ch == '\'':
			var part string
			if err := l.quoted(&part); err != nil {
				return err
			}
			b.WriteString(part)
		case ch == '[':
			end := strings.IndexByte(l.s[l.at:], ']')
			if end < 0 {
				return broken()
			}
			b.WriteString(l.s[l.at : l.at+end+1])
			l.at += end + 1
		default:
			l.kind, l.text = markPath, b.String()
			return nil
		}
	}
	l.kind, l.text = markPath, b.String()
	return nil
}

func isWordByte(ch byte) bool {
	return ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' || ch == '_' || ch == '-'
}
