package agent

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/masugata/masugata/internal/agent/inspection"
	"github.com/masugata/masugata/internal/agent/listed"
	"github.com/masugata/masugata/internal/host/exec"
	"github.com/masugata/masugata/internal/host/files"
	"github.com/masugata/masugata/internal/host/inventory"
	"github.com/masugata/masugata/internal/host/process"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// Rates of reading files: for executables that nobody waits for, and for the
// baseline of watched folders, in bytes per second.
const (
	hashRate     = 8 << 20
	baselineRate = 2 << 20
)

// Tune sets the Go runtime to the budget of a small device. Call it once at
// the start of the process.
func Tune() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(20)
	debug.SetMemoryLimit(8 << 20)
}

// reporter is the end of the link that the agent needs.
type reporter interface {
	Submit(*model.Event)
	Nudge()
	Run(context.Context) error
	Status() client.Status
}

// Log takes what people should know; *slog.Logger is one.
type Log interface {
	Info(message string, keysAndValues ...any)
	Warn(message string, keysAndValues ...any)
	Error(message string, keysAndValues ...any)
}

// Agent is one running agent.
type Agent struct {
	cfg     Config
	log     Log
	version string
	started time.Time
	part    model.PartID
	id      model.DeviceID
	link    reporter
	hasher  *process.Hasher
	sending *sending
	killing *killing
	starts  *starting
	inspect *inspection.Inspection
	listed  *listed.Watch
	control control

	mu       sync.Mutex
	coverage []model.Coverage
	policy   *model.Policy
}

// Run protects the device until ctx ends. It fails when the device is not
// enrolled, another agent uses the state folder, or the link refuses it for good.
func Run(ctx context.Context, cfg Config, version string, log Log) error {
	unlock, err := lock(cfg.State)
	if err != nil {
		return err
	}
	defer unlock()
	store, err := identity.Open(IdentityDir(&cfg))
	if err != nil {
		return err
	}
	sp, err := spool.Open(spool.Config{Dir: filepath.Join(cfg.State, "spool"), MaxBytes: int64(cfg.SpoolMiB) << 20})
	if err != nil {
		return err
	}
	defer sp.Close()
	a := build(cfg, version, log)
	a.part, a.id = store.Part(), store.Device()
	if i, err := inventory.Default(); err == nil && i.Device() != a.id {
		log.Warn("the device's network address is not the one it enrolled with", "device", string(a.id), "now", string(i.Device()))
	}
	a.link, err = client.New(client.Config{
		Endpoint: cfg.Endpoint, Identity: store, Spool: sp, Software: version, Log: log, State: a.state,
		Sets: map[string]func(uint64, []byte) error{wire.SetPolicy: a.takePolicy, wire.SetActions: a.takeActions,
			wire.SetRules: a.takeRules, wire.SetReputation: a.listed.SetReputation},
		Differences: map[string]func(payload, difference []byte) ([]byte, error){wire.SetReputation: edge.Apply},
	})
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// RunLocal watches without a control plane and gives the events to submit.
func RunLocal(ctx context.Context, cfg Config, version string, log Log, submit func(*model.Event)) error {
	unlock, err := lock(cfg.State)
	if err != nil {
		return err
	}
	defer unlock()
	a := build(cfg, version, log)
	if i, err := inventory.Default(); err == nil {
		a.id = i.Device()
	}
	a.link = localOnly{submit}
	return a.run(ctx)
}

// localOnly stands for the link when there is none.
type localOnly struct{ submit func(*model.Event) }

func (l localOnly) Submit(e *model.Event)         { l.submit(e) }
func (l localOnly) Nudge()                        {}
func (l localOnly) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (l localOnly) Status() client.Status {
	return client.Status{LastErr: "runs without a control plane"}
}

func build(cfg Config, version string, log Log) *Agent {
	a := &Agent{cfg: cfg, log: log, version: version, started: time.Now(), hasher: process.NewHasher(hashRate)}
	device := func() model.DeviceID { return a.id }
	submit := func(e *model.Event) { a.link.Submit(e) }
	a.sending = newSending(&a.cfg, log, a.hasher)
	a.sending.submit, a.sending.device, a.sending.cover = submit, device, a.cover
	a.killing = newKilling(&a.cfg, log, a.hasher)
	a.killing.submit, a.killing.device, a.killing.nudge = submit, device, func() { a.link.Nudge() }
	a.inspect = inspection.New(inspection.Config{Limit: a.cfg.Inspection, RuleBytes: a.cfg.InspectionRulesKiB << 10,
		Interfaces: a.sending.interfaces, Addresses: inventory.Prefixes, Device: device, Submit: submit, Cover: a.cover, Log: log})
	a.starts = &starting{log: log, hasher: a.hasher, submit: submit, device: device}
	a.listed = listed.New(a.listedConfig())
	a.sending.met = a.listed.Met
	return a
}

// run starts the senses and waits for all of them to end.
func (a *Agent) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	closeStatus, err := a.serveStatus()
	if err != nil {
		return err
	}
	defer closeStatus()
	a.cover(model.Coverage{Layer: model.LayerDevice, Protection: "process.kill", Active: a.cfg.AllowKill, Reason: unless(a.cfg.AllowKill, "allow_kill is false in the configuration")})
	a.submitStart()
	var wg sync.WaitGroup
	wg.Go(func() { a.sending.run(ctx) })
	wg.Go(func() { a.killing.run(ctx) })
	wg.Go(func() { a.inspect.Run(ctx) })
	wg.Go(func() { a.listed.Run(ctx) })
	wg.Go(func() { a.watchStarts(ctx) })
	wg.Go(func() { a.watchFiles(ctx) })
	err = a.link.Run(ctx)
	cancel()
	wg.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func unless(ok bool, reason string) string {
	if ok {
		return ""
	}
	return reason
}

func (a *Agent) submitStart() {
	now := time.Now()
	a.link.Submit(&model.Event{ID: model.NewID(now), Time: now, Last: now, Device: a.id, Layer: model.LayerDevice,
		Kind: model.KindPartStarted, Subject: string(a.part), Count: 1, Explanation: "The agent started, version " + a.version + "."})
}

func (a *Agent) watchStarts(ctx context.Context) {
	c := model.Coverage{Layer: model.LayerDevice, Protection: "process.start"}
	if !a.cfg.ProcessStarts {
		c.Reason = "process_starts is false in the configuration"
		a.cover(c)
		return
	}
	w := exec.Open(a.log)
	c.Active = true
	if err := w.Limits(); err != nil {
		c.Reason = "only by " + string(w.Method()) + ": " + err.Error()
	}
	a.cover(c)
	if err := a.starts.run(ctx, w); err != nil {
		c.Active, c.Reason = false, err.Error()
		a.cover(c)
	}
}

// watchFiles begins anew when policy names other folders.
func (a *Agent) watchFiles(ctx context.Context) {
	c := model.Coverage{Layer: model.LayerDevice, Protection: "file.integrity"}
	for ctx.Err() == nil {
		roots := a.roots()
		w, err := files.Open(files.Config{Roots: roots, Ignore: append([]string{a.cfg.State}, a.cfg.Ignore...),
			Baseline: filepath.Join(a.cfg.State, "files.baseline"), Rate: baselineRate, Log: a.log,
			Full: func(err error) {
				full := c
				full.Active, full.Reason = true, err.Error()
				a.cover(full)
			}})
		if err != nil {
			c.Active, c.Reason = false, err.Error()
			a.cover(c)
			a.untilRootsChange(ctx, roots)
			continue
		}
		c.Active, c.Reason = true, ""
		if err := w.Limits(); err != nil {
			c.Reason = err.Error()
		}
		a.cover(c)
		inner, cancel := context.WithCancel(ctx)
		go func() { a.untilRootsChange(inner, roots); cancel() }()
		ch := &changing{submit: a.link.Submit, device: func() model.DeviceID { return a.id }, names: &a.starts.names}
		err = ch.run(inner, w)
		cancel()
		if err != nil {
			c.Active, c.Reason = false, err.Error()
			a.cover(c)
			a.untilRootsChange(ctx, roots)
		}
	}
}

// roots are the folders of the configuration and of policy.
func (a *Agent) roots() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	roots := slices.Clone(a.cfg.Watch)
	if a.policy != nil {
		for _, p := range a.policy.WatchPaths {
			if filepath.IsAbs(p) && !slices.Contains(roots, p) {
				roots = append(roots, p)
			}
		}
	}
	return roots
}

func (a *Agent) untilRootsChange(ctx context.Context, roots []string) {
	t := time.NewTicker(2 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if !slices.Equal(a.roots(), roots) {
				return
			}
		}
	}
}

// cover notes whether a protection works and tells when one is lost.
func (a *Agent) cover(c model.Coverage) {
	a.mu.Lock()
	i := slices.IndexFunc(a.coverage, func(o model.Coverage) bool { return o.Protection == c.Protection })
	changed := i < 0 || a.coverage[i] != c
	lost := changed && !c.Active && (i < 0 || a.coverage[i].Active)
	if i < 0 {
		a.coverage = append(a.coverage, c)
	} else {
		a.coverage[i] = c
	}
	a.mu.Unlock()
	if !changed {
		return
	}
	a.log.Info("protection", "name", c.Protection, "active", c.Active, "reason", c.Reason)
	if lost {
		now := time.Now()
		a.link.Submit(&model.Event{ID: model.NewID(now), Time: now, Last: now, Device: a.id, Layer: c.Layer,
			Kind: model.KindPartDegraded, Severity: model.SeverityLow, Subject: c.Protection, Count: 1, Explanation: c.Reason})
	}
}

func (a *Agent) takePolicy(version uint64, payload []byte) error {
	p, err := wire.DecodePolicy(version, payload)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.policy = p
	a.mu.Unlock()
	a.sending.setLimits(over(p.DeviceLimits[a.id], p.Limits))
	a.killing.setMode(p.KillMode)
	a.inspect.SetMode(cmp.Or(p.InspectDevices[a.id], p.InspectMode))
	a.listed.SetPolicy(p.ReputationOf(a.id))
	a.log.Info("policy in force", "version", version)
	return nil
}

func (a *Agent) takeRules(version uint64, payload []byte) error {
	files, err := wire.DecodeRules(payload)
	if err != nil {
		return err
	}
	a.inspect.SetRules(version, files)
	return nil
}

func (a *Agent) takeActions(_ uint64, payload []byte) error {
	actions, _, err := wire.DecodeActions(payload)
	if err != nil {
		return err
	}
	a.killing.setActions(actions)
	return nil
}

// state is what the agent says of itself to the control plane.
func (a *Agent) state() *wire.PartState {
	in, met := a.inspect.Status(), a.listed.Status()
	s := &wire.PartState{Started: a.started, Counters: map[string]uint64{"floods": uint64(a.sending.snapshot().floods),
		"inspected_packets": in.Packets, "inspection_alerts": in.Alerts, "inspection_stopped_packets": in.Stopped, "inspection_lost_packets": in.Lost,
		"reputation_seen": met.Seen, "reputation_refused": met.Refused}}
	a.mu.Lock()
	s.Coverage = slices.Clone(a.coverage)
	a.mu.Unlock()
	for id, st := range a.killing.statuses() {
		s.Actions = append(s.Actions, wire.ActionStatus{ID: id, PartStatus: st})
	}
	return s
}

// lock keeps a second agent from using the state folder.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.New("state folder " + dir + ": another agent runs with it")
	}
	return func() { f.Close() }, nil
}
