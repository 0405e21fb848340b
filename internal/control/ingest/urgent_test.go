package ingest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// slowSink is a store that takes long over every block.
type slowSink struct{ sink }

func (s *slowSink) Append(ctx context.Context, b event.Block) error {
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
	}
	return nil
}

// An urgent event reaches the correlator at once, also when the ordinary ones
// wait in a row because the store is slow.
func TestUrgentOvertakes(t *testing.T) {
	b, err := bus.Open(t.Context(), bus.Config{Dir: t.TempDir(), Log: logTo(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	seen := make(chan *model.Event, 10000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for n := range b.Shards() {
		p, err := New(Config{Source: b.Consumer(n), Sink: &slowSink{}, MaxEvents: 200, MinAge: time.Millisecond, MaxAge: time.Millisecond, Log: logTo(t),
			OnEvents: func(events []*model.Event) {
				for _, e := range events {
					seen <- e
				}
			}})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = p.Run(ctx) }()
	}
	publish := func(seq uint64, severity model.Severity) {
		t.Helper()
		e := numbered("a", seq, 0)
		e.Severity = severity
		batch := bus.Batch{Part: "gate-a", Epoch: uint64(severity) + 1, Seq: seq, Received: time.Now(), Events: wire.AppendBatchEvent(nil, e)}
		if err := b.Aggregator().Publish(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	for seq := range uint64(10) {
		publish(seq+1, model.SeverityLow)
	}
	for seq := range uint64(5) { // so that the urgent lane's own blocks wait too
		publish(seq+1, model.SeverityHigh)
		time.Sleep(10 * time.Millisecond)
	}
	began := time.Now()
	publish(1, model.SeverityCritical)
	for {
		select {
		case e := <-seen:
			if e.Severity == model.SeverityCritical {
				t.Log(fmt.Sprint("after ", time.Since(began)))
				return
			}
		case <-time.After(time.Second):
			t.Fatal("the urgent event waits behind the others")
		}
	}
}
