package rule

import (
	"os"
	"strings"
	"testing"
)

func languageOptions() Options {
	o := stockOptions()
	o.Specs = testSpecs()
	o.Load = func(name string) ([]byte, error) {
		return []byte(""), nil
	}
	return o
}

// TestTaken compiles rules that use every family of keywords.
func TestTaken(t *testing.T) {
	text, err := os.ReadFile("testdata/taken.rules")
	if err != nil {
		t.Fatal(err)
	}
	_, refusals, err := Compile([]Source{{"taken.rules", text}}, languageOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range refusals {
		t.Errorf("%s:%d:%d: %s (%s)", r.File, r.Line, r.Column, r.Problem, r.Mend)
	}
}

// TestRefused compiles rules that must be refused, each for the reason in the
// comment above it.
func TestRefused(t *testing.T) {
	text, err := os.ReadFile("testdata/refused.rules")
	if err != nil {
		t.Fatal(err)
	}
	_, refusals, err := Compile([]Source{{"refused.rules", text}}, languageOptions())
	if err != nil {
		t.Fatal(err)
	}
	byLine := map[int]Refusal{}
	for _, r := range refusals {
		byLine[r.Line] = r
	}
	lines := strings.Split(string(text), "\n")
	for i := 1; i+1 < len(lines); i += 2 {
		want := strings.TrimPrefix(lines[i], "# ")
		r, ok := byLine[i+2]
		if !ok {
			t.Errorf("line %d is taken: %s", i+2, lines[i+1])
			continue
		}
		if !strings.Contains(r.Problem, want) {
			t.Errorf("line %d, column %d: %q, want %q", r.Line, r.Column, r.Problem, want)
		}
	}
}

func TestDocument(t *testing.T) {
	doc := string(Document(testSpecs()))
	for _, want := range []string{"`http.uri`", "`flowbits:", "request_line", "`byte_test:"} {
		if !strings.Contains(doc, want) {
			t.Errorf("the page of keywords lacks %s", want)
		}
	}
}
