package duckdb

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
)

// where turns a query into an SQL condition. Texts become numbered parameters,
// so that one list of arguments serves a statement that repeats the condition
// for several files; numbers are written into the text.
type where struct {
	now  time.Time
	args []any
}

func (w *where) arg(v string) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

func (w *where) condition(q query.Query) string {
	if q.Root() == nil {
		return "true"
	}
	return w.expr(q.Root())
}

func (w *where) expr(x query.Expr) string {
	switch x := x.(type) {
	case query.And:
		return w.join(x, " AND ", "true")
	case query.Or:
		return w.join(x, " OR ", "false")
	case query.Not:
		return "(NOT " + w.expr(x.X) + ")"
	case query.Text:
		return w.text(x)
	case query.Number:
		return number(x)
	case query.When:
		return w.when(x)
	case query.Word:
		return w.word(x.Pattern)
	}
	return "false"
}

func (w *where) join(parts []query.Expr, with, none string) string {
	if len(parts) == 0 {
		return none
	}
	out := make([]string, len(parts))
	for i, x := range parts {
		out[i] = w.expr(x)
	}
	return "(" + strings.Join(out, with) + ")"
}

func either(conditions []string) string {
	if len(conditions) == 0 {
		return "false"
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

// column gives the column of a text field; empty for one that has none of its
// own.
func column(f query.Field) string {
	switch f {
	case query.FieldDevice, query.FieldReporter, query.FieldKind, query.FieldRule, query.FieldTechnique,
		query.FieldSubject, query.FieldExplanation, query.FieldAdvice, query.FieldLayer, query.FieldSeverity:
		return string(f)
	}
	return ""
}

func (w *where) text(x query.Text) string {
	var out []string
	for _, d := range x.Devices {
		out = append(out, "device = "+w.arg(string(d)))
	}
	for _, p := range x.Patterns {
		switch {
		case x.Field == query.FieldID:
			out = append(out, idCondition(p))
		case x.Field.Observed():
			out = append(out, w.observed(string(x.Field)+"=", p))
		case x.Field.Identifier():
			// Without lower(), so that DuckDB reads the other columns only
			// where this one fits.
			out = append(out, w.compare(column(x.Field), p))
		default:
			out = append(out, w.pattern(column(x.Field), p))
		}
	}
	return either(out)
}

// pattern compares a column in lower case, as query.Pattern does.
func (w *where) pattern(column string, p query.Pattern) string {
	return w.compare("lower("+column+")", p)
}

func (w *where) compare(value string, p query.Pattern) string {
	if text, ok := p.Literal(); ok {
		return value + " = " + w.arg(text)
	}
	if len(p.Parts) == 1 {
		return fmt.Sprintf("contains(%s, %s)", value, w.arg(p.Parts[0]))
	}
	like := make([]string, len(p.Parts))
	for i, part := range p.Parts {
		like[i] = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(part)
	}
	text := strings.Join(like, "%")
	if p.Contains {
		text = "%" + text + "%"
	}
	return fmt.Sprintf(`%s LIKE %s ESCAPE '\'`, value, w.arg(text))
}

// observed finds an observable that as a whole is prefix and then p.
func (w *where) observed(prefix string, p query.Pattern) string {
	if text, ok := p.Literal(); ok {
		return fmt.Sprintf("contains(lower(observables), %s)", w.arg(separator+prefix+text+separator))
	}
	return fmt.Sprintf("regexp_matches(lower(observables), %s)", w.arg(separator+regexp.QuoteMeta(prefix)+insideOne(p)+separator))
}

// insideOne is a regular expression for the pattern that stays within one
// observable.
func insideOne(p query.Pattern) string {
	quoted := make([]string, len(p.Parts))
	for i, part := range p.Parts {
		quoted[i] = regexp.QuoteMeta(part)
	}
	return strings.Join(quoted, "[^"+separator+"]*")
}

func (w *where) word(p query.Pattern) string {
	out := []string{w.pattern("subject", p), w.pattern("explanation", p), w.pattern("rule", p), w.pattern("kind", p)}
	if len(p.Parts) == 1 {
		return either(append(out, w.pattern("observables", p)))
	}
	return either(append(out, fmt.Sprintf("regexp_matches(lower(observables), %s)", w.arg(insideOne(p)))))
}

func number(x query.Number) string {
	column := "n"
	if x.Field != query.FieldCount {
		column = string(x.Field)
	}
	var out []string
	for _, r := range x.Ranges {
		lo, hi := max(r.Lo, 0), min(r.Hi, math.MaxUint32)
		if lo > hi {
			continue
		}
		out = append(out, fmt.Sprintf("%s BETWEEN %d AND %d", column, lo, hi))
	}
	return either(out)
}

func (w *where) when(x query.When) string {
	out := []string{"true"}
	if x.From.Set {
		out = append(out, fmt.Sprintf("time_ns >= %d", nanos(x.From.Resolve(w.now))))
	}
	if x.To.Set {
		out = append(out, fmt.Sprintf("time_ns < %d", nanos(x.To.Resolve(w.now))))
	}
	return "(" + strings.Join(out, " AND ") + ")"
}

func idCondition(p query.Pattern) string {
	text, _ := p.Literal()
	id, err := model.ParseID(text)
	if err != nil {
		return "false"
	}
	return idEquals(id)
}

func idEquals(id model.ID) string {
	hi, lo := idHalves(id)
	return fmt.Sprintf("(id_hi = %d AND id_lo = %d)", hi, lo)
}
