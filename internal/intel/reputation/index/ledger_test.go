package index_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

const now = 1_760_000_000

// TestAgreesWithLedger builds an index from a ledger in which objects cover
// each other and asks both for what is listed and for what is not.
func TestAgreesWithLedger(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		l := ledger.New(ledger.Config{})
		kinds := []reputation.Kind{reputation.KindBot, reputation.KindC2, reputation.KindScanner}
		for s := range 4 {
			source := reputation.Source{Name: fmt.Sprint("source", s), Owner: fmt.Sprint("owner", s), Trust: uint8(30 + 20*s), Kind: kinds[s%3]}
			if s == 3 {
				source.Local = reputation.Local(1 + r.IntN(2))
			}
			in, err := l.Import(l.Source(source), now)
			if err != nil {
				t.Fatal(err)
			}
			for range 80 / (1 + s) {
				c := reputation.Claim{Object: someObject(r, true), Kind: source.Kind, Last: now}
				if err := in.Add(&c); err != nil {
					t.Fatalf("%v: %v", c.Object, err)
				}
			}
			in.Commit()
		}
		b := index.NewBuilder(0)
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
		for range 2000 {
			o := someObject(r, false)
			got, match := x.Object(o)
			if want := l.Brief(o, now); got.Score != want.Score || got.Local != want.Local {
				t.Fatalf("%v: index %v by %v, ledger %v", o, got, match, want)
			}
		}
	}
}

// someObject is one of few addresses, names and URLs; when it is to be listed
// it may stand for others as well. Names are listed with all below them only:
// of an expression the ledger's brief tells of its very host as well, for which
// the hosts below it do not answer.
func someObject(r *rand.Rand, listed bool) reputation.Object {
	below := listed && r.IntN(2) == 0
	name := fmt.Sprintf("%c.example.com", 'a'+r.IntN(4))
	if r.IntN(3) > 0 {
		name = fmt.Sprintf("%c.%s", 'a'+r.IntN(4), name)
	}
	switch r.IntN(3) {
	case 0:
		a := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(64))})
		bits := 32
		if below {
			bits -= r.IntN(6)
		}
		p, _ := a.Prefix(bits)
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}
	case 1:
		return reputation.Object{Type: reputation.TypeDomain, Text: name, Below: listed}
	}
	path := "/"
	for range r.IntN(3) {
		path += fmt.Sprintf("%c/", 'a'+r.IntN(2))
	}
	if !below {
		path += []string{"x", "y", "x?q=1"}[r.IntN(3)]
	}
	return reputation.Object{Type: reputation.TypeURL, Text: name + path, Below: below}
}
