package index

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// TestNetworksAgainstOracle asks a space of few bits, in which prefixes lie in
// and beside each other, and compares with a search through all of them.
func TestNetworksAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		six := round%2 == 1
		set := map[reputation.Object]reputation.Brief{}
		for range 1 + r.IntN(400) {
			a := narrowAddress(r, six)
			p, _ := a.Prefix(a.BitLen() - r.IntN(5)*r.IntN(9))
			set[reputation.Object{Type: reputation.TypePrefix, Prefix: p}] = bad(uint8(1 + r.IntN(100)))
		}
		x := build(t, set)
		if x.Size() != len(set) {
			t.Fatalf("size %d, want %d", x.Size(), len(set))
		}
		for range 600 {
			a := narrowAddress(r, six)
			ask, _ := a.Prefix(a.BitLen() - r.IntN(2)*r.IntN(33))
			want, bits := reputation.Brief{}, 0
			for n := ask.Bits(); n >= 0; n-- {
				p, _ := a.Prefix(n)
				if b, ok := set[reputation.Object{Type: reputation.TypePrefix, Prefix: p}]; ok {
					want, bits = b, n
					break
				}
			}
			if got, n := x.Network(ask); got != want || n != bits {
				t.Fatalf("%v: %v by /%d, want %v by /%d", ask, got, n, want, bits)
			}
			if !ask.IsSingleIP() {
				continue
			}
			if got, n := x.Address(a); got != want || n != bits {
				t.Fatalf("%v: %v by /%d, want %v by /%d", a, got, n, want, bits)
			}
		}
	}
}

// narrowAddress is at either end of the addresses or around the middle.
func narrowAddress(r *rand.Rand, six bool) netip.Addr {
	var b [16]byte
	v := []byte{0, 255, 127, 128}[r.IntN(4)]
	for i := range b {
		b[i] = v
	}
	if six {
		b[r.IntN(16)] ^= byte(r.IntN(256))
		b[15] ^= byte(r.IntN(256))
		return netip.AddrFrom16(b)
	}
	b[1+r.IntN(3)] ^= byte(r.IntN(256))
	b[3] ^= byte(r.IntN(256))
	return netip.AddrFrom4([4]byte(b[:4]))
}

// TestNamesAgainstOracle does the same for names and URLs of few labels and
// segments.
func TestNamesAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		set := map[reputation.Object]reputation.Brief{}
		for range 1 + r.IntN(300) {
			o := domain(narrowName(r), r.IntN(2) == 0)
			if r.IntN(2) == 0 {
				o = url(narrowURL(r), r.IntN(2) == 0)
				if o.Below {
					o.Text, _, _ = strings.Cut(o.Text, "?")
					o.Text = o.Text[:strings.LastIndexByte(o.Text, '/')+1]
				}
			}
			// What is narrower is heavier, as the ledger's briefs are.
			set[o] = bad(uint8(2*len(o.Text) + 1))
			if o.Below {
				set[o] = bad(uint8(2 * len(o.Text)))
			}
		}
		x := build(t, set)
		for range 600 {
			ask := domain(narrowName(r), false)
			if r.IntN(2) == 0 {
				ask = url(narrowURL(r), false)
			}
			want := oracle(set, ask)
			if b, match := x.Object(ask); len(match.Text) != len(want.Text) || match.Below != want.Below || b != set[want] {
				t.Fatalf("%v: %v %v below=%v, want %v %v below=%v", ask, b, match, match.Below, set[want], want, want.Below)
			}
		}
	}
}

func narrowName(r *rand.Rand) string {
	s := []string{"com", "net"}[r.IntN(2)]
	for range 1 + r.IntN(4) {
		s = fmt.Sprintf("%c.%s", 'a'+r.IntN(3), s)
	}
	return s
}

func narrowURL(r *rand.Rand) string {
	s := narrowName(r) + "/"
	for range r.IntN(4) {
		s += fmt.Sprintf("%c/", 'a'+r.IntN(2))
	}
	return s + []string{"", "x", "x?q", "x?q/r"}[r.IntN(4)]
}

// oracle finds the most exact of a set by its definition: what is asked itself,
// then the longest text that covers it.
func oracle(set map[reputation.Object]reputation.Brief, ask reputation.Object) (best reputation.Object) {
	host, path, isURL := strings.Cut(ask.Text, "/")
	plain, _, _ := strings.Cut(path, "?")
	for _, p := range []string{path, plain} {
		if _, ok := set[url(host+"/"+p, false)]; ok && isURL {
			return url(host+"/"+p, false)
		}
	}
	for o := range set {
		name, folder, _ := strings.Cut(o.Text, "/")
		covers := o.Below && (name == host || strings.HasSuffix(host, "."+name))
		if o.Type == reputation.TypeURL {
			covers = covers && isURL && strings.HasPrefix(plain, folder)
		} else {
			covers = covers || name == host && !o.Below
		}
		if n := len(o.Text) - len(best.Text); covers && (n > 0 || n == 0 && !o.Below) {
			best = o
		}
	}
	return best
}

// TestTwice adds objects again: the heavier word counts, the operator's above all.
func TestTwice(t *testing.T) {
	allow := reputation.Brief{Local: reputation.LocalAllow}
	objects := []reputation.Object{prefix("192.0.2.0/24"), prefix("192.0.2.1/32"), prefix("2001:db8::/32"),
		domain("bad.example", true), url("bad.example/x", false), {Type: reputation.TypeASN, Number: 9}}
	for _, o := range objects {
		b := NewBuilder(4)
		for _, brief := range []reputation.Brief{bad(50), bad(90), bad(20)} {
			if err := b.Add(o, brief); err != nil {
				t.Fatal(err)
			}
		}
		b2 := NewBuilder(4)
		for _, brief := range []reputation.Brief{bad(50), allow, bad(90)} {
			if err := b2.Add(o, brief); err != nil {
				t.Fatal(err)
			}
		}
		for builder, want := range map[*Builder]reputation.Brief{b: bad(90), b2: allow} {
			x, err := builder.Build()
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := x.Object(o); got != want || x.Size() != 1 {
				t.Errorf("%v: %v, want %v; size %d", o, got, want, x.Size())
			}
		}
	}
}

// TestMany builds a table of several chunks and finds every object again, and
// nothing else.
func TestMany(t *testing.T) {
	const n = 200_000
	x := made(t, n, "mixed", true)
	var b Batch
	for i := 0; i < n; i += 8 {
		for _, c := range []struct {
			ask  reputation.Object
			want uint8
		}{
			{reputation.Object{Type: reputation.TypePrefix, Prefix: netip.PrefixFrom(madeAddress(i), 32)}, uint8(i%100 + 1)},
			{domain("x."+madeName(i+1), false), uint8((i+1)%100 + 1)},
			{url(madeURL(i+2), false), uint8((i+2)%100 + 1)},
			{reputation.Object{Type: reputation.TypeFile, Text: madeHash(i + 3)}, uint8((i+3)%100 + 1)},
			{url(madeURL(i+6)+"?x", false), uint8((i+6)%100 + 1)},
			{domain("x."+madeName(n+i), false), 0},
			{url(madeURL(n+i), false), 0},
		} {
			if got, _ := x.Object(c.ask); got.Score != c.want {
				t.Fatalf("%v: %d, want %d", c.ask, got.Score, c.want)
			}
		}
		if b.Len() < MaxBatch {
			if err := b.Object(domain(madeName(i+1), false)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(x.prefixes) != n*5/8 {
		t.Errorf("%d prefixes of hashes, want %d", len(x.prefixes), n*5/8)
	}
}

// TestNoAllocations holds look-ups to none.
func TestNoAllocations(t *testing.T) {
	x := made(t, 10_000, "mixed", true)
	name, file := madeName(1), unhex(make([]byte, 32), madeHash(3))
	upper, link, under := strings.ToUpper(name)+".", []byte(madeURL(2)), []byte(madeURL(6)+"?x")
	var b Batch
	for _, o := range []reputation.Object{domain(name, false), url(string(link), false), prefix("192.0.2.1/32")} {
		if err := b.Object(o); err != nil {
			t.Fatal(err)
		}
	}
	room := make([]byte, 0, 1<<10)
	object := url(string(under), false)
	for what, f := range map[string]func(){
		"Address":   func() { x.Address(madeAddress(0)) },
		"Address 6": func() { x.Address(netip.AddrFrom16([16]byte{32})) },
		"Domain":    func() { x.Domain(name) },
		"upper":     func() { x.Domain(upper) },
		"URL":       func() { x.URL(link) },
		"below":     func() { x.URL(under) },
		"File":      func() { x.File(file) },
		"Object":    func() { x.Object(object) },
		"Answer":    func() { x.Answer(room, b.Bytes()) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
}

// TestBuilderRefuses says no to what is no object and to too many.
func TestBuilderRefuses(t *testing.T) {
	b := NewBuilder(0)
	b.MaxEntries = 1
	for _, o := range []reputation.Object{{}, {Type: reputation.NumTypes, Text: "x"}, {Type: reputation.TypePrefix}, domain("", true),
		url(strings.Repeat("x", MaxText+1), false), prefix("::ffff:192.0.2.0/120")} {
		if err := b.Add(o, bad(1)); err == nil {
			t.Errorf("%v was taken", o)
		}
	}
	if err := b.Add(domain("a.example", true), reputation.Brief{}); err != nil {
		t.Error(err)
	}
	if err := b.Add(domain("a.example", true), bad(1)); err != nil {
		t.Error(err)
	}
	if err := b.Add(domain("b.example", true), bad(1)); err != ErrFull {
		t.Errorf("the second of one: %v", err)
	}
	x, err := b.Build()
	if err != nil || x.Size() != 1 {
		t.Fatalf("size %d, %v", x.Size(), err)
	}
	empty, err := NewBuilder(-1).Build()
	if err != nil {
		t.Fatal(err)
	}
	if got, match := empty.Object(url("a.example/", false)); got.Listed() || match.Type != reputation.TypeNone {
		t.Errorf("an empty index knows %v", match)
	}
}
