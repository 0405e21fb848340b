package syntax

import (
	"fmt"
	"strings"
	"testing"
)

func scan(t *testing.T, text string) (rules []Rule, errs []string) {
	t.Helper()
	s := NewScanner([]byte(text))
	for {
		var r Rule
		ok, err := s.Next(&r)
		if !ok {
			return rules, errs
		}
		if err != nil {
			p := r.Pos(err.At)
			errs = append(errs, fmt.Sprintf("%d:%d: %s", p.Line, p.Column, err.Problem))
			continue
		}
		rules = append(rules, r)
	}
}

func TestScanner(t *testing.T) {
	rules, errs := scan(t, "# comment \\\n\n"+
		`alert tcp [$A, ![10.0.0.0/8, 1.2.3.4]] any -> any [80,!81:90] (msg:"a \; b"; content:!"x|0d 0a|\"y"; sid:1;)`+"\r\n"+
		"drop http any any \\\n   <> any any (msg:\"two\"; \\\n sid:2; )\n"+
		"alert tcp any any -> any any msg:\"x\"\n")
	if len(rules) != 2 || len(errs) != 1 || !strings.HasPrefix(errs[0], "7:30: the options") {
		t.Fatalf("%d rules, errors %q", len(rules), errs)
	}
	r := &rules[0]
	if r.Src.Text != "[$A, ![10.0.0.0/8, 1.2.3.4]]" || r.Dport.Text != "[80,!81:90]" || len(r.Options) != 3 {
		t.Errorf("rule 1 is %+v", r)
	}
	if in, _, err := r.Options[0].Value.Quoted(); err != nil || in.Words() != "a ; b" {
		t.Errorf("message %q, %v", in.Words(), err)
	}
	in, not, _ := r.Options[1].Value.Quoted()
	if b, err := in.Bytes(); err != nil || string(b) != "x\r\n\"y" || !not {
		t.Errorf("content %q %v %v", b, not, err)
	}
	r = &rules[1]
	if p := r.Pos(r.Options[1].Name.At); p != (Pos{6, 2}) {
		t.Errorf("sid stands at %v", p)
	}
	if r.Arrow.Text != "<>" || r.Options[1].Value.Text != "2" {
		t.Errorf("rule 2 is %+v", r)
	}
}

func TestList(t *testing.T) {
	l, err := ParseList(Token{Text: "[$A, ![10.0.0.0/8,!1.2.3.4], any]"})
	if err != nil || len(l.Items) != 3 || !l.Items[1].Negated || !l.Items[1].Items[1].Negated || l.Items[2].Text != "any" {
		t.Errorf("%+v %v", l, err)
	}
	for _, bad := range []string{"", "[a,,b]", "[a", "a,b", "[[a]", "]", strings.Repeat("[", 99) + strings.Repeat("]", 99)} {
		if _, err := ParseList(Token{Text: bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestBadContents(t *testing.T) {
	for _, bad := range []string{`a|0`, `|0|`, `|zz|`, `\n`, `a"b`, `\`} {
		if _, err := (Token{Text: bad}).Bytes(); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(`alert tcp [1.2.3.4,!$X] any -> any 80 (msg:"a"; content:"|41 42|\;"; sid:1;)`))
	f.Add([]byte("drop http any any <> \\\n any any (sid:2; )\n(\n#\n[[],;"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := NewScanner(text)
		var r Rule
		for {
			ok, err := s.Next(&r)
			if !ok {
				return
			}
			if err != nil {
				r.Pos(err.At)
				continue
			}
			_, _ = ParseList(r.Src)
			_, _ = ParseList(r.Dport)
			for _, o := range r.Options {
				r.Pos(o.Name.At)
				in, _, _ := o.Value.Quoted()
				_, _ = in.Bytes()
				in.Words()
				o.Value.Split(',')
			}
		}
	})
}
