package query

import (
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// Match says whether the event is one that the query asks for; now is what
// relative times count from. It allocates only where letter case differs.
func (q Query) Match(e *model.Event, now time.Time) bool {
	return q.root == nil || match(q.root, e, now)
}

func match(x Expr, e *model.Event, now time.Time) bool {
	switch x := x.(type) {
	case And:
		for _, part := range x {
			if !match(part, e, now) {
				return false
			}
		}
		return true
	case Or:
		for _, part := range x {
			if match(part, e, now) {
				return true
			}
		}
		return false
	case Not:
		return !match(x.X, e, now)
	case Text:
		return x.match(e)
	case Number:
		return x.match(e)
	case When:
		return x.match(e.Time, now)
	case Word:
		return x.match(e)
	}
	return false
}

func (x Number) match(e *model.Event) bool {
	var n int64
	switch x.Field {
	case FieldSeverity:
		n = int64(e.Severity)
	case FieldLayer:
		n = int64(e.Layer)
	case FieldCount:
		n = int64(e.Count)
	}
	for _, r := range x.Ranges {
		if r.Lo <= n && n <= r.Hi {
			return true
		}
	}
	return false
}

func (x When) match(t, now time.Time) bool {
	if x.From.Set && t.Before(x.From.Resolve(now)) {
		return false
	}
	return !x.To.Set || t.Before(x.To.Resolve(now))
}

func (x Text) match(e *model.Event) bool {
	if x.Field.Observed() {
		return x.matchObserved(e)
	}
	if x.Field == FieldDevice && slices.Contains(x.Devices, e.Device) {
		return true
	}
	value := textOf(x.Field, e)
	if !x.Field.Identifier() {
		value = strings.ToLower(value)
	}
	for _, p := range x.Patterns {
		if p.MatchLower(value) {
			return true
		}
	}
	return false
}

func (x Text) matchObserved(e *model.Event) bool {
	for _, o := range e.Observables {
		if string(o.Type) != string(x.Field) {
			continue
		}
		value := strings.ToLower(o.Value)
		for _, p := range x.Patterns {
			if p.MatchLower(value) {
				return true
			}
		}
	}
	return false
}

func textOf(f Field, e *model.Event) string {
	switch f {
	case FieldDevice:
		return string(e.Device)
	case FieldReporter:
		return string(e.Reporter)
	case FieldKind:
		return string(e.Kind)
	case FieldRule:
		return e.Rule
	case FieldTechnique:
		return e.Technique
	case FieldID:
		return e.ID.String()
	case FieldSubject:
		return e.Subject
	case FieldExplanation:
		return e.Explanation
	case FieldAdvice:
		return e.Advice
	}
	return ""
}

func (x Word) match(e *model.Event) bool {
	p := x.Pattern
	if p.Match(e.Subject) || p.Match(e.Explanation) || p.Match(e.Rule) || p.Match(string(e.Kind)) {
		return true
	}
	for _, o := range e.Observables {
		if p.Match(string(o.Type) + "=" + o.Value) {
			return true
		}
	}
	return false
}
