package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/link/zstd"
)

// compressFrom is how many bytes a batch has at least for compression to be
// worth its time.
const compressFrom = 512

// compressor packs batches with little memory. The zero value is ready.
type compressor struct {
	mu   sync.Mutex
	pack zstd.Packer
}

// request puts a batch into a report, compressed when that pays. It is safe
// for concurrent use.
func (z *compressor) request(b *spool.Batch) *wire.ReportRequest {
	req := &wire.ReportRequest{Epoch: b.Epoch, Seq: b.Seq}
	if len(b.Events) < compressFrom {
		req.Batch = b.Events
		return req
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	packed, ok := z.pack.Append(make([]byte, 0, len(b.Events)/3), b.Events)
	if !ok {
		req.Batch = b.Events
		return req
	}
	req.Zstd = packed
	return req
}

// lane sends the batches of one lane, one after the other.
func (c *Client) lane(ctx context.Context, l spool.Lane) {
	for {
		if !c.cfg.Spool.Waiting(l) {
			select {
			case <-ctx.Done():
				return
			case <-c.wake[l]:
			}
			if l == spool.Normal && !sleep(ctx, gatherFor) {
				return
			}
		}
		for l == spool.Normal && ctx.Err() == nil && c.cfg.Spool.Waiting(spool.Urgent) {
			if !sleep(ctx, yieldFor) {
				return // what is urgent goes first
			}
		}
		if ctx.Err() != nil {
			return
		}
		c.sendNext(ctx, l)
	}
}

// yieldFor is how often the normal lane looks whether the urgent one is empty.
const yieldFor = 20 * time.Millisecond

// sendNext sends the lane's next batch until it is acknowledged or ctx ends.
func (c *Client) sendNext(ctx context.Context, l spool.Lane) {
	// What goes into a batch is fixed when it is made, so none is made while
	// the link is down: more important events may come. Whichever call found
	// it down keeps trying.
	for up := false; !up; {
		if up = c.Status().Up; !up && !c.pause(ctx, time.Second) {
			return
		}
	}
	b, ok, err := c.cfg.Spool.Next(l, maxEvents, maxBytes)
	if err != nil {
		c.spoolFailed(err)
		sleep(ctx, time.Second)
		return
	}
	if !ok {
		// Woken for something that went with the batch before: wait anew.
		return
	}
	req := c.zip.request(&b)
	c.retry(ctx, "report events", func(ctx context.Context) error {
		err := c.report(ctx, req)
		var refused *Refused
		switch {
		case err == nil:
			c.acknowledged(&b)
		case errors.As(err, &refused) && (refused.Reason == wire.ReasonBadRequest || refused.Reason == wire.ReasonForeign):
			// It would be refused for ever and hold up all behind it.
			c.log.Error("the control plane refused a batch; its events are lost", "events", b.Count, "error", err)
			c.mu.Lock()
			c.refused += uint64(b.Count)
			c.mu.Unlock()
		default:
			return err
		}
		c.cfg.Spool.Ack(l, b.Epoch, b.Seq)
		return nil
	})
}

// acknowledged notes a batch that is durable at the control plane.
func (c *Client) acknowledged(b *spool.Batch) {
	c.mu.Lock()
	c.status.Sent += uint64(b.Count)
	c.mu.Unlock()
	if c.cfg.OnAck != nil {
		c.cfg.OnAck(b)
	}
}

// report makes one Report call and learns the control plane's clock from it.
func (c *Client) report(ctx context.Context, req *wire.ReportRequest) error {
	var res wire.ReportResponse
	sent := c.cfg.Now()
	if err := c.call(ctx, "Report", req, &res, callTimeout); err != nil {
		return err
	}
	now := c.cfg.Now()
	c.mu.Lock()
	c.status.Skew = time.Unix(0, res.Time).Sub(sent.Add(now.Sub(sent) / 2)).Round(time.Millisecond)
	c.mu.Unlock()
	return nil
}

// states reports the part's state in turns and when nudged. The last one wins,
// so one that could not be sent is not kept.
func (c *Client) states(ctx context.Context) {
	tick := time.NewTicker(c.cfg.ReportEvery)
	defer tick.Stop()
	for {
		c.retry(ctx, "report state", c.reportState)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.nudge:
		}
	}
}

func (c *Client) reportState(ctx context.Context) error {
	s := c.cfg.State()
	if s == nil {
		return nil
	}
	st := c.Status()
	s.Software, s.Sets, s.Spooled, s.Dropped = c.cfg.Software, st.Sets, st.Spooled, st.Dropped
	return c.report(ctx, &wire.ReportRequest{State: wire.AppendPartState(nil, s)})
}
