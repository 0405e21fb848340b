package index

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// TestPrivateAnswersLikeTheIndex asks for names and URLs among entries of all
// forms, by hash prefixes alone.
func TestPrivateAnswersLikeTheIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	listed := 0
	for range 40 {
		b := NewBuilder(300)
		b.Prefixes = true
		for range 1 + r.IntN(300) {
			o := domain(narrowName(r), r.IntN(2) == 0)
			switch r.IntN(4) {
			case 0, 1:
				o = url(narrowURL(r), r.IntN(2) == 0)
				if o.Below {
					o.Text, _, _ = strings.Cut(o.Text, "?")
				}
				if r.IntN(4) == 0 {
					o.Text = strings.Replace(o.Text, "/", ":81/", 1)
				}
			case 2:
				if r.IntN(3) == 0 {
					o = reputation.Object{Type: reputation.TypeEndpoint, Text: narrowName(r) + ":81"}
				} else if _, path, _ := strings.Cut(narrowURL(r), "/"); path != "" {
					o = url("/"+path, false)
				}
			}
			if err := b.Add(o, bad(uint8(1+r.IntN(99)))); err != nil {
				t.Fatal(err)
			}
		}
		x, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			ask := domain(narrowName(r), false)
			switch r.IntN(3) {
			case 0:
				ask = url(narrowURL(r), false)
				if r.IntN(3) == 0 {
					ask.Text = strings.Replace(ask.Text, "/", ":81/", 1)
				}
			case 1:
				ask = reputation.Object{Type: reputation.TypeEndpoint, Text: narrowName(r) + ":81"}
			}
			want, match := x.Object(ask)
			got, by := privately(t, x, ask)
			if got != want || by != match {
				t.Fatalf("%v: %v %v, want %v %v", ask, got, by, want, match)
			}
			if want.Listed() {
				listed++
			}
		}
	}
	if listed < 1000 {
		t.Errorf("only %d questions were about something listed", listed)
	}
}

func privately(t *testing.T, x *Index, o reputation.Object) (reputation.Brief, reputation.Object) {
	t.Helper()
	p, err := AskPrivate(o)
	if err != nil {
		t.Fatal(err)
	}
	var full []Full
	for _, prefix := range p.Prefixes(nil) {
		x.Prefixes(prefix, func(f Full) bool {
			full = append(full, f)
			return true
		})
	}
	return p.Answer(full)
}

func TestPrivateRefusesWhatCannotHide(t *testing.T) {
	for text, partial := range map[string]bool{"http://192.0.2.1/x": true, "http://[2001:db8::1]/x": true, "http://a.example/x": false, "a.example": false, "d41d8cd98f00b204e9800998ecf8427e": false} {
		o, err := canon.Guess(text)
		if err != nil {
			t.Fatal(err)
		}
		p, err := AskPrivate(o)
		if err != nil || p.Partial() != partial || len(p.Prefixes(nil)) == 0 {
			t.Errorf("%s: %v, partial %v", text, err, p.Partial())
		}
	}
	for _, text := range []string{"192.0.2.1", "2001:db8::/32", "AS64500"} {
		o, err := canon.Guess(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := AskPrivate(o); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzPrivate makes questions of anything that can be read: never a panic, and
// never more hashes than one request takes.
func FuzzPrivate(f *testing.F) {
	for _, s := range []string{"a.example", "http://a.b.example:81/x/y?q", "/index.php?x=1", "a.example:443", strings.Repeat("a.", 100) + "example", "http://x.example/" + strings.Repeat("a/", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := canon.Guess(s)
		if err != nil {
			return
		}
		p, err := AskPrivate(o)
		if err != nil {
			return
		}
		n := len(p.Prefixes(nil))
		if n == 0 || n > 130*(2*maxSegments+2)+4 {
			t.Fatal(fmt.Sprint(n, " hashes for ", s))
		}
		p.Answer(nil)
	})
}
