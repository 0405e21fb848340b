package syntax

import "strings"

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' }

// parse reads the header and splits the options.
func (r *Rule) parse() *Error {
	at := 0
	for _, t := range []struct {
		tok  *Token
		what string
	}{
		{&r.Action, "an action (alert, drop, …)"}, {&r.Proto, "a protocol (tcp, http, …)"},
		{&r.Src, "source addresses"}, {&r.Sport, "source ports"}, {&r.Arrow, "a direction (->, <> or =>)"},
		{&r.Dst, "destination addresses"}, {&r.Dport, "destination ports"},
	} {
		next, err := r.headerToken(at, t.tok)
		if err != nil {
			return err
		}
		if t.tok.Text == "" {
			return &Error{At: next, Problem: "the rule lacks " + t.what,
				Mend: `write: action protocol address port -> address port (msg:"…"; sid:1;)`}
		}
		at = next
	}
	at = r.skip(at)
	if at >= len(r.Text) || r.Text[at] != '(' {
		return &Error{At: at, Problem: "the options do not begin with (", Mend: `write them in brackets: (msg:"…"; sid:1;)`}
	}
	end := len(strings.TrimRight(r.Text, " \t\r\v\f"))
	if r.Text[end-1] != ')' || end-1 <= at {
		return &Error{At: end - 1, Problem: "the rule does not end with )", Mend: "close the options with )"}
	}
	return r.options(at+1, end-1)
}

func (r *Rule) skip(at int) int {
	for at < len(r.Text) && space(r.Text[at]) {
		at++
	}
	return at
}

// headerToken reads one token; brackets keep blanks together.
func (r *Rule) headerToken(at int, t *Token) (int, *Error) {
	at = r.skip(at)
	begin, depth := at, 0
	for ; at < len(r.Text); at++ {
		switch c := r.Text[at]; {
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth < 0 {
				return at, &Error{At: at, Problem: "] without ["}
			}
		case depth == 0 && (space(c) || c == '('):
			*t = Token{r.Text[begin:at], begin}
			return at, nil
		}
	}
	if depth > 0 {
		return begin, &Error{At: begin, Problem: "[ without ]"}
	}
	*t = Token{r.Text[begin:at], begin}
	return at, nil
}

// options splits Text[at:end] at semicolons that no backslash stands before.
func (r *Rule) options(at, end int) *Error {
	for {
		for at < end && space(r.Text[at]) {
			at++
		}
		if at == end {
			return nil
		}
		begin := at
		for at < end && (r.Text[at] != ';' || r.Text[at-1] == '\\') {
			at++
		}
		if at == end {
			return &Error{At: begin, Problem: "the option has no ; at its end", Mend: "write a semicolon behind every option, and \\; for one inside of a string"}
		}
		if err := r.option(begin, at); err != nil {
			return err
		}
		at++
	}
}

func (r *Rule) option(begin, end int) *Error {
	text := r.Text[begin:end]
	name, _, has := strings.Cut(text, ":")
	o := Option{Name: trim(Token{name, begin}), HasValue: has}
	if o.Name.Text == "" {
		return &Error{At: begin, Problem: "an option has no name"}
	}
	if has {
		o.Value = trim(Token{text[len(name)+1:], begin + len(name) + 1})
	}
	r.Options = append(r.Options, o)
	return nil
}

// trim takes blanks off both ends.
func trim(t Token) Token {
	for t.Text != "" && space(t.Text[0]) {
		t.Text, t.At = t.Text[1:], t.At+1
	}
	for t.Text != "" && space(t.Text[len(t.Text)-1]) {
		t.Text = t.Text[:len(t.Text)-1]
	}
	return t
}

// Split cuts a token at sep and trims the pieces. It gives no piece for an
// empty token.
func (t Token) Split(sep byte) []Token {
	if t.Text == "" {
		return nil
	}
	var out []Token
	for {
		i := strings.IndexByte(t.Text, sep)
		if i < 0 {
			return append(out, trim(t))
		}
		out = append(out, trim(Token{t.Text[:i], t.At}))
		t.Text, t.At = t.Text[i+1:], t.At+i+1
	}
}

// Cut cuts a token at the first sep and trims both pieces.
func (t Token) Cut(sep byte) (before, after Token, found bool) {
	i := strings.IndexByte(t.Text, sep)
	if i < 0 {
		return trim(t), Token{At: t.At + len(t.Text)}, false
	}
	return trim(Token{t.Text[:i], t.At}), trim(Token{t.Text[i+1:], t.At + i + 1}), true
}

// Not takes a leading "!" off.
func (t Token) Not() (Token, bool) {
	if strings.HasPrefix(t.Text, "!") {
		return trim(Token{t.Text[1:], t.At + 1}), true
	}
	return t, false
}
