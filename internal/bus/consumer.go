package bus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// MaxFetch is how many messages one Fetch gives at most.
	MaxFetch = 500
	// maxAckPending is above the messages of all blocks that a consumer
	// gathers before it commits: 500 messages of 1,000 events are far more.
	maxAckPending = 1 << 16
	// maxUnpacked bounds what one message may grow to.
	maxUnpacked = 64 << 20
)

// Delivery is one message of the bus.
type Delivery struct {
	Batches []Batch
	// Damaged is set when the message could not be read; Batches is empty then.
	Damaged error
	msg     jetstream.Msg
}

// Consumer reads one shard in order. It is not safe for concurrent use, but
// Ack may be called by another goroutine than Fetch.
type Consumer struct {
	shard  int
	c      jetstream.Consumer
	dec    *zstd.Decoder
	closed atomic.Bool
}

// Fetch gives the next messages, at least one unless wait ends first, at most
// max (up to MaxFetch). The batches' Events are new memory that nobody reuses,
// so decoded strings may alias them. ErrClosed after Close.
func (c *Consumer) Fetch(ctx context.Context, max int, wait time.Duration) ([]Delivery, error) {
	if c.dec == nil {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked))
		if err != nil {
			return nil, fmt.Errorf("bus: decompressor: %w", err)
		}
		c.dec = dec
	}
	out, err := c.fetchNow(min(max, MaxFetch))
	if err != nil || len(out) > 0 {
		return out, c.fetchError(err)
	}
	// Nothing there: wait for one message, then take what came with it.
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	batch, err := c.c.Fetch(1, jetstream.FetchContext(ctx))
	if err != nil {
		return nil, c.fetchError(err)
	}
	out = c.read(out, batch)
	return out, c.fetchError(batch.Error())
}

func (c *Consumer) fetchNow(max int) ([]Delivery, error) {
	batch, err := c.c.FetchNoWait(max)
	if err != nil {
		return nil, err
	}
	out := c.read(nil, batch)
	return out, batch.Error()
}

func (c *Consumer) read(out []Delivery, batch jetstream.MessageBatch) []Delivery {
	for msg := range batch.Messages() {
		out = append(out, c.unpack(msg))
	}
	return out
}

// fetchError leaves out what only says that there was nothing.
func (c *Consumer) fetchError(err error) error {
	switch {
	case c.closed.Load():
		return ErrClosed
	case err == nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, jetstream.ErrNoMessages):
		return nil
	}
	return fmt.Errorf("bus: fetch from shard %d: %w", c.shard, err)
}

func (c *Consumer) unpack(msg jetstream.Msg) Delivery {
	d := Delivery{msg: msg}
	data := msg.Data()
	if len(data) == 0 || data[0] != recordVersion {
		d.Damaged = errRecord
		return d
	}
	raw, err := c.dec.DecodeAll(data[1:], nil)
	if err == nil {
		d.Batches, err = readRecords(raw)
	}
	if err != nil {
		d.Damaged = fmt.Errorf("bus: message: %w", err)
	}
	return d
}

// Ack says that the delivery and all before it are stored; they are not
// delivered again, unless the process dies within moments after. (The store's
// marks find those.)
func (c *Consumer) Ack(d Delivery) error {
	if err := d.msg.Ack(); err != nil {
		return fmt.Errorf("bus: ack to shard %d: %w", c.shard, err)
	}
	return nil
}

func (c *Consumer) close() { c.closed.Store(true) }
