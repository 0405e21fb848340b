package flood

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crowd makes 1,000 devices with 64 flows each.
func crowd(now time.Time) ([]Flow, []Counts) {
	flows := make([]Flow, 0, 64000)
	devs := make([]Counts, 0, 1000)
	for d := range 1000 {
		id := Device{MAC: [6]byte{2, 0, 0, 1, byte(d >> 8), byte(d)}}
		devs = append(devs, Counts{Device: id, First: now, Last: now})
		for i := range 64 {
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], 0x0b000000+uint32(d*64+i))
			proto := uint8(6)
			if i%4 == 0 {
				proto = 17
			}
			flows = append(flows, Flow{Device: id, Dst: netip.AddrFrom4(a), Proto: proto, DstPort: uint16(443 + i%3),
				First: now, Last: now, LenMin: 60, LenMax: 1500, TCPFlagsOr: 0x1a})
		}
	}
	return flows, devs
}

// step lets every flow send and be answered.
func step(flows []Flow, devs []Counts, now time.Time) {
	for i := range flows {
		f := &flows[i]
		f.Packets += 10
		f.Bytes += 9000
		f.BareAck += 2
		f.BackPackets += 5
		f.BackBytes += 5000
		f.Last = now
	}
	for i := range devs {
		devs[i].Packets[ClassTCP] += 480
		devs[i].Packets[ClassUDP] += 160
		devs[i].Last = now
	}
}

func scanCrowd(d *Detector, flows []Flow, devs []Counts, now time.Time) []Verdict {
	d.Begin(now)
	for i := range flows {
		d.Flow(&flows[i])
	}
	for i := range devs {
		d.Device(&devs[i])
	}
	return d.End()
}

// BenchmarkScan is one scan of 1,000 devices and 64,000 flows, all active:
// the budget is 20 ms of the 100.
func BenchmarkScan(b *testing.B) {
	now := time.Unix(1_800_000_000, 0)
	d := New(Config{})
	flows, devs := crowd(now)
	for range 5 {
		now = now.Add(Tick)
		step(flows, devs, now)
		scanCrowd(d, flows, devs, now)
	}
	b.ReportAllocs()
	cpu := time.Duration(0)
	for b.Loop() {
		b.StopTimer()
		now = now.Add(Tick)
		step(flows, devs, now)
		runtime.LockOSThread()
		before := threadTime(b)
		b.StartTimer()
		v := scanCrowd(d, flows, devs, now)
		b.StopTimer()
		cpu += threadTime(b) - before
		runtime.UnlockOSThread()
		b.StartTimer()
		if len(v) > 0 {
			b.Fatalf("false alarm %+v", v[0])
		}
	}
	b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
}

// threadTime is the processor time that this thread has used, which a busy
// machine does not change.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// BenchmarkScanUnderAttack is the same while every device floods one target.
func BenchmarkScanUnderAttack(b *testing.B) {
	now := time.Unix(1_800_000_000, 0)
	d := New(Config{})
	flows, devs := crowd(now)
	for i := range devs {
		flows = append(flows, Flow{Device: devs[i].Device, Dst: netip.MustParseAddr(victim), Proto: 17, DstPort: 9, First: now, Last: now, LenMin: 540, LenMax: 540})
	}
	attack := flows[64000:]
	for b.Loop() {
		b.StopTimer()
		now = now.Add(Tick)
		step(flows[:64000], devs, now)
		for i := range attack {
			attack[i].Packets += 200
			attack[i].Last = now
		}
		b.StartTimer()
		scanCrowd(d, flows, devs, now)
	}
	if d.Live() != 1000 {
		b.Fatalf("%d floods, want 1000", d.Live())
	}
}

// BenchmarkScanCarpet is the same while one device floods 60,000 addresses.
func BenchmarkScanCarpet(b *testing.B) {
	now := time.Unix(1_800_000_000, 0)
	d := New(Config{MaxFlows: 200000})
	flows, devs := crowd(now)
	for i := range 60000 {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		flows = append(flows, Flow{Device: devs[0].Device, Dst: a, Proto: 17, DstPort: 9, First: now, Last: now, LenMin: 540, LenMax: 540})
	}
	for b.Loop() {
		b.StopTimer()
		now = now.Add(Tick)
		step(flows[:64000], devs, now)
		for i := range flows[64000:] {
			flows[64000+i].Packets++
			flows[64000+i].Last = now
		}
		b.StartTimer()
		scanCrowd(d, flows, devs, now)
	}
	if d.Live() != 1 {
		b.Fatalf("%d floods, want 1", d.Live())
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	d := New(Config{})
	flows, devs := crowd(now)
	flows, devs = flows[:640], devs[:10]
	one := func() {
		now = now.Add(Tick)
		step(flows, devs, now)
		scanCrowd(d, flows, devs, now)
	}
	for range 10 {
		one()
	}
	if n := testing.AllocsPerRun(100, one); n != 0 {
		t.Errorf("%v allocations a scan, want none", n)
	}
}
