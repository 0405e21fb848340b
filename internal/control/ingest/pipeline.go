package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

const (
	defaultMaxEvents = 61_440
	defaultMinAge    = 250 * time.Millisecond
	defaultMaxAge    = 4 * time.Second
	fetchWait        = 100 * time.Millisecond
	minWait          = 5 * time.Millisecond
	// blocksWaiting is how many full blocks may wait for the store before the
	// pipeline stops reading the bus, which then keeps what comes.
	blocksWaiting = 1
	retryPause    = time.Second
)

// Pipeline moves one shard's events from the bus to the store.
type Pipeline struct {
	cfg     Config
	marks   *marks
	decoder wire.Decoder // of batches that the link server has scanned
	blocks  chan *block
	free    chan *block

	events, batches, repeated, missing, unreadable, commits atomic.Uint64

	problem atomic.Pointer[error] // why the store does not take a block; nil while it does
}

// block is what is gathered for one commit.
type block struct {
	events  []*model.Event
	marks   map[markKey]uint64
	batches uint64
	last    bus.Delivery // acknowledged, with all before it, after the commit
	any     bool         // whether last is set
	began   time.Time    // when the first delivery was read
}

// New checks the config and makes a pipeline.
func New(cfg Config) (*Pipeline, error) {
	if cfg.Source == nil || cfg.Sink == nil || cfg.Log == nil {
		return nil, errors.New("ingest: Source, Sink and Log must be set")
	}
	if cfg.OnEvents == nil {
		cfg.OnEvents = func([]*model.Event) {}
	}
	if cfg.MaxEvents == 0 {
		cfg.MaxEvents = defaultMaxEvents
	}
	if cfg.MinAge == 0 {
		cfg.MinAge = defaultMinAge
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = defaultMaxAge
	}
	return &Pipeline{
		cfg:     cfg,
		decoder: wire.Decoder{Scanned: true},
		blocks:  make(chan *block, blocksWaiting),
		free:    make(chan *block, blocksWaiting+2),
	}, nil
}

// Stats may be called at any time.
func (p *Pipeline) Stats() Stats {
	return Stats{
		Events: p.events.Load(), Batches: p.batches.Load(), Repeated: p.repeated.Load(), Missing: p.missing.Load(),
		Unreadable: p.unreadable.Load(), Commits: p.commits.Load(),
	}
}

// Problem says why events are not stored now; nil while they are. It may be
// called at any time.
func (p *Pipeline) Problem() error {
	if err := p.problem.Load(); err != nil {
		return *err
	}
	return nil
}

// isTold says which attempts of something that fails each second are logged:
// the first ones and then one a minute.
func isTold(attempt int) bool { return attempt <= 2 || attempt%60 == 0 }

// Run works until ctx ends or the bus is closed; what it has read by then is
// committed first. Call it once. Errors of the bus and the store are logged
// and tried again, so that a full disk that is mended needs no restart; an
// error comes back only when the marks cannot be read at the start.
func (p *Pipeline) Run(ctx context.Context) error {
	stored, err := p.cfg.Sink.Marks(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // stopped before it began
	case err != nil:
		return fmt.Errorf("ingest: marks: %w", err)
	}
	p.marks = newMarks(stored, p.cfg.Source.Lane())
	var g errgroup.Group
	g.Go(func() error {
		defer close(p.blocks)
		p.read(ctx)
		return nil
	})
	g.Go(func() error {
		for b := range p.blocks {
			p.commit(ctx, b)
		}
		return nil
	})
	return g.Wait()
}

// read gathers blocks until ctx ends or the bus is closed.
func (p *Pipeline) read(ctx context.Context) {
	b := p.newBlock()
	failed := 0
	for ctx.Err() == nil {
		deliveries, err := p.cfg.Source.Fetch(ctx, fetchMessages, p.patience(b))
		if errors.Is(err, bus.ErrClosed) {
			break
		}
		if err != nil && ctx.Err() == nil {
			if failed++; isTold(failed) {
				p.cfg.Log.Error("reading the bus failed, trying again", "error", err, "attempt", failed)
			}
			pause(ctx, retryPause)
		} else {
			failed = 0
		}
		for _, d := range deliveries {
			p.take(b, d)
			if len(b.events) >= p.cfg.MaxEvents {
				p.blocks <- b
				b = p.newBlock()
			}
		}
		if b.any && time.Since(b.began) >= p.dueAfter(len(b.events)) {
			select {
			case p.blocks <- b:
				b = p.newBlock()
			default: // the store is behind: events are still read and handed on
			}
		}
	}
	if b.any {
		p.blocks <- b
	}
}

// patience is how long a read may wait for messages.
func (p *Pipeline) patience(b *block) time.Duration {
	if !b.any {
		return fetchWait
	}
	return min(max(p.dueAfter(len(b.events))-time.Since(b.began), minWait), fetchWait)
}

// dueAfter is how long a block with so many events waits for more. A block
// that fills fast is worth waiting for, one that does not is not.
func (p *Pipeline) dueAfter(events int) time.Duration {
	share := float64(events) / float64(p.cfg.MaxEvents)
	return min(p.cfg.MinAge+time.Duration(share*float64(p.cfg.MaxAge)), p.cfg.MaxAge)
}

// fetchMessages bounds one read, so that events are handed on soon.
const fetchMessages = 64

func (p *Pipeline) newBlock() *block {
	select {
	case b := <-p.free:
		return b
	default:
		return &block{marks: map[markKey]uint64{}}
	}
}

// take adds one delivery to the block and shows its new events to OnEvents.
func (p *Pipeline) take(b *block, d bus.Delivery) {
	if !b.any {
		b.any, b.began = true, time.Now()
	}
	b.last = d
	if d.Damaged != nil {
		p.unreadable.Add(1)
		p.cfg.Log.Error("a message of the bus is damaged and skipped", "error", d.Damaged)
		return
	}
	from := len(b.events)
	for i := range d.Batches {
		p.takeBatch(b, &d.Batches[i])
	}
	if added := b.events[from:]; len(added) > 0 {
		p.cfg.OnEvents(added)
	}
}

func (p *Pipeline) takeBatch(b *block, batch *bus.Batch) {
	key := markKey{batch.Part, batch.Epoch}
	isNew, missing := p.marks.advance(key, batch.Seq)
	if !isNew {
		p.repeated.Add(1)
		return
	}
	p.missing.Add(missing)
	b.marks[key] = batch.Seq
	b.batches++
	from := len(b.events)
	err := p.decoder.Batch(batch.Events, batch.Part, func(e *model.Event) error {
		b.events = append(b.events, e)
		return nil
	})
	if err != nil {
		p.unreadable.Add(1)
		b.events = append(b.events[:from], unreadableEvent(batch, err))
		p.cfg.Log.Warn("a batch cannot be decoded and is skipped", "part", batch.Part, "seq", batch.Seq, "error", err)
	}
}

// unreadableEvent tells people that a part sent something that is no event.
func unreadableEvent(batch *bus.Batch, err error) *model.Event {
	return &model.Event{
		ID: model.NewID(batch.Received), Time: batch.Received, Last: batch.Received,
		Device: batch.Device, Reporter: batch.Part,
		Layer: model.LayerControl, Kind: model.KindLinkRefused, Severity: model.SeverityMedium,
		Subject: string(batch.Part), Rule: "link.unreadable", Count: 1,
		Explanation: fmt.Sprintf("A batch of events from %s could not be read and was left out: %v.", batch.Part, err),
		Advice:      "See that the part runs a released version; if it does, take it as tampered with and revoke it.",
	}
}

// commit stores the block, for as long as it takes unless ctx ends, and
// acknowledges it.
func (p *Pipeline) commit(ctx context.Context, b *block) {
	for attempt := 1; ; attempt++ {
		// A stop waits for the block at hand: ctx is not passed on.
		err := p.cfg.Sink.Append(context.WithoutCancel(ctx), event.Block{Events: b.events, Marks: b.markList(p.cfg.Source.Lane())})
		if err == nil {
			p.problem.Store(nil)
			break
		}
		p.problem.Store(&err)
		if isTold(attempt) {
			p.cfg.Log.Error("storing events failed, trying again; the bus keeps them", "error", err, "events", len(b.events), "attempt", attempt)
		}
		if ctx.Err() != nil {
			return // the bus delivers the block again after the restart
		}
		pause(ctx, retryPause)
	}
	p.events.Add(uint64(len(b.events)))
	p.batches.Add(b.batches)
	p.commits.Add(1)
	if err := p.cfg.Source.Ack(b.last); err != nil {
		p.cfg.Log.Warn("acknowledging to the bus failed; the marks keep the events from being stored twice", "error", err)
	}
	p.recycle(b)
}

func (p *Pipeline) recycle(b *block) {
	clear(b.events) // let go of the events
	clear(b.marks)
	*b = block{events: b.events[:0], marks: b.marks}
	select {
	case p.free <- b:
	default:
	}
}

func (b *block) markList(lane string) []event.Mark {
	out := make([]event.Mark, 0, len(b.marks))
	for k, seq := range b.marks {
		out = append(out, event.Mark{Part: markName(k.part, lane), Epoch: k.epoch, Seq: seq})
	}
	return out
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
