package xdp

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
)

// sizes are the table sizes in use.
type sizes struct {
	cpus, flowSets, places, slots, blocked uint32
}

// overflow is the index of devices that have none of their own.
func (s sizes) overflow() int { return int(s.places) * deviceWays }

// stride is how many device entries a CPU has.
func (s sizes) stride() int { return s.overflow() + 1 }

func ceilPow2(v uint32) uint32 {
	if v <= 1 {
		return 1
	}
	return 1 << bits.Len32(v-1)
}

func orDefault(v, d uint32) uint32 {
	if v == 0 {
		return d
	}
	return v
}

func sizesOf(cfg Config) (sizes, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return sizes{}, fmt.Errorf("count CPUs: %w", err)
	}
	s := sizes{
		cpus:     uint32(cpus),
		flowSets: ceilPow2(orDefault(cfg.MaxFlows, DefaultMaxFlows)) / flowWays,
		// Three times the devices, so that most are in the first way of their place.
		places: ceilPow2(orDefault(cfg.MaxDevices, DefaultMaxDevices)) / 2,
		// Twice the rules, so that all can be replaced at once.
		slots:   2 * orDefault(cfg.MaxRules, DefaultMaxRules),
		blocked: orDefault(cfg.MaxBlocked, DefaultMaxBlocked),
	}
	s.flowSets, s.places = max(s.flowSets, 1), max(s.places, 1)
	if s.slots > 1<<16 {
		return s, fmt.Errorf("MaxRules %d: at most %d", cfg.MaxRules, 1<<15)
	}
	if uint64(s.flowSets)*uint64(s.cpus) > 1<<22 || s.overflow() >= 1<<16-1 {
		return s, fmt.Errorf("MaxFlows %d, MaxDevices %d: too large for %d CPUs", cfg.MaxFlows, cfg.MaxDevices, s.cpus)
	}
	return s, nil
}

// apply sets the sizes in a program's object.
func (s sizes) apply(spec *ebpf.CollectionSpec, seed uint64, t ticks) error {
	entries := map[string]uint32{
		"config": 1, "totals": s.cpus, "device_index": s.places,
		"devices": s.cpus * uint32(s.stride()), "device_shared": uint32(s.stride()),
		"flows": s.cpus * s.flowSets, "flow_more": s.cpus * s.flowSets, "rules": s.slots, "rule_hits": s.cpus * s.slots,
		"rule_buckets": s.slots, "tuples": 2, "inside": 2, "block4": 1 << 24 / 64,
		"block6": 3 << block6Bits / 64, "blocked4": s.blocked, "blocked6": s.blocked,
		"rule_index": 2 * s.slots, "verdicts": s.flowSets * flowWays, "refusals": maxRefusals, "sockets": 2 * maxQueues * datapath.MaxWorkers,
	}
	for name, n := range entries {
		if m := spec.Maps[name]; m != nil {
			m.MaxEntries = n
		}
	}
	for name, v := range map[string]any{
		"flow_sets": s.flowSets, "device_places": s.places, "max_rules": s.slots,
		"num_cpus": s.cpus, "seed": seed, "tick_ns": t.length, "tick_base": t.base,
	} {
		if variable := spec.Variables[name]; variable != nil {
			if err := variable.Set(v); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
	}
	return nil
}

// layoutHash names what the tables of the object look like.
func layoutHash(spec *ebpf.CollectionSpec) (uint64, error) {
	h := fnv.New64a()
	var version uint32
	if err := spec.Variables["layout_version"].Get(&version); err != nil {
		return 0, fmt.Errorf("read layout version: %w", err)
	}
	fmt.Fprintln(h, version)
	for _, name := range tableNames(spec) {
		m := spec.Maps[name]
		fmt.Fprintln(h, name, m.Type, m.KeySize, m.ValueSize, m.MaxEntries, m.Flags)
	}
	return h.Sum64(), nil
}

// tableNames are the maps that the programs share: all but their constants
// and scratch memory.
func tableNames(spec *ebpf.CollectionSpec) []string {
	var names []string
	for name := range spec.Maps {
		if name[0] != '.' && name != "scratch" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// tables are the maps and what of them is mapped into memory.
type tables struct {
	sizes
	maps map[string]*ebpf.Map
	mem  [][]byte

	config  *config
	totals  []totals
	index   []devicePlace
	devices []device
	shared  []deviceShared
	flows   []flowSet
	more    []flowMoreSet
	rules   []rule
	hits    []ruleHits
	buckets []uint64
	tuples  []tuples
	inside  []inside
	block4  []uint64
	block6  []uint64
}

func mapTable[T any](t *tables, name string, out *[]T) error {
	m := t.maps[name]
	var v T
	if uintptr(m.ValueSize()) != unsafe.Sizeof(v) {
		return fmt.Errorf("map table %s: values of %d bytes, want %d", name, m.ValueSize(), unsafe.Sizeof(v))
	}
	size := int(m.MaxEntries()) * int(m.ValueSize())
	page := unix.Getpagesize()
	mem, err := unix.Mmap(m.FD(), 0, (size+page-1)&^(page-1), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map table %s: %w", name, err)
	}
	t.mem = append(t.mem, mem)
	*out = viewOf[T](mem, int(m.MaxEntries()))
	return nil
}

func newTables(s sizes, maps map[string]*ebpf.Map) (*tables, error) {
	t := &tables{sizes: s, maps: maps}
	var cfg []config
	err := errors.Join(
		mapTable(t, "config", &cfg), mapTable(t, "totals", &t.totals), mapTable(t, "device_index", &t.index),
		mapTable(t, "devices", &t.devices), mapTable(t, "device_shared", &t.shared), mapTable(t, "flows", &t.flows), mapTable(t, "flow_more", &t.more),
		mapTable(t, "rules", &t.rules), mapTable(t, "rule_hits", &t.hits), mapTable(t, "rule_buckets", &t.buckets),
		mapTable(t, "tuples", &t.tuples), mapTable(t, "inside", &t.inside), mapTable(t, "block4", &t.block4),
		mapTable(t, "block6", &t.block6))
	if err != nil {
		t.close()
		return nil, err
	}
	t.config = &cfg[0]
	return t, nil
}

// close unmaps and closes everything; the pins stay.
func (t *tables) close() error {
	var errs []error
	for _, mem := range t.mem {
		errs = append(errs, unix.Munmap(mem))
	}
	for _, m := range t.maps {
		errs = append(errs, m.Close())
	}
	t.mem, t.maps = nil, nil
	return errors.Join(errs...)
}
