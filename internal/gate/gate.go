package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/xdp"
	"github.com/masugata/masugata/internal/detect/flood"
	"github.com/masugata/masugata/internal/gate/block"
	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/model"
)

// Gate is one running gate. mu guards everything that the loop, the link and
// the status socket share; the data path's own methods are safe without it,
// except that only the loop reads counters.
type Gate struct {
	log     *slog.Logger
	version string
	started time.Time
	dp      datapath.Datapath
	kernel  *xdp.Datapath // the same, for the inspection
	info    xdp.Info
	link    reporter // nil without a control plane
	spool   *spool.Spool
	part    model.PartID
	keeper  *keeper

	mu        sync.Mutex
	cfg       Config
	policy    model.Policy // in force: the signed one, or made of the configuration
	signed    bool
	det       *flood.Detector
	desk      *block.Desk
	blocklist blocklist
	devices   *devices
	contacts  contacts
	totals    datapath.Totals
	crowded   time.Time // when the device table was last too small
	lastErr   string    // of the last write of the rules
	confErr   string    // of the last configure
	conf      time.Time // when that was
	loop      loopStats
	convert   flood.Flow
	// ceilinged are the devices that ever got ceilings of their own: the data
	// path keeps those until they are set again.
	ceilinged map[flood.Device]bool
	counts    flood.Counts

	inspection *inline.Inspection // nil when traffic is not inspected
	inspectErr string             // why it is not though it should be
	again      chan struct{}      // a missing inspection is to be tried again
	told       time.Time          // when alerts were last told
	refused    refusals
	hits       heldHits
	tellings   tellings // of refused and hits

	faults      uint64 // of the data path since the last that was logged
	faultLogged time.Time
}

// loopStats measure the loop.
type loopStats struct {
	Scans, Late        uint64
	LastScan, WorstFor time.Duration
	Flows, Devices     int
}

// Options are what Run may be given besides its configuration.
type Options struct {
	Version string
	// Reload hands over a new configuration, checked; nil never does.
	Reload <-chan Config
}

// Run is the gate: it opens the data path on the configured ports, protects
// until ctx ends, and leaves the data path in place with the rules in force.
// It needs root or the capabilities that the data path asks for. Errors say
// what could not be started.
func Run(ctx context.Context, cfg Config, log *slog.Logger, opt Options) error {
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	g := newGate(cfg, log, opt.Version)
	blocks, err := readBlocks(g.recordPath())
	if err != nil {
		log.Warn("record of rules in force unreadable, taking over what the data path holds", "error", err)
	}
	if err := g.openLink(); err != nil {
		return err
	}
	defer g.closeLink()
	g.openInspection()
	if err := g.openDatapath(blocks); err != nil {
		return err
	}
	defer func() {
		if err := g.dp.Close(); err != nil {
			log.Error("close data path", "error", err)
		}
	}()
	return g.run(ctx, opt.Reload)
}

func newGate(cfg Config, log *slog.Logger, version string) *Gate {
	now := time.Now()
	g := &Gate{
		log: log, version: version, started: now, cfg: cfg,
		det: flood.New(flood.Config{
			EndAfter: cfg.Flood.RetireAfter, MaxDevices: cfg.Ports.Devices * 2,
			// Each CPU has a table of its own; whoever fills them must not hide a new flow.
			MaxFlows: 2 * cfg.Ports.Flows * max(2, runtime.NumCPU()),
		}),
		ceilinged: make(map[flood.Device]bool),
		again:     make(chan struct{}, 1),
		keeper:    newKeeper(filepath.Join(cfg.State, "rules.json"), log),
	}
	g.policy = cfg.policy()
	g.devices = newDevices(cfg.Ports.Devices, filepath.Join(cfg.State, "devices.json"), log)
	return g
}

// policy is what holds until a signed policy arrives.
func (c *Config) policy() model.Policy {
	return model.Policy{
		FloodMode: c.Flood.Mode, KillMode: model.ModePropose, BlockTTL: c.Flood.BlockTTL,
		Protected: c.Flood.Protected, AntiSpoof: c.Home.AntiSpoof, Limits: c.Flood.Limits,
	}
}

func (g *Gate) recordPath() string { return g.keeper.path }

func (g *Gate) openDatapath(blocks []block.Block) error {
	g.desk = block.New(g.deskConfig())
	now := time.Now()
	dp, err := xdp.Open(xdp.Config{
		Inside: g.cfg.Ports.Inside, Outside: g.cfg.Ports.Outside, PinDir: g.cfg.Ports.Pin,
		MaxFlows: uint32(g.cfg.Ports.Flows), MaxDevices: uint32(g.cfg.Ports.Devices),
		Generic: g.cfg.Ports.Attach == "generic", Log: g.log,
		Prepare: func(d *xdp.Datapath) error {
			g.desk.Restore(blocks, nil, now)
			g.dp = d
			// Nobody inspects yet, so the fail mode holds for what is to be
			// inspected until somebody does.
			if err := d.SetTrusted(g.cfg.trusted()); err != nil {
				g.log.Error("set trusted devices; tried again", "error", err)
			}
			return errors.Join(g.writeRules(), d.SetFailMode(failModes[g.cfg.FailMode]), d.SetInspection(g.cfg.Inspection.Enabled))
		},
	})
	if err != nil {
		return fmt.Errorf("open data path: %w", err)
	}
	g.dp, g.kernel, g.info = dp, dp, dp.Info()
	if g.info.Adopted {
		rules, err := dp.Rules()
		if err != nil {
			return errors.Join(fmt.Errorf("read rules in force: %w", err), dp.Close())
		}
		g.desk.Restore(blocks, rules, now)
	}
	if err := g.attachInspection(); err != nil {
		return errors.Join(err, dp.Close())
	}
	for _, s := range g.desk.Targets() {
		g.det.Adopt(s.Dst, now)
	}
	if err := g.configure(now); err != nil { // better half protected than not at all
		g.log.Error("configuration not in force everywhere; tried again", "error", err)
	}
	return nil
}

func (g *Gate) deskConfig() block.Config {
	return block.Config{Part: g.part, RetireAfter: g.cfg.Flood.RetireAfter, Policy: g.policy}
}

// run starts what runs beside the loop, runs the loop until ctx ends, and
// waits for all of it.
func (g *Gate) run(ctx context.Context, reload <-chan Config) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	beside := func(name string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	beside("status socket", g.serveStatus)
	beside("metrics", g.serveMetrics)
	beside("record of rules", g.keeper.run)
	if g.link != nil {
		beside("link", g.link.Run)
	}
	inspect := func(in *inline.Inspection) {
		if in != nil {
			beside("inspection", func(ctx context.Context) error { return g.inspect(ctx, in) })
		}
	}
	inspect(g.inspection)
	if reload != nil {
		beside("reload", func(ctx context.Context) error { return g.takeReloads(ctx, reload) })
	}
	wg.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		g.scanLoop(ctx)
	})
	g.announce()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-g.again:
			inspect(g.inspectAgain())
		}
	}
	wg.Wait()
	g.mu.Lock()
	g.reportAlerts(time.Now())
	g.reportRefusals(time.Now())
	g.lastHits()
	g.lastContacts()
	g.mu.Unlock()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	g.log.Info("gate stopped; the data path goes on", "fail_mode", g.cfg.FailMode)
	return nil
}

func (g *Gate) takeReloads(ctx context.Context, reload <-chan Config) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case cfg := <-reload:
			g.reload(cfg)
			g.reloadInspection()
		}
	}
}

// reload puts a new configuration into force. Ports, state folder and control
// plane stay until the process starts again.
func (g *Gate) reload(cfg Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.cfg
	if cfg.Ports != old.Ports || cfg.State != old.State || cfg.Control != old.Control || cfg.Metrics != old.Metrics {
		g.log.Warn("ports, state, control and metrics change only with a restart")
		cfg.Ports, cfg.State, cfg.Control, cfg.Metrics = old.Ports, old.State, old.Control, old.Metrics
	}
	if cfg.Inspection.keepInspection(&old.Inspection) {
		g.log.Warn("inspection.enabled, flows, memory, workers and eve change only with a restart")
	}
	g.cfg = cfg
	if !g.signed {
		g.policy = cfg.policy()
	}
	if err := g.configure(time.Now()); err != nil {
		g.log.Error("new configuration not in force everywhere", "error", err)
		return
	}
	g.log.Info("configuration reloaded")
}
