package query

import (
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/model"
)

// Parse reads a query. The error is an *Error with the column; the empty text
// is the query that matches everything.
func Parse(text string) (Query, error) {
	tokens, e := lex(text)
	if e != nil {
		return Query{}, e
	}
	p := parser{src: text, tokens: tokens}
	root, e := p.parse()
	if e != nil {
		return Query{}, e
	}
	return Query{text: strings.TrimSpace(text), root: root}, nil
}

// MustParse is Parse for texts that are part of the program; it panics on an
// error.
func MustParse(text string) Query {
	q, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return q
}

type parser struct {
	src    string
	tokens []token
	at     int
	terms  int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

func (p *parser) fail(pos int, reason, hint string) *Error { return errorAt(p.src, pos, reason, hint) }

// keyword says whether the next token is the unquoted word.
func (p *parser) keyword(word string) bool {
	text, ok := p.peek().plain()
	return ok && strings.EqualFold(text, word)
}

func (p *parser) parse() (Expr, *Error) {
	if p.peek().kind == tokenEnd {
		return nil, nil
	}
	x, e := p.or()
	if e != nil {
		return nil, e
	}
	if t := p.peek(); t.kind == tokenClose {
		return nil, p.fail(t.pos, "a ) without its (", "remove it or write ( before")
	}
	return x, nil
}

func (p *parser) or() (Expr, *Error) {
	x, e := p.and()
	if e != nil {
		return nil, e
	}
	parts := []Expr{x}
	for p.keyword("or") {
		p.take()
		x, e := p.and()
		if e != nil {
			return nil, e
		}
		parts = append(parts, x)
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return Or(parts), nil
}

func (p *parser) and() (Expr, *Error) {
	var parts []Expr
	for {
		x, e := p.not()
		if e != nil {
			return nil, e
		}
		parts = append(parts, x)
		if p.keyword("and") {
			p.take()
			continue
		}
		if k := p.peek().kind; k == tokenEnd || k == tokenClose || p.keyword("or") {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return And(parts), nil
}

func (p *parser) not() (Expr, *Error) {
	if p.terms++; p.terms > MaxTerms {
		return nil, p.fail(p.peek().pos, fmt.Sprintf("more than %d terms", MaxTerms), "ask in several queries")
	}
	if p.peek().kind == tokenMinus || p.keyword("not") {
		p.take()
		x, e := p.not()
		if e != nil {
			return nil, e
		}
		return Not{x}, nil
	}
	return p.primary()
}

func (p *parser) primary() (Expr, *Error) {
	t := p.take()
	switch t.kind {
	case tokenOpen:
		return p.group(t)
	case tokenField:
		return p.field(t)
	case tokenWord:
		if p.isOperator(t) {
			return nil, p.fail(t.pos, fmt.Sprintf("%q joins nothing here", t.text()), `write a term before and after it, or quote it to search for the word`)
		}
		pattern := newPattern(t.pieces, true)
		if empty(pattern) {
			return nil, p.fail(t.pos, "a word with nothing to search for", "write letters beside the * or quotes")
		}
		return Word{pattern}, nil
	case tokenClose:
		return nil, p.fail(t.pos, "nothing before this )", "write a term there")
	case tokenComma:
		return nil, p.fail(t.pos, "a comma without a value before it", "lists are written field:a,b")
	}
	return nil, p.fail(t.pos, "the query ends where a term should be", "")
}

func (p *parser) isOperator(t token) bool {
	text, ok := t.plain()
	return ok && (strings.EqualFold(text, "and") || strings.EqualFold(text, "or"))
}

func (p *parser) group(open token) (Expr, *Error) {
	x, e := p.or()
	if e != nil {
		return nil, e
	}
	if t := p.take(); t.kind != tokenClose {
		return nil, p.fail(open.pos, "a ( that is not closed", "write ) after the last term in it")
	}
	return x, nil
}

// field reads what follows a field's name: values with commas between.
func (p *parser) field(name token) (Expr, *Error) {
	text := strings.ToLower(name.text())
	field := aliasOf(text)
	class := classOf(field)
	if class == classUnknown {
		return nil, p.unknownField(name, text)
	}
	values, e := p.values(name)
	if e != nil {
		return nil, e
	}
	switch class {
	case classNumber:
		return p.number(field, values)
	case classTime:
		return p.when(field, values)
	}
	x := Text{Field: field}
	for _, v := range values {
		if _, err := model.ParseID(v.text()); field == FieldID && (err != nil || v.text() == "") {
			return nil, p.fail(v.pos, fmt.Sprintf("%q is not an id", v.text()), "write all 36 characters, like 0192f0c1-2b3c-7d4e-8f50-617283940516")
		}
		pattern, e := p.textPattern(class, v)
		if e != nil {
			return nil, e
		}
		x.Patterns = append(x.Patterns, pattern)
	}
	return x, nil
}

func (p *parser) unknownField(name token, text string) *Error {
	hint := "fields are " + strings.Join(Fields(), ", ") + `; quote the word to search for it with its colon`
	if near := nearest(text, Fields()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return p.fail(name.pos, fmt.Sprintf("unknown field %q", text), hint)
}

func (p *parser) values(name token) ([]token, *Error) {
	var values []token
	for {
		t := p.peek()
		end := name.pos + len(name.text()) + 1
		if len(values) > 0 {
			end = t.pos
		}
		if t.kind != tokenWord || len(values) == 0 && t.pos != end {
			return nil, p.fail(end, fmt.Sprintf("%s: has no value", name.text()), "write the value right after it, without a space")
		}
		values = append(values, p.take())
		if len(values) > MaxTerms {
			return nil, p.fail(t.pos, fmt.Sprintf("more than %d values", MaxTerms), "ask in several queries")
		}
		if p.peek().kind != tokenComma {
			return values, nil
		}
		p.take()
	}
}

// textPattern reads a value of a text field; a leading = asks for the whole
// value where a part would do.
func (p *parser) textPattern(class fieldClass, v token) (Pattern, *Error) {
	pieces, whole := v.pieces, class != classContains
	if first := pieces[0]; !first.quoted && strings.HasPrefix(first.text, "=") {
		whole = true
		if first.text = first.text[1:]; first.text == "" {
			pieces = pieces[1:]
		} else {
			pieces = append([]piece{first}, pieces[1:]...)
		}
	} else if !first.quoted && (first.text[0] == '<' || first.text[0] == '>') {
		return Pattern{}, p.fail(v.pos, "text is not compared by order", `use * for any characters, or quote the value`)
	}
	pattern := newPattern(pieces, !whole)
	if !whole && empty(pattern) {
		return Pattern{}, p.fail(v.pos, "a value with nothing to search for", "")
	}
	return pattern, nil
}

// newPattern splits at the * that stand outside of quotes.
func newPattern(pieces []piece, contains bool) Pattern {
	parts := []string{""}
	for _, piece := range pieces {
		text := strings.ToLower(piece.text)
		if piece.quoted {
			parts[len(parts)-1] += text
			continue
		}
		for i, part := range strings.Split(text, "*") {
			if i == 0 {
				parts[len(parts)-1] += part
			} else {
				parts = append(parts, part)
			}
		}
	}
	return Pattern{Parts: dropEmpty(parts, contains), Contains: contains}
}

// dropEmpty removes pieces that say nothing: those between two *, and at the
// ends when anything may stand there anyway.
func dropEmpty(parts []string, contains bool) []string {
	out := parts[:0:0]
	for i, part := range parts {
		edge := i == 0 || i == len(parts)-1
		if part != "" || edge && !contains {
			out = append(out, part)
		}
	}
	if len(out) == 0 {
		out = append(out, "")
	}
	return out
}

func empty(p Pattern) bool { return len(p.Parts) == 1 && p.Parts[0] == "" }
