package feed_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

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
			n, before := 0, cpu(b)
			for b.Loop() {
				for _, text := range texts {
					n += drain(b, format, text)
				}
			}
			b.ReportMetric(float64(n)/(cpu(b)-before).Seconds(), "entries/cpu-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkTables reads made tables and objects.
func BenchmarkTables(b *testing.B) {
	for _, c := range cases() {
		switch c.name {
		case "URLhaus", "ThreatFox", "MalwareBazaar", "crowd decisions", "nftables", "RPZ":
		default:
			continue
		}
		text := []byte(strings.Repeat(c.text, 2000))
		if head, rest, _ := strings.Cut(c.text, "\n"); strings.HasPrefix(head, "# ") { // one heading, and entries that are taken
			entry, _, _ := strings.Cut(rest, "\n")
			text = []byte(head + "\n" + strings.Repeat(entry+"\n", 4000))
		}
		b.Run(c.name, func(b *testing.B) {
			n, before := 0, cpu(b)
			for b.Loop() {
				n += drain(b, c.format, text)
			}
			b.ReportMetric(float64(n)/(cpu(b)-before).Seconds(), "entries/cpu-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cpu is the processor time of the process so far: other work on the machine does
// not count.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
