package agent

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/host/exec"
	"github.com/masugata/masugata/internal/host/process"
	"github.com/masugata/masugata/internal/model"
)

// Bounds of process start events.
const (
	startWindow   = 5 * time.Second // repeats of one program are joined
	startPrograms = 128             // programs that are told apart within a window
)

// starting reports the starts of programs.
type starting struct {
	log    Log
	hasher *process.Hasher
	submit func(*model.Event)
	device func() model.DeviceID

	window map[string]*model.Event // by program: the repeats so far; only of the run goroutine
	begun  time.Time
	other  uint32 // starts beyond startPrograms
	names  names
}

// names remembers which program a process was, so that a change to a file can
// be laid at the door of one that ended.
type names struct {
	mu   sync.Mutex
	ring [128]struct {
		pid  uint32
		path string
	}
	next int
}

func (n *names) add(pid uint32, path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ring[n.next].pid, n.ring[n.next].path = pid, path
	n.next = (n.next + 1) % len(n.ring)
}

// of gives the path of a live process, or of one that started lately.
func (n *names) of(pid uint32) string {
	if path, _, err := process.Exe(pid); err == nil {
		return path
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.ring {
		at := (n.next - 1 - i + 2*len(n.ring)) % len(n.ring)
		if n.ring[at].pid == pid {
			return n.ring[at].path
		}
	}
	return ""
}

func (s *starting) run(ctx context.Context, w *exec.Watcher) error {
	s.window, s.begun = map[string]*model.Event{}, time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	starts := make(chan exec.Start, 64)
	failed := make(chan error, 1)
	go func() {
		failed <- w.Run(ctx, func(st exec.Start) {
			select {
			case starts <- st:
			case <-ctx.Done():
			}
		})
	}()
	flush := time.NewTicker(startWindow)
	defer flush.Stop()
	for {
		select {
		case st := <-starts:
			s.one(&st)
		case <-flush.C:
			s.flush(time.Now())
		case err := <-failed:
			s.flush(time.Now())
			return err
		}
	}
}

// one tells the first start of a program in a window at once and counts the rest.
func (s *starting) one(st *exec.Start) {
	s.names.add(st.Process.PID, st.Process.Path)
	key := st.File + "\x00" + st.Process.ParentPath
	if e, known := s.window[key]; known {
		if e.Count == 0 {
			*e = *s.event(st)
		} else {
			e.Count++
			e.Last = st.Time
		}
		return
	}
	if len(s.window) >= startPrograms {
		s.other++
		return
	}
	s.window[key] = &model.Event{} // Count 0: none beside the one told now
	s.submit(s.event(st))
}

func (s *starting) flush(now time.Time) {
	for _, e := range s.window {
		if e.Count > 0 {
			s.submit(e)
		}
	}
	clear(s.window)
	if s.other > 0 {
		s.submit(&model.Event{ID: model.NewID(now), Time: s.begun, Last: now, Device: s.device(), Layer: model.LayerDevice,
			Kind: model.KindProcessStart, Subject: "other programs", Count: s.other,
			Explanation: "More programs started within a few seconds than are told one by one."})
		s.other = 0
	}
	s.begun = now
}

func (s *starting) event(st *exec.Start) *model.Event {
	p := st.Process
	if p.Start != 0 {
		p.SHA256, _ = s.hasher.Executable(p.PID, hashWait)
	}
	e := &model.Event{ID: model.NewID(st.Time), Time: st.Time, Last: st.Time, Device: s.device(), Layer: model.LayerDevice,
		Kind: model.KindProcessStart, Subject: st.File, Count: 1, Process: &p, Rule: "agent.process.start"}
	e.Explanation = st.File + " was started"
	if p.ParentPath != "" {
		e.Explanation += " by " + p.ParentPath
	}
	e.Explanation += " (process " + strconv.FormatUint(uint64(p.PID), 10) + ")."
	if place := unusual(st.File, p.Path); place != "" {
		e.Severity, e.Technique = model.SeverityMedium, "T1059"
		e.Explanation += " Programs are not expected " + place + "."
		e.Advice = "Check what the program is and who put it there."
	}
	return e
}

// unusual says in words where a program lies that should not start from there.
func unusual(paths ...string) string {
	for _, p := range paths {
		for _, dir := range []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/var/run/", "/dev/"} {
			if strings.HasPrefix(p, dir) {
				return "in " + strings.TrimSuffix(dir, "/")
			}
		}
		if strings.HasPrefix(p, "/memfd:") {
			return "in memory without a file"
		}
	}
	return ""
}
