package control

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/link/server"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// ownPart is the reporter of the control plane's own events.
const ownPart = model.PartID("control")

// ownEvents are the control plane's own events: refused calls and sign-ins, and
// what the reputation service finds when it looks back. They take the same way as all others. Its methods never
// wait and are safe for concurrent use.
type ownEvents struct {
	out interface {
		Publish(ctx context.Context, b bus.Batch) error
	}
	log     *slog.Logger
	queue   chan *model.Event
	dropped atomic.Uint64
	epoch   uint64
	seq     uint64
}

func newOwnEvents(out *bus.Aggregator, log *slog.Logger) *ownEvents {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return &ownEvents{out: out, log: log, queue: make(chan *model.Event, 256), epoch: binary.BigEndian.Uint64(b[:]) | 1}
}

// run publishes until ctx ends, and then for up to two seconds what waits.
func (o *ownEvents) run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(2*time.Second, cancel) })()
	for {
		select {
		case e := <-o.queue:
			o.publish(work, e)
			continue
		default:
		}
		select {
		case e := <-o.queue:
			o.publish(work, e)
		case <-ctx.Done():
			return
		}
	}
}

func (o *ownEvents) publish(ctx context.Context, e *model.Event) {
	o.seq++
	b := bus.Batch{Part: ownPart, Epoch: o.epoch, Seq: o.seq, Received: e.Time, Events: wire.AppendBatchEvent(nil, e)}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := o.out.Publish(ctx, b)
		if err == nil || ctx.Err() != nil {
			return
		}
		o.log.Warn("an own event waits for the bus", "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

func (o *ownEvents) add(e *model.Event) {
	e.Last, e.Layer, e.Count = e.Time, model.LayerControl, 1
	o.submit(e)
}

// submit takes an event that is complete but for its id.
func (o *ownEvents) submit(e *model.Event) {
	e.ID = model.NewID(e.Time)
	select {
	case o.queue <- e:
	default:
		if o.dropped.Add(1)%100 == 1 {
			o.log.Warn("own events dropped: they come faster than the bus takes them", "total", o.dropped.Load())
		}
	}
}

// refused is the link server's hook.
func (o *ownEvents) refused(r server.Refusal) {
	kind := model.KindLinkRefused
	if r.Call == "Enroll" {
		kind = model.KindEnrollRefused
	}
	o.add(&model.Event{
		Time: r.Time, Kind: kind, Severity: model.SeverityMedium, Subject: string(r.Part), Rule: string(r.Reason),
		Explanation: fmt.Sprintf("A %s call from %s was refused: %s.", r.Call, r.Remote, r.Detail),
		Advice:      "If it is one of your parts, enrol it again or update it. If not, find out who holds that address.",
		Observables: address(r.Remote),
	})
}

// loginFailed is the console's hook.
func (o *ownEvents) loginFailed(user, from string) {
	o.add(&model.Event{
		Time: time.Now(), Kind: model.KindLoginFailed, Severity: model.SeverityLow, Subject: user, Technique: "T1110",
		Explanation: fmt.Sprintf("A sign-in as %q from %s was refused.", user, from),
		Advice:      "Many of these from one address are somebody guessing passwords: block the address.",
		Observables: address(from),
	})
}
