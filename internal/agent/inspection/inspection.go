// Package inspection runs the inspection engine on the traffic of the agent's
// own device, with the rules that the control plane sends and within bounds
// that a device of 32 MB can keep. It captures only packets that some rule can
// match, and nothing at all without rules. It knows nothing of where rules come
// from; internal/agent calls it.
package inspection

import (
	"context"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/host/inventory"
	"github.com/masugata/masugata/internal/model"
)

// Protection is the name under which Cover tells how the inspection stands.
const Protection = "traffic.inspection"

// Config is what an Inspection needs. All of it is required.
type Config struct {
	Limit      model.Mode // the most that the device's own configuration allows: off, observe, enforce
	RuleBytes  int        // most bytes of rule texts
	Interfaces func() (map[string]inventory.Interface, error)
	Addresses  func() ([]netip.Prefix, error) // the device's own: HOME_NET
	Device     func() model.DeviceID
	Submit     func(*model.Event)
	Cover      func(model.Coverage)
	Log        Log
}

// Log takes what people should know; *slog.Logger is one.
type Log interface {
	Info(message string, keysAndValues ...any)
	Warn(message string, keysAndValues ...any)
}

// Status is how the inspection stands.
type Status struct {
	Mode    model.Mode // in force; off without rules
	Version uint64     // of the rules
	Rules   int
	Refused int    // rules that this device cannot honour
	Packets uint64 // inspected since the start
	Alerts  uint64
	Stopped uint64 // packets
	Lost    uint64 // packets that came faster than they were inspected
}

// Inspection inspects while Run runs. Its other methods may be called from any
// goroutine.
type Inspection struct {
	cfg  Config
	wake chan struct{}

	mu     sync.Mutex
	want   wanted
	status Status
}

// wanted is what the control plane asks for.
type wanted struct {
	version uint64
	files   []model.RuleFile
	mode    model.Mode
	changes int // counts changes of any of them
}

// New makes an Inspection without rules.
func New(cfg Config) *Inspection {
	return &Inspection{cfg: cfg, wake: make(chan struct{}, 1), want: wanted{mode: model.ModeObserve}, status: Status{Mode: model.ModeOff}}
}

// SetRules takes the rules of a version of the signed set. They are compiled
// by Run.
func (i *Inspection) SetRules(version uint64, files []model.RuleFile) {
	i.change(func(w *wanted) { w.version, w.files = version, files })
}

// SetMode takes what policy says of this device: off, observe, enforce, or
// empty for observe.
func (i *Inspection) SetMode(m model.Mode) {
	if m == "" {
		m = model.ModeObserve
	}
	i.change(func(w *wanted) { w.mode = m.AtMost(i.cfg.Limit) })
}

func (i *Inspection) change(f func(*wanted)) {
	i.mu.Lock()
	f(&i.want)
	i.want.changes++
	i.mu.Unlock()
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

func (i *Inspection) wanted() wanted {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.want
}

// Status gives how the inspection stands.
func (i *Inspection) Status() Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.status
}

func (i *Inspection) note(f func(*Status)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f(&i.status)
}

// retryAfter is how long the inspection waits after a failure.
const retryAfter = 10 * time.Second

// Run inspects until ctx ends.
func (i *Inspection) Run(ctx context.Context) {
	for ctx.Err() == nil {
		w := i.wanted()
		why := i.idle(&w)
		if why == "" {
			err := i.inspect(ctx, w)
			if err == nil {
				continue
			}
			why = err.Error()
			i.cfg.Log.Warn("traffic is not inspected", "error", why)
		}
		i.note(func(s *Status) { s.Mode, s.Version, s.Rules = model.ModeOff, w.version, 0 })
		i.cover(false, why)
		i.pause(ctx)
	}
}

// idle says why nothing is to be inspected, "" when something is.
func (i *Inspection) idle(w *wanted) string {
	size := 0
	for _, f := range w.files {
		size += len(f.Text)
	}
	switch {
	case i.cfg.Limit == model.ModeOff:
		return "inspection is off in the configuration"
	case w.mode == model.ModeOff:
		return "policy says off"
	case size == 0:
		return "the control plane has sent no rules"
	case size > i.cfg.RuleBytes:
		return "the rules have " + strconv.Itoa(size>>10) + " KiB, inspection_rules_kib allows " + strconv.Itoa(i.cfg.RuleBytes>>10)
	}
	return ""
}

// pause waits for other rules or modes, and not for ever after a failure.
func (i *Inspection) pause(ctx context.Context) {
	t := time.NewTimer(retryAfter)
	defer t.Stop()
	w := i.wanted()
	if i.idle(&w) != "" {
		t.Stop() // only a change can end this
	}
	select {
	case <-ctx.Done():
	case <-i.wake:
	case <-t.C:
	}
}

func (i *Inspection) cover(active bool, reason string) {
	i.cfg.Cover(model.Coverage{Layer: model.LayerDevice, Protection: Protection, Active: active, Reason: reason})
}
