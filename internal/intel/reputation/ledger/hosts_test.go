package ledger_test

import (
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

const now = 1_800_000_000

// say lets a source of its own owner speak of objects.
func say(t *testing.T, l *ledger.Ledger, source reputation.Source, kind reputation.Kind, texts ...string) {
	t.Helper()
	source.Owner = source.Name
	m, err := l.Import(l.Source(source), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if err := m.Add(&reputation.Claim{Object: guess(t, text), Kind: kind, Last: now}); err != nil {
			t.Fatal(err)
		}
	}
	m.Commit()
}

func guess(t *testing.T, text string) reputation.Object {
	t.Helper()
	o, err := canon.Guess(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// An expression holds for names below its host, so an entry of the host's name alone says
// nothing of it, but of a URL on that host.
func TestExpressionWithoutTheNameAlone(t *testing.T) {
	l := ledger.New(ledger.Config{})
	say(t, l, reputation.Source{Name: "a", Trust: 60}, reputation.KindC2, "host.example.com/a/*")
	say(t, l, reputation.Source{Name: "b", Trust: 90}, reputation.KindC2, "host.example.com")
	b := index.NewBuilder(100)
	l.Each(now, func(o reputation.Object, brief reputation.Brief) bool { return b.Add(o, brief) == nil })
	x, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]uint8{"host.example.com/a/*": 60, "http://host.example.com/a/b": 90, "http://sub.host.example.com/a/b": 60, "http://host.example.com/b": 90, "http://sub.host.example.com/b": 0} {
		o := guess(t, text)
		if got := l.Brief(o, now).Score; got != want {
			t.Errorf("ledger %s: %d, want %d", text, got, want)
		}
		if got, by := x.Object(o); !o.Below && got.Score != want {
			t.Errorf("index %s: %d by %v, want %d", text, got.Score, by, want)
		}
	}
}

// What is said of a model does not grow old, and all models of a maker answer for each.
func TestDevices(t *testing.T) {
	l := ledger.New(ledger.Config{})
	say(t, l, reputation.Source{Name: "a", Trust: 90}, reputation.KindDefaultLogin, "device:Acme/Cam 12")
	say(t, l, reputation.Source{Name: "b", Trust: 60}, reputation.KindVulnerable, "device:acme/*")
	const later = now + 3*365*24*3600
	b := index.NewBuilder(100)
	l.Each(later, func(o reputation.Object, brief reputation.Brief) bool { return b.Add(o, brief) == nil })
	x, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]reputation.Brief{
		"device:acme/cam 12": {Score: 90, Kind: reputation.KindDefaultLogin}, "device:ACME/cam 13": {Score: 60, Kind: reputation.KindVulnerable},
		"device:acme/*": {Score: 60, Kind: reputation.KindVulnerable}, "device:other/cam 12": {},
	} {
		o := guess(t, text)
		if got := l.Brief(o, later); got != want {
			t.Errorf("ledger %s: %+v, want %+v", text, got, want)
		}
		if got, by := x.Object(o); got != want {
			t.Errorf("index %s: %+v by %v, want %+v", text, got, by, want)
		}
	}
}

// Endpoints and paths without a host are answered alike by the ledger, the index and,
// where they weigh enough, the edge set.
func TestEndpointsAndPaths(t *testing.T) {
	l := ledger.New(ledger.Config{})
	say(t, l, reputation.Source{Name: "a", Trust: 90}, reputation.KindC2, "192.0.2.1:4444", "192.0.2.1", "192.0.2.9:443", "192.0.2.9", "c2.example.com:99", "[2001:db8::1]:23", "/bins/mirai.arm7", "/gate/x7.php?id=1")
	say(t, l, reputation.Source{Name: "b", Trust: 90}, reputation.KindC2, "/bins/mirai.arm7")
	say(t, l, reputation.Source{Name: "clouds", Trust: 90}, reputation.KindKnown, "192.0.2.0/24", "known.example.org")
	say(t, l, reputation.Source{Name: "good", Trust: 95}, reputation.KindBenign, "good.example.org", "198.51.100.1")
	say(t, l, reputation.Source{Name: "rude", Trust: 95}, reputation.KindC2, "198.51.100.1:53", "198.51.100.1:4444")
	say(t, l, reputation.Source{Name: "allow", Trust: 100, Local: reputation.LocalAllow}, reputation.KindBenign, "*.ours.example.org")
	b := index.NewBuilder(100)
	l.Each(now, func(o reputation.Object, brief reputation.Brief) bool {
		if err := b.Add(o, brief); err != nil {
			t.Fatal(err)
		}
		return true
	})
	x, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	s, err := edge.Build(func(yield func(reputation.Object, reputation.Brief) bool) { l.Each(now, yield) }, edge.Config{Header: edge.Header{Class: edge.ClassLarge, Version: 1, Issued: now, Expires: now + 100}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := edge.Open(s.Payload, now, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text    string
		least   uint8
		most    uint8
		matched string
	}{
		{"192.0.2.1:4444", 75, 100, "192.0.2.1:4444"}, // in a cloud, but it is this port of it
		{"192.0.2.1", 50, 74, "192.0.2.1"},
		{"192.0.2.1:80", 50, 74, "192.0.2.1"},
		{"192.0.2.9:443", 50, 74, "192.0.2.9:443"}, // many may be behind this port
		{"192.0.2.7:4444", 0, 19, "192.0.2.0/24"},
		{"[2001:db8::1]:23", 75, 100, "[2001:db8::1]:23"},
		{"c2.example.com:99", 75, 100, "c2.example.com:99"},
		{"c2.example.com", 0, 0, ""},
		{"198.51.100.1:4444", 0, 19, "198.51.100.1:4444"},
		{"http://any.example.net/bins/mirai.arm7", 50, 74, "/bins/mirai.arm7"},
		{"http://any.example.net:8080/bins/mirai.arm7?x", 50, 74, "/bins/mirai.arm7"},
		{"http://203.0.113.5/gate/x7.php?id=1", 50, 74, "/gate/x7.php?id=1"},
		{"http://203.0.113.5/gate/x7.php", 0, 0, ""},
		{"http://good.example.org/bins/mirai.arm7", 0, 19, ""},
		{"http://a.ours.example.org/bins/mirai.arm7", 0, 0, ""},
		{"/bins/mirai.arm7", 50, 74, "/bins/mirai.arm7"},
		{"http://192.0.2.1/bins/mirai.arm7", 50, 74, ""},
	} {
		o := guess(t, c.text)
		v := l.Explain(o, now)
		if v.Score < c.least || v.Score > c.most || c.matched != "" && v.Match.String() != c.matched {
			t.Errorf("ledger %s: %d by %v; %s", c.text, v.Score, v.Match, v.Words)
		}
		brief, matched := x.Object(o)
		if brief.Score < c.least || brief.Score > c.most || c.matched != "" && matched.String() != c.matched {
			t.Errorf("index %s: %+v by %v", c.text, brief, matched)
		}
		if o.Type == reputation.TypeURL && !strings.HasPrefix(o.Text, "/") || c.most < 50 {
			continue
		}
		if m := set.Object(o); (m.Tier >= edge.TierMedium) != (c.least >= 50) {
			t.Errorf("edge %s: %+v", c.text, m)
		}
	}
	if m := set.Expression("any.example.net", "/bins/mirai.arm7?x", true); m.Tier != edge.TierMedium {
		t.Errorf("edge path: %+v", m)
	}
	if m := set.Expression("any.example.net", "/bins/mirai.arm6", true); m.Tier != edge.TierNone {
		t.Errorf("edge path: %+v", m)
	}
}
