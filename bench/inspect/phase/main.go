// Command phase runs a program that reads a capture and prints the CPU seconds
// it spent before it opened that capture (loading its rules) and from there to
// its end, and its largest resident memory in kilobytes.
// Usage: phase CAPTURE PROGRAM [ARGUMENT...]
// bench/inspect/run calls it. Linux only: it reads /proc.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: phase CAPTURE PROGRAM [ARGUMENT...]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "phase:", err)
		os.Exit(1)
	}
}

func run(capture string, argv []string) error {
	capture, err := filepath.Abs(capture)
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	loaded, err := watch(cmd.Process.Pid, capture, ended)
	if err != nil {
		return err
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	total := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	fmt.Printf("%.3f %.3f %d\n", loaded.Seconds(), (total - loaded).Seconds(), u.Maxrss)
	return nil
}

// watch waits for the program's end and returns the CPU time it had spent when
// it was first seen with the capture open.
func watch(pid int, capture string, ended <-chan error) (time.Duration, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var loaded time.Duration
	for {
		select {
		case err := <-ended:
			if err == nil && loaded == 0 {
				err = fmt.Errorf("%s was never seen open", capture)
			}
			return loaded, err
		case <-tick.C:
			if loaded == 0 && holds(pid, capture) {
				loaded = spent(pid)
			}
		}
	}
}

// holds reports whether the process has the file open.
func holds(pid int, file string) bool {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && to == file {
			return true
		}
	}
	return false
}

// spent is the CPU time of all threads of the process so far, to the
// nanosecond. Threads that ended are not counted.
func spent(pid int) time.Duration {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum time.Duration
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			continue
		}
		sum += time.Duration(ns)
	}
	return sum
}
