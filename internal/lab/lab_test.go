package lab_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/lab"
	"github.com/masugata/masugata/internal/lab/attack"
	"github.com/masugata/masugata/internal/lab/instance"
	"github.com/masugata/masugata/internal/lab/staging"
	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// TestMain plays the lab's roles when the lab starts this program in a host.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "lab" {
		c := lab.Command()
		c.SetArgs(os.Args[2:])
		if err := c.ExecuteContext(context.Background()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
}

func up(t *testing.T, id string) (*instance.Lab, instance.Spec) {
	t.Helper()
	needRoot(t)
	s := instance.Spec{Root: instance.Root, ID: fmt.Sprintf("%s%d", id, os.Getpid())}
	l, err := instance.Up(t.Context(), s, instance.Options{Cable: true, Life: 2 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
		for _, n := range topology.Nodes() {
			if _, err := os.Stat(l.Net.Path(n)); err == nil {
				t.Errorf("%s is left", l.Net.Path(n))
			}
		}
	})
	return l, s
}

func TestLab(t *testing.T) {
	l, s := up(t, "t")
	t.Run("ordinary traffic", func(t *testing.T) { ordinary(t, l) })
	for i, v := range attack.Vectors() {
		t.Run(string(v), func(t *testing.T) { everyPacketArrives(t, l, v, i) })
	}
	t.Run("ordinary traffic after", func(t *testing.T) { ordinary(t, l) })
	t.Run("down by state file", func(t *testing.T) {
		again, err := instance.Open(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Down(); err != nil {
			t.Fatal(err)
		}
		for _, p := range l.State().Processes {
			if p.Alive() {
				t.Errorf("%s still runs", p.Name)
			}
		}
	})
}

// ordinary holds that without an attack nothing is lost and everything is
// counted.
func ordinary(t *testing.T, l *instance.Lab) {
	before, err := l.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	after, err := l.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for node, counts := range after {
		for name, c := range tally.Since(before[node], counts) {
			if c.Total > 0 {
				kinds[name] = true
			}
			if c.Bad() > 0 {
				t.Errorf("%s: %s: %+v", node, name, c)
			}
		}
	}
	for _, k := range []string{"dns", "ntp", "http small", "mqtt publish", "mqtt receive", "mdns hear", "tv stream", "speed test",
		"video camera-a", "video camera-b", "upload camera-a", "web camera-a"} {
		if !kinds[k] {
			t.Errorf("no %q was counted", k)
		}
	}
}

// everyPacketArrives floods through the bare cable: what the bots say they
// sent is what the victim counts.
func everyPacketArrives(t *testing.T, l *instance.Lab, v model.Vector, n int) {
	a := staging.Attack{Vector: v, Target: topology.VictimAddr(n), PPS: 4000, Duration: 400 * time.Millisecond,
		Devices: []topology.Node{topology.CameraA, topology.CameraB}}
	r, err := staging.Start(t.Context(), l, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Begun(t.Context(), topology.CameraA); err != nil {
		t.Error(err)
	}
	out, err := r.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for node, o := range out {
		if o.Sent.Sent < 1000 {
			t.Errorf("%s sent %d packets in %s, want about 1600", node, o.Sent.Sent, a.Duration)
		}
		exact := v != model.VectorHTTP // requests share packets, and packets beside them carry connections
		if got := o.Arrived.Packets; exact && got != o.Sent.Sent || got < 100 {
			t.Errorf("%s sent %d packets, %d arrived", node, o.Sent.Sent, got)
		}
		if late := o.Arrived.First.Sub(o.Sent.First); late < -time.Millisecond || late > 200*time.Millisecond {
			t.Errorf("%s: the first packet arrived %s after it was sent", node, late)
		}
	}
}

func TestBotRefusesToRunOutside(t *testing.T) {
	dir := t.TempDir()
	permit := dir + "/permit.json"
	if err := os.WriteFile(permit, []byte(`{"alias":"masugata-lab-x","namespaces":[1],"host":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	good := attack.Order{Vector: model.VectorUDP, Target: topology.VictimAddr(0), Device: 1, PPS: 100, Duration: time.Second, Permit: permit, Log: dir + "/log"}
	for name, change := range map[string]func(*attack.Order){
		"not a lab device": func(*attack.Order) {},
		"no permit":        func(o *attack.Order) { o.Permit = dir + "/none" },
		"other target":     func(o *attack.Order) { o.Target = topology.AddrDNS },
		"real target":      func(o *attack.Order) { o.Target = topology.Addr(topology.Laptop) },
		"too fast":         func(o *attack.Order) { o.PPS = attack.MaxPPS + 1 },
		"too long":         func(o *attack.Order) { o.Duration = attack.MaxDuration + 1 },
		"unknown vector":   func(o *attack.Order) { o.Vector = "worm" },
	} {
		o := good
		change(&o)
		if err := attack.Run(t.Context(), o); err == nil {
			t.Errorf("%s: not refused", name)
		}
		if _, err := os.Stat(o.Log); err == nil {
			t.Errorf("%s: a log was made, so it went past the check", name)
		}
	}
}

func TestDownWithoutALab(t *testing.T) {
	c := lab.Command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs([]string{"down", "--name", "none", "--dir", t.TempDir()})
	if err := c.Execute(); err != nil || out.Len() == 0 {
		t.Errorf("down without a lab: %v, %q", err, out.String())
	}
}

// TestDownMendsAKilledUp kills `lab up` at several moments; `lab down` must
// leave no process, no namespace and no folder behind.
func TestDownMendsAKilledUp(t *testing.T) {
	needRoot(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("k%d", os.Getpid())
	for _, after := range []time.Duration{20, 60, 100, 200} {
		cmd := exec.Command(exe, "lab", "up", "--name", id, "--life", "2m")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		_ = cmd.Process.Kill() // it may be done already
		_ = cmd.Wait()
		l, err := instance.Open(instance.Spec{ID: id})
		if err != nil {
			continue // killed before it made anything
		}
		processes := l.State().Processes
		if err := l.Down(); err != nil {
			t.Fatal(err)
		}
		for _, p := range processes {
			if p.Alive() {
				t.Errorf("killed after %dms: %s still runs", after, p.Name)
			}
		}
		for _, n := range topology.Nodes() {
			if _, err := os.Stat(l.Net.Path(n)); err == nil {
				t.Errorf("killed after %dms: %s is left", after, l.Net.Path(n))
			}
		}
		if _, err := os.Stat(l.Dir); err == nil {
			t.Errorf("killed after %dms: %s is left", after, l.Dir)
		}
	}
}

func TestForwardReachesInside(t *testing.T) {
	l, _ := up(t, "f")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	_, err = l.Start(instance.Program{Name: "forward", Argv: []string{exe, "lab", "role", "forward", "--dir", l.Dir, "--listen", address,
		"--into", l.Net.Path(topology.Internet), "--to", topology.AddrHTTP.String() + ":80", "--life", "1m"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		res, err := http.Get("http://" + address + "/small")
		if err == nil {
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("answered %s", res.Status)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("nothing answers at %s:\n%s", address, l.Tail("forward", 500))
}
