// Package instance knows one running lab: its folder, its network, its
// processes. It starts programs inside the lab's hosts, remembers each in a
// state file so that a later call (also after a crash) can end them all, and
// asks the roles for their counts. The lab's commands and the demonstration
// call it.
package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/lab/topology"
)

// Root is where labs have their folders unless told otherwise.
const Root = "/run/masugata-lab"

// Process is one program of the lab.
type Process struct {
	Name  string        `json:"name"`
	Node  topology.Node `json:"node"` // empty: outside of all namespaces
	PID   int           `json:"pid"`
	Start uint64        `json:"start"` // ticks since boot: PID and Start together name a process
	Argv  []string      `json:"argv"`
}

// State is what the state file holds.
type State struct {
	ID        string            `json:"id"`
	Prefix    string            `json:"prefix"`
	Cable     bool              `json:"cable"` // no gate program: its ports are joined by a bridge
	Created   time.Time         `json:"created"`
	Processes []Process         `json:"processes"`
	Mounts    []string          `json:"mounts"`
	Notes     map[string]string `json:"notes,omitempty"` // what `lab status` shows besides, such as the dashboard's address
}

// Lab is one lab. Its methods are safe for concurrent use.
type Lab struct {
	Dir string
	Net *topology.Net
	Exe string // the program whose hidden roles run in the hosts

	mu    sync.Mutex
	state State
	ends  map[string]chan struct{} // of processes this process started: closed when they ended
}

// Spec says which lab is meant.
type Spec struct {
	Root string // folder of all labs; empty: Root
	ID   string // empty: "lab"
	Exe  string // empty: this program
}

func (s *Spec) fill() error {
	if s.Root == "" {
		s.Root = Root
	}
	if s.ID == "" {
		s.ID = "lab"
	}
	if !regexp.MustCompile(`^[a-z0-9]{1,12}$`).MatchString(s.ID) {
		return fmt.Errorf("lab name %q: want 1 to 12 lower-case letters and digits", s.ID)
	}
	if s.Exe != "" {
		return nil
	}
	var err error
	s.Exe, err = os.Executable()
	return err
}

// Open finds a lab that was built before.
func Open(s Spec) (*Lab, error) {
	if err := s.fill(); err != nil {
		return nil, err
	}
	l := s.lab()
	data, err := os.ReadFile(l.statePath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no lab %q is up: %w", s.ID, err)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &l.state); err != nil {
		return nil, fmt.Errorf("lab state %s: %w", l.statePath(), err)
	}
	l.Net = &topology.Net{Prefix: l.state.Prefix, Cable: l.state.Cable}
	return l, nil
}

func (s *Spec) lab() *Lab {
	prefix := "mgt-" + s.ID
	return &Lab{Dir: filepath.Join(s.Root, s.ID), Net: &topology.Net{Prefix: prefix}, Exe: s.Exe, ends: map[string]chan struct{}{},
		state: State{ID: s.ID, Prefix: prefix, Created: time.Now(), Notes: map[string]string{}}}
}

// State gives a copy of the state.
func (l *Lab) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	s.Processes = append([]Process(nil), s.Processes...)
	return s
}

// Note keeps a word for `lab status`.
func (l *Lab) Note(key, value string) error {
	return l.change(func(s *State) {
		if s.Notes == nil {
			s.Notes = map[string]string{}
		}
		s.Notes[key] = value
	})
}

func (l *Lab) statePath() string { return filepath.Join(l.Dir, "lab.json") }

// PermitPath is the file that allows attack tools to run in this lab.
func (l *Lab) PermitPath() string { return filepath.Join(l.Dir, "permit.json") }

// SocketPath is where a role answers.
func (l *Lab) SocketPath(name string) string { return filepath.Join(l.Dir, "sock", name+".sock") }

// LogPath is where a program's output goes.
func (l *Lab) LogPath(name string) string { return filepath.Join(l.Dir, "log", name+".log") }

// HostDir is a folder of one host, made on demand.
func (l *Lab) HostDir(node topology.Node, sub ...string) (string, error) {
	d := filepath.Join(append([]string{l.Dir, "hosts", string(node)}, sub...)...)
	return d, os.MkdirAll(d, 0o755)
}

// change alters the state and writes it at once, in whole.
func (l *Lab) change(f func(*State)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.state)
	data, err := json.MarshalIndent(l.state, "", "  ")
	if err != nil {
		return err
	}
	tmp := l.statePath() + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("lab state: %w", err)
	}
	return os.Rename(tmp, l.statePath())
}

// startTicks gives field 22 of /proc/PID/stat, 0 when there is no such process.
func startTicks(pid int) uint64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	s := string(data)
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 20 || fields[0] == "Z" {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}

// Alive says whether the process still runs.
func (p *Process) Alive() bool { return p.PID > 0 && startTicks(p.PID) == p.Start && p.Start != 0 }
