package settings

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // of the only entry
		bad  string
	}{
		{text: "a: b", want: []string{"b"}},
		{text: "# x\n\na: b # c", want: []string{"b"}},
		{text: "a: 'it''s # no comment'", want: []string{"it's # no comment"}},
		{text: `a: "x\"\\y"`, want: []string{`x"\y`}},
		{text: "a: [b, 'c, d' , \"e\"] # x", want: []string{"b", "c, d", "e"}},
		{text: "a: []"},
		{text: "a:\n  - b\n  - c\n", want: []string{"b", "c"}},
		{text: "a:", want: nil},
		{text: "a: b#c", want: []string{"b#c"}},
		{text: "a: host:7443", want: []string{"host:7443"}},
		{text: "a: {b: c}", bad: "begin with {"},
		{text: "a: &x b", bad: "begin with &"},
		{text: "a: |\n  text", bad: "begin with |"},
		{text: "a: b: c", bad: "colon"},
		{text: "a:b", bad: "want `key: value`"},
		{text: "- a", bad: "without a key"},
		{text: "a: 'x", bad: "not closed"},
		{text: "a: 'x' y", bad: "unexpected text"},
		{text: "a: [x", bad: "no closing ]"},
		{text: "a: [x y: z]", bad: "colon"},
		{text: "\ta: x", bad: "tabs"},
		{text: `a: "\n"`, bad: "double quotes"},
	} {
		entries, problems := Parse("f", c.text)
		if c.bad != "" {
			if len(problems) == 0 || !strings.Contains(problems.Error(), c.bad) {
				t.Errorf("%q: %v", c.text, problems)
			}
			continue
		}
		if len(problems) > 0 || len(entries) != 1 || !slices.Equal(entries[0].Values, c.want) {
			t.Errorf("%q: %+v %v", c.text, entries, problems)
		}
	}
}

// FuzzParse holds the reader against a whole YAML library: what it takes, that
// one must understand in the same way.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: b\n", "a:\n- x\n- 'y'\n", "a: [1, \"2\"] # c\n", "a: host:1\nb: ''\n", "a: - b", "a: ?x", "a: ~\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		entries, problems := Parse("f", text)
		for _, c := range text {
			if c < ' ' && c != '\n' || c > '~' {
				return // only plain text is compared
			}
		}
		if len(problems) > 0 || len(entries) == 0 {
			return
		}
		var want map[string]any
		if err := yaml.Load([]byte(text), &want); err != nil {
			return // stricter readers than this one exist; no value came out differently
		}
		for _, e := range entries {
			list, isList := want[e.Key].([]any)
			if _, known := want[e.Key]; known && isList && (!e.List || len(list) != len(e.Values)) {
				t.Fatalf("%q: %s is %q here and %v there", text, e.Key, e.Values, list)
			}
			if s, ok := want[e.Key].(string); ok && !e.List && (len(e.Values) != 1 || e.Values[0] != s) {
				t.Fatalf("%q: %s is %q here and %q there", text, e.Key, e.Values, s)
			}
		}
	})
}
