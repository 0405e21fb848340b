package needle

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestIndexAgainstBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abABzZ@`[{\x00\xff"[r.IntN(12)]
		}
		return b
	}
	for range 50000 {
		buf, pat, nocase := random(r.IntN(40)), random(1+r.IntN(4)), r.IntN(2) == 0
		n := New(pat, nocase)
		from := r.IntN(len(buf) + 1)
		end := from + r.IntN(len(buf)-from+1)
		hay, want := buf[from:end], pat
		if nocase {
			hay, want = lowered(hay), lowered(pat)
		}
		exp := bytes.Index(hay, want)
		if exp >= 0 {
			exp += from
		}
		if got := n.Index(buf, from, end); got != exp {
			t.Fatalf("%q in %q[%d:%d] (nocase %v): %d, want %d", pat, buf, from, end, nocase, got, exp)
		}
		if exp >= 0 && !n.At(buf, exp) {
			t.Fatalf("%q not at %d of %q", pat, exp, buf)
		}
	}
}

func lowered(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = Lower(c)
	}
	return out
}
