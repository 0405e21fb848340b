package xdp

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ktime is the kernel's bpf_ktime_get_ns: nanoseconds of CLOCK_MONOTONIC.
func ktime() uint64 {
	var ts unix.Timespec
	// Cannot fail: the clock exists and ts is writable.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return uint64(ts.Nano())
}

// clock turns kernel times into wall-clock times. It keeps the difference
// between the two, so that one kernel time always gives the same wall-clock
// time, until the wall clock was set by more than clockSlack.
type clock struct{ offset int64 }

const clockSlack = 200 * time.Millisecond

func (c *clock) sync() {
	offset := time.Now().UnixNano() - int64(ktime())
	if d := time.Duration(offset - c.offset); d > clockSlack || d < -clockSlack {
		c.offset = offset
	}
}

func (c *clock) wall(k uint64) time.Time {
	if k == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(k)+c.offset)
}

// kernel gives the kernel time of a wall-clock time, at least 1.
func (c *clock) kernel(t time.Time) uint64 {
	return uint64(max(t.UnixNano()-c.offset, 1))
}

// ticks relate the kernel's tick counter to its monotonic clock: a tick is
// length ns, and the counter's 0 was at base.
type ticks struct {
	length uint64
	base   int64
}

// tickRates are the ticks a second that kernels are built with.
var tickRates = [...]uint64{24, 48, 64, 100, 128, 250, 256, 300, 512, 1000, 1024, 1200}

// measureTicks watches the counter for a tenth of a second.
func measureTicks() (ticks, error) {
	var probe clockProbeObjects
	if err := loadClockProbeObjects(&probe, nil); err != nil {
		return ticks{}, fmt.Errorf("load clock probe: %w", err)
	}
	defer probe.Close()
	read := func() (counter, ns uint64, err error) {
		_, out, err := probe.ClockProbe.Test(make([]byte, 64))
		if err != nil || len(out) < 16 {
			return 0, 0, fmt.Errorf("run clock probe: %w", err)
		}
		return binary.NativeEndian.Uint64(out), binary.NativeEndian.Uint64(out[8:]), nil
	}
	c1, ns1, err := read()
	if err != nil {
		return ticks{}, err
	}
	time.Sleep(100 * time.Millisecond)
	c2, ns2, err := read()
	if err != nil {
		return ticks{}, err
	}
	if c2 <= c1 || ns2 <= ns1 {
		return ticks{}, fmt.Errorf("clock probe: the tick counter stands still")
	}
	rate := nearestRate(float64(c2-c1) / float64(ns2-ns1) * 1e9)
	t := ticks{length: uint64(time.Second) / rate}
	t.base = int64(ns2) - int64(c2*t.length)
	return t, nil
}

func nearestRate(measured float64) (best uint64) {
	distance := measured + 1e9
	for _, rate := range tickRates {
		if d := max(measured-float64(rate), float64(rate)-measured); d < distance {
			best, distance = rate, d
		}
	}
	return best
}
