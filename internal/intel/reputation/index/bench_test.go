package index

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Made-up objects, as many and as long as those of real lists.

func madeAddress(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(mix(uint64(i), 7)))
	return netip.AddrFrom4(b)
}

func madeAddress6(i int) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], 0x2001<<48|mix(uint64(i), 8)>>16)
	binary.BigEndian.PutUint64(b[8:], mix(uint64(i), 9))
	return netip.AddrFrom16(b)
}

func madeName(i int) string {
	h := mix(uint64(i), 10)
	return fmt.Sprintf("%s.%x-%d.%s", []string{"www", "cdn7", "login", "a"}[h%4], h>>24, i, []string{"com", "example", "co.uk", "net"}[h>>8%4])
}

func madeURL(i int) string {
	h := mix(uint64(i), 11)
	return fmt.Sprintf("%s/%x/bins/%d.sh", madeName(i), h>>40, h%1000)
}

func madeHash(i int) string {
	return fmt.Sprintf("%016x%016x%016x%016x", mix(uint64(i), 1), mix(uint64(i), 2), mix(uint64(i), 3), mix(uint64(i), 4))
}

// made builds an index of n objects: addresses, names, URLs or hashes, or all
// of them in the shares of real lists.
func made(b testing.TB, n int, what string, prefixes bool) *Index {
	b.Helper()
	bld := NewBuilder(n)
	bld.Prefixes = prefixes
	for i := range n {
		kind := what
		if what == "mixed" {
			kind = []string{"address", "domain", "url", "file", "address", "domain", "below", "prefix"}[i%8]
		}
		var o reputation.Object
		switch kind {
		case "address":
			o.Type, o.Prefix = reputation.TypePrefix, netip.PrefixFrom(madeAddress(i), 32)
		case "address6":
			o.Type, o.Prefix = reputation.TypePrefix, netip.PrefixFrom(madeAddress6(i), 128)
		case "prefix":
			o.Type = reputation.TypePrefix
			o.Prefix, _ = madeAddress(i).Prefix(16 + i/8%16)
		case "domain":
			o.Type, o.Text, o.Below = reputation.TypeDomain, madeName(i), true
		case "url":
			o.Type, o.Text = reputation.TypeURL, madeURL(i)
		case "below":
			s := madeURL(i)
			o.Type, o.Text, o.Below = reputation.TypeURL, s[:strings.LastIndexByte(s, '/')+1], true
		case "file":
			o.Type, o.Text = reputation.TypeFile, madeHash(i)
		}
		if err := bld.Add(o, reputation.Brief{Score: uint8(i%100 + 1), Kind: reputation.KindBot}); err != nil {
			b.Fatal(err)
		}
	}
	x, err := bld.Build()
	if err != nil {
		b.Fatal(err)
	}
	return x
}

const million = 1_000_000

// measure reports nanoseconds a look-up: the mean, and the median over groups
// of 64, since one look-up is shorter than a reading of the clock is exact.
func measure(b *testing.B, x *Index, ask func(i int)) {
	b.ReportAllocs()
	const group = 64
	times := make([]float64, 0, b.N/group+1)
	b.ResetTimer()
	for i := 0; i < b.N; i += group {
		start := time.Now()
		for j := range group {
			ask(i + j)
		}
		times = append(times, float64(time.Since(start))/group)
	}
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(x.Bytes())/1e6, "MB")
	b.ReportMetric(times[len(times)/2], "median-ns")
}

// asked is how many different questions a benchmark has ready, half of them
// about listed objects.
const asked = 1 << 18

func questions[T any](n int, f func(i int) T) []T {
	q := make([]T, asked)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range q {
		q[i] = f(r.IntN(2 * n))
	}
	return q
}

func BenchmarkLookup(b *testing.B) {
	const n = 2 * million
	for _, what := range []string{"address", "address6", "domain", "url", "file"} {
		for _, in := range []string{what, "mixed"} {
			if what == "address6" && in == "mixed" {
				continue
			}
			var x *Index
			b.Run(what+"/of-"+in, func(b *testing.B) {
				if x == nil {
					x = made(b, n, in, false)
					advise(b, x)
				}
				measure(b, x, asker(x, what, n))
			})
		}
	}
}

// asker gives a look-up of the i-th question of a kind.
func asker(x *Index, what string, n int) func(i int) {
	switch what {
	case "address":
		q := questions(n, madeAddress)
		return func(i int) { x.Address(q[i%asked]) }
	case "address6":
		q := questions(n, madeAddress6)
		return func(i int) { x.Address(q[i%asked]) }
	case "domain":
		q := questions(n, madeName)
		return func(i int) { x.Domain(q[i%asked]) }
	case "url":
		q := questions(n, func(i int) []byte { return []byte(madeURL(i)) })
		return func(i int) { x.URL(q[i%asked]) }
	}
	q := questions(n, func(i int) []byte {
		return unhex(make([]byte, 32), madeHash(i))
	})
	return func(i int) { x.File(q[i%asked]) }
}

func BenchmarkBuild(b *testing.B) {
	for _, prefixes := range []bool{false, true} {
		b.Run(fmt.Sprintf("prefixes=%v", prefixes), func(b *testing.B) {
			for range b.N {
				x := made(b, 2*million, "mixed", prefixes)
				b.ReportMetric(float64(x.Bytes())/1e6, "MB")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(x.Size()), "ns/object")
			}
		})
	}
}
