package inline

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/afxdp"
	"github.com/masugata/masugata/internal/gate/listed"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule"
	"github.com/masugata/masugata/internal/model"
)

// worker inspects its share of the traffic: all that some inside addresses send
// and get. Its engine remembers nothing of what other workers see. One
// goroutine runs it; only the atomic fields are touched by others, and told
// under the inspection's mu.
type worker struct {
	in       *Inspection
	number   int
	engine   *engine.Engine
	sink     *alerts
	crossing *afxdp.Worker
	now      int64
	stats    Stats
	known    *listed.Reader
	listing  *Listing  // that known answers from
	buf      [512]byte // of a refusal

	next   atomic.Pointer[rule.Set]
	asked  atomic.Bool  // the kernel must ask again about every flow
	missed atomic.Bool  // frames may have gone by that the engine was not given
	beat   atomic.Int64 // time of the last turn, in nanoseconds since 1970
	told   Stats
}

const (
	idleWait   = 50                     // milliseconds
	aliveEvery = 200 * time.Millisecond // how often the kernel hears that inspection goes on
)

// run inspects until ctx ends, then judges what the kernel handed over before.
func (w *worker) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var told int64
	var failed error
	for ctx.Err() == nil && failed == nil {
		w.now = time.Now().UnixNano()
		w.beat.Store(w.now)
		w.swap()
		n, err := w.crossing.Turn(w, idleWait)
		failed = err
		if w.now-told >= int64(aliveEvery) || n == 0 && w.now-told >= int64(aliveEvery)/2 {
			told = w.now
			if w.number == 0 {
				w.in.alive(w.now)
			}
			w.engine.Advance(w.now)
			w.tell()
		}
	}
	w.in.verdicts.Gone() // the kernel goes on alone
	for range 100 {      // so many turns empty every ring
		if n, err := w.crossing.Turn(w, 1); n == 0 || err != nil {
			break
		}
	}
	w.tell()
	return failed
}

// swap goes on with the rules of a reload, and with other modes, and no longer
// trusts what it knows of sessions when frames were missed.
func (w *worker) swap() {
	if w.asked.Swap(false) {
		w.in.verdicts.Forget()
		w.engine.Missed() // frames of devices that were not looked at
	}
	if w.missed.Swap(false) {
		w.engine.Missed()
	}
	w.renew()
	set := w.next.Swap(nil)
	if set == nil {
		return
	}
	w.engine.Swap(set)
	w.in.verdicts.Forget() // each worker's own, once it no longer judges by the former rules
	w.stats.Reloads++
}

// tell puts the counters where others see them, and records on disk.
func (w *worker) tell() {
	if w.in.journal != nil && w.number == 0 {
		if err := w.in.journal.flush(); err != nil {
			w.stats.Errors++
		}
	}
	s := w.stats
	c := w.crossing.Stats()
	s.Inspected, s.Forwarded, s.Dropped, s.RingFull = c.Received, c.Forwarded, c.Dropped, c.RingFull
	s.Alerts = w.sink.count()
	e := w.engine.Stats()
	s.Listed, s.ListedStopped, s.Unsure = e.Listed, e.ListedStopped, w.known.Unsure()
	w.in.mu.Lock()
	w.told = s
	w.in.mu.Unlock()
}

// Judge implements afxdp.Judge.
func (w *worker) Judge(side datapath.Side, frame []byte) []byte {
	device := deviceOf(side, frame)
	mode := w.in.modes.Load().of(device)
	if mode == model.ModeOff {
		w.settle(side, frame, nil, datapath.FateForward)
		return frame
	}
	w.sink.device, w.sink.side, w.sink.harm = device, side, mode == model.ModeEnforce
	if w.listing != nil {
		r := w.listing.Regards.Of(device)
		w.known.Regard(r.Mode, r.Least)
	}
	a := w.engine.Frame(packet.LinkEthernet, frame, w.now, 0)
	if f := a.Flow; f != nil {
		w.sink.belongs(f.Slot)
		switch {
		case f.Flags&flow.FlagListed != 0 || f.Flags&flow.FlagDropped != 0 && mode == model.ModeEnforce:
			w.settle(side, frame, f, datapath.FateDrop)
		case f.Flags&flow.FlagBypassed != 0:
			w.settle(side, frame, f, datapath.FateForward)
		}
	}
	if a.Listed {
		if a.Answer {
			w.deny(side, frame)
		} else if a.Tell != 0 {
			w.reject(side, frame, a.Tell)
		}
		return nil
	}
	if mode != model.ModeEnforce {
		return frame
	}
	if a.Drop {
		if a.Tell != 0 {
			w.reject(side, frame, a.Tell)
		}
		return nil
	}
	if a.Rewrite != nil {
		rewrite(frame, a.Rewrite)
	}
	return frame
}

// settle has the kernel deal with the rest of a flow, if it can name it. f is
// nil when nothing is known of the flow.
func (w *worker) settle(side datapath.Side, frame []byte, f *flow.Flow, fate datapath.Fate) {
	h, ok := readHeads(frame)
	if !ok || f != nil && !sameFlow(&h, f) {
		return
	}
	id := h.flowID(side, frame)
	if err := w.in.verdicts.Set(&id, fate); err != nil {
		w.stats.Errors++
		return
	}
	switch {
	case f == nil || !w.sink.fresh(f):
	case fate == datapath.FateDrop:
		w.stats.Blocked++
	default:
		w.stats.Settled++
	}
}

// sameFlow says whether the outermost headers are those of the flow: of
// tunnels the engine may speak of a flow inside.
func sameFlow(h *heads, f *flow.Flow) bool {
	return h.proto == f.Proto && h.version == f.IPVersion &&
		(h.srcPort == f.ClientPort && h.dstPort == f.ServerPort || h.srcPort == f.ServerPort && h.dstPort == f.ClientPort)
}
