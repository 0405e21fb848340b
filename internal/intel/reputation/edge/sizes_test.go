package edge

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// mixed gives the entries from to to of an endless list: half names, three in
// ten addresses, the rest URLs and files, in three tiers.
func mixed(from, to int) iter.Seq2[reputation.Object, reputation.Brief] {
	return func(yield func(reputation.Object, reputation.Brief) bool) {
		for i := from; i < to; i++ {
			if !yield(mixedObject(i), score([]uint8{55, 80, 80, 95, 95, 95}[i%6])) {
				return
			}
		}
	}
}

func mixedObject(i int) reputation.Object {
	switch i % 10 {
	case 0, 1, 2:
		r := rand.New(rand.NewPCG(uint64(i), 7)).Uint32()
		return ObjectOf(netip.AddrFrom4([4]byte{byte(r >> 24), byte(r >> 16), byte(r >> 8), byte(r)}))
	case 3:
		return file(fmt.Appendf(nil, "%032d", i))
	case 4:
		return reputation.Object{Type: reputation.TypeURL, Text: fmt.Sprintf("host%d.example/path/%d", i, i)}
	}
	return domain(fmt.Sprintf("name%d.zone.example", i), i%4 == 0)
}

const (
	million = 1_000_000
	churned = million * 3 / 100 // go, and as many come
)

func TestSizesOnTheWire(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two sets of a million entries")
	}
	old, err := Build(mixed(0, million), Config{Header: header(ClassLarge, 1)})
	if err != nil {
		t.Fatal(err)
	}
	next, err := Build(mixed(churned, million+churned), Config{Header: header(ClassLarge, 2)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Delta(old.Payload, next.Payload)
	if err != nil {
		t.Fatal(err)
	}
	bits := float64(len(old.Payload)) * 8 / float64(old.Kept)
	t.Logf("%d entries: %.2f bits an entry on the wire; %d go and %d come: difference of %d bytes", old.Kept, bits, churned, churned, len(d))
	if bits > 19 || len(d) > 100_000 {
		t.Errorf("%.2f bits an entry, at most 19; difference of %d bytes, at most 100,000", bits, len(d))
	}
	set, err := open(t, next.Payload).WithTails(next.Tails)
	if err != nil {
		t.Fatal(err)
	}
	td, err := TailsDelta(old.Tails, next.Tails)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ApplyTails(old.Tails, td); err != nil || !bytes.Equal(got, next.Tails) {
		t.Fatalf("difference of tails: %v", err)
	}
	t.Logf("difference of tails: %d bytes; tails that are shared: %d", len(td), len(set.shared))
	if len(td) > 150_000 || len(set.shared) == 0 {
		t.Errorf("difference of tails of %d bytes, at most 150,000; %d shared", len(td), len(set.shared))
	}
	t.Logf("%d bytes in memory, of which lines %d; tails %d", set.Bytes(), set.lines.bytes(), len(next.Tails))
	if set.lines.n == 0 {
		t.Error("no lines")
	}
	for i := range 3 * million { // of which a million are listed
		o := mixedObject(i)
		listed := i >= churned && i < million+churned
		if o.Type == reputation.TypePrefix {
			continue
		}
		if m := set.Object(o); (m.Tier != TierNone) != listed || m.Sure != listed {
			t.Fatalf("%v: %v", o, m)
		}
	}
}

func TestLookupsAllocateNothing(t *testing.T) {
	snap, err := Build(mixed(0, 10_000), Config{Header: header(ClassMedium, 1)})
	if err != nil {
		t.Fatal(err)
	}
	set := open(t, snap.Payload)
	a, a6, sum := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), make([]byte, 32)
	if n := testing.AllocsPerRun(100, func() {
		set.Address(a)
		set.Address(a6)
		set.Domain("Name5.zone.example")
		set.Domain("a.b.c.example.org")
		set.Expression("host4.example", "/path/4", true)
		set.File(sum)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func benchSet(b *testing.B) *Set {
	snap, err := Build(mixed(0, million), Config{Header: header(ClassLarge, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { b.ReportMetric(float64(len(snap.Payload))*8/float64(snap.Kept), "bits/entry") })
	return open(b, snap.Payload)
}

var kept Match

func BenchmarkLookup(b *testing.B) {
	set := benchSet(b)
	r := rand.New(rand.NewPCG(1, 1))
	for _, from := range []int{0, million} {
		word := map[int]string{0: "listed", million: "unlisted"}[from]
		var addresses []netip.Addr
		var names []string
		var sums [][]byte
		for range 1 << 14 {
			i := from + r.IntN(million)/10*10
			addresses = append(addresses, mixedObject(i).Prefix.Addr())
			names = append(names, mixedObject(i+5).Text)
			sums = append(sums, fmt.Appendf(nil, "%032d", i+3))
		}
		b.Run("address-"+word, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				kept.Tier = set.Address(addresses[i&(1<<14-1)])
			}
		})
		b.Run("domain-"+word, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				kept = set.Domain(names[i&(1<<14-1)])
			}
		})
		b.Run("file-"+word, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				kept = set.File(sums[i&(1<<14-1)])
			}
		})
	}
}

// BenchmarkTake is what a gate does with a day's difference: apply, open.
func BenchmarkTake(b *testing.B) {
	old, err := Build(mixed(0, million), Config{Header: header(ClassLarge, 1)})
	if err != nil {
		b.Fatal(err)
	}
	next, err := Build(mixed(churned, million+churned), Config{Header: header(ClassLarge, 2)})
	if err != nil {
		b.Fatal(err)
	}
	d, err := Delta(old.Payload, next.Payload)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
			if _, err := Apply(old.Payload, d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			open(b, next.Payload)
		}
	})
}
