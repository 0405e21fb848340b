package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/masugata/masugata/internal/model"
)

func open(t *testing.T, cfg Config) *Bus {
	t.Helper()
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// eventBatch makes a serialised EventBatch of events of one severity.
func eventBatch(events int, severity model.Severity, subject string) []byte {
	var b []byte
	for range events {
		var e []byte
		e = protowire.AppendTag(e, 8, protowire.BytesType)
		e = protowire.AppendString(e, subject)
		e = protowire.AppendTag(e, fieldSeverity, protowire.VarintType)
		e = protowire.AppendVarint(e, uint64(severity))
		b = protowire.AppendTag(b, fieldEvents, protowire.BytesType)
		b = protowire.AppendBytes(b, e)
	}
	return b
}

func batch(part string, seq uint64, events []byte) Batch {
	return Batch{Part: model.PartID(part), Role: model.RoleAgent, Device: "mac-020000000001", Epoch: 9, Seq: seq,
		Received: time.Unix(1_800_000_000, 5).UTC(), Events: events}
}

// drain fetches until n batches came or the time is over.
func drain(t *testing.T, c *Consumer, n int) (out []Batch, last Delivery) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(out) < n && time.Now().Before(deadline); {
		ds, err := c.Fetch(t.Context(), MaxFetch, 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			if d.Damaged != nil {
				t.Fatal(d.Damaged)
			}
			out = append(out, d.Batches...)
			last = d
		}
	}
	return out, last
}

func TestOrderOfEachPartIsKept(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir(), Shards: 3})
	const parts, each = 20, 30
	var wg sync.WaitGroup
	for p := range parts {
		wg.Go(func() {
			for seq := range uint64(each) {
				name := fmt.Sprintf("agent-%d", p)
				if err := b.Aggregator().Publish(t.Context(), batch(name, seq+1, eventBatch(int(seq)%7, 0, name))); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[model.PartID]uint64{}
	total := 0
	for shard := range b.Shards() {
		for {
			got, last := drain1(t, b.Consumer(shard))
			if len(got) == 0 {
				break
			}
			for _, x := range got {
				if x.Seq != seen[x.Part]+1 {
					t.Fatalf("%s: batch %d after %d", x.Part, x.Seq, seen[x.Part])
				}
				seen[x.Part] = x.Seq
				want := batch(string(x.Part), x.Seq, eventBatch(int(x.Seq-1)%7, 0, string(x.Part)))
				if x.Role != want.Role || x.Device != want.Device || x.Epoch != 9 || !x.Received.Equal(want.Received) || !bytes.Equal(x.Events, want.Events) {
					t.Fatalf("batch came out as %+v, want %+v", x, want)
				}
				total++
			}
			if err := b.Consumer(shard).Ack(last); err != nil {
				t.Fatal(err)
			}
		}
	}
	if total != parts*each {
		t.Errorf("%d batches came out, want %d", total, parts*each)
	}
}

func drain1(t *testing.T, c *Consumer) (out []Batch, last Delivery) {
	t.Helper()
	ds, err := c.Fetch(t.Context(), MaxFetch, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		out = append(out, d.Batches...)
		last = d
	}
	return out, last
}

func TestUnacknowledgedComesAgain(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	for seq := range uint64(3) {
		if err := b.Aggregator().Publish(t.Context(), batch("agent-a", seq+1, eventBatch(1, model.SeverityMedium, "x"))); err != nil {
			t.Fatal(err)
		}
	}
	ds, err := b.Consumer(0).Fetch(t.Context(), 1, time.Second)
	if err != nil || len(ds) != 1 || ds[0].Batches[0].Seq != 1 {
		t.Fatalf("first fetch: %v, %v", ds, err)
	}
	if err := b.Consumer(0).Ack(ds[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Consumer(0).Fetch(t.Context(), 1, time.Second); err != nil {
		t.Fatal(err)
	}
	b.Close()
	// Another number of shards must wait until these are stored.
	b = open(t, Config{Dir: dir, Shards: 3})
	if b.Shards() != 1+1 {
		t.Fatalf("%d shards while messages wait on 1 and the urgent one", b.Shards())
	}
	got, last := drain(t, b.Consumer(0), 2)
	if len(got) != 2 || got[0].Seq != 2 || got[1].Seq != 3 {
		t.Fatalf("after reopening: %d batches: %+v", len(got), got)
	}
	if err := b.Consumer(0).Ack(last); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		u, err := b.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if u.Messages == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("acknowledged messages stay on disk: %+v", u)
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.Close()
	b = open(t, Config{Dir: dir, Shards: 3})
	if b.Shards() != 3+1 {
		t.Errorf("%d shards, want 3 and the urgent one now that nothing waits", b.Shards())
	}
	if got, _ := drain1(t, b.Consumer(0)); len(got) != 0 {
		t.Errorf("acknowledged batches came again: %+v", got)
	}
}

func TestUrgentIsSentAtOnce(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir()})
	measure := func(severity model.Severity) time.Duration {
		best := time.Hour
		for i := range uint64(5) {
			began := time.Now()
			part := fmt.Sprintf("agent-%d", severity)
			if err := b.Aggregator().Publish(t.Context(), batch(part, i+1, eventBatch(1, severity, "x"))); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	if d := measure(model.SeverityMedium); d < joinDelay {
		t.Errorf("a medium event waited %s, want at least %s for company", d, joinDelay)
	}
	if d := measure(model.SeverityHigh); d >= joinDelay {
		t.Errorf("a high event waited %s", d)
	}
}

func TestFull(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir(), MaxBytes: 1 << 20})
	rng := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 200<<10)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	var err error
	sent := 0
	for seq := uint64(1); seq < 20 && err == nil; seq++ {
		if err = b.Aggregator().Publish(t.Context(), batch("agent-a", seq, eventBatch(1, model.SeverityLow, string(noise)))); err == nil {
			sent++
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("after %d batches: %v, want ErrFull", sent, err)
	}
	// What is urgent has room of its own.
	if err := b.Aggregator().Publish(t.Context(), batch("agent-a", 98, eventBatch(1, model.SeverityHigh, "x"))); err != nil {
		t.Errorf("an urgent batch while the bus is full: %v", err)
	}
	if got, _ := drain(t, b.Consumer(1), 1); len(got) != 1 || got[0].Seq != 98 || b.Consumer(1).Lane() != "urgent" {
		t.Errorf("urgent lane %q gave %+v", b.Consumer(1).Lane(), got)
	}
	got, last := drain(t, b.Consumer(0), sent)
	if len(got) != sent {
		t.Fatalf("%d batches came out of %d", len(got), sent)
	}
	if err := b.Consumer(0).Ack(last); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err = b.Aggregator().Publish(t.Context(), batch("agent-a", 99, eventBatch(1, model.SeverityLow, string(noise))))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still full after everything was acknowledged: %v", err)
		}
	}
}

func TestDiskIsLeftFree(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir(), KeepFree: 1 << 60})
	err := b.Aggregator().Publish(t.Context(), batch("agent-a", 1, eventBatch(1, 0, "x")))
	if !errors.Is(err, ErrFull) {
		t.Errorf("%v, want ErrFull", err)
	}
}

func TestMalformedAndClosed(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir()})
	for name, events := range map[string][]byte{"cut off": {0x0a, 0x05, 0x01}, "inner": {0x0a, 0x01, 0xff}, "large": make([]byte, MaxBatch+1)} {
		if err := b.Aggregator().Publish(t.Context(), batch("agent-a", 1, events)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Aggregator().Publish(canceled, batch("agent-a", 1, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	b.Close()
	if err := b.Aggregator().Publish(t.Context(), batch("agent-a", 2, nil)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v, want ErrClosed", err)
	}
	if _, err := b.Consumer(0).Fetch(t.Context(), 1, time.Second); !errors.Is(err, ErrClosed) {
		t.Errorf("fetch after close: %v, want ErrClosed", err)
	}
}

func FuzzReadRecords(f *testing.F) {
	one := batch("agent-a", 3, []byte("events"))
	f.Add(appendRecord(appendRecord(nil, &one), &one))
	f.Add([]byte{1, 'a', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readRecords(data)
		if err != nil {
			return
		}
		var again []byte
		for i := range got {
			again = appendRecord(again, &got[i])
		}
		back, err := readRecords(again)
		if err != nil || len(back) != len(got) {
			t.Fatalf("written again: %d records of %d, %v", len(back), len(got), err)
		}
	})
}

func FuzzScan(f *testing.F) {
	f.Add(eventBatch(3, model.SeverityHigh, "x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, _, err := scan(data)
		if err == nil && n > len(data) {
			t.Fatalf("%d events in %d bytes", n, len(data))
		}
	})
}
