package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// MaxFetch is how many messages one Fetch gives at most.
	MaxFetch = 500
	// maxUnpacked bounds what one message may grow to.
	maxUnpacked = 64 << 20
	ackTimeout  = 30 * time.Second
)

// Delivery is one message of the bus.
type Delivery struct {
	Batches []Batch
	// Damaged is set when the message could not be read; Batches is empty then.
	Damaged error
	number  uint64 // in the stream
}

// Consumer reads one shard, or the urgent batches, in order. It is not safe for concurrent use, but
// Ack may be called by another goroutine than Fetch.
type Consumer struct {
	subject   string
	lane      string
	stream    jetstream.Stream
	dec       *zstd.Decoder
	published chan struct{} // something may be there
	next      uint64        // number of the message to ask for

	closed   atomic.Bool
	closing  chan struct{}
	closeNow sync.Once
}

func newConsumer(stream jetstream.Stream, subject, lane string) (*Consumer, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("bus: decompressor: %w", err)
	}
	return &Consumer{subject: subject, lane: lane, stream: stream, dec: dec, next: 1,
		published: make(chan struct{}, 1), closing: make(chan struct{})}, nil
}

// Lane is "urgent" for the urgent batches and empty for others. The batches of
// one part and epoch keep their order only within a lane; whoever remembers
// how far it came must do so for each lane.
func (c *Consumer) Lane() string { return c.lane }

// Fetch gives the next messages, at least one unless wait or ctx ends first, at
// most max (up to MaxFetch). The batches' Events are new memory that nobody
// reuses, so decoded strings may alias them. With an error it may give messages
// too, which are not given again. ErrClosed after Close.
func (c *Consumer) Fetch(ctx context.Context, max int, wait time.Duration) ([]Delivery, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		out, err := c.fetchNow(ctx, min(max, MaxFetch))
		if err != nil || len(out) > 0 {
			return out, err
		}
		select {
		case <-c.published:
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, nil
		case <-c.closing:
			return nil, ErrClosed
		}
	}
}

func (c *Consumer) fetchNow(ctx context.Context, max int) (out []Delivery, err error) {
	for len(out) < max {
		if c.closed.Load() {
			return out, ErrClosed
		}
		msg, err := c.stream.GetMsg(ctx, c.next, jetstream.WithGetMsgSubject(c.subject))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return out, nil
		case err != nil && ctx.Err() != nil:
			return out, nil
		case err != nil && c.closed.Load():
			return out, ErrClosed
		case err != nil:
			return out, fmt.Errorf("bus: read %s from %d: %w", c.subject, c.next, err)
		}
		c.next = msg.Sequence + 1
		out = append(out, c.unpack(msg))
	}
	return out, nil
}

func (c *Consumer) unpack(msg *jetstream.RawStreamMsg) Delivery {
	d := Delivery{number: msg.Sequence}
	if len(msg.Data) == 0 || msg.Data[0] != recordVersion {
		d.Damaged = errRecord
		return d
	}
	raw, err := c.dec.DecodeAll(msg.Data[1:], nil)
	if err == nil {
		d.Batches, err = readRecords(raw)
	}
	if err != nil {
		d.Damaged = fmt.Errorf("bus: message %d: %w", msg.Sequence, err)
	}
	return d
}

// Ack says that the delivery and all before it are stored; they are removed,
// and not given again unless the process dies within moments after. (The
// store's marks find those.)
func (c *Consumer) Ack(d Delivery) error {
	ctx, cancel := context.WithTimeout(context.Background(), ackTimeout)
	defer cancel()
	if err := c.stream.Purge(ctx, jetstream.WithPurgeSubject(c.subject), jetstream.WithPurgeSequence(d.number+1)); err != nil {
		return fmt.Errorf("bus: remove what is stored of %s: %w", c.subject, err)
	}
	return nil
}

func (c *Consumer) close() {
	c.closed.Store(true)
	c.closeNow.Do(func() { close(c.closing) })
}
