// Package listed watches whom the agent's own device speaks with: connections
// to addresses that the reputation set lists are refused by the kernel
// (enforce) or told (observe), with the process that tried. It knows neither
// how a score came to be nor who sends the set; internal/agent calls it.
package listed

import (
	"context"
	"iter"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/host/connect"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// Protection is the name under which Cover tells how it stands.
const Protection = "reputation.connect"

// Config is what a Watch needs. All of it is required.
type Config struct {
	Limit  model.Mode                              // the most that the device's own configuration allows: off, observe, enforce
	State  string                                  // a folder for moments
	Kept   func() []netip.Prefix                   // addresses that are never refused nor told
	Who    func(pid uint32) *model.ProcessEvidence // nil when it is not known any more
	Device func() model.DeviceID
	Submit func(*model.Event)
	Cover  func(model.Coverage)
	Log    Log
}

// Log takes what people should know; *slog.Logger is one.
type Log interface {
	Info(message string, keysAndValues ...any)
	Warn(message string, keysAndValues ...any)
}

// Status is how it stands.
type Status struct {
	Mode    model.Mode // in force
	Version uint64     // of the set; 0: none
	Listed  int        // prefixes looked for
	Seen    uint64     // attempts that passed, since the start
	Refused uint64     // attempts that did not
}

// Watch watches while Run runs. Its other methods may be called from any
// goroutine.
type Watch struct {
	cfg  Config
	wake chan struct{}

	mu     sync.Mutex
	want   wanted
	status Status
}

// wanted is what the control plane asks for.
type wanted struct {
	set     *edge.Set // nil: none came
	mode    model.Mode
	least   edge.Tier
	changes int // counts changes of any of them
}

// New makes a Watch without a set. Until policy speaks it enforces from score
// 75 on, as gates do.
func New(cfg Config) *Watch {
	w := &Watch{cfg: cfg, wake: make(chan struct{}, 1), status: Status{Mode: model.ModeOff}}
	w.SetPolicy(model.ReputationPolicy{})
	return w
}

// SetPolicy takes what policy says of this device; what it leaves out is
// enforce and 75.
func (w *Watch) SetPolicy(p model.ReputationPolicy) {
	p = p.Over(model.ReputationPolicy{Mode: model.ModeEnforce, Score: 75})
	w.change(func(x *wanted) { x.mode, x.least = p.Mode.AtMost(w.cfg.Limit), edge.LeastTier(p.Score) })
}

// SetReputation takes the signed set "reputation". One that is refused leaves
// the one before in force.
func (w *Watch) SetReputation(_ uint64, payload []byte) error {
	w.mu.Lock()
	held := uint64(0)
	if w.want.set != nil {
		held = w.want.set.Header().Version
	}
	w.mu.Unlock()
	set, err := edge.Open(payload, uint32(time.Now().Unix()), held)
	if err != nil {
		return err
	}
	w.change(func(x *wanted) { x.set = set })
	return nil
}

func (w *Watch) change(f func(*wanted)) {
	w.mu.Lock()
	f(&w.want)
	w.want.changes++
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Watch) wanted() wanted {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.want
}

// Status gives how it stands.
func (w *Watch) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Watch) note(f func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.status)
}

// Times of the loop.
const (
	readEvery = 200 * time.Millisecond // attempts
	lookEvery = time.Minute            // addresses that are kept
)

// runner is the state of Run.
type runner struct {
	*Watch
	filter *connect.Filter // nil: none is open
	unable error           // why none can be
	done   int             // wanted.changes that are in force
	kept   []netip.Prefix
	looked time.Time
	active bool // the filter has a list
	mode   model.Mode
	set    *edge.Set
	told   joined
}

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	r := &runner{Watch: w, told: joined{}}
	defer r.close()
	t := time.NewTicker(readEvery)
	defer t.Stop()
	for {
		now := time.Now()
		if x := w.wanted(); x.changes != r.done || r.active && now.Sub(r.looked) >= lookEvery {
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
		}
	}
}

// apply puts what is wanted into force.
func (r *runner) apply(x *wanted, now time.Time) {
	why := ""
	switch {
	case r.cfg.Limit == model.ModeOff:
		why = "reputation is off in the configuration"
	case x.mode == model.ModeOff:
		why = "policy says off"
	case x.set == nil:
		why = "no reputation set came from the control plane yet"
	}
	if why != "" {
		r.idle(x, why)
		return
	}
	kept := r.cfg.Kept()
	r.looked = now
	if x.changes == r.done && slices.Equal(kept, r.kept) {
		r.cover(true, r.missing(x, now))
		return
	}
	r.done, r.kept = x.changes, kept
	if r.filter == nil && r.unable == nil {
		r.filter, r.unable = connect.Open(r.cfg.State)
	}
	n, err := 0, r.unable
	if err == nil {
		err = r.filter.Set(prefixes(x, kept, &n), x.mode == model.ModeEnforce)
		debug.FreeOSMemory() // making the list needs more than the list
	}
	if err != nil {
		r.cfg.Log.Warn("connections are not looked at", "error", err)
		r.idle(x, err.Error())
		return
	}
	r.active, r.mode, r.set = true, x.mode, x.set
	version := x.set.Header().Version
	r.note(func(s *Status) { s.Mode, s.Version, s.Listed = x.mode, version, n })
	r.cfg.Log.Info("reputation in force", "version", version, "mode", string(x.mode), "listed", n)
	r.cover(true, r.missing(x, now))
}

// prefixes gives the addresses of the set that count, without those that are
// kept, and counts them.
func prefixes(x *wanted, kept []netip.Prefix, n *int) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		x.set.Prefixes(x.least, func(p netip.Prefix, _ edge.Tier) bool {
			if slices.ContainsFunc(kept, p.Overlaps) {
				return true
			}
			*n++
			return yield(p)
		})
	}
}

// missing says what does not work although the filter does.
func (r *runner) missing(x *wanted, now time.Time) string {
	why := r.filter.Limits()
	if x.set.Expired(uint32(now.Unix())) {
		if why != "" {
			why += "; "
		}
		why += "the reputation set is past its life; its addresses still count"
	}
	return why
}

func (r *runner) idle(x *wanted, why string) {
	r.done = x.changes
	r.close()
	r.note(func(s *Status) {
		s.Mode, s.Listed, s.Version = model.ModeOff, 0, 0
		if x.set != nil {
			s.Version = x.set.Header().Version
		}
	})
	r.cover(false, why)
}

func (r *runner) close() {
	if r.filter == nil {
		return
	}
	if r.active {
		r.read(time.Now())
	}
	r.active = false
	if err := r.filter.Close(); err != nil {
		r.cfg.Log.Warn("the filter of connections was not closed", "error", err)
	}
	r.filter = nil
	r.told.flush(time.Now().Add(joinFor), r.cfg.Submit)
}

func (r *runner) cover(active bool, reason string) {
	r.cfg.Cover(model.Coverage{Layer: model.LayerDevice, Protection: Protection, Active: active, Reason: reason})
}

// read tells the attempts since the last time.
func (r *runner) read(now time.Time) {
	refused := r.mode == model.ModeEnforce
	err := r.filter.Attempts(func(a connect.Attempt) {
		r.note(func(s *Status) {
			if refused {
				s.Refused += uint64(a.Count)
			} else {
				s.Seen += uint64(a.Count)
			}
		})
		r.told.add(key{a.Remote, a.Proto, a.PID, refused}, a.Count, now, r.cfg.Submit,
			func() *model.Event { return r.event(&a, refused, now) })
	})
	if err != nil {
		r.cfg.Log.Warn("attempts to connect are not told", "error", err)
	}
}
