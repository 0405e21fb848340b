package journal

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// The lines are those of log/slog's text handler, but for their time.
func TestLinesAreThoseOfSlog(t *testing.T) {
	for _, c := range []struct {
		message string
		pairs   []any
	}{
		{"link", []any{"up", true, "endpoint", "192.0.2.1:8443"}},
		{"set in force", []any{"set", "policy", "version", uint64(7)}},
		{"", []any{"empty", "", "number", -3, "short", uint16(9), "none", nil}},
		{"a=b", []any{"quoted", `say "so"`, "path", `C:\dir`, "line", "one\ntwo", "name", "カメラ", "bad", "\xff", "mode", model.ModeEnforce}},
		{"failed", []any{"error", errors.New("no such device"), "address", netip.MustParseAddr("2001:db8::1"), "wait", 3 * time.Second}},
		{"certificate renewed", []any{"not_after", time.Date(2026, 11, 23, 4, 5, 6, 7e6, time.UTC)}},
	} {
		var mine, theirs bytes.Buffer
		New(&mine, LevelInfo).Warn(c.message, c.pairs...)
		slog.New(slog.NewTextHandler(&theirs, nil)).Warn(c.message, c.pairs...)
		if got, want := rest(mine.String()), rest(theirs.String()); got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

// rest is a line without its time.
func rest(line string) string {
	_, after, _ := strings.Cut(line, " ")
	return after
}

func TestLevels(t *testing.T) {
	for word, want := range map[string]int{"debug": 3, "info": 3, "warn": 2, "error": 1, "": 3} {
		var out bytes.Buffer
		l := New(&out, ParseLevel(word))
		l.Info("a")
		l.Warn("b")
		l.Error("c", "alone")
		if n := strings.Count(out.String(), "\n"); n != want {
			t.Errorf("%q: %d lines, want %d: %s", word, n, want, out.String())
		}
	}
}
