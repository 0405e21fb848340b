package inspection

import (
	"context"
	"errors"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/host/tap"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet"
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
	mode   model.Mode
	done   int // wanted.changes that are in force
	alarms *alarms
	engine *engine.Engine
	tap    *tap.Tap
	looked time.Time
	lost   uint64 // told already
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
	if r.engine == nil {
		if r.engine, err = newEngine(set, r.alarms, false); err != nil {
			return err
		}
		if r.tap, err = tap.Open(want, make([]byte, 1<<16)); err != nil {
			return err
		}
	} else {
		r.engine.Swap(set)
		if err := r.tap.SetFilter(want); err != nil {
			return err
		}
	}
	r.done = w.changes
	debug.FreeOSMemory() // compiling needs more than what it makes
	r.note(func(s *Status) { s.Mode = r.mode })
	reason := ""
	if r.mode == model.ModeEnforce && stops(set) {
		reason = "only observed: this agent cannot stop packets"
	}
	r.cover(true, reason)
	return nil
}

// maxTurn bounds the packets between two looks at the clock's other tasks.
const maxTurn = 256

// turn inspects what has come, and waits when nothing has.
func (r *runner) turn() error {
	wait := idleWait
	for range maxTurn {
		p, ok, err := r.tap.Read(wait)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		wait = 0
		r.engine.Frame(packet.LinkRaw, p.Data, time.Now().UnixNano(), 0)
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
	s, lost := r.engine.Stats(), r.tap.Lost()
	r.note(func(st *Status) {
		st.Packets += s.Packets - r.alarms.packets
		st.Alerts += r.alarms.total - r.alarms.told
		st.Lost += lost - r.lost
	})
	r.alarms.packets, r.alarms.told, r.lost = s.Packets, r.alarms.total, lost
}

func (r *runner) close() {
	if r.tap != nil {
		r.tell()
		_ = r.tap.Close()
	}
	r.alarms.flush(time.Now().Add(joinFor))
}
