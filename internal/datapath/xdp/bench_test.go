package xdp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/contract"
	"github.com/masugata/masugata/internal/model"
)

// BenchmarkForward compares the gate with the least program that forwards,
// on the same veth pair in the same run, turn by turn: 1,000 devices with
// four destinations each behind 10,000 blocked prefixes. It reports packets
// a second that arrived behind each and their ratio.
func BenchmarkForward(b *testing.B) {
	var ceilings datapath.Ceilings
	for c := range ceilings {
		ceilings[c] = 1e8
	}
	rules := []datapath.Rule{
		{ID: 1, Verdict: datapath.VerdictDrop, Shape: model.Shape{Proto: 17, Dst: netip.MustParsePrefix("203.0.113.5/32"), DstPort: 80}},
		{ID: 2, Verdict: datapath.VerdictLimit, PPS: 10, Device: datapath.DeviceKey{MAC: [6]byte{2, 1}}, Shape: model.Shape{Spoofed: true}},
	}
	for _, bb := range []struct {
		name  string
		setup func(*Datapath) error
	}{
		{"blocklist", func(*Datapath) error { return nil }},
		{"blocklist+rules", func(d *Datapath) error { return d.SetRules(rules) }},
		{"blocklist+ceilings", func(d *Datapath) error { return d.SetCeilings(datapath.DeviceKey{}, ceilings) }},
	} {
		b.Run(bb.name, func(b *testing.B) { benchForward(b, bb.setup) })
	}
}

// course is the rig of one benchmark.
type course struct {
	*contract.Rig
	gate     *Datapath
	bare     *ebpf.Program
	generate *ebpf.Program
	arrived  *ebpf.Map
	made     *ebpf.Map
	progress []progress // one a CPU
	context  []byte
}

func benchForward(b *testing.B, setup func(*Datapath) error) {
	c := newCourse(b)
	ownCPU(b)
	defer func() { check(b, c.gate.Detach()) }()
	check(b, setup(c.gate))
	// Many short turns: what else the machine does hits both alike, and the
	// 95th percentile shows turns that it left alone.
	const frames, turns = 60_000, 40
	c.run(b, 10*frames) // the flow and device tables get their entries
	var ratios, bares, gates []float64
	b.ResetTimer()
	for range max(b.N, 1) * turns {
		check(b, c.gate.ports[0].link.Update(c.bare))
		bare := c.run(b, frames)
		check(b, c.gate.ports[0].link.Update(c.gate.ports[0].prog))
		gate := c.run(b, frames)
		bares, gates, ratios = append(bares, bare), append(gates, gate), append(ratios, gate/bare)
	}
	bare, gate := quantile(bares, 0.95), quantile(gates, 0.95)
	b.ReportMetric(bare/1e6, "bare-Mpps")
	b.ReportMetric(gate/1e6, "gate-Mpps")
	b.ReportMetric(1e9/gate-1e9/bare, "added-ns")
	b.ReportMetric(gate/bare, "ratio")
	b.ReportMetric(quantile(ratios, 0.5), "median-ratio")
	b.ReportMetric(0, "ns/op")
}

// ownCPU keeps other processes from this thread's CPU while it sends, so that
// the kernel handles the frames here and at once. The thread ends with the
// benchmark.
func ownCPU(b *testing.B) {
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 50}, 0); err != nil {
		b.Logf("without real-time priority, so other load shows: %v", err)
	}
}

func quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[int(float64(len(v)-1)*q)]
}

func newCourse(t testing.TB) *course {
	c := &course{Rig: contract.NewRig(t)}
	c.gate = openTest(t, Config{PinDir: t.TempDir()})
	check(t, c.gate.SetInside([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, true))
	check(t, c.gate.SetBlocklist(benchBlocklist()))
	bareSpec, err := loadBare()
	check(t, err)
	c.bare, err = loadProgram(bareSpec, map[string]*ebpf.Map{"ports": c.gate.t.maps["ports"]})
	check(t, err)
	var gen generateObjects
	check(t, loadGenerateObjects(&gen, nil))
	c.generate, c.made = gen.BenchGenerate, gen.Made
	check(t, c.made.Lookup(uint32(0), &c.progress))
	var sink sinkObjects
	check(t, loadSinkObjects(&sink, nil))
	c.arrived = sink.Arrived
	c.InRouter(t, func() {
		l, err := link.AttachXDP(link.XDPOptions{Program: sink.BenchSink, Interface: c.farEnd(t, contract.OutsidePort), Flags: link.XDPDriverMode})
		check(t, err)
		t.Cleanup(func() { _ = l.Close() })
	})
	c.InDevice(t, func() {
		c.context = make([]byte, 24) // struct xdp_md
		binary.NativeEndian.PutUint32(c.context[12:], uint32(c.farEnd(t, contract.InsidePort)))
	})
	return c
}

func (c *course) farEnd(t testing.TB, port string) int {
	l, err := netlink.LinkByName(port + "-far")
	check(t, err)
	return l.Attrs().Index
}

// benchBlocklist are 10,000 prefixes that the load does not meet.
func benchBlocklist() []netip.Prefix {
	var out []netip.Prefix
	for i := range 10_000 {
		switch i % 5 {
		case 0:
			out = append(out, netip.PrefixFrom(netip.AddrFrom16([16]byte{0x2a, byte(i >> 8), byte(i)}), 32+i%64))
		case 1:
			out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(100 + i%60), byte(i >> 8), byte(i), 0}), 24))
		default:
			out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(100 + i%60), byte(i), byte(i >> 8), 7}), 32))
		}
	}
	return out
}

// run sends frames and gives packets a second that arrived, by the clock of
// the generator: starting and ending a run takes 20 ms that are not of it.
func (c *course) run(t testing.TB, frames uint32) float64 {
	t.Helper()
	frame := contract.Frame{Device: datapath.DeviceKey{MAC: [6]byte{2}}, DstPort: 443, Payload: make([]byte, 18)}.Build()
	binary.NativeEndian.PutUint32(c.context[4:], uint32(len(frame)))
	progress := make([]progress, len(c.progress))
	check(t, c.made.Put(uint32(0), progress))
	before := c.sum(t)
	c.InDevice(t, func() {
		_, err := c.generate.Run(&ebpf.RunOptions{
			Data: frame, Context: c.context, Repeat: frames, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, BatchSize: 64})
		check(t, err)
	})
	time.Sleep(time.Millisecond) // what is still in the ring
	arrived := c.sum(t) - before
	if arrived < uint64(frames)*9/10 {
		t.Fatalf("%d of %d frames arrived", arrived, frames)
	}
	check(t, c.made.Lookup(uint32(0), &progress))
	var timed, took float64
	for _, p := range progress {
		timed += float64(p.Timed)
		took = max(took, float64(p.Last-p.First))
	}
	return timed / took * 1e9 * float64(arrived) / float64(frames)
}

// progress is the generator's struct of that name.
type progress struct{ Made, First, Last, Timed uint64 }

func (c *course) sum(t testing.TB) (n uint64) {
	var perCPU []uint64
	check(t, c.arrived.Lookup(uint32(0), &perCPU))
	for _, v := range perCPU {
		n += v
	}
	return n
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkRead measures what the gate does ten times a second: reading all
// counters, of 1,000 devices with four flows each.
func BenchmarkRead(b *testing.B) {
	c := newCourse(b)
	defer func() { check(b, c.gate.Detach()) }()
	c.run(b, 100_000)
	flows, devices := 0, 0
	for b.Loop() {
		flows, devices = 0, 0
		check(b, c.gate.ReadFlows(func(*datapath.FlowCounter) { flows++ }))
		check(b, c.gate.ReadDevices(func(*datapath.DeviceCounter) { devices++ }))
	}
	b.ReportMetric(float64(flows), "flows")
	b.ReportMetric(float64(devices), "devices")
}
