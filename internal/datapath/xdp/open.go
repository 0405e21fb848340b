package xdp

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/masugata/masugata/internal/datapath"
)

// Datapath is the pair of programs on two ports; it implements
// datapath.Datapath. Make it with Open.
type Datapath struct {
	info  Info
	dir   string
	lock  *os.File
	ports []*port
	seed  uint64
	log   *slog.Logger

	// mu guards the tables' life and everything that setters change.
	mu      sync.Mutex
	t       *tables
	clock   clock
	rules   ruleTable
	blocked blockTable
	refused refusedScratch
	flipped time.Time // when a generation was last changed
	aged    time.Time // when devices were last aged
	unclear bool      // flows are to be looked up once more, see lookAgain
	scratch struct {  // what the read methods hand out
		flow   datapath.FlowCounter
		device datapath.DeviceCounter
		hits   datapath.RuleHits
	}
}

var _ datapath.Datapath = (*Datapath)(nil)

var errClosed = errors.New("xdp: data path is closed")

// Open puts the data path on both ports, or adopts the one that a former
// process left in PinDir: forwarding, rules and counters go on without a gap.
// A new data path forwards everything (FailOpen, no rules) until told
// otherwise. It needs root, or CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON and, to
// mount a bpf file system, CAP_SYS_ADMIN. Errors name the step that failed.
func Open(cfg Config) (*Datapath, error) {
	if cfg.PinDir == "" {
		cfg.PinDir = DefaultPinDir
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Inside == "" || cfg.Outside == "" || cfg.Inside == cfg.Outside {
		return nil, fmt.Errorf("xdp: want two interfaces, have inside %q and outside %q", cfg.Inside, cfg.Outside)
	}
	d := &Datapath{dir: cfg.PinDir, log: cfg.Log, ports: []*port{
		{name: "inside", iface: cfg.Inside}, {name: "outside", iface: cfg.Outside},
	}}
	if err := d.open(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("xdp: %w", err), d.letGo())
	}
	return d, nil
}

// Info says how the data path was attached and what is missing. It does not
// change while open.
func (d *Datapath) Info() Info { return d.info }

func (d *Datapath) open(cfg Config) error {
	// Needed only by kernels before 5.11; later ones ignore the limit.
	if err := rlimit.RemoveMemlock(); err != nil {
		d.log.Warn("memory lock limit not raised", "error", err)
	}
	for _, p := range d.ports {
		if err := p.bringUp(); err != nil {
			return err
		}
		if err := plainFrames(p.iface); err != nil {
			d.info.Degraded = append(d.info.Degraded, err.Error())
		}
	}
	if err := ensureBPFFS(d.dir); err != nil {
		return err
	}
	var err error
	if d.lock, err = lockDir(d.dir); err != nil {
		return err
	}
	size, err := sizesOf(cfg)
	if err != nil {
		return err
	}
	hash, err := d.openTables(size)
	if err != nil {
		return err
	}
	if err := d.loadPrograms(size); err != nil {
		return err
	}
	if err := d.connect(); err != nil {
		return err
	}
	if !d.info.Adopted && cfg.Prepare != nil {
		if err := cfg.Prepare(d); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	atomic.StoreUint64(&d.t.config.Layout, hash)
	degraded, err := attachPorts(d.ports, d.dir, cfg.Generic)
	if err != nil {
		return err
	}
	d.info.Degraded = append(d.info.Degraded, degraded...)
	d.info.Mode = d.ports[0].attachMode()
	d.log.Info("data path open", "inside", cfg.Inside, "outside", cfg.Outside, "mode", d.info.Mode, "adopted", d.info.Adopted)
	return removeTables(d.dir, tableDir(d.dir, hash))
}

// openTables adopts the pinned tables or makes new ones.
func (d *Datapath) openTables(size sizes) (hash uint64, err error) {
	spec, err := loadInside()
	if err != nil {
		return 0, err
	}
	if err = size.apply(spec, 1, ticks{}); err != nil {
		return 0, err
	}
	if hash, err = layoutHash(spec); err != nil {
		return 0, err
	}
	maps, err := pinnedTables(d.dir, hash, spec)
	if err != nil {
		return 0, err
	}
	d.info.Adopted = maps != nil
	if maps == nil {
		if maps, err = createTables(d.dir, hash, spec); err != nil {
			return 0, err
		}
	}
	if d.t, err = newTables(size, maps); err != nil {
		return 0, err
	}
	d.clock.sync()
	if !d.info.Adopted {
		d.initConfig()
	}
	d.seed = d.t.config.Seed
	return hash, d.adoptRules()
}

// initConfig fills in what new tables start with.
func (d *Datapath) initConfig() {
	var seed [8]byte
	// crypto/rand.Read never fails.
	_, _ = rand.Read(seed[:])
	d.t.config.Seed = binary.LittleEndian.Uint64(seed[:])
	d.t.config.Attached = ktime()
	d.t.config.Heartbeat = ktime()
	d.t.config.ClearGeneration = 1
}

// loadPrograms loads both programs over the same tables.
func (d *Datapath) loadPrograms(size sizes) error {
	ticks, err := measureTicks()
	if err != nil {
		return err
	}
	loaders := []func() (*ebpf.CollectionSpec, error){loadInside, loadOutside}
	for i, load := range loaders {
		spec, err := load()
		if err != nil {
			return err
		}
		if err := size.apply(spec, d.seed, ticks); err != nil {
			return err
		}
		if d.ports[i].prog, err = loadProgram(spec, d.t.maps); err != nil {
			return fmt.Errorf("load program of the %s port: %w", d.ports[i].name, err)
		}
	}
	return nil
}

// loadProgram loads the object's only program over the given maps.
func loadProgram(spec *ebpf.CollectionSpec, maps map[string]*ebpf.Map) (*ebpf.Program, error) {
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: maps})
	if err != nil {
		return nil, err
	}
	defer coll.Close()
	for name := range coll.Programs {
		return coll.DetachProgram(name), nil
	}
	return nil, errors.New("object without a program")
}

// connect tells each program the interface it forwards to.
func (d *Datapath) connect() error {
	for key, p := range map[uint32]*port{0: d.ports[1], 1: d.ports[0]} {
		if err := d.t.maps["ports"].Put(key, uint32(p.index)); err != nil {
			return fmt.Errorf("connect to %s port %s: %w", p.name, p.iface, err)
		}
	}
	return nil
}

// Close lets go of the data path and leaves it working. Calls after it fail.
func (d *Datapath) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return nil
	}
	return d.letGo()
}

func (d *Datapath) letGo() error {
	var errs []error
	for _, p := range d.ports {
		if p.link != nil {
			errs = append(errs, p.link.Close())
		}
		if p.prog != nil {
			errs = append(errs, p.prog.Close())
		}
	}
	if d.t != nil {
		errs = append(errs, d.t.close())
		d.t = nil
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// Detach takes the data path off the ports, forgets all that it held, and
// closes it. Frames are no longer forwarded.
func (d *Datapath) Detach() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	var errs []error
	for _, p := range d.ports {
		errs = append(errs, p.release(d.dir))
	}
	return errors.Join(append(errs, removeTables(d.dir, ""), d.letGo())...)
}
