package process

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func TestEvidenceOfOneself(t *testing.T) {
	e, err := Evidence(uint32(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	self, _ := os.Executable()
	if e.Path != self || e.ParentPID != uint32(os.Getppid()) || e.Start == 0 || e.UID != uint32(os.Getuid()) || len(e.Args) == 0 {
		t.Fatalf("%+v", e)
	}
}

func TestParseStatWithOddNames(t *testing.T) {
	line := func(name string) []byte {
		return []byte("42 (" + name + ") S 7 1 1 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 987654 1 2 3\n")
	}
	for _, name := range []string{"sh", "a b", "x) R 1", "(", ""} {
		st, err := ParseStat(line(name))
		if err != nil || st.PID != 42 || st.Parent != 7 || st.Start != 987654 || st.State != 'S' || st.Kernel {
			t.Errorf("%q: %+v, %v", name, st, err)
		}
	}
	for _, bad := range []string{"", "42", "42 (x)", "x (x) S 1", "42 (x) S 7 1 1 0 -1"} {
		if _, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a) b) S 7 1 1 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 987654 1"))
	f.Add([]byte("00()0\x00 0     0             0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if st, err := ParseStat(b); err == nil && st.State == 0 {
			t.Fatal("a stat without a state was taken")
		}
	})
}

func FuzzParseArgs(f *testing.F) {
	f.Add([]byte("a\x00b\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		args := ParseArgs(b)
		if len(args) > maxArgs {
			t.Fatal("too many")
		}
		for _, a := range args {
			if len(a) > 3*maxArgLen {
				t.Fatal("too long")
			}
		}
	})
}

// family starts a shell copy that starts two copies of itself, and gives its evidence.
func family(t *testing.T) (*exec.Cmd, *model.ProcessEvidence, string) {
	t.Helper()
	shell := filepath.Join(t.TempDir(), "worker")
	content, err := os.ReadFile("/bin/sh")
	if err == nil {
		err = os.WriteFile(shell, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	ready := shell + ".ready"
	cmd := exec.Command(shell, "-c", shell+` -c 'echo $$ >>`+ready+`; while :; do sleep 1; done' & `+
		shell+` -c 'echo $$ >>`+ready+`; while :; do sleep 1; done' & echo $$ >>`+ready+`; wait; wait`)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if b, _ := os.ReadFile(ready); len(fields(b)) == 3 {
			e, err := Evidence(uint32(cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			return cmd, e, ready
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the family did not start")
	return nil, nil, ""
}

func fields(b []byte) (out []string) {
	word := ""
	for _, c := range b {
		if c == '\n' {
			out, word = append(out, word), ""
			continue
		}
		word += string(c)
	}
	return out
}

func TestKillTakesTheFamily(t *testing.T) {
	cmd, e, ready := family(t)
	h := NewHasher(0)
	sum, err := h.Executable(e.PID, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	e.SHA256 = sum
	k := &Killer{Hasher: h}
	killed, err := k.Kill(e)
	if err != nil || len(killed) < 3 { // a shell that is about to become sleep counts too
		t.Fatalf("killed %v, %v", killed, err)
	}
	_ = cmd.Wait()
	b, _ := os.ReadFile(ready)
	for _, pid := range fields(b) {
		n, _ := strconv.Atoi(pid)
		for range 200 {
			if st, err := ReadStat(uint32(n)); err != nil || st.State == 'Z' {
				n = 0
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if n != 0 {
			t.Errorf("process %d lives", n)
		}
	}
	if _, err := k.Kill(e); !errors.Is(err, ErrGone) {
		t.Errorf("killed again: %v", err)
	}
}

func TestKillRefuses(t *testing.T) {
	cmd, e, _ := family(t)
	h := NewHasher(0)
	defer func() {
		if _, err := (&Killer{Hasher: h}).Kill(e); err != nil {
			t.Errorf("in the end: %v", err)
		}
		_ = cmd.Wait()
	}()
	link := e.Path + ".link"
	if err := os.Link(e.Path, link); err != nil {
		t.Fatal(err)
	}
	first, _ := ReadStat(1)
	for _, c := range []struct {
		name      string
		change    func(*model.ProcessEvidence)
		protected []string
		want      error
	}{
		{"another start time", func(e *model.ProcessEvidence) { e.Start++ }, nil, ErrGone},
		{"another path", func(e *model.ProcessEvidence) { e.Path = "/bin/true" }, nil, ErrNotSame},
		{"another hash", func(e *model.ProcessEvidence) { e.SHA256 = "00" }, nil, ErrNotSame},
		{"protected by path", func(*model.ProcessEvidence) {}, []string{e.Path}, ErrProtected},
		{"protected by another name", func(*model.ProcessEvidence) {}, []string{link}, ErrProtected},
		{"process 1", func(e *model.ProcessEvidence) { e.PID, e.Start, e.Path = 1, first.Start, "" }, nil, ErrProtected},
		{"oneself", func(e *model.ProcessEvidence) {
			st, _ := ReadStat(uint32(os.Getpid()))
			e.PID, e.Start, e.Path = st.PID, st.Start, ""
		}, nil, ErrProtected},
	} {
		other := *e
		c.change(&other)
		if killed, err := (&Killer{Hasher: h, Protected: c.protected}).Kill(&other); !errors.Is(err, c.want) || killed != nil {
			t.Errorf("%s: %v, %v", c.name, killed, err)
		}
	}
	if _, err := (&Killer{Hasher: h}).Kill(&model.ProcessEvidence{PID: e.PID}); err == nil {
		t.Error("killed without a start time")
	}
}

func TestHasherFollowsTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	h := NewHasher(1 << 20)
	if err := os.WriteFile(name, []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	one, err := h.Path(name, time.Second)
	if err != nil || one != "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" {
		t.Fatalf("%s %v", one, err)
	}
	if err := os.WriteFile(name, make([]byte, 8<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Path(name, 0); !errors.Is(err, ErrSlow) {
		t.Fatalf("8 MiB at 1 MiB/s were hashed at once: %v", err)
	}
}
