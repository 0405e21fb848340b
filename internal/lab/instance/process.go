package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/lab/topology"
)

// initName is the first process of a device, which holds its own view of
// processes and mounts.
func initName(node topology.Node) string { return "init-" + string(node) }

// Devices are the hosts with a process table of their own, as a real device
// has one.
func Devices() []topology.Node { return []topology.Node{topology.CameraA, topology.CameraB} }

// Program is what Start starts.
type Program struct {
	Name string        // unique in the lab
	Node topology.Node // empty: the caller's namespaces
	Argv []string      // Argv[0] is an absolute path
	Env  []string      // added to the caller's
	// Devices' first process only.
	first bool
}

// Start starts a program in the background; its output goes to LogPath.
func (l *Lab) Start(p Program) (*Process, error) {
	if !filepath.IsAbs(p.Argv[0]) {
		return nil, fmt.Errorf("start %s: %q is not an absolute path", p.Name, p.Argv[0])
	}
	out, err := os.OpenFile(l.LogPath(p.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	defer out.Close()
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if p.first {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS
	}
	enter, err := l.entrance(p)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := inside(enter, cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", p.Name, p.Node, err)
	}
	proc := Process{Name: p.Name, Node: p.Node, PID: cmd.Process.Pid, Start: startTicks(cmd.Process.Pid), Argv: p.Argv}
	end := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the exit state is told by whoever waits for the end
		close(end)
	}()
	err = l.change(func(s *State) {
		l.ends[p.Name] = end
		s.Processes = slices.DeleteFunc(s.Processes, func(o Process) bool { return o.Name == p.Name })
		s.Processes = append(s.Processes, proc)
	})
	return &proc, err
}

// entrance lists the namespace files a program enters, network first.
func (l *Lab) entrance(p Program) ([]string, error) {
	if p.Node == "" {
		return nil, nil
	}
	enter := []string{l.Net.Path(p.Node)}
	if p.first || !slices.Contains(Devices(), p.Node) {
		return enter, nil
	}
	first := l.Find(initName(p.Node))
	if first == nil || !first.Alive() {
		return nil, fmt.Errorf("the first process of %s is not running", p.Node)
	}
	for _, kind := range []string{"uts", "pid", "mnt"} {
		enter = append(enter, fmt.Sprintf("/proc/%d/ns/%s", first.PID, kind))
	}
	return enter, nil
}

// priority is the nice value of all programs of the lab, the product's and
// the attacker's alike.
const priority = -10

// inside calls f on a thread that entered the namespaces and ends with it.
func inside(enter []string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- func() error {
			// Each host has a processor of its own in real life: what else
			// this machine does should not look like a fault of the network.
			if err := unix.Setpriority(unix.PRIO_PROCESS, 0, priority); err != nil {
				return fmt.Errorf("raise the priority: %w", err)
			}
			if len(enter) > 1 {
				if err := unix.Unshare(unix.CLONE_FS); err != nil { // or the mounts cannot be entered
					return fmt.Errorf("leave the shared file system view: %w", err)
				}
			}
			var fds []int
			for _, path := range enter {
				fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					return fmt.Errorf("open namespace %s: %w", path, err)
				}
				defer unix.Close(fd)
				fds = append(fds, fd)
			}
			for i, fd := range fds {
				if err := unix.Setns(fd, 0); err != nil {
					return fmt.Errorf("enter namespace %s: %w", enter[i], err)
				}
			}
			return f()
		}()
	}()
	return <-done
}

// Find gives a program by its name, nil when there is none.
func (l *Lab) Find(name string) *Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.state.Processes {
		if p.Name == name {
			return &p
		}
	}
	return nil
}

// Stop ends a program: SIGTERM, and SIGKILL after the grace. One that is gone
// already is no error.
func (l *Lab) Stop(name string, grace time.Duration) error {
	p := l.Find(name)
	if p == nil {
		return nil
	}
	if err := end(*p, grace); err != nil {
		return err
	}
	return l.change(func(s *State) {
		s.Processes = slices.DeleteFunc(s.Processes, func(o Process) bool { return o.Name == name })
	})
}

// Wait waits until a program that this process started has ended.
func (l *Lab) Wait(ctx context.Context, name string) error {
	l.mu.Lock()
	ended := l.ends[name]
	l.mu.Unlock()
	if ended == nil {
		return fmt.Errorf("wait for %s: not started here", name)
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", name, ctx.Err())
	}
}

func end(p Process, grace time.Duration) error {
	for _, step := range []struct {
		sig  unix.Signal
		wait time.Duration
	}{{unix.SIGTERM, grace}, {unix.SIGKILL, 3 * time.Second}} {
		if !p.Alive() {
			return nil
		}
		if err := unix.Kill(p.PID, step.sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end %s (process %d): %w", p.Name, p.PID, err)
		}
		for by := time.Now().Add(step.wait); p.Alive() && time.Now().Before(by); {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if p.Alive() {
		return fmt.Errorf("end %s: process %d does not end", p.Name, p.PID)
	}
	return nil
}
