package offline

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet/capture"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// Measured is what a benchmark found.
type Measured struct {
	Rules      int           `json:"rules"`
	Refused    int           `json:"refused"`
	Load       time.Duration `json:"load_ns"`      // to read and compile the rules
	RuleMemory uint64        `json:"rule_bytes"`   // heap that the compiled rules hold
	Memory     uint64        `json:"engine_bytes"` // heap that rules and engine hold after a run
	Packets    int           `json:"packets"`
	Bytes      uint64        `json:"bytes"` // captured bytes of one run
	Alerts     uint64        `json:"alerts"`
	Runs       []float64     `json:"runs_gbps"` // Gbit/s on one core, in the order of the runs
	Median     float64       `json:"median_gbps"`
	PerSecond  float64       `json:"median_packets_per_second"`
	CPU        []float64     `json:"runs_cpu_seconds"` // of the thread, in the order of the runs: on a busy machine they say more
}

// Bench holds the request's capture in memory and runs it through a new engine
// as often as asked, on one core. Loading and reading are not part of a run.
func Bench(ctx context.Context, q Request, runs int) (*Measured, error) {
	settings, err := Settings(q.Config, q.Include, q.Set)
	if err != nil {
		return nil, err
	}
	before := heap()
	start := time.Now()
	set, refusals, err := CompileRules(q.Rules, settings)
	if err != nil {
		return nil, err
	}
	m := &Measured{Rules: len(set.Rules()), Refused: len(refusals), Load: time.Since(start)}
	m.RuleMemory = max(heap(), before) - before
	frames, err := hold(q)
	if err != nil {
		return nil, err
	}
	held := heap()
	for range runs {
		e, took, used, err := benchRun(ctx, q, settings, set, frames)
		if err != nil {
			return nil, err
		}
		s := e.Stats()
		m.Packets, m.Bytes, m.Alerts = int(s.Packets), s.Bytes, s.Alerts
		m.Memory = max(heap(), held) - held + m.RuleMemory
		m.CPU = append(m.CPU, used)
		m.Runs = append(m.Runs, float64(s.Bytes)*8/took.Seconds()/1e9)
		runtime.KeepAlive(e)
	}
	sorted := slices.Sorted(slices.Values(m.Runs))
	m.Median = sorted[len(sorted)/2]
	if m.Bytes > 0 {
		m.PerSecond = m.Median * 1e9 / 8 / float64(m.Bytes) * float64(m.Packets)
	}
	return m, nil
}

func benchRun(ctx context.Context, q Request, s engine.Settings, set *rule.Set, frames []capture.Frame) (e *engine.Engine, took time.Duration, cpu float64, err error) {
	cfg, err := engineConfig(s, q)
	if err != nil {
		return nil, 0, 0, err
	}
	cfg.Rules = set
	if e, err = engine.New(cfg); err != nil {
		return nil, 0, 0, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start, used := time.Now(), threadSeconds()
	for i := range frames {
		if i&0xffff == 0 && ctx.Err() != nil {
			return nil, 0, 0, ctx.Err()
		}
		f := &frames[i]
		e.Frame(f.Link, f.Data, f.Time, uint64(i+1))
	}
	took, cpu = time.Since(start), threadSeconds()-used
	e.Close()
	return e, max(took, 1), cpu, nil
}

// threadSeconds is the processor time of the calling thread.
func threadSeconds() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// hold reads the frames that the filter takes into memory.
func hold(q Request) ([]capture.Frame, error) {
	wanted, err := newSieve(q.Filter)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(q.Capture)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := capture.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return nil, err
	}
	var frames []capture.Frame
	for {
		frame, err := r.Next()
		var broken *capture.Error
		switch {
		case errors.Is(err, io.EOF):
			return frames, nil
		case errors.As(err, &broken):
			q.Warn("%s: %v", q.Capture, err)
			return frames, nil
		case err != nil:
			return nil, err
		}
		if wanted.takes(frame) {
			frame.Data, frame.Comment = slices.Clone(frame.Data), nil
			frames = append(frames, frame)
		}
	}
}

// heap is what is held after a collection, in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
