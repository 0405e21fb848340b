package ledger

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

const now = 1_800_000_000

func ip(s string) reputation.Object {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a := netip.MustParseAddr(s)
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return reputation.Object{Type: reputation.TypePrefix, Prefix: p}
}

func name(s string) reputation.Object {
	rest, below := strings.CutPrefix(s, "*.")
	return reputation.Object{Type: reputation.TypeDomain, Text: rest, Below: below}
}

func url(s string) reputation.Object {
	rest, below := strings.CutSuffix(s, "*")
	return reputation.Object{Type: reputation.TypeURL, Text: rest, Below: below}
}

// fill imports objects as one source.
func fill(t testing.TB, l *Ledger, s reputation.Source, objects ...reputation.Object) Change {
	t.Helper()
	m, err := l.Import(l.Source(s), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := m.Add(&reputation.Claim{Object: o}); err != nil {
			t.Fatal(err)
		}
	}
	c := m.Change()
	m.Commit()
	return c
}

func src(name string, trust uint8, k reputation.Kind) reputation.Source {
	return reputation.Source{Name: name, Trust: trust, Kind: k}
}

func TestScores(t *testing.T) {
	l := New(Config{})
	fill(t, l, src("a", 80, reputation.KindC2), ip("192.0.2.1"), ip("198.51.100.0/24"), ip("10.1.2.3"), ip("10.1.2.4"), ip("172.16.0.9"),
		name("x.google.example"), name("y.google.example"), name("google.example"), name("evil.example"), name("*.bad.example"), name("cdn.example"), name("x.cdn.example"), url("shop.example/a/b.sh"), url("files.example/x/*"),
		url("cdn.example/m.sh"), url("shop.example/q?x=1"))
	fill(t, l, src("b", 50, reputation.KindBot), name("y.google.example"), ip("192.0.2.1"), ip("172.16.0.9"))
	fill(t, l, reputation.Source{Name: "a2", Owner: "a", Trust: 70, Kind: reputation.KindScanner}, ip("192.0.2.1"))
	fill(t, l, src("c", 50, reputation.KindBot), ip("172.16.0.9"))
	fill(t, l, src("good", 90, reputation.KindBenign), ip("10.0.0.0/8"), name("*.google.example"))
	fill(t, l, src("cloud", 80, reputation.KindKnown), ip("172.16.0.0/12"), name("*.cdn.example"), name("cdn.example"))
	fill(t, l, src("tor1", 90, reputation.KindAnonymizer), ip("203.0.113.7"))
	fill(t, l, src("tor2", 90, reputation.KindAnonymizer), ip("203.0.113.7"))
	fill(t, l, reputation.Source{Name: "mine", Local: reputation.LocalAllow, Kind: reputation.KindBenign}, ip("198.51.100.7"), name("*.ok.bad.example"))
	fill(t, l, reputation.Source{Name: "no", Local: reputation.LocalDeny, Kind: reputation.KindSuspicious}, ip("10.9.0.0/16"))
	for _, tt := range []struct {
		o    reputation.Object
		want reputation.Brief
	}{
		{ip("192.0.2.1"), reputation.Brief{Score: 90, Kind: reputation.KindC2}},
		{ip("192.0.2.2"), reputation.Brief{}},
		{ip("198.51.100.9"), reputation.Brief{Score: 80, Kind: reputation.KindC2}},
		{ip("198.51.100.7"), reputation.Brief{Score: 0, Kind: reputation.KindC2, Local: reputation.LocalAllow}},
		{ip("10.1.2.3"), reputation.Brief{Score: 8, Kind: reputation.KindBenign}},
		{ip("10.200.2.3"), reputation.Brief{Kind: reputation.KindBenign}},
		{ip("10.9.1.1"), reputation.Brief{Score: 100, Kind: reputation.KindSuspicious, Local: reputation.LocalDeny}},
		{ip("172.16.0.9"), reputation.Brief{Score: 76, Kind: reputation.KindC2}},
		{ip("203.0.113.7"), reputation.Brief{Score: 60, Kind: reputation.KindAnonymizer}},
		{name("evil.example"), reputation.Brief{Score: 80, Kind: reputation.KindC2}},
		{name("www.evil.example"), reputation.Brief{}},
		{name("bad.example"), reputation.Brief{Score: 80, Kind: reputation.KindC2}},
		{name("a.b.bad.example"), reputation.Brief{Score: 80, Kind: reputation.KindC2}},
		{name("x.ok.bad.example"), reputation.Brief{Kind: reputation.KindC2, Local: reputation.LocalAllow}},
		{name("maps.google.example"), reputation.Brief{Kind: reputation.KindBenign}},
		{name("google.example"), reputation.Brief{Score: 8, Kind: reputation.KindBenign}},
		{name("x.google.example"), reputation.Brief{Score: 62, Kind: reputation.KindC2}},
		{name("y.google.example"), reputation.Brief{Score: 70, Kind: reputation.KindC2}},
		{name("cdn.example"), reputation.Brief{Score: 64, Kind: reputation.KindC2}},
		{name("x.cdn.example"), reputation.Brief{Score: 74, Kind: reputation.KindC2}},
		{url("shop.example/a/b.sh"), reputation.Brief{Score: 80, Kind: reputation.KindC2}},
		{url("shop.example/a/b.sh?x=2"), reputation.Brief{Score: 80, Kind: reputation.KindC2}},
		{url("shop.example/q"), reputation.Brief{}},
		{url("files.example/x/y/z"), reputation.Brief{Score: 80, Kind: reputation.KindC2}},
		{url("a.files.example/x/"), reputation.Brief{Score: 80, Kind: reputation.KindC2}},
		{url("www.bad.example/"), reputation.Brief{Score: 80, Kind: reputation.KindC2}},
		{url("192.0.2.1/i.sh"), reputation.Brief{Score: 90, Kind: reputation.KindC2}},
		{url("cdn.example/m.sh"), reputation.Brief{Score: 74, Kind: reputation.KindC2}},
	} {
		if got := l.Brief(tt.o, now); got != tt.want {
			t.Errorf("%v: %+v, want %+v: %s", tt.o, got, tt.want, l.Explain(tt.o, now).Words)
		}
		v := l.Explain(tt.o, now)
		if v.Score != tt.want.Score || v.Local != tt.want.Local || v.Words == "" {
			t.Errorf("%v: Explain differs: %+v", tt.o, v)
		}
	}
}

func TestEditions(t *testing.T) {
	l := New(Config{})
	a, b, c := ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.3")
	s := src("a", 80, reputation.KindBot)
	fill(t, l, s, a, b)
	m, err := l.Import(l.Source(s), now+day)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []reputation.Object{b, c, c} {
		if err := m.Add(&reputation.Claim{Object: o}); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Change(); got.Before != 2 || got.After != 2 || got.Added != 1 || got.Removed != 1 || got.Doubles != 1 {
		t.Errorf("change %+v", got)
	}
	if l.Brief(c, now).Listed() || !l.Brief(a, now).Listed() {
		t.Error("an open import counts already")
	}
	m.Commit()
	if l.Brief(a, now+day).Listed() || !l.Brief(b, now+day).Listed() || !l.Brief(c, now+day).Listed() {
		t.Error("the new edition is not in force")
	}
	if v := l.Explain(b, now+day); v.First != now || v.Last != now+day {
		t.Errorf("first %d, last %d", v.First, v.Last)
	}
	m, _ = l.Merge(l.Source(s), now+2*day)
	_ = m.Add(&reputation.Claim{Object: a})
	m.Commit()
	if n := l.Stats(); n.Objects != 3 || n.Claims != 3 || n.Sources[0].Entries != 3 {
		t.Errorf("after merge: %+v", n)
	}
	m, _ = l.Import(l.Source(s), now)
	_ = m.Add(&reputation.Claim{Object: ip("192.0.2.9")})
	m.Abort()
	if n := l.Stats(); n.Objects != 3 {
		t.Errorf("after abort: %+v", n)
	}
	if n := l.Expire(now + 400*day); n != 3 || l.Size() != 0 {
		t.Errorf("%d expired, %d left", n, l.Size())
	}
}

func TestChangeTellsBadFeeds(t *testing.T) {
	l := New(Config{})
	fill(t, l, src("good", 90, reputation.KindBenign), ip("8.8.8.0/24"), name("*.google.example"), name("one.example"))
	fill(t, l, reputation.Source{Name: "mine", Local: reputation.LocalAllow, Kind: reputation.KindBenign}, ip("198.51.100.0/24"), name("*.ours.example"))
	for _, tt := range []struct {
		o    reputation.Object
		want [3]int
	}{
		{ip("8.8.8.8"), [3]int{0, 0, 1}}, {ip("8.0.0.0/8"), [3]int{0, 1, 0}}, {ip("8.8.8.0/24"), [3]int{0, 1, 0}}, {ip("8.8.9.0/24"), [3]int{}},
		{ip("198.51.100.7"), [3]int{1, 0, 0}}, {ip("198.51.0.0/16"), [3]int{1, 0, 0}}, {ip("9.9.9.9"), [3]int{}}, {ip("2001:db8::1"), [3]int{}},
		{name("x.google.example"), [3]int{0, 0, 1}}, {name("google.example"), [3]int{0, 1, 0}}, {name("*.one.example"), [3]int{0, 1, 0}},
		{name("a.one.example"), [3]int{}}, {name("cam.ours.example"), [3]int{1, 0, 0}}, {name("*.example"), [3]int{1, 1, 0}},
	} {
		l.Source(src("bad", 50, reputation.KindBot))
		m, err := l.Import(l.Source(src("bad", 50, reputation.KindBot)), now)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Add(&reputation.Claim{Object: tt.o}); err != nil {
			t.Fatal(err)
		}
		c := m.Change()
		if got := [3]int{c.Own, c.Benign, c.Inside}; got != tt.want && !(tt.want == [3]int{1, 1, 0} && got == [3]int{1, 0, 0}) {
			t.Errorf("%v: %v, want %v", tt.o, got, tt.want)
		}
		m.Abort()
	}
}

func TestRefusals(t *testing.T) {
	l := New(Config{MaxObjects: 2})
	m, _ := l.Import(l.Source(src("a", 50, reputation.KindNone)), now)
	for _, c := range []reputation.Claim{
		{Object: ip("192.0.2.1")},
		{Object: reputation.Object{}, Kind: reputation.KindBot},
		{Object: reputation.Object{Type: reputation.TypeFile, Text: "zz"}, Kind: reputation.KindBot},
		{Object: reputation.Object{Type: reputation.TypeURL, Text: strings.Repeat("x", 4000)}, Kind: reputation.KindBot},
		{Object: reputation.Object{Type: reputation.TypePrefix, Prefix: netip.MustParsePrefix("10.1.1.1/8")}, Kind: reputation.KindBot},
		{Object: ip("192.0.2.1"), Kind: reputation.KindBot, Until: now - 1},
		{Object: reputation.Object{Type: 99, Text: "x"}, Kind: reputation.KindBot},
	} {
		err := m.Add(&c)
		if r, ok := err.(*Refusal); !ok || r.Error() == "" {
			t.Errorf("%v: %v", c.Object, err)
		}
		l.Brief(c.Object, now)
		l.Explain(c.Object, now)
	}
	for i, want := range []bool{true, true, false} {
		err := m.Add(&reputation.Claim{Object: ip(fmt.Sprintf("192.0.2.%d", i)), Kind: reputation.KindBot})
		if _, full := err.(*Full); full == want {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestRandom compares the ledger with maps over many editions.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	l := New(Config{})
	type says map[reputation.Object]bool
	have := map[string]says{}
	for round := range 300 {
		s := src(fmt.Sprint("s", r.IntN(6)), 50, reputation.KindBot)
		m, err := l.Import(l.Source(s), now)
		if err != nil {
			t.Fatal(err)
		}
		list := says{}
		for range r.IntN(400) {
			o := randomObject(r)
			if err := m.Add(&reputation.Claim{Object: o, Note: fmt.Sprint(r.IntN(100))}); err != nil {
				t.Fatal(err)
			}
			list[o] = true
		}
		if r.IntN(5) == 0 {
			m.Abort()
		} else {
			m.Commit()
			have[s.Name] = list
		}
		if round%50 == 49 {
			l.Expire(now)
		}
	}
	all := says{}
	for _, list := range have {
		for o := range list {
			all[o] = true
		}
	}
	got := says{}
	l.Each(now, func(o reputation.Object, b reputation.Brief) bool {
		if got[o] || !all[o] {
			t.Errorf("%v: seen twice or never listed", o)
		}
		if x := l.Brief(o, now); x != b || b.Score < 40 {
			t.Errorf("%v: Each says %+v, Brief %+v", o, b, x)
		}
		got[o] = true
		return true
	})
	if len(got) != len(all) || l.Stats().Objects != len(all) {
		t.Errorf("%d objects, want %d", len(got), len(all))
	}
	l.Expire(now + 4000*day)
	if l.Size() != 0 || len(l.wide.four) != 0 || l.wide.have4 != 0 || l.prefixes != 0 {
		t.Errorf("%d objects left after all have gone", l.Size())
	}
}

func randomObject(r *rand.Rand) reputation.Object {
	switch r.IntN(5) {
	case 0:
		a := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(4)), byte(r.IntN(256))})
		p, _ := a.Prefix(32 - r.IntN(12)*r.IntN(2))
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}
	case 1:
		p, _ := netip.AddrFrom16([16]byte{0x20, 1, 7: byte(r.IntN(4)), 15: byte(r.IntN(4))}).Prefix(128 - 8*r.IntN(9))
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}
	case 2:
		return reputation.Object{Type: reputation.TypeURL, Text: fmt.Sprintf("h%d.example/%d/", r.IntN(20), r.IntN(20)), Below: r.IntN(3) == 0}
	case 3:
		return reputation.Object{Type: reputation.TypeASN, Number: r.Uint32N(1000)}
	}
	return reputation.Object{Type: reputation.TypeDomain, Text: strings.Repeat("a.", r.IntN(3)) + fmt.Sprint("d", r.IntN(300), ".example"), Below: r.IntN(2) == 0}
}

func TestNoAllocations(t *testing.T) {
	l := New(Config{})
	fill(t, l, src("a", 80, reputation.KindC2), ip("192.0.2.0/24"), ip("2001:db8::/32"), name("*.bad.example"), url("x.example/a/*"))
	for _, o := range []reputation.Object{ip("192.0.2.1"), ip("2001:db8::1"), name("a.b.bad.example"), url("x.example/a/b?c"), url("192.0.2.1/a")} {
		if n := testing.AllocsPerRun(100, func() { l.Brief(o, now) }); n != 0 {
			t.Errorf("%v: %v allocations", o, n)
		}
	}
}

// TestExpressions compares the covers of URLs with what package canon names.
func TestExpressions(t *testing.T) {
	for _, text := range []string{"a.b.com/1/2.html?param=1/2", "a.b.c.d.e.f.com/1.html", "192.0.2.1/1/", "[2001:db8::1]/", "x.com/a/b/c/d/e", "com/a", "a.com/"} {
		want := map[string]bool{}
		l := New(Config{})
		l.Source(src("a", 80, reputation.KindC2))
		var all []reputation.Object
		canon.Expressions(text, func(host, path string) bool {
			want[host+path] = true
			all = append(all, url(host+path+"*"))
			return true
		})
		fill(t, l, src("a", 80, reputation.KindC2), all...)
		var room [40]found
		key, _ := appendKey(nil, &reputation.Object{Type: reputation.TypeURL, Text: text})
		got := l.urls(key, room[:0])
		if len(got) != len(want) {
			t.Errorf("%s: %d expressions, want %v", text, len(got), want)
		}
		for i, f := range got {
			if o := l.keyOf(l.objects.at(f.id)); !want[string(o[1:])] {
				t.Errorf("%s: %q at %d", text, o, i)
			}
		}
	}
}

func TestForget(t *testing.T) {
	l := New(Config{})
	fill(t, l, src("a", 80, reputation.KindBot), ip("192.0.2.1"))
	fill(t, l, src("b", 80, reputation.KindBot), ip("192.0.2.1"))
	open, _ := l.Import(l.Source(src("a", 80, reputation.KindBot)), now)
	_ = open.Add(&reputation.Claim{Object: ip("192.0.2.2")})
	l.Forget(l.Source(src("a", 80, reputation.KindBot)))
	open.Commit()
	if len(l.Sources()) != 1 || len(l.Stats().Sources) != 1 || l.Stats().Claims != 1 || l.Brief(ip("192.0.2.2"), now).Listed() {
		t.Errorf("%+v", l.Stats())
	}
	for i := range maxSources + 200 {
		id := l.Source(src(fmt.Sprint("s", i), 80, reputation.KindBot))
		if id == 0 {
			t.Fatalf("no number for source %d", i)
		}
		fill(t, l, src(fmt.Sprint("s", i), 80, reputation.KindBot), ip("192.0.2.3"))
		if b := l.Brief(ip("192.0.2.3"), now); b.Score != 80 {
			t.Fatalf("%d: %+v", i, b)
		}
		l.Forget(id)
	}
}

func TestWords(t *testing.T) {
	l := New(Config{})
	fill(t, l, src("warn", 90, reputation.KindKnown), ip("192.0.2.0/24"))
	fill(t, l, src("good", 90, reputation.KindBenign), ip("198.51.100.0/24"))
	fill(t, l, src("a", 90, reputation.KindC2), ip("192.0.2.1"), ip("203.0.113.0/24"), ip("198.51.100.1"))
	fill(t, l, src("b", 50, reputation.KindScanner), ip("203.0.113.0/24"))
	for _, tt := range []struct {
		o    reputation.Object
		want string
	}{
		{ip("203.0.113.9"), "203.0.113.9 belongs to 203.0.113.0/24, which is listed as c2 by 2 independent owners (a, b), last seen 2 hours ago. Score 95 of 100: blocked everywhere."},
		{ip("192.0.2.1"), "192.0.2.1 is listed as c2 by a, last seen 2 hours ago. What warn says for it has been weighed in. Score 70 of 100: worth a look or a limit."},
		{ip("198.51.100.1"), "198.51.100.1 is listed as c2 by a, last seen 2 hours ago. But good holds it to be harmless, so that counts for little. Score 9 of 100: nothing is done."},
		{ip("198.51.100.2"), "198.51.100.2 is held to be harmless by good."},
		{ip("192.0.2.2"), "192.0.2.2 is widely used, says warn; nothing is said against it."},
		{ip("9.9.9.9"), "9.9.9.9 is not listed; that does not mean that it is harmless."},
	} {
		if got := l.Explain(tt.o, now+7200).Words; got != tt.want {
			t.Errorf("%v:\n%s\nwant\n%s", tt.o, got, tt.want)
		}
	}
}

func TestDecay(t *testing.T) {
	l := New(Config{})
	file := reputation.Object{Type: reputation.TypeFile, Text: strings.Repeat("ab", 32)}
	fill(t, l, src("a", 90, reputation.KindScanner), ip("192.0.2.1"), file)
	last := uint8(101)
	for _, days := range []uint32{0, 1, 8, 15, 29, 50, 57} {
		b := l.Brief(ip("192.0.2.1"), now+days*day)
		if b.Score > last || days <= 1 && b.Score != 81 || days == 15 && b.Score != 40 || days == 57 && b.Listed() {
			t.Errorf("after %d days: %+v", days, b)
		}
		last = b.Score
	}
	if b := l.Brief(file, now+1000*day); b.Score != 81 {
		t.Errorf("a file's hash has aged: %+v", b)
	}
}

// FuzzAdd lays claims on objects of any kind and form: nothing may panic, and what
// is taken must be found again.
func FuzzAdd(f *testing.F) {
	f.Add(byte(1), false, "192.0.2.0/24", "a", uint32(0), uint32(0))
	f.Add(byte(3), true, "a.b.example", "", uint32(now), uint32(now+9))
	f.Add(byte(4), true, "h.example/a/?b", "n", uint32(5), uint32(1))
	f.Add(byte(4), false, "[2001:db8::1]/a//", "n", uint32(5), uint32(0))
	f.Add(byte(5), false, "00ff", "n", uint32(5), uint32(0))
	f.Fuzz(func(t *testing.T, typ byte, below bool, text, note string, last, until uint32) {
		l := New(Config{MaxObjects: 8})
		o := reputation.Object{Type: reputation.Type(typ), Below: below, Text: text, Number: last}
		if o.Type == reputation.TypePrefix {
			o.Prefix, _ = netip.ParsePrefix(text)
			o.Text = ""
		}
		m, err := l.Import(l.Source(src("a", 90, reputation.KindC2)), now)
		if err != nil {
			t.Fatal(err)
		}
		err = m.Add(&reputation.Claim{Object: o, Note: note, Last: last, Until: until})
		m.Commit()
		v := l.Explain(o, now)
		if b := l.Brief(o, now); b.Score != v.Score || v.Words == "" || err == nil && !b.Listed() {
			t.Errorf("%v (%v): %+v, %+v", o, err, b, v)
		}
		l.Each(now, func(got reputation.Object, b reputation.Brief) bool {
			if got.String() != o.String() {
				t.Errorf("%v came back as %v", o, got)
			}
			return true
		})
		l.Expire(^uint32(0))
	})
}

func TestCrowded(t *testing.T) {
	l := New(Config{})
	var bad, scanners []reputation.Object
	for i := range 40 {
		bad = append(bad, ip(fmt.Sprint("192.0.2.", i)))
		scanners = append(scanners, ip(fmt.Sprint("198.51.100.", i)))
	}
	fill(t, l, src("a", 90, reputation.KindC2), append(bad, ip("203.0.113.1"), ip("203.0.113.2"))...)
	fill(t, l, src("b", 90, reputation.KindScanner), scanners...)
	for range 2 { // what it says itself changes nothing the second time
		m, err := l.Import(l.Source(Crowd()), now)
		if err != nil {
			t.Fatal(err)
		}
		got := l.Crowded(now)
		if len(got) != 1 || got[0].Object != ip("192.0.2.0/24") {
			t.Fatalf("%+v", got)
		}
		if err := m.Add(&got[0]); err != nil {
			t.Fatal(err)
		}
		m.Commit()
	}
	if b := l.Brief(ip("192.0.2.99"), now); b.Score < 50 || b.Score >= reputation.DefaultBlock {
		t.Errorf("a neighbour: %+v", b)
	}
	if b := l.Brief(ip("192.0.2.9"), now); b.Score != 90 || b.Kind != reputation.KindC2 {
		t.Errorf("one of them: %+v", b)
	}
}

// TestSuppose asks what a new edition and a source's silence would change, and
// that asking changes nothing.
func TestSuppose(t *testing.T) {
	l := New(Config{})
	fill(t, l, src("a", 90, reputation.KindC2), ip("192.0.2.1"), ip("192.0.2.2"))
	fill(t, l, src("b", 90, reputation.KindC2), ip("192.0.2.2"))
	a, b := ip("192.0.2.1"), ip("192.0.2.2")
	before := [2]reputation.Brief{l.Brief(a, now), l.Brief(b, now)}
	without := l.Without(l.named["a"])
	if got := without.Brief(a, now); got.Listed() {
		t.Errorf("without a, what only a lists is still %+v", got)
	}
	if got := without.Brief(b, now); !got.Listed() || got.Score >= before[1].Score {
		t.Errorf("without a, what b lists too is %+v, with it %+v", got, before[1])
	}
	m, err := l.Import(l.named["a"], now)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Add(&reputation.Claim{Object: ip("192.0.2.3")}); err != nil {
		t.Fatal(err)
	}
	after := m.Suppose()
	if after.Brief(a, now).Listed() || !after.Brief(ip("192.0.2.3"), now).Listed() {
		t.Error("the supposed edition does not stand in the place of the former one")
	}
	if got := after.Without(l.named["b"]).Brief(b, now); got.Listed() {
		t.Errorf("without b and with a's new edition it is still %+v", got)
	}
	if l.Brief(a, now) != before[0] || l.Brief(b, now) != before[1] || l.Brief(ip("192.0.2.3"), now).Listed() {
		t.Error("asking changed the ledger")
	}
	m.Abort()
	m, err = l.Merge(l.named["a"], now)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Add(&reputation.Claim{Object: ip("192.0.2.3")}); err != nil {
		t.Fatal(err)
	}
	if got := m.Suppose().Brief(a, now); got != before[0] {
		t.Errorf("an addition takes nothing away: %+v", got)
	}
	m.Abort()
}
