package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// process is a program that is started again whenever it was killed.
type process struct {
	t     *testing.T
	name  string
	path  string
	args  []string
	env   func(start int) []string // added to the environment of the n-th start
	log   string                   // all its output, of all its lives
	start int
	kills int

	cmd  *exec.Cmd
	done chan error // gets what Wait said
}

// run starts the process, which must not be running.
func (p *process) run() {
	p.t.Helper()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	p.start++
	fmt.Fprintf(out, "-- start %d\n", p.start)
	p.cmd = exec.Command(p.path, p.args...)
	// Under the race detector a race ends the process, which alive then tells.
	p.cmd.Env = append(append(os.Environ(), "GORACE=halt_on_error=1"), p.env(p.start)...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	// Nothing is left over when the test itself is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	done, cmd := make(chan error, 1), p.cmd
	p.done = done
	go func() { done <- cmd.Wait() }()
}

// alive fails the test when the process ended by itself: it found something
// that it cannot work with.
func (p *process) alive() {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		p.t.Fatalf("%s ended by itself after start %d: %v\n%s", p.name, p.start, err, p.tail())
	default:
	}
}

// kill ends the process with SIGKILL and waits until it is gone.
func (p *process) kill() {
	p.t.Helper()
	p.alive()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("kill %s: %v", p.name, err)
	}
	var exit *exec.ExitError
	if err := <-p.done; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		p.t.Fatalf("%s ended by itself at start %d: %v\n%s", p.name, p.start, err, p.tail())
	}
	p.kills++
}

// finish asks the process to end and expects that it does so well.
func (p *process) finish(within time.Duration) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("end %s: %v\n%s", p.name, err, p.tail())
	}
	select {
	case err := <-p.done:
		p.done <- err
		if err != nil {
			p.t.Fatalf("%s did not end well: %v\n%s", p.name, err, p.tail())
		}
	case <-time.After(within):
		p.t.Fatalf("%s did not end within %v\n%s", p.name, within, p.tail())
	}
}

// discard ends the process without a word, at the end of a test that failed.
func (p *process) discard() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // gone already: fine
	<-p.done
}

// tail gives the end of the process's log.
func (p *process) tail() string {
	const most = 4000
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return filepath.Base(p.log) + ":\n" + string(b[max(0, len(b)-most):])
}
