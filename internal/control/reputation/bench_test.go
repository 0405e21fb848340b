package reputation

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/masugata/masugata/internal/console/rest"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/model"
)

// filled is a service that knows n addresses.
func filled(b *testing.B, n int) *Service {
	b.Helper()
	s, err := Open(Default(), b.TempDir(), slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	imp, err := s.ledger.Import(s.ledger.Source(intel.Source{Name: "bots", Trust: 95, Kind: intel.KindBot}), s.seconds())
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		a := scattered(uint32(i))
		c := intel.Claim{Object: intel.Object{Type: intel.TypePrefix, Prefix: netip.PrefixFrom(a, 32)}, Kind: intel.KindBot}
		if err := imp.Add(&c); err != nil {
			b.Fatal(err)
		}
	}
	imp.Commit()
	if err := s.rebuild(); err != nil {
		b.Fatal(err)
	}
	return s
}

// scattered gives the i-th of different addresses all over IPv4.
func scattered(i uint32) netip.Addr {
	i *= 2654435761
	return netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
}

// BenchmarkBatchOverHTTP asks for addresses in binary batches over loopback,
// the asking included.
func BenchmarkBatchOverHTTP(b *testing.B) {
	const known, each = 2_000_000, 16_384
	s := filled(b, known)
	h, err := rest.NewReputation(rest.ReputationConfig{Reputation: s, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		CheckToken: func(context.Context, string) (model.APIToken, error) {
			return model.APIToken{Access: model.AccessViewer}, nil
		}})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var ask index.Batch
		next := uint32(0)
		for pb.Next() {
			ask.Reset()
			for range each {
				next = next*1664525 + 1013904223
				if err := ask.Address(scattered(next >> 8 % (2 * known))); err != nil { // half of them listed
					b.Error(err)
				}
			}
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"/api/v1/reputation/batch", bytes.NewReader(ask.Bytes()))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer x")
			req.Header.Set("Content-Type", "application/octet-stream")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			answers, aerr := index.ReadAnswers(body)
			if err != nil || aerr != nil || answers.Len() != each {
				b.Errorf("%s %v %v", res.Status, err, aerr)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)*each/b.Elapsed().Seconds(), "lookups/s")
}
