package reputation

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	intel "github.com/masugata/masugata/internal/intel/reputation"
)

// known fills a service with n names.
func known(t testing.TB, s *Service, n int) {
	t.Helper()
	imp, err := s.ledger.Import(s.ledger.Source(intel.Source{Name: "names", Trust: 95, Kind: intel.KindC2}), s.seconds())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		c := intel.Claim{Object: intel.Object{Type: intel.TypeDomain, Text: fmt.Sprintf("host%d.example.net", i)}}
		if err := imp.Add(&c); err != nil {
			t.Fatal(err)
		}
	}
	imp.Commit()
}

// TestRebuildLeavesLittleGarbage: making an index anew allocates not much more
// than the index.
func TestRebuildLeavesLittleGarbage(t *testing.T) {
	s, err := Open(Default(), t.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	known(t, s, tidyFrom)
	if err := s.rebuild(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := s.rebuild(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	size := s.table.Load().Bytes()
	if used := int(after.TotalAlloc - before.TotalAlloc); used > 3*size {
		t.Errorf("%d bytes were allocated for an index of %d", used, size)
	}
}

// TestThriftyServiceTunesTheCollector: the more is known, the smaller the share
// of garbage.
func TestThriftyServiceTunesTheCollector(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	s, err := Open(Default(), t.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	known(t, s, 2*tidyFrom)
	if err := s.rebuild(); err != nil || s.percent.Load() != 0 {
		t.Fatal(err, s.percent.Load())
	}
	s.Thrifty()
	if err := s.rebuild(); err != nil {
		t.Fatal(err)
	}
	if p := s.percent.Load(); p < leastPercent || p >= mostPercent || debug.SetGCPercent(100) != int(p) {
		t.Errorf("%d percent", p)
	}
}
