package exec

import (
	"context"
	"log/slog"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// starts runs a Watcher and gives what it tells of files below dir.
func starts(t *testing.T, w *Watcher, dir string) chan Start {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan Start, 64), make(chan error, 1)
	go func() {
		done <- w.Run(ctx, func(s Start) {
			if strings.HasPrefix(s.File, dir) || strings.HasPrefix(s.Process.Path, dir) {
				out <- s
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return out
}

func program(t *testing.T, dir, name, from string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(path, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func one(t *testing.T, from chan Start) Start {
	t.Helper()
	select {
	case s := <-from:
		return s
	case <-time.After(4 * time.Second):
		t.Fatal("the start was not told")
		return Start{}
	}
}

func TestStartsAreTold(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	sleep := program(t, dir, "sleeper", "/bin/sleep")
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"+sleep+" 0.1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[Method]func() (source, error){
		MethodFanotify:  func() (source, error) { return openFanotify(slog.New(slog.DiscardHandler)) },
		MethodConnector: func() (source, error) { return openConnector() },
	} {
		t.Run(string(name), func(t *testing.T) {
			src, err := open()
			if err != nil {
				t.Skip(err)
			}
			w := &Watcher{method: name, source: src}
			got := starts(t, w, dir)
			time.Sleep(50 * time.Millisecond)
			cmd := osexec.Command(sleep, "0.2")
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			s := one(t, got)
			if s.File != sleep || s.Process.Path != sleep || int(s.Process.PID) != cmd.Process.Pid ||
				int(s.Process.ParentPID) != os.Getpid() || len(s.Process.Args) != 2 {
				t.Errorf("%+v", s)
			}
			if name == MethodConnector {
				return // it tells the interpreter only
			}
			if err := osexec.Command(script).Run(); err != nil {
				t.Fatal(err)
			}
			if s := one(t, got); s.File != script || strings.HasPrefix(s.Process.Path, dir) {
				t.Errorf("script told as %+v", s)
			}
			if s := one(t, got); s.File != sleep {
				t.Errorf("its child told as %+v", s)
			}
			select {
			case s := <-got:
				t.Errorf("told twice: %+v", s)
			case <-time.After(100 * time.Millisecond):
			}
		})
	}
	t.Run(string(MethodPolling), func(t *testing.T) {
		got := starts(t, &Watcher{method: MethodPolling, source: newPolling()}, dir)
		cmd := osexec.Command(sleep, "2")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if s := one(t, got); int(s.Process.PID) != cmd.Process.Pid {
			t.Errorf("%+v", s)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

func TestAgain(t *testing.T) {
	now := time.Now()
	w := &Watcher{}
	for _, c := range []struct {
		n    notice
		want bool
	}{
		{notice{1, "/x/script", true, now}, false},
		{notice{1, "/bin/dash", false, now}, true},
		{notice{1, "/lib/ld-musl-mips-sf.so.1", false, now}, true},
		{notice{1, "/bin/next", false, now}, false}, // the same process becomes another program at once
		{notice{2, "/lib/ld-linux.so.2", false, now}, false},
		{notice{1, "/bin/dash", false, now.Add(time.Second)}, false},
	} {
		if got := w.again(c.n); got != c.want {
			t.Errorf("%+v: %v", c.n, got)
		}
	}
}

func TestParseMounts(t *testing.T) {
	var got []Mount
	ParseMounts([]byte("36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw\nbroken\n22 1 0:21 / /proc rw - proc proc rw\n"),
		func(m Mount) { got = append(got, m) })
	if len(got) != 2 || got[0] != (Mount{"98:0", "/mnt 2", "ext3"}) || got[1].Type != "proc" {
		t.Errorf("%+v", got)
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add([]byte("36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseMounts(b, func(m Mount) {
			if m.Device == "" || m.Point == "" || m.Type == "" {
				t.Fatalf("an empty field: %+v", m)
			}
		})
	})
}

func FuzzParseExec(f *testing.F) {
	f.Add(make([]byte, 76))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, ok := ParseExec(b); ok && len(b) < offExecTgid+4 {
			t.Fatal("a short message was taken")
		}
	})
}
