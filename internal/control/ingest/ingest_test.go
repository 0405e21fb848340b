package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

func logTo(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// source gives scripted deliveries and notes what is acknowledged.
type source struct {
	mu    sync.Mutex
	rest  []bus.Delivery
	acked int
	lane  string
}

func (s *source) Fetch(ctx context.Context, max int, wait time.Duration) ([]bus.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) == 0 {
		return nil, bus.ErrClosed
	}
	n := min(max, len(s.rest))
	out := s.rest[:n]
	s.rest = s.rest[n:]
	return out, nil
}

func (s *source) Lane() string { return s.lane }

func (s *source) Ack(bus.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked++
	return nil
}

// sink keeps blocks and fails as often as told.
type sink struct {
	marks    []event.Mark
	fail     int
	subjects []string
	got      []event.Mark
}

func (s *sink) Append(_ context.Context, b event.Block) error {
	if s.fail > 0 {
		s.fail--
		return errors.New("disk full")
	}
	for _, e := range b.Events {
		s.subjects = append(s.subjects, string(e.Reporter)+" "+e.Subject)
	}
	s.got = append(s.got, b.Marks...)
	return nil
}

func (s *sink) Marks(ctx context.Context) ([]event.Mark, error) { return s.marks, ctx.Err() }

func delivery(part string, seqs ...uint64) bus.Delivery {
	var d bus.Delivery
	for _, seq := range seqs {
		b := bus.Batch{Part: model.PartID(part), Epoch: 1, Seq: seq, Received: time.Unix(1_800_000_000, 0)}
		for i := range 2 {
			b.Events = wire.AppendBatchEvent(b.Events, numbered(part, seq, i))
		}
		d.Batches = append(d.Batches, b)
	}
	return d
}

func numbered(part string, seq uint64, i int) *model.Event {
	at := time.Unix(1_800_000_000, int64(seq))
	severity := model.SeverityInfo
	if seq%5 == 0 {
		severity = model.SeverityHigh // goes by the urgent lane
	}
	return &model.Event{Severity: severity, ID: model.NewID(at), Time: at, Last: at, Kind: model.KindProcessStart, Layer: model.LayerDevice, Count: 1,
		Reporter: "forged", Subject: fmt.Sprintf("%s/%d/%d", part, seq, i)}
}

func run(t *testing.T, cfg Config) *Pipeline {
	t.Helper()
	cfg.Log = logTo(t)
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRepeatedBatchesAreDropped(t *testing.T) {
	src := &source{rest: []bus.Delivery{delivery("a", 1, 2), delivery("a", 2), delivery("b", 1, 1), delivery("a", 3)}}
	out := &sink{marks: []event.Mark{{Part: "a", Epoch: 1, Seq: 1}, {Part: "a", Epoch: 2, Seq: 9}}}
	var seen []string
	p := run(t, Config{Source: src, Sink: out, OnEvents: func(events []*model.Event) {
		for _, e := range events {
			seen = append(seen, string(e.Reporter)+" "+e.Subject)
		}
	}})
	want := []string{"a a/2/0", "a a/2/1", "b b/1/0", "b b/1/1", "a a/3/0", "a a/3/1"}
	if !slices.Equal(out.subjects, want) {
		t.Errorf("stored %q, want %q", out.subjects, want)
	}
	if !slices.Equal(seen, want) {
		t.Errorf("OnEvents saw %q, want %q", seen, want)
	}
	if s := p.Stats(); s.Events != 6 || s.Batches != 3 || s.Repeated != 3 || src.acked == 0 {
		t.Errorf("stats %+v, %d acks", s, src.acked)
	}
	highest := map[model.PartID]uint64{}
	for _, m := range out.got {
		highest[m.Part] = max(highest[m.Part], m.Seq)
	}
	if highest["a"] != 3 || highest["b"] != 1 {
		t.Errorf("marks %v", out.got)
	}
}

// Batch 2 went by the urgent lane and was stored before batch 1, which must not
// be taken for stored, also after a restart in between.
func TestLanesHaveMarksOfTheirOwn(t *testing.T) {
	out := &sink{}
	run(t, Config{Source: &source{lane: "urgent", rest: []bus.Delivery{delivery("a", 2)}}, Sink: out})
	out.marks = out.got
	run(t, Config{Source: &source{rest: []bus.Delivery{delivery("a", 1)}}, Sink: out})
	run(t, Config{Source: &source{lane: "urgent", rest: []bus.Delivery{delivery("a", 2)}}, Sink: out})
	if want := []string{"a a/2/0", "a a/2/1", "a a/1/0", "a a/1/1"}; !slices.Equal(out.subjects, want) {
		t.Errorf("stored %q, want %q", out.subjects, want)
	}
}

func TestMissingBatchesAreCounted(t *testing.T) {
	src := &source{rest: []bus.Delivery{delivery("a", 1), delivery("b", 7, 8), delivery("a", 4)}}
	p := run(t, Config{Source: src, Sink: &sink{}})
	if s := p.Stats(); s.Missing != 2 || s.Batches != 4 {
		t.Errorf("stats %+v, want 2 missing of a", s)
	}
}

func TestUnreadableBatchBecomesAnEvent(t *testing.T) {
	bad := delivery("a", 1, 2)
	bad.Batches[0].Events = append(bad.Batches[0].Events, 0xff)
	src := &source{rest: []bus.Delivery{{Damaged: errors.New("bad disk")}, bad}}
	out := &sink{}
	p := run(t, Config{Source: src, Sink: out})
	if want := []string{"a a", "a a/2/0", "a a/2/1"}; !slices.Equal(out.subjects, want) {
		t.Errorf("stored %q, want %q: one event that tells of the batch, and the next batch", out.subjects, want)
	}
	if s := p.Stats(); s.Unreadable != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestStoreErrorsAreRetried(t *testing.T) {
	src := &source{rest: []bus.Delivery{delivery("a", 1)}}
	out := &sink{fail: 1}
	p := run(t, Config{Source: src, Sink: out})
	if s := p.Stats(); s.Events != 2 || s.Commits != 1 || src.acked != 1 {
		t.Errorf("stats %+v, %d acks", s, src.acked)
	}
}

func TestNoAckBeforeCommit(t *testing.T) {
	src := &source{rest: []bus.Delivery{delivery("a", 1)}}
	out := &sink{fail: 1 << 30}
	p, err := New(Config{Source: src, Sink: out, Log: logTo(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if src.acked != 0 {
		t.Error("acknowledged what was not stored")
	}
}

// A stop before the marks were read is no failure.
func TestStoppedBeforeItBegan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p, err := New(Config{Source: &source{}, Sink: &sink{}, Log: logTo(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestDueAfter(t *testing.T) {
	p, err := New(Config{Source: &source{}, Sink: &sink{}, Log: logTo(t)})
	if err != nil {
		t.Fatal(err)
	}
	if d := p.dueAfter(10); d > 300*time.Millisecond {
		t.Errorf("ten events wait %s", d)
	}
	if d := p.dueAfter(30_000); d < 2*time.Second {
		t.Errorf("half a block waits only %s", d)
	}
	if d := p.dueAfter(61_439); d != 4*time.Second {
		t.Errorf("an almost full block waits %s, want 4s", d)
	}
}
