package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// use is what a process has used of the machine.
type use struct {
	CPU  time.Duration `json:"cpu"`
	Peak int64         `json:"peak"` // resident bytes at most
}

func ownUse() use {
	var u unix.Rusage
	// Getrusage of the process itself cannot fail.
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return use{CPU: time.Duration(u.Utime.Nano() + u.Stime.Nano()), Peak: peakRSS()}
}

// peakRSS reads VmHWM, since ru_maxrss of a child begins with its parent's.
func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		rest, ok := bytes.CutPrefix(line, []byte("VmHWM:"))
		if !ok {
			continue
		}
		if f := bytes.Fields(rest); len(f) > 0 {
			kb, _ := strconv.ParseInt(string(f[0]), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// startProfile profiles the CPU until stop, which also writes the heap.
func startProfile(dir, name string) (stop func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	cpu, err := os.Create(filepath.Join(dir, name+".cpu.pprof"))
	if err != nil {
		return nil, fmt.Errorf("bench: profile: %w", err)
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, fmt.Errorf("bench: profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = cpu.Close()
		heap, err := os.Create(filepath.Join(dir, name+".heap.pprof"))
		if err != nil {
			return
		}
		defer heap.Close()
		_ = pprof.WriteHeapProfile(heap)
	}, nil
}
