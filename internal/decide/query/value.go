package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// number reads values of severity, layer and count into ranges.
func (p *parser) number(field Field, values []token) (Expr, *Error) {
	x := Number{Field: field}
	for _, v := range values {
		r, e := p.numberRange(field, v)
		if e != nil {
			return nil, e
		}
		x.Ranges = append(x.Ranges, r)
	}
	return x, nil
}

func (p *parser) numberRange(field Field, v token) (Range, *Error) {
	op, text := splitOperator(v.text())
	at := v.pos + len(op)
	if low, high, ok := strings.Cut(text, ".."); ok && op == "" {
		lo, e := p.numberValue(field, low, at)
		if e != nil {
			return Range{}, e
		}
		hi, e := p.numberValue(field, high, at+len(low)+2)
		if e != nil {
			return Range{}, e
		}
		if lo > hi {
			return Range{}, p.fail(at, fmt.Sprintf("the range %s is empty", text), fmt.Sprintf("write %s..%s", high, low))
		}
		return Range{lo, hi}, nil
	}
	n, e := p.numberValue(field, text, at)
	if e != nil {
		return Range{}, e
	}
	if field == FieldLayer && op != "" && op != "=" {
		return Range{}, p.fail(v.pos, "layers have no order", "name them: layer:device,network")
	}
	return rangeOf(op, n), nil
}

func rangeOf(op string, n int64) Range {
	switch op {
	case ">=":
		return Range{n, math.MaxInt64}
	case ">":
		return Range{n + 1, math.MaxInt64}
	case "<=":
		return Range{math.MinInt64, n}
	case "<":
		return Range{math.MinInt64, n - 1}
	}
	return Range{n, n}
}

// splitOperator takes a comparison off; longer ones first.
func splitOperator(s string) (op, rest string) {
	for _, op := range []string{">=", "<=", ">", "<", "="} {
		if rest, ok := strings.CutPrefix(s, op); ok {
			return op, rest
		}
	}
	return "", s
}

func (p *parser) numberValue(field Field, text string, pos int) (int64, *Error) {
	lower := strings.ToLower(text)
	switch field {
	case FieldSeverity:
		if s, err := model.ParseSeverity(lower); err == nil {
			return int64(s), nil
		}
		return 0, p.unknownValue("severity", lower, []string{"info", "low", "medium", "high", "critical"}, pos)
	case FieldLayer:
		if l, err := model.ParseLayer(lower); err == nil && l != 0 {
			return int64(l), nil
		}
		return 0, p.unknownValue("layer", lower, []string{"device", "network", "control", "data"}, pos)
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, p.fail(pos, fmt.Sprintf("%q is not a count", text), "write a number such as 100")
	}
	return int64(n), nil
}

func (p *parser) unknownValue(what, text string, names []string, pos int) *Error {
	hint := "want one of " + strings.Join(names, ", ")
	if near := nearest(text, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return p.fail(pos, fmt.Sprintf("unknown %s %q", what, text), hint)
}

// when reads since:, until: and time:FROM..TO.
func (p *parser) when(field Field, values []token) (Expr, *Error) {
	v := values[0]
	if len(values) > 1 {
		return nil, p.fail(values[1].pos, "a list of times", "use one, or time:FROM..TO")
	}
	text := v.text()
	if field == fieldTime {
		return p.timeRange(v, text)
	}
	instant, _, e := p.instant(text, v.pos)
	if e != nil {
		return nil, e
	}
	if field == fieldSince {
		return When{From: instant}, nil
	}
	return When{To: instant}, nil
}

// timeRange reads FROM..TO, or one day, hour or minute.
func (p *parser) timeRange(v token, text string) (Expr, *Error) {
	low, high, ok := strings.Cut(text, "..")
	if !ok {
		from, width, e := p.instant(text, v.pos)
		if e != nil {
			return nil, e
		}
		if width == 0 {
			return nil, p.fail(v.pos, fmt.Sprintf("%q is one moment", text), "write time:FROM..TO, or since:"+text)
		}
		return When{From: from, To: Instant{At: from.At.Add(width), Set: true}}, nil
	}
	var w When
	var e *Error
	if low != "" {
		if w.From, _, e = p.instant(low, v.pos); e != nil {
			return nil, e
		}
	}
	if high != "" {
		if w.To, _, e = p.instant(high, v.pos+len(low)+2); e != nil {
			return nil, e
		}
	}
	return w, nil
}

// timeLayouts are the absolute forms, with the span that each names.
func timeLayouts() []struct {
	layout string
	width  time.Duration
} {
	return []struct {
		layout string
		width  time.Duration
	}{
		{"2006-01-02", 24 * time.Hour},
		{"2006-01-02T15", time.Hour},
		{"2006-01-02T15:04", time.Minute},
		{"2006-01-02T15:04Z07:00", time.Minute},
		{"2006-01-02T15:04:05", time.Second},
		{time.RFC3339Nano, 0},
	}
}

func (p *parser) instant(text string, pos int) (Instant, time.Duration, *Error) {
	for _, l := range timeLayouts() {
		t, err := time.ParseInLocation(l.layout, strings.ToUpper(text), time.UTC)
		if err == nil && t.Year() >= 1970 && t.Year() < 2262 {
			return Instant{At: t.UTC(), Set: true}, l.width, nil
		}
	}
	if d, ok := parseAgo(strings.ToLower(text)); ok {
		return Instant{Ago: d, Set: true}, 0, nil
	}
	return Instant{}, 0, p.fail(pos, fmt.Sprintf("%q is not a time", text), "write 24h, 7d, 2026-11-23 or 2026-11-23T10:30")
}

// maxAgo keeps relative times within what nanoseconds since 1970 can say.
const maxAgo = 50 * 365 * 24 * time.Hour

// parseAgo reads a time span such as 90s, 1h30m, 7d or 2w.
func parseAgo(s string) (time.Duration, bool) {
	if s == "now" {
		return 0, true
	}
	var total time.Duration
	for s != "" {
		digits := 0
		for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
			digits++
		}
		if digits == 0 || digits > 9 || digits == len(s) {
			return 0, false
		}
		n, _ := strconv.ParseInt(s[:digits], 10, 64)
		unit := unitOf(s[digits])
		if unit == 0 || time.Duration(n) > maxAgo/unit {
			return 0, false
		}
		if total += time.Duration(n) * unit; total > maxAgo {
			return 0, false
		}
		s = s[digits+1:]
	}
	return total, total > 0
}

func unitOf(c byte) time.Duration {
	switch c {
	case 's':
		return time.Second
	case 'm':
		return time.Minute
	case 'h':
		return time.Hour
	case 'd':
		return 24 * time.Hour
	case 'w':
		return 7 * 24 * time.Hour
	}
	return 0
}

// nearest gives the name that the text was most likely meant to be, or "".
func nearest(text string, names []string) string {
	best, bestAt := "", 3
	for _, name := range names {
		if d := distance(text, name); d < bestAt && d < len(name)-1 {
			best, bestAt = name, d
		}
	}
	return best
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	if len(a) > 32 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
