// Package exec tells which programs start on this device. It takes the best
// that the kernel offers: fanotify open-for-execution marks (kernel 5.0, works
// in network namespaces and containers), the process connector (initial
// network namespace only), or looking through /proc (misses programs that end
// soon). It only listens; internal/agent calls it.
package exec

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/host/process"
	"github.com/masugata/masugata/internal/model"
)

// Start is one start of a program.
type Start struct {
	Process model.ProcessEvidence // without hash; only PID and Path when it ended at once
	File    string                // what was started: for a script its file, while Process.Path is the interpreter
	Time    time.Time
}

// Method is how starts are seen.
type Method string

// The methods, best first.
const (
	MethodFanotify  Method = "fanotify"
	MethodConnector Method = "process connector"
	MethodPolling   Method = "polling"
)

// Unsupported says what the kernel lacks for a method.
type Unsupported struct {
	Method Method
	Kernel string // the least version that has it
	Err    error
}

// Error names the method, the cause and the kernel that is needed.
func (u *Unsupported) Error() string {
	return string(u.Method) + ": " + u.Err.Error() + " (needs Linux " + u.Kernel + " and CAP_SYS_ADMIN)"
}

// Unwrap gives the kernel's error.
func (u *Unsupported) Unwrap() error { return u.Err }

// source gives the starts of one method, without their time.
type source interface {
	run(ctx context.Context, f func(notice)) error
	close()
}

// notice is what the kernel said.
type notice struct {
	pid    uint32
	file   string // empty when not known
	script bool   // the file names its interpreter, which is opened next
	at     time.Time
}

// Watcher gives the starts. Not safe for concurrent use.
type Watcher struct {
	method Method
	limits error
	source source
	netns  uint64 // report only processes of this network namespace; 0: all
	recent [16]notice
	next   int
}

// Log takes what people should know; *slog.Logger is one.
type Log interface {
	Warn(message string, keysAndValues ...any)
}

// Open picks the best method. It always gives a Watcher; Limits says why it is
// not the best one.
func Open(log Log) *Watcher {
	w := &Watcher{netns: process.Scope()}
	src, err := openFanotify(log)
	if err == nil {
		w.method, w.source = MethodFanotify, src
		return w
	}
	w.limits = err
	if w.netns == 0 {
		src, err := openConnector()
		if err == nil {
			w.method, w.source = MethodConnector, src
			return w
		}
		w.limits = errors.Join(w.limits, err)
	}
	w.method, w.source = MethodPolling, newPolling()
	return w
}

// Method says how starts are seen.
func (w *Watcher) Method() Method { return w.method }

// Limits says why a better method does not work here; nil for the best.
func (w *Watcher) Limits() error { return w.limits }

// Close lets go of the kernel's resources; Run does it too.
func (w *Watcher) Close() { w.source.close() }

// settle is how long after the kernel's notice a process is looked at: it is
// given before the new program is in place.
const settle = 10 * time.Millisecond

// pendingMost bounds the starts that wait to be looked at.
const pendingMost = 256

// Run calls f for every start until ctx ends.
func (w *Watcher) Run(ctx context.Context, f func(Start)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan notice, pendingMost)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p := range queue {
			if wait := settle - time.Since(p.at); wait > 0 {
				time.Sleep(wait)
			}
			w.look(p, f)
		}
	}()
	err := w.source.run(ctx, func(n notice) {
		if w.netns != 0 {
			if ns, err := process.NetNS(n.pid); err != nil || ns != w.netns {
				return
			}
		}
		n.at = time.Now()
		select {
		case queue <- n:
		default: // a storm: the ones that fit are told
		}
	})
	close(queue)
	<-done
	return err
}

func (w *Watcher) look(p notice, f func(Start)) {
	// Opening the interpreter or the loader is a second notice of one start.
	if w.again(p) {
		return
	}
	s := Start{File: p.file, Time: p.at}
	e, err := process.Evidence(p.pid)
	switch {
	case err == nil:
		s.Process = *e
		if s.File == "" {
			s.File = e.Path
		}
	case p.file == "":
		return
	default:
		s.Process = model.ProcessEvidence{PID: p.pid, Path: p.file}
	}
	f(s)
}

// again says whether the notice is of the interpreter of a script or of the
// loader, which are opened right after the program itself.
func (w *Watcher) again(n notice) bool {
	for i := range w.recent {
		r := &w.recent[i]
		if r.pid != n.pid || n.at.Sub(r.at) > 3*time.Millisecond {
			continue
		}
		if isLoader(n.file) {
			return true
		}
		if r.script && !n.script {
			r.script = false // what comes after the interpreter is another program
			return true
		}
	}
	w.recent[w.next] = n
	w.next = (w.next + 1) % len(w.recent)
	return false
}

// isLoader knows the names of glibc's, musl's and uClibc's loaders.
func isLoader(file string) bool {
	name := file[strings.LastIndexByte(file, '/')+1:]
	return strings.HasPrefix(name, "ld-") && strings.Contains(name, ".so") || strings.HasPrefix(name, "ld.so") ||
		strings.HasPrefix(name, "ld64.so") || strings.HasPrefix(name, "libc.so")
}
