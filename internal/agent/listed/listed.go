// Package listed watches whom the agent's own device speaks with: connections
// to addresses that the reputation set lists are refused by the kernel
// (enforce) or told (observe), with the process that tried. What goes to such
// addresses all the same (connections that were there before, raw sockets, or a
// kernel that cannot be asked) is seen by its packets and stopped from then on.
// It knows neither how a score came to be nor who sends the set; internal/agent
// calls it.
package listed

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/host/connect"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// Protection is the name under which Cover tells how it stands.
const Protection = "reputation.connect"

// Config is what a Watch needs. All of it is required.
type Config struct {
	Limit    model.Mode                                  // the most that the device's own configuration allows: off, observe, enforce
	State    string                                      // a folder for moments
	Kept     func() []netip.Prefix                       // addresses that are never refused nor told
	Who      func(pid uint32) *model.ProcessEvidence     // nil when it is not known any more
	Seeing   func() bool                                 // whether Met is called with what the device sends
	Forwards func() bool                                 // whether what the device sends may be others\'
	Open     func(state string) (*connect.Filter, error) // connect.Open
	Device   func() model.DeviceID
	Submit   func(*model.Event)
	Cover    func(model.Coverage)
	Log      Log
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
	Halted  int        // addresses to which nothing goes any more, since it was seen
}

// Watch watches while Run runs. Its other methods may be called from any
// goroutine.
type Watch struct {
	cfg  Config
	wake chan struct{}

	look atomic.Pointer[looking] // what Met looks for; nil: nothing
	met  chan meeting

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
	w := &Watch{cfg: cfg, wake: make(chan struct{}, 1), met: make(chan meeting, maxMet), status: Status{Mode: model.ModeOff}}
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
