package client

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

const (
	gatherFor      = 100 * time.Millisecond // how long ordinary events wait for company
	maxEvents      = 1000                   // events of one batch
	maxBytes       = 256 << 10              // bytes of one batch
	flushEvery     = 100 * time.Millisecond // how long events may be in memory only
	drainFor       = 2 * time.Second
	minBackoff     = 250 * time.Millisecond
	maxBackoff     = 30 * time.Second
	refusedWait    = time.Minute // after a refusal that only a person can mend
	tellSpoolEvery = time.Minute
	unableWait     = 5 * time.Second // at most, while the control plane has no room
	watchFor       = 50 * time.Second
	callTimeout    = 20 * time.Second
)

// Client keeps a part in touch with its control plane: it reports events and
// state, and takes signed sets. Safe for concurrent use.
type Client struct {
	cfg  Config
	log  Log
	dial atomic.Pointer[dialer]
	key  identity.PublicKey
	zip  compressor

	wake  [2]chan struct{} // one a lane: something was put into the spool
	nudge chan struct{}

	mu      sync.Mutex
	buf     []byte // of Submit
	status  Status
	applied map[string]uint64 // versions in force
	seen    map[string]uint64 // versions that came, in force or not
	told    uint64            // drops that an event has told of
	refused uint64            // events that the control plane would never take
	again   chan struct{}     // closed when the link comes up

	spoolFailures int       // since they were last logged
	spoolTold     time.Time // when that was
}

// New makes a Client; nothing is sent before Run.
func New(cfg Config) (*Client, error) {
	if cfg.Identity == nil || cfg.Spool == nil {
		return nil, errors.New("link client: Identity and Spool are required")
	}
	m := cfg.Identity.Material()
	key, err := identity.ParsePublicKey(m.SigningKey)
	if err != nil {
		return nil, err
	}
	cfg.Endpoint = cmp.Or(cfg.Endpoint, m.Endpoint)
	cfg.ReportEvery = cmp.Or(cfg.ReportEvery, time.Second)
	cfg.MaxSet = cmp.Or(cfg.MaxSet, 8<<20)
	if cfg.Protocol == (wire.Version{}) {
		cfg.Protocol = wire.Protocol()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = silent{}
	}
	if cfg.State == nil {
		cfg.State = func() *wire.PartState { return new(wire.PartState) }
	}
	c := &Client{cfg: cfg, log: cfg.Log, key: key, nudge: make(chan struct{}, 1), again: make(chan struct{}),
		applied: make(map[string]uint64), seen: make(map[string]uint64)}
	for l := range c.wake {
		c.wake[l] = make(chan struct{}, 1)
	}
	c.status.Since = cfg.Now()
	c.reconnect()
	return c, nil
}

// Submit hands over an event. It never waits for the network; what it writes
// to disk is bounded by the spool.
func (c *Client) Submit(e *model.Event) {
	c.mu.Lock()
	c.buf = wire.AppendBatchEvent(c.buf[:0], e)
	err := c.cfg.Spool.Put(e.Severity, c.buf)
	c.mu.Unlock()
	if err != nil {
		c.spoolFailed(err)
		return
	}
	signal(c.wake[spool.LaneOf(e.Severity)])
}

// Nudge reports the state at once instead of with the next turn.
func (c *Client) Nudge() { signal(c.nudge) }

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Run works until ctx ends; it then writes what is in memory to the spool and
// spends up to two seconds on sending it. It returns nil: whatever goes wrong meanwhile is told by Status
// and the log, and tried again.
func (c *Client) Run(ctx context.Context) error {
	c.loadSets()
	var all sync.WaitGroup
	for _, loop := range []func(context.Context){
		func(ctx context.Context) { c.lane(ctx, spool.Urgent) },
		func(ctx context.Context) { c.lane(ctx, spool.Normal) },
		c.states, c.watch, c.renew, c.flush,
	} {
		all.Go(func() { loop(ctx) })
	}
	all.Wait()
	if err := c.cfg.Spool.Flush(); err != nil {
		c.spoolFailed(err)
	}
	c.drain(context.WithoutCancel(ctx))
	c.dial.Load().close()
	return nil
}

// drain sends what is left, most important first, for at most drainFor.
func (c *Client) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainFor)
	defer cancel()
	for _, l := range []spool.Lane{spool.Urgent, spool.Normal} {
		for c.cfg.Spool.Waiting(l) && c.Status().Up {
			b, ok, err := c.cfg.Spool.Next(l, maxEvents, maxBytes)
			if err != nil || !ok || c.report(ctx, c.zip.request(&b)) != nil {
				return // it stays in the spool
			}
			c.acknowledged(&b)
			c.cfg.Spool.Ack(l, b.Epoch, b.Seq)
		}
	}
}

// Status gives how the link stands.
func (c *Client) Status() Status {
	st := c.cfg.Spool.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.Endpoint, s.NotAfter = c.cfg.Endpoint, c.cfg.Identity.NotAfter()
	s.Spooled, s.Dropped = st.Waiting, st.Dropped+c.refused
	s.Sets = maps.Clone(c.applied)
	return s
}

// spoolFailed logs that the spool could not do its work, once a minute at
// most: a full disk fails with every event, and the log may be on it.
func (c *Client) spoolFailed(err error) {
	if errors.Is(err, spool.ErrClosed) {
		return
	}
	c.mu.Lock()
	now := c.cfg.Now()
	c.spoolFailures++
	n := c.spoolFailures
	tell := now.Sub(c.spoolTold) >= tellSpoolEvery
	if tell {
		c.spoolFailures, c.spoolTold = 0, now
	}
	c.mu.Unlock()
	if tell {
		c.log.Error("spool", "error", err, "times", n)
	}
}

// flush writes what waits in memory to disk once in a while, so that little is
// lost when the process is killed while the link is down.
func (c *Client) flush(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := c.cfg.Spool.Flush(); err != nil {
				c.spoolFailed(err)
			}
			c.tellDrops()
		}
	}
}

// tellDrops makes an event of events that were dropped since the last one.
func (c *Client) tellDrops() {
	dropped := c.cfg.Spool.Stats().Dropped
	c.mu.Lock()
	dropped += c.refused
	n := dropped - c.told
	up := c.status.Up
	if n == 0 || !up {
		c.mu.Unlock()
		return
	}
	c.told = dropped
	c.mu.Unlock()
	now := c.cfg.Now()
	c.Submit(&model.Event{
		ID: model.NewID(now), Time: now, Last: now, Device: c.cfg.Identity.Device(), Layer: model.LayerControl,
		Kind: model.KindSpoolDropped, Severity: model.SeverityMedium, Rule: "link.spool", Subject: string(c.cfg.Identity.Part()),
		Count:       uint32(min(n, 1<<32-1)),
		Explanation: "Events were dropped because the spool was full, the least important first, or because the control plane refused them.",
		Advice:      "Find out why the control plane was out of reach, or give the spool more room; if events were refused, the part's log says why.",
	})
}

// renew gets a new certificate at two thirds of the present one's life. After
// one that was just made it waits at least a third of its life, whatever the
// clock says: a part whose clock is ahead must not renew without end.
func (c *Client) renew(ctx context.Context) {
	var least time.Duration
	for {
		if !sleep(ctx, max(c.cfg.Identity.RenewAt().Sub(c.cfg.Now()), least)) {
			return
		}
		c.retry(ctx, "renew the certificate", c.renewOnce)
		cert := c.cfg.Identity.Material().Cert
		least = cert.NotAfter.Sub(cert.NotBefore) / 3
	}
}

func (c *Client) renewOnce(ctx context.Context) error {
	key, csr, err := identity.NewRequest()
	if err != nil {
		return err
	}
	var res wire.RenewResponse
	if err := c.call(ctx, "Renew", &wire.RenewRequest{CSR: csr}, &res, callTimeout); err != nil {
		return err
	}
	if err := c.cfg.Identity.Renewed(key, res.Certificate); err != nil {
		return err
	}
	c.reconnect()
	c.log.Info("certificate renewed", "not_after", c.cfg.Identity.NotAfter())
	return nil
}

// retry calls f until it succeeds or ctx ends, with growing pauses that end
// early when another call finds the link up; what goes wrong is logged when it
// changes.
func (c *Client) retry(ctx context.Context, what string, f func(context.Context) error) {
	wait := minBackoff
	last := ""
	for {
		err := f(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if text := err.Error(); text != last {
			c.log.Warn("link: cannot "+what+"; trying again", "error", err)
			last = text
		}
		pause := wait/2 + rand.N(wait)
		var u *unable
		switch {
		case lasting(err):
			pause = refusedWait
		case errors.As(err, &u):
			pause = min(pause, unableWait)
		}
		if !c.pause(ctx, pause) {
			return
		}
		wait = min(2*wait, maxBackoff)
	}
}

// lasting says whether only a person can mend what was refused.
func lasting(err error) bool {
	var r *Refused
	if !errors.As(err, &r) {
		return false
	}
	switch r.Reason {
	case wire.ReasonRevoked, wire.ReasonUnknownPart, wire.ReasonProtocol, wire.ReasonNoIdentity:
		return true
	}
	return false
}

// pause waits for d or for the link to come up; false when ctx ended first.
func (c *Client) pause(ctx context.Context, d time.Duration) bool {
	c.mu.Lock()
	again := c.again
	c.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-again:
	}
	return true
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
