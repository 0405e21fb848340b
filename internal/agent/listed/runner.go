package listed

import (
	"context"
	"iter"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/host/connect"
	"github.com/masugata/masugata/internal/host/routes"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// Times of the loop.
const (
	readEvery = 200 * time.Millisecond // attempts
	lookEvery = time.Minute            // addresses that are kept
	beginFor  = 3 * time.Second        // until everything that sees is there
)

// runner is the state of Run.
type runner struct {
	*Watch
	filter   *connect.Filter // nil: none is open
	unable   error           // why none can be
	held     bool            // the filter took a list
	stale    error           // why it has not the newest, which is tried again
	table    *routes.Table   // nil: nothing is halted by routes
	forwards bool            // what the device sends may be others'
	done     int             // wanted.changes that were looked at
	kept     []netip.Prefix
	looked   time.Time
	active   bool // something is looked for
	swept    bool // what a process that was killed left is gone
	seeing   bool // Met is called
	begun    time.Time
	mode     model.Mode
	least    edge.Tier
	set      *edge.Set // nil: none is in force
	told     joined
}

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	r := &runner{Watch: w, told: joined{}, begun: time.Now()}
	defer r.close()
	t := time.NewTicker(readEvery)
	defer t.Stop()
	for {
		now := time.Now()
		if x := w.wanted(); x.changes != r.done || r.active && (now.Sub(r.looked) >= lookEvery || r.cfg.Seeing() != r.seeing) {
			r.apply(&x, now)
		}
		if r.active {
			r.read(now)
			t.Reset(readEvery)
		} else {
			t.Stop() // nothing to read: only a change ends this
		}
		r.told.flush(now, w.cfg.Submit)
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-t.C:
		case m := <-w.met:
			r.meet(&m, time.Now())
		}
	}
}

// apply puts what is wanted into force.
func (r *runner) apply(x *wanted, now time.Time) {
	switch {
	case r.cfg.Limit == model.ModeOff:
		r.sweep()
		r.idle(x, "reputation is off in the configuration")
		return
	case x.mode == model.ModeOff:
		r.sweep()
		r.idle(x, "policy says off")
		return
	case x.set == nil:
		r.idle(x, "no reputation set came from the control plane yet")
		return
	}
	kept, forwards := r.cfg.Kept(), r.cfg.Forwards()
	r.looked, r.done = now, x.changes
	if r.stale != nil || x.set != r.set || x.mode != r.mode || x.least != r.least || !slices.Equal(kept, r.kept) || forwards != r.forwards {
		r.kept, r.forwards = kept, forwards
		r.enforce(x)
	}
	if r.table != nil {
		r.table.Keep(maxHalted, func(a netip.Addr, since time.Time) bool {
			return now.Sub(since) < haltFor && r.look.Load().tier(a) != edge.TierNone
		})
		r.countHalted()
	}
	r.report(x, now)
}

// sweep takes away what a process of before left in the kernel when it was
// killed, where nothing takes its place: opening does so.
func (r *runner) sweep() {
	if r.swept {
		return
	}
	r.swept = true
	if r.filter == nil && r.unable == nil {
		if f, err := r.cfg.Open(r.cfg.State); err == nil {
			_ = f.Close()
		}
	}
	r.sweepRoutes()
}

func (r *runner) sweepRoutes() {
	if r.table == nil {
		if t, err := routes.Open(); err == nil {
			_ = t.Close()
		}
	}
}

// enforce gives the list to the kernel, and to Met.
func (r *runner) enforce(x *wanted) {
	if r.filter == nil && r.unable == nil {
		if r.filter, r.unable = r.cfg.Open(r.cfg.State); r.unable != nil {
			r.cfg.Log.Warn("the kernel cannot be asked about connections", "error", r.unable)
		}
	}
	n := 0
	list := prefixes(x, r.kept, &n)
	if r.filter == nil {
		for range list { // to count them
		}
	} else if err := r.filter.Set(list, x.mode == model.ModeEnforce); err == nil {
		r.held, r.stale = true, nil
	} else if r.held && x.mode == model.ModeEnforce { // the kernel can do it, but lacks something now
		r.cfg.Log.Warn("the kernel goes on with the former addresses", "error", err)
		r.stale = err
	} else {
		r.cfg.Log.Warn("the kernel does not look at connections", "error", err)
		r.unable = err
		r.closeFilter()
	}
	r.active, r.mode, r.least, r.set = true, x.mode, x.least, x.set
	if x.mode == model.ModeEnforce && !r.forwards {
		r.openTable()
	} else {
		if !r.swept {
			r.sweepRoutes()
		}
		r.closeTable()
	}
	r.swept = true
	if r.forwards {
		r.look.Store(nil)
	} else {
		r.look.Store(&looking{x.set, x.least, r.kept})
	}
	debug.FreeOSMemory() // making the list needs more than the list
	version := x.set.Header().Version
	r.note(func(s *Status) { s.Mode, s.Version, s.Listed = x.mode, version, n })
	r.cfg.Log.Info("reputation in force", "version", version, "mode", string(x.mode), "listed", n)
}

func (r *runner) openTable() {
	if r.table != nil {
		return
	}
	var err error
	if r.table, err = routes.Open(); err != nil {
		r.cfg.Log.Warn("connections that are there cannot be stopped", "error", err)
	}
}

// prefixes gives the addresses of the set that count, without those that are
// kept, and puts into n how many it gave.
func prefixes(x *wanted, kept []netip.Prefix, n *int) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		*n = 0
		x.set.Prefixes(x.least, func(p netip.Prefix, _ edge.Tier) bool {
			return edge.Without(p, kept, func(p netip.Prefix) bool {
				*n++
				return yield(p)
			})
		})
	}
}

// report says whether the protection works, and what of it does not.
func (r *runner) report(x *wanted, now time.Time) {
	var why []string
	r.seeing = r.cfg.Seeing()
	if !r.seeing && now.Sub(r.begun) < beginFor {
		return // it will
	}
	seeing := r.look.Load() != nil && r.seeing
	switch {
	case r.filter != nil:
		if limits := r.filter.Limits(); limits != "" {
			why = append(why, limits)
		}
		if r.stale != nil {
			why = append(why, "new connections are refused by an older set: "+r.stale.Error())
		}
		if !seeing {
			why = append(why, "connections that were there before and raw sockets are not seen")
		}
	case !seeing:
		r.cover(false, r.unable.Error()+"; and what is sent cannot be watched, or is others' (this device forwards)")
		return
	case r.table != nil:
		why = append(why, "connections are stopped only when their first packets are seen (0.1 s): "+r.unable.Error())
	default:
		why = append(why, "connections are only told, by their packets: "+r.unable.Error())
	}
	if x.set.Expired(uint32(now.Unix())) {
		why = append(why, "the reputation set is past its life; its addresses still count")
	}
	r.cover(true, strings.Join(why, "; "))
}

func (r *runner) cover(active bool, reason string) {
	r.cfg.Cover(model.Coverage{Layer: model.LayerDevice, Protection: Protection, Active: active, Reason: reason})
}

func (r *runner) idle(x *wanted, why string) {
	r.done = x.changes
	r.close()
	r.set, r.unable = nil, nil // to be tried again
	r.note(func(s *Status) {
		s.Mode, s.Listed, s.Version = model.ModeOff, 0, 0
		if x.set != nil {
			s.Version = x.set.Header().Version
		}
	})
	r.cover(false, why)
}

func (r *runner) close() {
	r.look.Store(nil)
	r.closeFilter()
	r.closeTable()
	r.active = false
	r.told.flush(time.Now().Add(joinFor), r.cfg.Submit)
}

func (r *runner) closeFilter() {
	if r.filter == nil {
		return
	}
	r.read(time.Now())
	if err := r.filter.Close(); err != nil {
		r.cfg.Log.Warn("the filter of connections was not closed", "error", err)
	}
	r.filter, r.held, r.stale = nil, false, nil
}

func (r *runner) closeTable() {
	if r.table != nil {
		_ = r.table.Close()
		r.table = nil
		r.countHalted()
	}
}

func (r *runner) countHalted() {
	n := 0
	if r.table != nil {
		n = r.table.Len()
	}
	r.note(func(s *Status) { s.Halted = n })
}

// read tells the attempts since the last time.
func (r *runner) read(now time.Time) {
	if r.filter == nil {
		return
	}
	what := passed
	if r.mode == model.ModeEnforce {
		what = refused
	}
	err := r.filter.Attempts(func(a connect.Attempt) {
		r.count(what, a.Count)
		r.told.add(key{a.Remote, a.Proto, a.PID, what}, a.Count, now, r.cfg.Submit, func() *model.Event { return r.event(&a, what, now) })
	})
	if err != nil {
		r.cfg.Log.Warn("attempts to connect are not told", "error", err)
	}
}

func (r *runner) count(what outcome, n uint32) {
	r.note(func(s *Status) {
		if what == refused {
			s.Refused += uint64(n)
		} else {
			s.Seen += uint64(n)
		}
	})
}
