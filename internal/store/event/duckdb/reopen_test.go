package duckdb

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestOpensAgainAfterAnEarlyStop: whenever opening and asking are cut off, the
// store can be closed and opened again in the same process. Without the clean end
// of connections it hangs after a few rounds.
func TestOpensAgainAfterAnEarlyStop(t *testing.T) {
	dir, opened := t.TempDir(), 0
	for end, n := time.Now().Add(3*time.Second), 0; time.Now().Before(end) || n < 30; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(rand.N(60*time.Millisecond), cancel)
		round := make(chan bool, 1)
		go func() { round <- stopEarly(ctx, dir) }()
		select {
		case ok := <-round:
			if ok {
				opened++
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("round %d hangs", n) // nothing can stop it; the process ends with the tests
		}
		cancel()
	}
	s, err := Open(t.Context(), Config{Dir: dir, MemoryLimit: 128 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("opened whole %d times", opened)
}

// stopEarly opens the store, asks it until ctx ends, and closes it.
func stopEarly(ctx context.Context, dir string) bool {
	s, err := Open(ctx, Config{Dir: dir, MemoryLimit: 128 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return false
	}
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for ctx.Err() == nil {
				_, _ = s.Marks(ctx) // cut off at some point
			}
		})
	}
	<-ctx.Done()
	_ = s.Close() // a later round opens it all the same
	asking.Wait()
	return true
}
