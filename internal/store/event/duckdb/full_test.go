package duckdb

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
	"github.com/masugata/masugata/internal/store/event/eventtest"
)

// TestFullDisk fills a small disk until storing fails, makes room, and wants
// the same store to go on, with every block it accepted and no other.
func TestFullDisk(t *testing.T) {
	t.Run("Log", func(t *testing.T) { testFullDisk(t, "64MiB") })
	t.Run("Checkpoint", func(t *testing.T) { testFullDisk(t, "1MiB") })
}

func testFullDisk(t *testing.T, threshold string) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("masugata-test", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openForTest(t, filepath.Join(dir, "events"), eventtest.Start)
	t.Cleanup(func() { s.Close() })
	if _, err := s.(*Store).db.Exec("SET checkpoint_threshold = '" + threshold + "'"); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	accepted, failed := uint64(0), 0
	for i := 0; i < 400 && failed < 3; i++ {
		if err := s.Append(t.Context(), noisy(rng, i)); err != nil {
			failed++
			t.Log(err)
			continue
		}
		accepted++
	}
	if failed == 0 {
		t.Fatal("the disk never was full")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := range 20 {
		if err = s.Append(t.Context(), noisy(rng, 1000+i)); err == nil {
			accepted++
		}
	}
	if err != nil {
		t.Fatalf("after there is room: %v", err)
	}
	n, err := s.Count(t.Context(), query.Query{})
	if err != nil || n != accepted*500 {
		t.Errorf("%d events stored, %v; want %d", n, err, accepted*500)
	}
	marks, err := s.Marks(t.Context())
	if err != nil || uint64(len(marks)) != accepted {
		t.Errorf("%d marks, %v; want %d", len(marks), err, accepted)
	}
	if _, err := s.Get(t.Context(), model.ID{1}); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
}

// noisy makes a block of 500 events that do not compress.
func noisy(rng *rand.Rand, i int) event.Block {
	b := event.Block{Marks: []event.Mark{{Part: model.PartID(fmt.Sprintf("agent-%d", i)), Epoch: 1, Seq: 1}}}
	for range 500 {
		e := eventtest.RandomEvent(rng, eventtest.Start())
		var text strings.Builder
		for range 12 {
			fmt.Fprintf(&text, "%016x", rng.Uint64())
		}
		e.Explanation = text.String()
		b.Events = append(b.Events, e)
	}
	return b
}
