package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watched runs a Watcher over a folder until the test ends or stop is called.
type watched struct {
	t       *testing.T
	root    string
	changes chan Change
	stop    func()
}

func watch(t *testing.T, cfg Config, note func(string) (notifier, error)) *watched {
	t.Helper()
	cfg.Log, cfg.Rate = slog.New(slog.DiscardHandler), 64<<20
	w, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if note != nil {
		w.note.close()
		if w.note, err = note(cfg.Roots[0]); err != nil {
			t.Skip(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := &watched{t: t, root: cfg.Roots[0], changes: make(chan Change, 256)}
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, func(c Change) { out.changes <- c }) }()
	stopped := false
	out.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(out.stop)
	time.Sleep(300 * time.Millisecond) // the baseline is made
	return out
}

func (w *watched) want(kind, path string) Change {
	w.t.Helper()
	select {
	case c := <-w.changes:
		if c.Kind != kind || c.Path != path {
			w.t.Fatalf("got %s of %s, want %s of %s", c.Kind, c.Path, kind, path)
		}
		return c
	case <-time.After(3 * time.Second):
		w.t.Fatalf("no notice of %s of %s", kind, path)
	}
	return Change{}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

func sh(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// Both ways of watching must tell the same; only fanotify tells the process.
func TestChangesAreTold(t *testing.T) {
	for name, note := range map[string]func(string) (notifier, error){
		"fanotify": func(string) (notifier, error) { return newFanotify() },
		"inotify":  func(string) (notifier, error) { return newInotify() },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "fanotify" && os.Getuid() != 0 {
				t.Skip("needs root")
			}
			root := t.TempDir()
			a := filepath.Join(root, "a")
			write(t, a, "one")
			write(t, filepath.Join(root, "hidden"), "x")
			w := watch(t, Config{Roots: []string{root}, Ignore: []string{root + "/hidden"}, Baseline: filepath.Join(t.TempDir(), "b")}, note)
			sh(t, "printf two > "+a)
			c := w.want(Modified, a)
			if c.Was != sum("one") || c.SHA256 != sum("two") || c.Size != 3 {
				t.Errorf("%+v", c)
			}
			if (c.PID != 0) != (name == "fanotify") {
				t.Errorf("process %d", c.PID)
			}
			sh(t, "printf two > "+a+"; echo y > "+root+"/hidden") // nothing new
			sh(t, "chmod 600 "+a)
			w.want(Attributes, a)
			sh(t, "mkdir "+root+"/d && echo new > "+root+"/d/n")
			w.want(Created, root+"/d/n")
			sh(t, "echo newer > "+root+"/d/n")
			w.want(Modified, root+"/d/n")
			sh(t, "mv "+a+" "+root+"/b")
			got := map[string]string{}
			for range 2 {
				c := <-w.changes
				got[c.Kind] = c.Path
			}
			if got[Moved] != a || got[Created] != root+"/b" {
				t.Errorf("a move is told as %v", got)
			}
			sh(t, "rm -r "+root+"/d")
			if c := w.want(Deleted, root+"/d/n"); c.Was != sum("newer\n") {
				t.Errorf("%+v", c)
			}
			select {
			case c := <-w.changes:
				t.Errorf("more: %+v", c)
			case <-time.After(200 * time.Millisecond):
			}
		})
	}
}

func TestChangesWhileAway(t *testing.T) {
	root, base := t.TempDir(), filepath.Join(t.TempDir(), "b")
	for _, n := range []string{"same", "edited", "removed"} {
		write(t, filepath.Join(root, n), n)
	}
	cfg := Config{Roots: []string{root}, Baseline: base}
	watch(t, cfg, nil).stop()
	write(t, root+"/edited", "otherwise")
	write(t, root+"/added", "x")
	if err := os.Remove(root + "/removed"); err != nil {
		t.Fatal(err)
	}
	w := watch(t, cfg, nil)
	got := map[string]string{}
	for range 3 {
		select {
		case c := <-w.changes:
			got[strings.TrimPrefix(c.Path, root+"/")] = c.Kind + " " + c.Was
			if !c.Offline {
				t.Errorf("%s is not told as offline", c.Path)
			}
		case <-time.After(3 * time.Second):
			t.Fatalf("only %v", got)
		}
	}
	if got["edited"] != Modified+" "+sum("edited") || got["added"] != Created+" " || got["removed"] != Deleted+" "+sum("removed") {
		t.Errorf("%v", got)
	}
}

func TestDamagedBaselineIsNotTrusted(t *testing.T) {
	name := filepath.Join(t.TempDir(), "b")
	files := map[string]record{"/a": {hash: [32]byte{1}, size: 5, mtime: -1, ctime: 7, ino: 9, mode: 0o644}, "/b/c": {size: 1 << 40}}
	if err := save(name, files); err != nil {
		t.Fatal(err)
	}
	back, err := load(name)
	if err != nil || len(back) != 2 || back["/a"] != files["/a"] || back["/b/c"] != files["/b/c"] {
		t.Fatalf("%v %v", back, err)
	}
	good, _ := os.ReadFile(name)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if back, err := load(name); err == nil || len(back) != 0 {
			t.Fatalf("byte %d changed, and it was taken", i)
		}
	}
	if back, err := load(name + ".none"); err != nil || len(back) != 0 {
		t.Fatalf("%v %v", back, err)
	}
}

func FuzzParseFanotify(f *testing.F) {
	f.Add([]byte{24, 0, 0, 0, 3, 0, 24, 0, 0, 1, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		ParseFanotify(b, func(e FanEvent) { n++ })
		if n*24 > len(b) {
			t.Fatal("more events than fit")
		}
	})
}

func FuzzParseInotify(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 'a', 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		ParseInotify(b, func(int32, uint32, string) { n++ })
		if n*16 > len(b) {
			t.Fatal("more events than fit")
		}
	})
}

func FuzzReadRecords(f *testing.F) {
	f.Add([]byte(magic + "\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out := map[string]record{}
		if err := readRecords(bytes.NewReader(b), crc32.NewIEEE(), out); err == nil && len(b) < len(magic)+6+len(out)*(3+fixedSize) {
			t.Fatalf("%d records out of %d bytes", len(out), len(b))
		}
	})
}

// TestNewRootIsTakenAsItIs: a folder that is watched from now on has no past,
// and one whose baseline was empty has.
func TestNewRootIsTakenAsItIs(t *testing.T) {
	one, two, base := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "baseline")
	write(t, filepath.Join(two, "old"), "here before")
	w := watch(t, Config{Roots: []string{one}, Baseline: base}, nil)
	w.stop()
	write(t, filepath.Join(one, "new"), "while nobody looked")
	w = watch(t, Config{Roots: []string{one, two}, Baseline: base}, nil)
	if c := w.want(Created, filepath.Join(one, "new")); !c.Offline {
		t.Error("not said to have happened while nobody watched")
	}
	w.stop()
	select {
	case c := <-w.changes:
		t.Errorf("%s of %s, which was there before it was watched", c.Kind, c.Path)
	default:
	}
}
