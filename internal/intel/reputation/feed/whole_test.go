package feed_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

// document is a file of the corpus in memory.
type document struct {
	name, format string
	text         []byte
}

func documentsOf(t testing.TB) (out []document) {
	list := files(t, corpus(t))
	for _, format := range []string{"warninglist", "ipsum", "maltrail"} {
		for _, f := range list[format] {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(filepath.Base(f), ".txt")
			if format == "warninglist" {
				name = ""
			}
			out = append(out, document{name, format, text})
		}
	}
	return out
}

// keep reads the documents into a ledger, each format as one source, and gives how
// many claims it has stored. each sees every claim.
func keep(t testing.TB, l *ledger.Ledger, docs []document, each func(format string, c *reputation.Claim)) (stored int) {
	open := map[string]*ledger.Import{}
	for _, d := range docs {
		m := open[d.format]
		if m == nil {
			var err error
			if m, err = l.Import(l.Source(reputation.Source{Name: d.format, Trust: feed.Trust(d.format)}), now); err != nil {
				t.Fatal(err)
			}
			open[d.format] = m
		}
		r, err := feed.Open(d.format, bytes.NewReader(d.text), feed.Options{Name: d.name, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		var c reputation.Claim
		for {
			err := r.Next(&c)
			if err == io.EOF {
				break
			}
			if _, refused := err.(*feed.Refusal); refused {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			if err := m.Add(&c); err != nil {
				t.Fatalf("%v: %v", c.Object, err)
			}
			stored++
			each(d.format, &c)
		}
	}
	for _, m := range open {
		m.Commit()
	}
	return stored
}

// With everything of the corpus on, nothing that a warninglist names is at or above the
// threshold, and most of what the botnet lists name is told as bad.
func TestCorpusScores(t *testing.T) {
	l := ledger.New(ledger.Config{})
	var good, bad []reputation.Object
	stored := keep(t, l, documentsOf(t), func(format string, c *reputation.Claim) {
		if format == "warninglist" {
			good = append(good, c.Object)
		} else {
			bad = append(bad, c.Object)
		}
	})
	alarms, top := 0, uint8(0)
	for _, o := range good {
		b := l.Brief(o, now)
		if top = max(top, b.Score); b.Score >= reputation.DefaultBlock {
			if alarms++; alarms < 10 {
				t.Errorf("%v is vouched for and scores %d", o, b.Score)
			}
		}
	}
	bands := map[reputation.Band]int{}
	told := 0
	for _, o := range bad {
		score := l.Brief(o, now).Score
		bands[reputation.BandOf(score)]++
		if host, _, ok := canon.Host(o); ok && score >= reputation.DefaultBlock && l.Brief(host, now).Score < reputation.DefaultBlock {
			told++
		}
	}
	t.Logf("%d endpoints are blocked though their addresses or names, which others use too, are not", told)
	t.Logf("%d claims stored; of %d vouched for %d at or above the threshold, highest score %d", stored, len(good), alarms, top)
	t.Logf("%d listed as bad, by band: %v", len(bad), bands)
}

// BenchmarkCorpusToLedger reads everything and stores it.
func BenchmarkCorpusToLedger(b *testing.B) {
	docs := documentsOf(b)
	b.ReportAllocs()
	n, before := 0, cpu(b)
	for b.Loop() {
		n += keep(b, ledger.New(ledger.Config{}), docs, func(string, *reputation.Claim) {})
	}
	b.ReportMetric(float64(n)/(cpu(b)-before).Seconds(), "claims/cpu-s")
	b.ReportMetric(0, "ns/op")
}
