package tlsh

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// text makes bytes that any language can make again: a linear congruential
// generator's high bits.
func text(n int, seed, mod uint32) []byte {
	b := make([]byte, n)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(32 + (seed>>24)%mod)
	}
	return b
}

// The digests that an independent implementation gives of the same bytes.
func TestOf(t *testing.T) {
	for _, c := range []struct {
		n         int
		seed, mod uint32
		want      string
	}{
		{600, 1, 90, "T1CFF00221582730251C390747808F75FC68870A125CCA943351AD3CA81109223218667E"},
		{1000, 7, 90, "T1A01118208942BEC9593F00D1E7E145D810866394015F10E9E09470CB12FE23F70C83B6"},
		{3199, 3, 60, "T147615BAECC2EAD35D9803D29E11E12889BB499607DCD0F5B24A153F068D44C866C4B4F"},
		{3200, 3, 60, "T154615BAECC2EAD35D9803D29E11E12889BB499607DCD0F5B24A153F068D44C866C4B4F"},
		{20000, 9, 90, "T12492E1897A899B106304873CC2285DE8702A3FA29266C7CF0CFE85BB0996567F56C356"},
		{5000, 11, 20, "T1B2A15CF3B84977CF2015068D28E9E664845BE4233B339D0439C99DCDDD7AD80FE24958"},
	} {
		data := text(c.n, c.seed, c.mod)
		if d, err := Of(data); err != nil || d.String() != c.want {
			t.Errorf("%d bytes: %v, %v; want %s", c.n, d, err, c.want)
		}
		var h Hasher
		for part := range slices.Chunk(data, 7) {
			_, _ = h.Write(part)
		}
		if d, err := h.Sum(); err != nil || d.String() != c.want {
			t.Errorf("%d bytes in parts: %v, %v", c.n, d, err)
		}
	}
}

func TestNoDigest(t *testing.T) {
	if _, err := Of(text(49, 1, 90)); !errors.Is(err, ErrShort) {
		t.Error(err)
	}
	if _, err := Of(make([]byte, 5000)); !errors.Is(err, ErrPlain) {
		t.Error(err)
	}
	for _, s := range []string{"", "T1", strings.Repeat("g", 70), "T2" + strings.Repeat("0", 70), strings.Repeat("0", 71)} {
		if _, err := Parse(s); !errors.Is(err, ErrText) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// plain is the distance as the paper's text tells it, pair by pair.
func plain(a, b Digest) int {
	d := header(&a, &b)
	for i := 3; i < len(a); i++ {
		for s := 0; s < 8; s += 2 {
			n := int(a[i]>>s&3) - int(b[i]>>s&3)
			if n = max(n, -n); n == 3 {
				n = 6
			}
			d += n
		}
	}
	return d
}

func random(r *rand.Rand) (d Digest) {
	for i := range d {
		d[i] = byte(r.Uint32())
	}
	return d
}

func TestDistance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		a := random(r)
		b := a
		for range r.IntN(20) {
			b[r.IntN(len(b))] ^= byte(r.Uint32())
		}
		if n := Distance(&a, &b); n != plain(a, b) || n != Distance(&b, &a) || n < 0 || (n == 0) != (a == b) {
			t.Fatalf("%v to %v: %d, want %d", a, b, n, plain(a, b))
		}
		if c, err := Parse(a.String()); err != nil || c != a {
			t.Fatal(c, err)
		}
	}
	// From an independent implementation.
	for _, c := range vectors {
		a, _ := Parse(c.a)
		b, _ := Parse(c.b)
		if n := Distance(&a, &b); n != c.want {
			t.Errorf("%s to %s: %d, want %d", c.a, c.b, n, c.want)
		}
	}
}

// TestAlike checks the use: small changes of a file stay near, other files do
// not.
func TestAlike(t *testing.T) {
	file := text(20_000, 5, 90)
	changed := slices.Clone(file)
	copy(changed[1000:], "http://192.0.2.1/bins/other.sh and a new key")
	changed = slices.Insert(changed, 9000, []byte("a few bytes more")...)
	a, _ := Of(file)
	b, _ := Of(changed)
	if n := Distance(&a, &b); n > Alike {
		t.Errorf("a small change is %d away", n)
	}
	r := rand.New(rand.NewPCG(1, 2))
	other := make([]byte, 20_000)
	for i := range other {
		other[i] = byte(r.Uint32())
	}
	c, _ := Of(other)
	if n := Distance(&a, &c); n <= 2*Alike {
		t.Errorf("another file is %d away", n)
	}
}

func TestNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := NewSet(500)
	var all []Digest
	for i := range 500 {
		all = append(all, random(r))
		if !s.Add(all[i], uint32(i)) {
			t.Fatal("full")
		}
	}
	if s.Add(all[0], 0) || s.Len() != 500 {
		t.Error("no bound")
	}
	for range 300 {
		q := random(r)
		if r.IntN(2) == 0 {
			q = all[r.IntN(len(all))]
			q[r.IntN(len(q))] ^= byte(r.Uint32())
		}
		within := r.IntN(600)
		best, found := within, false
		for i := range all {
			if n := Distance(&q, &all[i]); n <= best {
				best, found = n, true
			}
		}
		ref, n, ok := s.Nearest(&q, within)
		if ok != found || ok && (n != best || Distance(&q, &all[ref]) != n) {
			t.Fatalf("within %d: %d, %v; want %d, %v", within, n, ok, best, found)
		}
	}
	q := random(r)
	if n := testing.AllocsPerRun(10, func() { s.Nearest(&q, 100) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzOf(f *testing.F) {
	f.Add(text(60, 1, 90), 3, "T1")
	f.Add([]byte("short"), 0, strings.Repeat("0a", 35))
	f.Fuzz(func(t *testing.T, data []byte, cut int, s string) {
		d, err := Of(data)
		if cut = min(max(cut, 0), len(data)); err == nil {
			var h Hasher
			_, _ = h.Write(data[:cut])
			_, _ = h.Write(data[cut:])
			if e, err := h.Sum(); err != nil || e != d {
				t.Fatalf("in two parts %v, %v; want %v", e, err, d)
			}
		}
		if p, err := Parse(s); err == nil && !strings.EqualFold(p.String()[72-70:], s[len(s)-70:]) {
			t.Fatalf("%q is %v", s, p)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	data := text(1<<20, 1, 90)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, _ = Of(data)
	}
}

func BenchmarkDistance(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	x, y := random(r), random(r)
	for b.Loop() {
		Distance(&x, &y)
	}
}

func BenchmarkNearest100k(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	s := NewSet(100_000)
	for i := range uint32(100_000) {
		s.Add(random(r), i)
	}
	q := random(r)
	for b.Loop() {
		s.Nearest(&q, Alike)
	}
}
