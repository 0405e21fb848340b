package inspection

import (
	"context"
	"errors"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/host/queue"
	"github.com/masugata/masugata/internal/host/tap"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule"
	"github.com/masugata/masugata/internal/model"
)

// Times of the loop.
const (
	idleWait     = time.Second      // for a packet; changes are seen as late as that
	lookEvery    = time.Second      // flows are aged, repeats told
	changesEvery = 10 * time.Second // addresses and interfaces
)

// memoryMost is the Go runtime's memory limit while rules are loaded; without
// it is what Tune sets.
const memoryMost = 24 << 20

// runner is one run of the engine, for as long as mode, addresses and
// interfaces stay. Rules may change within it.
type runner struct {
	*Inspection
	place  place
	mode   model.Mode // wanted
	doing  model.Mode // what this device can do of it
	reason string     // why not all
	done   int        // wanted.changes that are in force
	alarms *alarms
	engine *engine.Engine
	source source
	looked time.Time
	lost   uint64 // told already

	stopped uint64 // not yet told
}

// place is where the device is in the network.
type place struct {
	interfaces []int
	own        []netip.Prefix
}

func (p *place) equal(o *place) bool {
	return slices.Equal(p.interfaces, o.interfaces) && slices.Equal(p.own, o.own)
}

// look asks which interfaces and addresses there are now.
func (i *Inspection) look() (place, error) {
	var p place
	list, err := i.cfg.Interfaces()
	for _, in := range list {
		p.interfaces = append(p.interfaces, in.Index)
	}
	slices.Sort(p.interfaces)
	if len(p.interfaces) == 0 {
		if err == nil {
			err = errors.New("no interface")
		}
		return p, err
	}
	p.own, err = i.cfg.Addresses()
	return p, err
}

// inspect runs until the mode or the place changes, or ctx ends.
func (i *Inspection) inspect(ctx context.Context, w wanted) error {
	p, err := i.look()
	if err != nil {
		return err
	}
	former := debug.SetMemoryLimit(memoryMost)
	defer debug.SetMemoryLimit(former)
	r := &runner{Inspection: i, place: p, mode: w.mode, alarms: &alarms{cfg: &i.cfg, list: map[key]*alarm{}}}
	defer r.close()
	if err := r.load(w); err != nil {
		return err
	}
	changes := time.Now().Add(changesEvery)
	for ctx.Err() == nil {
		if w := i.wanted(); w.changes != r.done {
			if w.mode != r.mode || i.idle(&w) != "" {
				return nil
			}
			if err := r.load(w); err != nil {
				return err
			}
		}
		if err := r.turn(); err != nil {
			return err
		}
		if now := time.Now(); now.After(changes) {
			changes = now.Add(changesEvery)
			if p, err := i.look(); err != nil || !p.equal(&r.place) {
				return err
			}
		}
	}
	return nil
}

// load puts rules into force; packets that came meanwhile wait in the tap.
func (r *runner) load(w wanted) error {
	set, err := r.compile(&w, r.place.own)
	if err != nil {
		return err
	}
	want := filter(set, r.place.interfaces)
	switch {
	case r.source == nil:
		if err := r.open(set, want); err != nil {
			return err
		}
	default:
		r.engine.Swap(set)
		if err := r.source.SetFilter(want); err != nil {
			return err
		}
	}
	r.done = w.changes
	debug.FreeOSMemory() // compiling needs more than what it makes
	r.note(func(s *Status) { s.Mode = r.doing })
	r.cover(true, r.reason)
	return nil
}

// open chooses where packets come from: the queue when rules may stop them,
// else the tap. A device that has no queue is at least observed.
func (r *runner) open(set *rule.Set, want *tap.Filter) (err error) {
	r.doing, r.reason = r.mode, ""
	if r.mode == model.ModeEnforce {
		q, err := queue.Open(want)
		if err == nil {
			r.source = asked{q}
		} else {
			r.doing, r.reason = model.ModeObserve, "drop rules only alert: "+err.Error()
		}
	}
	if r.source == nil {
		t, err := tap.Open(want, make([]byte, 1<<16))
		if err != nil {
			return err
		}
		r.source = copied{t}
	}
	r.alarms.harm = r.doing == model.ModeEnforce
	r.engine, err = newEngine(set, r.alarms, r.alarms.harm)
	return err
}

// maxTurn bounds the packets between two looks at the clock's other tasks.
const maxTurn = 256

// turn inspects what has come, and waits when nothing has.
func (r *runner) turn() error {
	wait := idleWait
	for range maxTurn {
		p, ok, err := r.source.next(wait)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		wait = 0
		a := r.engine.Frame(packet.LinkRaw, p.data, time.Now().UnixNano(), 0)
		// A segment that contradicts bytes seen before hides something.
		drop := a.Drop || a.Rewrite != nil
		if drop && r.doing == model.ModeEnforce {
			r.stopped++
		}
		if err := r.source.answer(p.id, drop); err != nil {
			return err
		}
	}
	if now := time.Now(); now.Sub(r.looked) >= lookEvery {
		r.looked = now
		r.engine.Advance(now.UnixNano())
		r.alarms.flush(now)
		r.tell()
	}
	return nil
}

// tell puts the counters where Status finds them.
func (r *runner) tell() {
	s, lost := r.engine.Stats(), r.source.Lost()
	r.note(func(st *Status) {
		st.Packets += s.Packets - r.alarms.packets
		st.Alerts += r.alarms.total - r.alarms.told
		st.Lost += lost - r.lost
		st.Stopped += r.stopped
	})
	r.alarms.packets, r.alarms.told, r.lost, r.stopped = s.Packets, r.alarms.total, lost, 0
}

func (r *runner) close() {
	if r.source != nil {
		if r.engine != nil {
			r.tell()
		}
		_ = r.source.Close()
	}
	r.alarms.flush(time.Now().Add(joinFor))
}
