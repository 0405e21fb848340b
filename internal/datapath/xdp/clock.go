package xdp

import (
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
