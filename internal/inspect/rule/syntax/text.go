package syntax

import "strings"

// Unquote takes the quotes off a token that has them.
func (t Token) Unquote() Token {
	if n := len(t.Text); n >= 2 && t.Text[0] == '"' && t.Text[n-1] == '"' {
		return Token{t.Text[1 : n-1], t.At + 1}
	}
	return t
}

// Quoted takes the quotes off a token that must have them, after an optional
// "!", which negated tells.
func (t Token) Quoted() (inner Token, negated bool, err *Error) {
	inner, negated = t.Not()
	if n := len(inner.Text); n < 2 || inner.Text[0] != '"' || inner.Text[n-1] != '"' {
		return inner, negated, &Error{At: t.At, Problem: "the value has no quotes around it", Mend: `write it as "…"`}
	}
	return inner.Unquote(), negated, nil
}

// Words resolves \" \; \: and \\ in a message.
func (t Token) Words() string {
	if strings.IndexByte(t.Text, '\\') < 0 {
		return t.Text
	}
	var b strings.Builder
	for i := 0; i < len(t.Text); i++ {
		if t.Text[i] == '\\' && i+1 < len(t.Text) && strings.IndexByte(`";:\`, t.Text[i+1]) >= 0 {
			i++
		}
		b.WriteByte(t.Text[i])
	}
	return b.String()
}

// Bytes resolves a content: escapes and hexadecimal parts between bars.
func (t Token) Bytes() ([]byte, *Error) {
	out := make([]byte, 0, len(t.Text))
	for i := 0; i < len(t.Text); i++ {
		switch c := t.Text[i]; c {
		case '|':
			end := strings.IndexByte(t.Text[i+1:], '|')
			if end < 0 {
				return nil, &Error{At: t.At + i, Problem: "a hexadecimal part has no | at its end", Mend: "write |0d 0a|, and |7c| for the bar itself"}
			}
			var err *Error
			if out, err = appendHex(out, Token{t.Text[i+1 : i+1+end], t.At + i + 1}); err != nil {
				return nil, err
			}
			i += end + 1
		case '\\':
			if i++; i == len(t.Text) || strings.IndexByte(`";:\`, t.Text[i]) < 0 {
				return nil, &Error{At: t.At + i - 1, Problem: `a backslash stands before something that needs none`, Mend: `only \" \; \: and \\ are escapes; write |5c| for a backslash`}
			}
			out = append(out, t.Text[i])
		case '"':
			return nil, &Error{At: t.At + i, Problem: "a quote within the string", Mend: `write \" or |22|`}
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

func appendHex(out []byte, t Token) ([]byte, *Error) {
	half := -1
	for i := range len(t.Text) {
		c := t.Text[i]
		if space(c) {
			continue
		}
		v := nibble(c)
		if v < 0 {
			return nil, &Error{At: t.At + i, Problem: "a hexadecimal part holds something else than digits 0-9 and a-f"}
		}
		if half < 0 {
			half = v
			continue
		}
		out = append(out, byte(half<<4|v))
		half = -1
	}
	if half >= 0 {
		return nil, &Error{At: t.At, Problem: "a hexadecimal part has half a byte", Mend: "write two digits for each byte"}
	}
	return out, nil
}

func nibble(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
