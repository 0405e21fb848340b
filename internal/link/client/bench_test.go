package client_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/link/server"
	"github.com/masugata/masugata/internal/model"
)

// counter is a sink that only counts.
type counter struct{ events atomic.Int64 }

func (c *counter) Publish(_ context.Context, b server.Batch) error {
	c.events.Add(int64(b.Summary.Events))
	return nil
}

// BenchmarkReportPath measures events from Submit through spool, zstd, TLS,
// check and sink, with both ends and 4 parts in this process.
func BenchmarkReportPath(b *testing.B) {
	c := newControl(b)
	sink := new(counter)
	c.cfg.Sink = sink
	c.start()
	var parts []*part
	for range 4 {
		dir := b.TempDir()
		c.enroll(b, dir)
		parts = append(parts, run(b, dir, nil))
	}
	e := event(model.SeverityLow, "203.0.113.9:443")
	e.Rule, e.Explanation = "flood.udp", "A program was started."
	e.Observables = []model.Observable{{Type: model.ObservableIP, Value: "203.0.113.9"}}
	b.ResetTimer()
	begin := time.Now()
	for i := range b.N {
		p := parts[i%len(parts)]
		for i%1000 == 0 && p.spool.Stats().Waiting > 20_000 {
			time.Sleep(time.Millisecond)
		}
		e.ID = model.NewID(begin)
		p.Submit(e)
	}
	for sink.events.Load() < int64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "events/s")
}

// TestManyParts holds many idle parts on one server and says what each costs
// in memory, both ends together.
func TestManyParts(t *testing.T) {
	if testing.Short() {
		t.Skip("many handshakes")
	}
	c := newControl(t).start()
	const parts = 100
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range parts {
		dir := t.TempDir()
		c.enroll(t, dir)
		p := run(t, dir, nil)
		p.Submit(event(model.SeverityHigh, "hello"))
	}
	waitFor(t, "all parts", func() bool { return len(c.stored()) == parts && c.srv.Stats().Parts == parts })
	runtime.GC()
	runtime.ReadMemStats(&after)
	st := c.srv.Stats()
	if st.Connections > parts*2 {
		t.Errorf("%d connections of %d parts", st.Connections, parts)
	}
	t.Log(fmt.Sprintf("%d parts, %d connections, %d kB a part for both ends", st.Parts, st.Connections, (after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/parts/1024))
}
