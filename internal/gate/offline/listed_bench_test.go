package offline_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
)

// million is a set of a million things, a third each of addresses, names and
// URLs, and some files.
func million(b *testing.B, n int) *edge.Set {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	entries := func(yield func(reputation.Object, reputation.Brief) bool) {
		for i := range n {
			o := edge.ObjectOf(netip.AddrFrom4([4]byte{byte(11 + r.IntN(100)), byte(r.IntN(256)), byte(r.IntN(256)), byte(i)}))
			switch i % 10 {
			case 0, 1, 2:
				o = reputation.Object{Type: reputation.TypeDomain, Below: true, Text: fmt.Sprintf("n%d.evil%d.example", i, r.IntN(1000))}
			case 3, 4, 5:
				o = reputation.Object{Type: reputation.TypeURL, Text: fmt.Sprintf("host%d.example/path/%d.sh", r.IntN(1e6), i)}
			case 6:
				var sum [32]byte
				for k := range sum {
					sum[k] = byte(r.IntN(256))
				}
				o = reputation.Object{Type: reputation.TypeFile, Text: hex.EncodeToString(sum[:])}
			}
			if !yield(o, reputation.Brief{Score: 80}) {
				return
			}
		}
	}
	snap, err := edge.Build(entries, edge.Config{Header: edge.Header{Class: edge.ClassLarge, Version: 1, Issued: 1, Expires: 1 << 31}})
	if err != nil {
		b.Fatal(err)
	}
	set, err := edge.Open(snap.Payload, 2, 0)
	if err == nil {
		set, err = set.WithTails(snap.Tails)
	}
	if err != nil {
		b.Fatal(err)
	}
	return set
}

// BenchmarkListed runs a capture (MASUGATA_CAPTURE, of bench/traffic) with and
// without a set of a million things, in turn, and reports the packets a second of
// processor time of both and their ratio, each the median of fifteen.
// MASUGATA_RULES names a folder of rules.
func BenchmarkListed(b *testing.B) {
	file := os.Getenv("MASUGATA_CAPTURE")
	if file == "" {
		b.Skip("MASUGATA_CAPTURE names no capture")
	}
	set := million(b, 1_000_000)
	q := offline.Request{Capture: file, Least: edge.TierHigh, Warn: b.Logf, IPS: true, NoChecksums: true}
	if rules := os.Getenv("MASUGATA_RULES"); rules != "" {
		q.Rules, _ = filepath.Glob(filepath.Join(rules, "*.rules"))
		q.Warn = func(string, ...any) {}
	}
	var rates [2][]float64
	for b.Loop() {
		for range 3 {
			for i, s := range [2]*edge.Set{nil, set} {
				q.Listed = s
				m, err := offline.Bench(context.Background(), q, 5)
				if err != nil {
					b.Fatal(err)
				}
				for _, cpu := range m.CPU {
					rates[i] = append(rates[i], float64(m.Packets)/cpu)
				}
			}
		}
	}
	slices.Sort(rates[0])
	slices.Sort(rates[1])
	without, with := rates[0][len(rates[0])/2], rates[1][len(rates[1])/2]
	b.ReportMetric(without, "packets/cpu-s-without")
	b.ReportMetric(with, "packets/cpu-s-with")
	b.ReportMetric(with/without, "ratio")
	b.ReportMetric(float64(set.Len()), "entries")
}
