package gate

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

const childEnv = "MASUGATA_GATE_TEST_CONFIG"

// TestMain lets the test binary be the gate that is killed.
func TestMain(m *testing.M) {
	file := os.Getenv(childEnv)
	if file == "" {
		os.Exit(m.Run())
	}
	cfg, err := LoadConfig(file, nil)
	if err == nil {
		err = Run(context.Background(), cfg, slog.New(slog.NewTextHandler(os.Stderr, nil)), Options{Version: "test"})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// child runs the gate in a process of its own.
func (w *rig) child() *exec.Cmd {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "gate.yaml")
	text := fmt.Sprintf("state: %s\nports: {inside: in, outside: out, pin: %s, flows: %d, devices: %d}\nfail_mode: %s\n"+
		"inspection: {enabled: true, rules: [%s], mode: enforce}\n",
		w.cfg.State, w.cfg.Ports.Pin, w.cfg.Ports.Flows, w.cfg.Ports.Devices, w.cfg.FailMode, w.cfg.Inspection.Rules[0])
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	cmd, err := within(w.gate, func() (*exec.Cmd, error) {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childEnv+"="+file)
		if testing.Verbose() {
			c.Stderr = os.Stderr
		}
		return c, c.Start()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		if s, err := AskStatus(context.Background(), w.cfg.State); err == nil && s.PID == cmd.Process.Pid && s.Scans > 2 {
			return cmd
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the gate does not answer")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func kill(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // "signal: killed"
}

// TestKilledInspection: without the process, open forwards what nobody
// inspects, closed stops it; a new process takes the connections up.
func TestKilledInspection(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	w.serve(80, answerHTTP)
	gate := w.child()
	c, err := w.connect(80)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(path string) error {
		_ = c.SetDeadline(time.Now().Add(3 * time.Second))
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: camera\r\n\r\n", path)
		_, err := c.Read(make([]byte, 200))
		return err
	}
	if err := ask("/"); err != nil {
		t.Errorf("before: %v", err)
	}
	kill(t, gate)
	if err := ask("/"); err != nil {
		t.Errorf("a connection after the kill: %v", err)
	}
	if got, err := w.get("/cgi-bin/exploit"); err != nil {
		t.Errorf("fail mode open, but: %q, %v", got, err)
	}
	gate = w.child()
	if s := w.status(); s.Totals.Uninspected == 0 {
		t.Errorf("totals %+v: want some uninspected", s.Totals)
	}
	if err := ask("/"); err != nil {
		t.Errorf("a connection after the restart: %v", err)
	}
	if got, err := w.get("/cgi-bin/exploit"); err == nil {
		t.Errorf("after the restart the exploit was answered: %q", got)
	}
	kill(t, gate)

	w.cfg.FailMode = "closed"
	gate = w.child()
	if err := ask("/"); err != nil {
		t.Errorf("after the second restart: %v", err)
	}
	kill(t, gate)
	if _, err := w.get("/"); err == nil {
		t.Error("fail mode closed, but uninspected traffic passes")
	}
}

// TestStreamAcrossRestart: a connection at full speed, part of whose life
// nobody inspects, is taken up in its middle and goes on.
func TestStreamAcrossRestart(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	w.cfg.Inspection.Settings = map[string]string{"stream.bypass": "no"} // else the kernel soon has it
	w.serve(7, func(c net.Conn) { _, _ = io.Copy(c, c) })
	stop := w.start(testLog(t), nil)
	c, err := w.connect(7)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var back atomic.Int64
	go func() {
		b := make([]byte, 1<<16)
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, err := c.Read(b)
			if back.Add(int64(n)); err != nil {
				return
			}
		}
	}()
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		stop()
		stop = w.start(testLog(t), nil)
		before := back.Load()
		time.Sleep(500 * time.Millisecond)
		n, st := back.Load()-before, w.status()
		if n < 1<<20 || st.Inspection.Dropped > 0 {
			t.Errorf("%d bytes came back in half a second after a restart, inspection %+v, totals %+v", n, st.Inspection, st.Totals)
		} else {
			t.Logf("%d bytes came back in half a second after a restart", n)
		}
	}
	t.Logf("inspection %+v", w.status().Inspection)
	stop()
}
