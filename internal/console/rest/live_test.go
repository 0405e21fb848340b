package rest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// stream opens a live stream and gives its frames as they come.
func stream(t *testing.T, c *client, q string) (next func() string, res *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	res, err := c.http.Do(c.request(ctx, "GET", "/events/live?q="+q, nil))
	c.f.ok(err)
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	in := bufio.NewReader(res.Body)
	return func() string {
		var frame strings.Builder
		for {
			line, err := in.ReadString('\n')
			if errors.Is(err, io.EOF) {
				return "end"
			}
			c.f.ok(err)
			if line == "\n" {
				return frame.String()
			}
			frame.WriteString(line)
		}
	}, res
}

func TestLive(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.PingEvery = 50 * time.Millisecond })
	c := f.program(model.AccessViewer)
	next, _ := stream(t, c, "yes")
	if first := next(); first != "retry: 2000\n: ok\n" {
		t.Fatalf("first frame %q", first)
	}
	f.live.Event(&model.Event{Subject: "no"})
	f.live.Event(&model.Event{Subject: "yes\nsecond line", Severity: model.SeverityHigh})
	f.live.Incident(&model.Incident{Title: "T"})
	f.live.Action(&model.Action{Reason: "R"})
	f.live.Device(&model.Device{ID: "D"})
	for _, want := range []string{
		"event: event\ndata: {", "event: incident\ndata: {", "event: action\ndata: {", "event: device\ndata: {",
	} {
		got := next()
		for got == ": ping\n" {
			got = next()
		}
		if !strings.HasPrefix(got, want) || strings.Contains(got, `"subject":"no"`) || strings.Contains(got, ":null") {
			t.Fatalf("frame %q, want %q", got, want)
		}
	}
	if got := next(); got != ": ping\n" {
		t.Fatalf("frame %q, want a ping", got)
	}
	c.call("GET", "/events/live?q=bad", nil).want(t, 422, "column 1", "unknown field")

	// Who is removed does not go on listening.
	_, err := f.store.CreateUser(t.Context(), "other", model.AccessAdmin, password)
	f.ok(err)
	f.ok(f.store.DeleteUser(t.Context(), "t-viewer"))
	for next() != "end" {
	}
}

// TestLiveSlowClient fills a stream that nobody reads: the publisher never
// waits, the stream ends with "lagged", and the others go on.
func TestLiveSlowClient(t *testing.T) {
	f := newFixture(t)
	c := f.program(model.AccessViewer)
	slow, _ := stream(t, c, "")
	quick, _ := stream(t, c, "quick")
	quick()
	big := &model.Event{Subject: strings.Repeat("x", 64<<10)}
	started := time.Now()
	for range 20_000 {
		f.live.Event(big)
		if f.live.lagged.Load() > 0 {
			break
		}
	}
	if took := time.Since(started); took > 10*time.Second || f.live.lagged.Load() != 1 {
		t.Fatalf("after %s, %d streams lagged", took, f.live.lagged.Load())
	}
	f.live.Event(&model.Event{Subject: "quick"})
	if got := quick(); !strings.Contains(got, "quick") {
		t.Fatalf("the other stream got %q", got)
	}
	last := ""
	for frame := slow(); frame != "end"; frame = slow() {
		last = frame
	}
	if last != "event: lagged\ndata: {}\n" {
		t.Fatalf("last frame %.100q", last)
	}
	if n := f.live.streams(); n != 1 {
		t.Fatalf("%d streams are open", n)
	}
}

func TestLiveBound(t *testing.T) {
	l := NewLive()
	for range maxStreams {
		if _, ok := l.add(nil); !ok {
			t.Fatal("refused too early")
		}
	}
	if _, ok := l.add(nil); ok {
		t.Fatal("no bound")
	}
}
