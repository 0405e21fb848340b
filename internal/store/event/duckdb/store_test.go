package duckdb

import (
	"log/slog"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/store/event"
	"github.com/masugata/masugata/internal/store/event/eventtest"
)

func openForTest(t *testing.T, dir string, now func() time.Time) event.Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Dir: dir, Now: now, MemoryLimit: 256 << 20, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	eventtest.Run(t, eventtest.Factory{Open: openForTest})
}
