package configfile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type sample struct {
	Data string `yaml:"data"`
	Link struct {
		Listen string        `yaml:"listen"`
		Every  time.Duration `yaml:"every"`
	} `yaml:"link"`
	Ports []string `yaml:"ports"`
}

func TestRead(t *testing.T) {
	tests := []struct {
		name, text string
		sets       []string
		want       []string // parts of each problem, in order
		check      func(sample) bool
	}{
		{name: "empty keeps defaults", check: func(s sample) bool { return s.Data == "default" }},
		{name: "comment only", text: "# nothing\n", check: func(s sample) bool { return s.Data == "default" }},
		{name: "values", text: "data: /d\nlink:\n  listen: :1\n  every: 3s\n",
			check: func(s sample) bool { return s.Data == "/d" && s.Link.Listen == ":1" && s.Link.Every == 3*time.Second }},
		{name: "set replaces", text: "link: {listen: :1}\n", sets: []string{"link.listen=:2", "data=x", "ports=[a, b]"},
			check: func(s sample) bool { return s.Link.Listen == ":2" && s.Data == "x" && len(s.Ports) == 2 }},
		{name: "two unknown keys at once", text: "dat: x\nlink:\n  lisen: y\n", want: []string{`f.yaml:1: "dat" is not a key here`, `f.yaml:3: "lisen" is not a key here`}},
		{name: "wrong type", text: "ports: 3\n", want: []string{"f.yaml:1: "}},
		{name: "repeated key", text: "data: a\ndata: b\n", want: []string{"data"}},
		{name: "not a mapping", text: "- a\n", want: []string{"want keys and values"}},
		{name: "two documents", text: "data: a\n---\ndata: b\n", want: []string{"one document"}},
		{name: "broken", text: "data: [\n", want: []string{"f.yaml"}},
		{name: "set without value", sets: []string{"data"}, want: []string{"--set data: want KEY=VALUE"}},
		{name: "too large", text: strings.Repeat("#", MaxSize+1), want: []string{"at most"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := sample{Data: "default"}
			err := Read("f.yaml", []byte(tt.text), tt.sets, &s).Err()
			if len(tt.want) == 0 {
				if err != nil || !tt.check(s) {
					t.Fatalf("got %+v, error %v", s, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("no error; got %+v", s)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("problems:\n%v\nwant %d", err, len(tt.want))
			}
			for i, w := range tt.want {
				if !strings.Contains(lines[i], w) {
					t.Errorf("problem %d is %q, want it to hold %q", i, lines[i], w)
				}
			}
		})
	}
}

func TestCheckNamesTheLine(t *testing.T) {
	var s sample
	f := Read("f.yaml", []byte("# c\ndata: x\nlink:\n  listen: bad\n"), nil, &s)
	f.Check(false, "link.listen", "%q is not an address", s.Link.Listen)
	f.Check(true, "data", "never told")
	f.Check(false, "missing", "is needed")
	got := strings.Split(f.Err().Error(), "\n")
	want := []string{"f.yaml: missing: is needed", `f.yaml:4: link.listen: "bad" is not an address`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("data: x\nlink: {listen: :1}\n", "data=y")
	f.Add("a: &a [*a]\n", "link.listen.x=1")
	f.Fuzz(func(t *testing.T, text, set string) {
		var s sample
		file := Read("f", []byte(text), []string{set}, &s)
		file.Check(false, "link.listen", "always")
		if file.Err() == nil {
			t.Fatal("a recorded problem was lost")
		}
	})
}
