package feed_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

// BenchmarkReaders reads the corpus' lists from memory.
func BenchmarkReaders(b *testing.B) {
	list := files(b, corpus(b))
	for _, format := range []string{"ipsum", "maltrail", "warninglist"} {
		var texts [][]byte
		for _, f := range list[format] {
			text, err := os.ReadFile(f)
			if err != nil {
				b.Fatal(err)
			}
			texts = append(texts, text)
		}
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				for _, text := range texts {
					n += drain(b, format, text)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func drain(t testing.TB, format string, text []byte) (n int) {
	r, err := feed.Open(format, bytes.NewReader(text), feed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var c reputation.Claim
	for ; ; n++ {
		err := r.Next(&c)
		if err == io.EOF {
			return n
		}
		if _, refused := err.(*feed.Refusal); err != nil && !refused {
			t.Fatal(err)
		}
	}
}
