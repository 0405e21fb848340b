package feed_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

// read gives a feed's claims, each as one line, and its refusals.
func read(t testing.TB, format, text string, o feed.Options) (out []string) {
	t.Helper()
	r, err := feed.Open(format, strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return drained(t, r)
}

// drained gives what is left of a feed as read does.
func drained(t testing.TB, r feed.Reader) (out []string) {
	t.Helper()
	for {
		var c reputation.Claim
		err := r.Next(&c)
		var bad *feed.Refusal
		switch {
		case err == io.EOF:
			return out
		case errors.As(err, &bad):
			out = append(out, fmt.Sprintf("%d: %s", bad.Line, bad.Problem))
		case err != nil:
			return append(out, "end: "+err.Error())
		default:
			s := fmt.Sprintf("%s %s %s", c.Object.Type, c.Object, c.Kind)
			if c.Confidence > 0 {
				s += fmt.Sprintf(" %d%%", c.Confidence)
			}
			for _, w := range []struct {
				name string
				v    uint32
			}{{"first", c.First}, {"last", c.Last}, {"until", c.Until}} {
				if w.v > 0 {
					s += fmt.Sprintf(" %s=%d", w.name, w.v)
				}
			}
			if c.Note != "" {
				s += " (" + c.Note + ")"
			}
			out = append(out, s)
		}
	}
}

// Each case is a format's text as its makers write it, and what it gives.
func TestFormats(t *testing.T) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			got := read(t, c.format, c.text, c.o)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if !c.noGuess {
				if g := feed.Guess([]byte(c.text)); g != c.format {
					t.Errorf("guessed %q", g)
				}
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		format  string
		mapping map[string]string
		want    string
	}{
		{"cvs", nil, "unknown feed format"},
		{"csv", nil, "no column with an object"},
		{"csv", map[string]string{"objekt": "1"}, "unknown mapping"},
		{"csv", map[string]string{"object": "1", "note": "about"}, "choose one"},
		{"csv", map[string]string{"object": "0"}, "write 1 to 1000"},
		{"csv", map[string]string{"object": "1", "kind:x": "evil"}, "unknown kind"},
		{"jsonl", map[string]string{"objekt": "1"}, "unknown mapping"},
	} {
		_, err := feed.Open(c.format, strings.NewReader(""), feed.Options{Mapping: c.mapping})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: %v", c.format, c.mapping, err)
		}
	}
}

// A feed cannot make its reader keep more than its bounds.
func TestBounds(t *testing.T) {
	long := strings.Repeat("a", 5000)
	got := read(t, "domain", "a.example.com\n"+long+"\nb.example.com\n"+long, feed.Options{MaxLine: 1000})
	want := []string{"domain a.example.com suspicious", "2: the line is too long", "domain b.example.com suspicious", "4: the line is too long"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got = read(t, "ip", strings.Repeat("192.0.2.1\n", 5), feed.Options{MaxEntries: 3})
	if len(got) != 4 || !strings.Contains(got[3], "more than 3 entries") {
		t.Error(got)
	}
	got = read(t, "hosts", "0.0.0.0"+strings.Repeat(" a.example.com", 9), feed.Options{MaxEntries: 3})
	if len(got) != 4 || !strings.Contains(got[3], "more than 3 entries") {
		t.Error(got)
	}
}

// One entry of a document cannot fill the memory either.
func TestHugeEntry(t *testing.T) {
	huge := strings.Repeat("a", 5<<20)
	for format, text := range map[string]string{
		"warninglist": `{"type":"string","list":["` + huge + `"]}`,
		"jsonl":       `[{"ip":"` + huge + `"}]`,
	} {
		got := read(t, format, text, feed.Options{})
		if len(got) != 1 || !strings.Contains(got[0], "an object of more than 4 MB") {
			t.Errorf("%s: %.200q", format, got)
		}
	}
}

// The prefixes of a range cover it exactly, in order.
func TestRanges(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		lo := random.Uint32()
		hi := lo + random.Uint32()>>(random.UintN(24)+8)
		if hi < lo {
			continue
		}
		addr := func(n uint32) netip.Addr {
			return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		}
		r, err := feed.Open("ip", strings.NewReader(addr(lo).String()+"-"+addr(hi).String()), feed.Options{})
		if err != nil {
			t.Fatal(err)
		}
		next := uint64(lo)
		var c reputation.Claim
		for r.Next(&c) == nil {
			if c.Object.Prefix.Addr() != addr(uint32(next)) || c.Object.Prefix != c.Object.Prefix.Masked() {
				t.Fatalf("%v-%v: %v", addr(lo), addr(hi), c.Object)
			}
			next += 1 << (32 - c.Object.Prefix.Bits())
		}
		if next != uint64(hi)+1 {
			t.Fatalf("%v-%v ends at %d", addr(lo), addr(hi), next)
		}
	}
	benign := feed.Options{Source: reputation.Source{Kind: reputation.KindBenign}}
	if d := cmp.Diff([]string{"ip 0.0.0.0/0 benign", "ip ::/0 benign"},
		read(t, "ip", "0.0.0.0-255.255.255.255\n::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n", benign)); d != "" {
		t.Error(d)
	}
}

// A document that is cut is an error, not a short list.
func TestCutDocument(t *testing.T) {
	for format, text := range map[string]string{
		"warninglist": `{"name":"x","type":"cidr","list":["192.0.2.0/24","198.51.`,
		"jsonl":       `[{"ip":"192.0.2.1"},{"ip":"192`,
	} {
		got := read(t, format, text, feed.Options{})
		if len(got) == 0 || !strings.Contains(got[len(got)-1], "unexpected EOF") {
			t.Errorf("%s: %q", format, got)
		}
	}
}

// Addresses with counts, the largest lists, cost no allocation.
func TestAllocations(t *testing.T) {
	text := strings.Repeat("192.0.2.77\t3\n198.51.100.9\t5\n", 2000)
	for _, format := range []string{"ipsum", "ip"} {
		r, err := feed.Open(format, strings.NewReader(text), feed.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var c reputation.Claim
		if n := testing.AllocsPerRun(3000, func() {
			if err := r.Next(&c); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations an entry", format, n)
		}
	}
}

// No input makes a reader panic, hang, or give something that is no claim.
func FuzzReaders(f *testing.F) {
	var names []string
	for _, n := range feed.Formats() {
		names = append(names, n.Name)
	}
	for _, c := range cases() {
		for i, n := range names {
			if n == c.format {
				f.Add(uint8(i), c.text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		format := names[int(which)%len(names)]
		o := feed.Options{Now: 1_700_000_000, MaxEntries: 10_000, Name: "seed"}
		if format == "csv" {
			o.Mapping = map[string]string{"object": "1", "note": "2", "confidence": "3", "lasting": "4"}
		}
		feed.Guess([]byte(text))
		r, err := feed.Open(format, strings.NewReader(text), o)
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			var c reputation.Claim
			err := r.Next(&c)
			var bad *feed.Refusal
			switch {
			case errors.As(err, &bad):
				if bad.Problem == "" || len(bad.Text) > 240 {
					t.Fatalf("%+v", bad)
				}
			case err != nil:
				return
			case c.Object.Type == reputation.TypeNone || c.Kind == reputation.KindNone || len(c.Note) > 64 || c.Confidence > 100:
				t.Fatalf("%s: %+v", format, c)
			}
			if n > 20_000 {
				t.Fatal("no end")
			}
		}
	})
}
