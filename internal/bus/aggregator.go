package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/masugata/masugata/internal/model"
)

// When a joined message is sent: each sync costs the disk about as much for
// one event as for thousands, so batches wait for each other a little.
const (
	joinDelay  = 50 * time.Millisecond
	joinEvents = 1000
	joinBytes  = 1 << 20
	// pendingBytes bounds what waits in memory while the disk is slow.
	pendingBytes   = 64 << 20
	publishTimeout = 30 * time.Second
)

// Aggregator joins batches of many parts into few durable messages.
type Aggregator struct {
	joiners []*joiner // one a shard, the last one for urgent batches
	wg      sync.WaitGroup
}

func newAggregator(b *Bus) (*Aggregator, error) {
	a := &Aggregator{}
	for _, c := range b.cons {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("bus: compressor: %w", err)
		}
		a.joiners = append(a.joiners, &joiner{subject: c.subject, js: b.js, room: b.room, enc: enc,
			published: c.published, wake: make(chan struct{}, 1), done: make(chan struct{})})
	}
	for _, j := range a.joiners {
		a.wg.Go(j.run)
	}
	return a, nil
}

// Publish hands over a batch and returns when it is durable: after a nil error
// it is delivered to the consumer even if the process or the machine dies now.
// After an error it may or may not be; sending it again is right, the consumer
// drops what it has seen (by part, epoch and seq). Errors that are ErrFull or
// a context's are worth a retry, ErrMalformed is not. b.Events is not kept
// after the return. Safe for concurrent use; batches of one part must come one
// after the other.
//
// A batch with an event of severity high or above is sent at once and on its own
// lane, others wait up to 50 ms for company.
func (a *Aggregator) Publish(ctx context.Context, b Batch) error {
	if len(b.Events) > MaxBatch {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(b.Events), MaxBatch)
	}
	events, severity, err := scan(b.Events)
	if err != nil {
		return err
	}
	last := len(a.joiners) - 1
	urgent := severity >= model.SeverityHigh
	j := a.joiners[last]
	if !urgent {
		j = a.joiners[shardOf(b.Part, last)]
	}
	done, err := j.add(&b, events, urgent)
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("bus: publish: %w", ctx.Err())
	}
}

func (a *Aggregator) close() {
	for _, j := range a.joiners {
		j.close()
	}
	a.wg.Wait()
}

// group is what will be one message.
type group struct {
	raw      []byte
	events   int
	urgent   bool
	deadline time.Time
	waiting  []chan error
}

func (g *group) ready() bool {
	return g.urgent || g.events >= joinEvents || len(g.raw) >= joinBytes
}

// joiner sends the groups of one shard, one after the other: while one is
// being synced the next gathers.
type joiner struct {
	subject string
	js      jetstream.JetStream
	room    func() error
	enc     *zstd.Encoder
	wake    chan struct{}
	done    chan struct{}

	published chan<- struct{} // wakes the shard's consumer

	mu     sync.Mutex
	groups []*group // the last one is still open
	bytes  int
	closed bool

	packed []byte // reused
}

func (j *joiner) add(b *Batch, events int, urgent bool) (<-chan error, error) {
	done := make(chan error, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, ErrClosed
	}
	if j.bytes+len(b.Events) > pendingBytes {
		return nil, ErrFull
	}
	if len(j.groups) == 0 || j.groups[len(j.groups)-1].ready() {
		j.groups = append(j.groups, &group{deadline: time.Now().Add(joinDelay)})
	}
	g := j.groups[len(j.groups)-1]
	before := len(g.raw)
	g.raw = appendRecord(g.raw, b)
	j.bytes += len(g.raw) - before
	g.events += events
	g.urgent = g.urgent || urgent
	g.waiting = append(g.waiting, done)
	if len(g.waiting) == 1 || g.ready() {
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
	return done, nil
}

func (j *joiner) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		g, wait, closed := j.take(time.Now())
		if g != nil {
			j.finish(g, j.publish(g))
			continue
		}
		if closed {
			return
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-j.wake:
		case <-j.done:
		}
	}
}

// take gives the oldest group if it is ready, waited long enough or the bus is
// closing, or else how long to wait for it.
func (j *joiner) take(now time.Time) (g *group, wait time.Duration, closed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.groups) == 0 {
		return nil, time.Hour, j.closed
	}
	g = j.groups[0]
	if wait = g.deadline.Sub(now); wait > 0 && !j.closed && !g.ready() {
		return nil, wait, false
	}
	j.groups = j.groups[1:]
	return g, 0, j.closed
}

func (j *joiner) publish(g *group) error {
	if err := j.room(); err != nil {
		return err
	}
	j.packed = append(j.packed[:0], recordVersion)
	j.packed = j.enc.EncodeAll(g.raw, j.packed)
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	_, err := j.js.Publish(ctx, j.subject, j.packed, jetstream.WithRetryAttempts(0))
	var api *jetstream.APIError
	select {
	case j.published <- struct{}{}:
	default:
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api) && isFull(api):
		return fmt.Errorf("%w (%s)", ErrFull, api.Description)
	}
	return fmt.Errorf("bus: publish to %s: %w", j.subject, err)
}

// isFull knows the server's answers for "no room": the stream's own bound
// (10077) and the whole store's (10047).
func isFull(e *jetstream.APIError) bool { return e.ErrorCode == 10077 || e.ErrorCode == 10047 }

func (j *joiner) finish(g *group, err error) {
	j.mu.Lock()
	j.bytes -= len(g.raw)
	j.mu.Unlock()
	for _, done := range g.waiting {
		done <- err
	}
}

func (j *joiner) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.closed = true
		close(j.done)
	}
}
