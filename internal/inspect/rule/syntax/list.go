package syntax

import "strings"

// List is an address or port list: a leaf with Text, or a group of Items.
type List struct {
	Token
	Negated bool
	Group   bool
	Items   []List
}

// maxNesting bounds brackets within brackets.
const maxNesting = 32

// ParseList reads "any", "!$HOME_NET", "[10.0.0.0/8, ![10.1.0.0/16, $X]]".
func ParseList(t Token) (List, *Error) { return parseList(trim(t), 0) }

func parseList(t Token, depth int) (List, *Error) {
	if depth > maxNesting {
		return List{}, &Error{At: t.At, Problem: "brackets are nested more than 32 deep"}
	}
	if t.Text == "" {
		return List{}, &Error{At: t.At, Problem: "a list has an empty place", Mend: "take the comma away, or write any"}
	}
	if inner, negated := t.Not(); negated {
		l, err := parseList(inner, depth+1)
		l.Negated = !l.Negated
		return l, err
	}
	if t.Text[0] != '[' {
		if strings.ContainsAny(t.Text, "[], \t") {
			return List{}, &Error{At: t.At, Problem: "a list without brackets around it", Mend: "write [a,b]"}
		}
		return List{Token: t}, nil
	}
	if t.Text[len(t.Text)-1] != ']' || len(t.Text) < 2 {
		return List{}, &Error{At: t.At, Problem: "[ without ]"}
	}
	l := List{Token: t, Group: true}
	err := l.items(Token{t.Text[1 : len(t.Text)-1], t.At + 1}, depth)
	return l, err
}

func (l *List) items(t Token, depth int) *Error {
	for begin, i, open := 0, 0, 0; i <= len(t.Text); i++ {
		if i < len(t.Text) {
			switch t.Text[i] {
			case '[':
				open++
			case ']':
				open--
			}
			if open < 0 {
				return &Error{At: t.At + i, Problem: "] without ["}
			}
			if t.Text[i] != ',' || open > 0 {
				continue
			}
		}
		item, err := parseList(trim(Token{t.Text[begin:i], t.At + begin}), depth+1)
		if err != nil {
			return err
		}
		l.Items = append(l.Items, item)
		begin = i + 1
	}
	return nil
}
