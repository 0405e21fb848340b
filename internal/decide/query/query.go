package query

import (
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// Query is a parsed query. The zero Query matches every event. It is immutable
// and safe for concurrent use.
type Query struct {
	text string
	root Expr
}

// Expr is a node of a query: And, Or, Not, Text, Number, When or Word.
type Expr interface{ isExpr() }

// And matches when all of its parts match; without parts it matches everything.
type And []Expr

// Or matches when one of its parts matches; without parts it matches nothing.
type Or []Expr

// Not matches when X does not.
type Not struct{ X Expr }

// Text compares a text field; it matches when one of the patterns does, or,
// for FieldDevice, when the event's device is one of Devices.
type Text struct {
	Field    Field
	Patterns []Pattern
	// Devices are the devices whose names match; set by Resolve.
	Devices []model.DeviceID
}

// Number compares severity, layer or count; it matches when the value is in
// one of the ranges.
type Number struct {
	Field  Field
	Ranges []Range
}

// Range holds both its ends.
type Range struct{ Lo, Hi int64 }

// When compares the event's time: From <= time < To. An unset end is open.
type When struct{ From, To Instant }

// Instant is a moment, given absolutely or as a time before now. The zero
// Instant is unset.
type Instant struct {
	At  time.Time
	Ago time.Duration
	Set bool
}

// Resolve gives the moment; now matters only for a relative one.
func (i Instant) Resolve(now time.Time) time.Time {
	if i.At.IsZero() {
		return now.Add(-i.Ago)
	}
	return i.At
}

// Word is a free word or phrase, in lower case.
type Word struct{ Pattern Pattern }

func (And) isExpr()    {}
func (Or) isExpr()     {}
func (Not) isExpr()    {}
func (Text) isExpr()   {}
func (Number) isExpr() {}
func (When) isExpr()   {}
func (Word) isExpr()   {}

// Root gives the tree; nil for a query that matches everything. The caller
// must not change it.
func (q Query) Root() Expr { return q.root }

// String gives the text the query was parsed from.
func (q Query) String() string { return q.text }

// And gives a query that matches when both match.
func (q Query) And(other Query) Query {
	switch {
	case q.root == nil:
		return other
	case other.root == nil:
		return q
	}
	return Query{text: "(" + q.text + ") (" + other.text + ")", root: And{q.root, other.root}}
}

// Without is the query for all events whose field is not a value, which is in
// lower case.
func Without(f Field, value string) Query {
	return Query{text: "not " + string(f) + ":" + value, root: Not{Text{Field: f, Patterns: []Pattern{{Parts: []string{value}}}}}}
}

// Names says whether a term of the query, negated or not, asks for a field's
// value in so many words: "kind:con*" names "contact", "kind:*" does not. Texts
// are in lower case.
func (q Query) Names(f Field, value string) bool { return names(q.root, f, value) }

func names(x Expr, f Field, value string) bool {
	switch x := x.(type) {
	case And:
		return slices.ContainsFunc(x, func(part Expr) bool { return names(part, f, value) })
	case Or:
		return slices.ContainsFunc(x, func(part Expr) bool { return names(part, f, value) })
	case Not:
		return names(x.X, f, value)
	case Text:
		return x.Field == f && slices.ContainsFunc(x.Patterns, func(p Pattern) bool {
			return p.MatchLower(value) && strings.Join(p.Parts, "") != ""
		})
	}
	return false
}

// Asks says whether the query has a term on a field.
func (q Query) Asks(f Field) bool { return asks(q.root, f) }

func asks(x Expr, f Field) bool {
	switch x := x.(type) {
	case And:
		return slices.ContainsFunc(x, func(part Expr) bool { return asks(part, f) })
	case Or:
		return slices.ContainsFunc(x, func(part Expr) bool { return asks(part, f) })
	case Not:
		return asks(x.X, f)
	case Text:
		return x.Field == f
	}
	return false
}

// NameResolver gives the devices whose name matches the pattern.
type NameResolver func(p Pattern) []model.DeviceID

// Resolve gives the same query with device terms also matching the devices
// that the resolver names. A nil resolver changes nothing.
func (q Query) Resolve(names NameResolver) Query {
	if names == nil || q.root == nil {
		return q
	}
	q.root = resolve(q.root, names)
	return q
}

func resolve(x Expr, names NameResolver) Expr {
	switch x := x.(type) {
	case And:
		return And(resolveAll(x, names))
	case Or:
		return Or(resolveAll(x, names))
	case Not:
		return Not{resolve(x.X, names)}
	case Text:
		if x.Field != FieldDevice {
			return x
		}
		x.Devices = nil
		for _, p := range x.Patterns {
			x.Devices = append(x.Devices, names(p)...)
		}
		return x
	}
	return x
}

func resolveAll(xs []Expr, names NameResolver) []Expr {
	out := make([]Expr, len(xs))
	for i, x := range xs {
		out[i] = resolve(x, names)
	}
	return out
}

// Bounds gives a span of time outside of which no event matches: from <= time
// < to. A zero time is an open end. Stores use it to leave data aside.
func (q Query) Bounds(now time.Time) (from, to time.Time) {
	return bounds(q.root, now)
}

func bounds(x Expr, now time.Time) (from, to time.Time) {
	switch x := x.(type) {
	case When:
		if x.From.Set {
			from = x.From.Resolve(now)
		}
		if x.To.Set {
			to = x.To.Resolve(now)
		}
	case And:
		for _, part := range x {
			f, t := bounds(part, now)
			if f.After(from) {
				from = f
			}
			if !t.IsZero() && (to.IsZero() || t.Before(to)) {
				to = t
			}
		}
	}
	return from, to
}
