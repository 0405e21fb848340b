package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/lab/attack"
	"github.com/masugata/masugata/internal/lab/desk"
	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/topology"
)

// Options say how a lab is built.
type Options struct {
	Cable bool          // join the gate's ports by a bridge, without its program
	Life  time.Duration // after this, the roles end by themselves; at least a minute
}

// Roles are the hosts that run a role of their own, in the order they start.
func Roles() []topology.Node {
	return []topology.Node{topology.Internet, topology.Victim, topology.CameraA, topology.CameraB, topology.Recorder, topology.TV, topology.Laptop}
}

// Up builds the network and starts every role but the product's own parts. On
// an error, what was made is taken down again.
func Up(ctx context.Context, s Spec, o Options) (*Lab, error) {
	if err := s.fill(); err != nil {
		return nil, err
	}
	if old, err := Open(s); err == nil {
		return nil, fmt.Errorf("lab %q is up since %s; run `masugata lab down` first", s.ID, old.state.Created.Format(time.TimeOnly))
	}
	l := s.lab()
	l.state.Cable, l.Net.Cable = o.Cable, o.Cable
	for _, d := range []string{"sock", "log", "hosts"} {
		if err := os.MkdirAll(filepath.Join(l.Dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	if err := l.change(func(*State) {}); err != nil {
		return nil, err
	}
	if err := l.up(ctx, o); err != nil {
		return nil, errors.Join(err, l.Down())
	}
	return l, nil
}

func (l *Lab) up(ctx context.Context, o Options) error {
	if err := l.Net.Build(); err != nil {
		return err
	}
	if err := l.writePermit(); err != nil {
		return err
	}
	life := max(o.Life, time.Minute)
	for _, d := range Devices() {
		argv := []string{l.Exe, "lab", "role", "init", "--dir", l.Dir, "--node", string(d), "--life", life.String()}
		if _, err := l.Start(Program{Name: initName(d), Node: d, Argv: argv, first: true}); err != nil {
			return err
		}
		if err := l.ready(ctx, initName(d)); err != nil {
			return err
		}
	}
	for _, r := range Roles() {
		if err := l.startRole(r, life); err != nil {
			return err
		}
		if r == topology.Victim { // the servers first
			if err := errors.Join(l.ready(ctx, string(topology.Internet)), l.ready(ctx, string(r))); err != nil {
				return err
			}
		}
	}
	for _, r := range Roles() {
		if err := l.ready(ctx, string(r)); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) startRole(node topology.Node, life time.Duration) error {
	argv := []string{l.Exe, "lab", "role", string(node), "--dir", l.Dir, "--node", string(node), "--life", life.String()}
	_, err := l.Start(Program{Name: string(node), Node: node, Argv: argv})
	return err
}

// ready waits until a role answers.
func (l *Lab) ready(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		err := desk.Call(ctx, l.SocketPath(name), "GET", "/counts", nil, nil)
		if err == nil {
			return nil
		}
		if p := l.Find(name); ctx.Err() != nil || p == nil || !p.Alive() {
			return fmt.Errorf("lab role %s does not answer: %w\n%s", name, err, l.Tail(name, 1500))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Tail gives the last n bytes of a program's output.
func (l *Lab) Tail(name string, n int) string {
	data, err := os.ReadFile(l.LogPath(name))
	if err != nil {
		return err.Error()
	}
	if len(data) > n {
		data = data[len(data)-n:]
	}
	return strings.TrimSpace(string(data))
}

func (l *Lab) writePermit() error {
	p := attack.Permit{Alias: l.Net.Alias()}
	var err error
	if p.Host, err = topology.Inode("/proc/self/ns/net"); err != nil {
		return err
	}
	for _, d := range Devices() {
		inode, err := topology.Inode(l.Net.Path(d))
		if err != nil {
			return err
		}
		p.Namespaces = append(p.Namespaces, inode)
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(l.PermitPath(), data, 0o600)
}

// MountBPF mounts an eBPF file system for pinned maps at a folder of the lab.
func (l *Lab) MountBPF(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("bpf", dir, "bpf", 0, "mode=0700"); err != nil {
		return fmt.Errorf("mount bpf at %s: %w", dir, err)
	}
	return l.change(func(s *State) { s.Mounts = append(s.Mounts, dir) })
}

// Counts asks every role for its counts; a role that does not answer is an error.
func (l *Lab) Counts(ctx context.Context) (map[topology.Node]map[string]tally.Count, error) {
	all := map[topology.Node]map[string]tally.Count{}
	for _, r := range Roles() {
		var c map[string]tally.Count
		if err := desk.Call(ctx, l.SocketPath(string(r)), "GET", "/counts", nil, &c); err != nil {
			return nil, fmt.Errorf("counts of %s: %w", r, err)
		}
		all[r] = c
	}
	return all, nil
}

// Down ends every process of the lab, takes its network and mounts down and
// removes its folder. It also mends what a killed Up left behind, and may be
// called again.
func (l *Lab) Down() error {
	var errs []error
	s := l.State()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, p := range s.Processes {
		wg.Go(func() {
			if err := end(p, 2*time.Second); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	errs = append(errs, l.endStrays())
	for _, m := range append(s.Mounts, l.mountsBelow()...) {
		if err := unix.Unmount(m, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", m, err))
		}
	}
	errs = append(errs, l.Net.Remove())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("lab down: %w", err)
	}
	return os.RemoveAll(l.Dir)
}

// mountsBelow lists what else is mounted in the lab's folder, innermost first.
func (l *Lab) mountsBelow() []string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], l.Dir+"/") {
			out = append(out, f[4])
		}
	}
	slices.Reverse(out)
	return out
}

// endStrays ends processes that are in one of the lab's namespaces and in no
// list, such as a bot whose starter was killed.
func (l *Lab) endStrays() error {
	spaces := map[uint64]bool{}
	host, err := topology.Inode("/proc/self/ns/net")
	if err != nil {
		return err
	}
	for _, n := range topology.Nodes() {
		if inode, err := topology.Inode(l.Net.Path(n)); err == nil && inode != host {
			spaces[inode] = true
		}
	}
	var errs []error
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		inode, err := topology.Inode(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil || !spaces[inode] {
			continue
		}
		errs = append(errs, end(Process{Name: "stray", PID: pid, Start: startTicks(pid)}, time.Second))
	}
	return errors.Join(errs...)
}
