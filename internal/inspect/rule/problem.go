package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// fail is a refusal of the rule that a token belongs to. The arguments fill
// the problem, those that are left the mend, which may be "".
func fail(t syntax.Token, problem, mend string, args ...any) error {
	n := min(strings.Count(problem, "%")-2*strings.Count(problem, "%%"), len(args))
	e := &syntax.Error{At: t.At, Problem: fmt.Sprintf(problem, args[:n]...), Mend: mend}
	if len(args) > n {
		e.Mend = fmt.Sprintf(mend, args[n:]...)
	}
	return e
}

// parseUint reads a decimal number of at most bits bits.
func parseUint(s string, bits int) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, bits)
	return n, err == nil
}

// parseAnyUint reads a number as C writes it: decimal, 0x…, 0….
func parseAnyUint(s string, bits int) (uint64, bool) {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		n, err := strconv.ParseUint(rest, 16, bits)
		return n, err == nil
	}
	n, err := strconv.ParseUint(s, 10, bits)
	return n, err == nil
}

// nearest is the name that looks most like s, "" when none does.
func nearest(s string, names []string) string {
	best, at := "", max(1, len(s)/3)+1
	for _, n := range names {
		if d := distance(s, n, at); d < at || d == at && best == "" && at <= 2 {
			best, at = n, d
		}
	}
	return best
}

// distance is the edit distance of two names, or limit+1 when it is larger.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(diagonal+cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// didYouMean is a mend that names what looks most like s.
func didYouMean(s string, names []string) string {
	if n := nearest(s, names); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return ""
}

func unknownVariable(t syntax.Token, vars map[string]string) error {
	names := make([]string, 0, len(vars))
	for n := range vars {
		names = append(names, n)
	}
	slices.Sort(names)
	mend := "set it in the configuration's vars"
	if n := nearest(t.Text[1:], names); n != "" {
		mend = fmt.Sprintf("did you mean \"$%s\"?", n)
	}
	return fail(t, "unknown variable %q", mend, t.Text)
}

// parseVariable reads a variable's value; problems are told at the place that
// uses it.
func parseVariable(t syntax.Token, text string) (syntax.List, error) {
	l, err := syntax.ParseList(syntax.Token{Text: strings.TrimSpace(text)})
	if err != nil {
		return l, fail(t, "the variable's value %q is no list: %s", "mend the configuration's vars", text, err.Problem)
	}
	place(&l, t.At)
	return l, nil
}

func place(l *syntax.List, at int) {
	l.At = at
	for i := range l.Items {
		place(&l.Items[i], at)
	}
}
