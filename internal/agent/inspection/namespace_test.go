package inspection

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/host/inventory"
	"github.com/masugata/masugata/internal/model"
)

// bench is a device with an Inspection and a web server, and the outside, each
// in a network namespace of its own.
type bench struct {
	t               *testing.T
	device, outside string
	inspection      *Inspection
	events          chan *model.Event
	covered         chan model.Coverage
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	id := fmt.Sprint(os.Getpid(), len(t.Name()))
	id = strings.ReplaceAll(id, " ", "")
	b := &bench{t: t, device: "mgid" + id, outside: "mgio" + id, events: make(chan *model.Event, 256), covered: make(chan model.Coverage, 256)}
	t.Cleanup(func() {
		_ = exec.Command("ip", "netns", "del", b.device).Run()
		_ = exec.Command("ip", "netns", "del", b.outside).Run()
	})
	for _, line := range []string{
		"netns add " + b.device, "netns add " + b.outside,
		"-n " + b.device + " link add eth0 type veth peer name eth0 netns " + b.outside,
		"-n " + b.device + " addr add 192.0.2.1/24 dev eth0", "-n " + b.outside + " addr add 192.0.2.2/24 dev eth0",
		"-n " + b.device + " addr add 2001:db8::1/64 dev eth0 nodad", "-n " + b.outside + " addr add 2001:db8::2/64 dev eth0 nodad",
		"-n " + b.device + " link set lo up", "-n " + b.outside + " link set lo up",
		"-n " + b.device + " link set eth0 up", "-n " + b.outside + " link set eth0 up",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	b.inspection = New(Config{Limit: model.ModeEnforce, RuleBytes: 1 << 20,
		Interfaces: func() (map[string]inventory.Interface, error) {
			in, err := inventory.ByName("eth0")
			return map[string]inventory.Interface{"eth0": in}, err
		},
		Addresses: inventory.Prefixes,
		Device:    func() model.DeviceID { return "mac-020000000a01" },
		Submit:    func(e *model.Event) { b.events <- e },
		Cover:     func(c model.Coverage) { b.covered <- c },
		Log:       slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	return b
}

// within runs f on a thread of its own in a namespace.
func (b *bench) within(ns string, f func()) (ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		fd, err := unix.Open("/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			_ = unix.Close(fd)
		}
		if err != nil {
			b.t.Error(err)
			return
		}
		f()
	}()
	return ended
}

// run starts the inspection until the test ends.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := b.within(b.device, func() { b.inspection.Run(ctx) })
	b.t.Cleanup(func() { cancel(); <-ended })
}

// serve answers HTTP on a port of the device and counts the requests.
func (b *bench) serve(port string) (seen chan string) {
	b.t.Helper()
	seen = make(chan string, 64)
	var l net.Listener
	var err error
	<-b.within(b.device, func() { l, err = net.Listen("tcp", ":"+port) })
	if err != nil {
		b.t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.RequestURI
		_, _ = io.WriteString(w, "fine\n")
	}), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	b.t.Cleanup(func() { srv.Close() })
	return seen
}

// get asks for a page from the outside; the answer's body, or "" when none came.
func (b *bench) get(addr, uri string) string {
	var body string
	<-b.within(b.outside, func() {
		c, err := net.DialTimeout("tcp", addr, 2*time.Second)
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(1500 * time.Millisecond))
		_, _ = io.WriteString(c, "GET "+uri+" HTTP/1.1\r\nHost: camera\r\nConnection: close\r\n\r\n")
		all, _ := io.ReadAll(c)
		if _, rest, ok := strings.Cut(string(all), "\r\n\r\n"); ok {
			body = rest
		}
	})
	return body
}

// await gives the next event, or fails.
func (b *bench) await() *model.Event {
	b.t.Helper()
	select {
	case e := <-b.events:
		return e
	case <-time.After(5 * time.Second):
		b.t.Fatalf("no event; %+v", b.inspection.Status())
		return nil
	}
}

// quiet fails on an event.
func (b *bench) quiet() {
	b.t.Helper()
	select {
	case e := <-b.events:
		b.t.Errorf("an event that should not be: %s", e.Explanation)
	case <-time.After(300 * time.Millisecond):
	}
}

// until waits for a state of the inspection.
func (b *bench) until(what string, ok func(Status) bool) {
	b.t.Helper()
	for range 500 {
		if ok(b.inspection.Status()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatalf("%s: %+v", what, b.inspection.Status())
}

func (b *bench) load(version uint64, rules string) {
	b.t.Helper()
	b.inspection.SetRules(version, []model.RuleFile{{Name: "test.rules", Text: rules}})
	b.until("rules not in force", func(s Status) bool { return s.Version == version && s.Mode != model.ModeOff })
	time.Sleep(50 * time.Millisecond) // the filter follows the count
}

const exploit = `(msg:"command injection"; flow:established,to_server; content:"GET /cgi-bin/"; content:"|3b|wget"; distance:0; classtype:web-application-attack; priority:1; sid:7; rev:2;)`

func TestRulesOfTheControlPlaneAlert(t *testing.T) {
	b := newBench(t)
	b.run()
	seen, other := b.serve("80"), b.serve("81")
	b.load(3, "alert tcp any any -> $HOME_NET 80 "+exploit)
	for _, addr := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
		if b.get(addr, "/index.html") != "fine\n" {
			t.Fatal("the server does not answer")
		}
		<-seen
		b.quiet()
		b.get(addr, "/cgi-bin/x?a=;wget")
		<-seen
		e := b.await()
		host := netip.MustParseAddrPort(addr).Addr().String()
		if e.Kind != model.KindIntrusion || e.Rule != "1:7:2" || e.Severity != model.SeverityHigh || e.Device != "mac-020000000a01" ||
			e.Subject != "command injection" || len(e.Observables) != 3 || e.Observables[1].Value != host || e.Observables[2].Value != "80" {
			t.Errorf("event %+v", e)
		}
	}
	b.until("counted", func(s Status) bool { return s.Packets > 10 && s.Alerts == 2 })
	before := uint64(0)
	for n := b.inspection.Status().Packets; n != before; n = b.inspection.Status().Packets { // the last of them are counted late
		before = n
		time.Sleep(lookEvery + lookEvery/4)
	}
	b.get("192.0.2.1:81", "/cgi-bin/x?a=;wget")
	<-other
	b.quiet()
	time.Sleep(lookEvery)
	if n := b.inspection.Status().Packets; n != before {
		t.Errorf("%d packets that no rule can match were captured", n-before)
	}
}

func TestRulesAreReplaced(t *testing.T) {
	b := newBench(t)
	b.run()
	seen := b.serve("80")
	b.load(1, `alert tcp any any -> any 80 (msg:"one"; content:"/one"; sid:1;)`)
	b.get("192.0.2.1:80", "/one")
	<-seen
	if e := b.await(); e.Subject != "one" {
		t.Error(e.Subject)
	}
	b.load(2, `alert tcp any any -> any 80 (msg:"two"; content:"/two"; sid:2;)`)
	b.get("192.0.2.1:80", "/one")
	b.get("192.0.2.1:80", "/two")
	<-seen
	<-seen
	if e := b.await(); e.Subject != "two" {
		t.Error(e.Subject)
	}
	b.inspection.SetRules(3, nil)
	b.until("inspects without rules", func(s Status) bool { return s.Mode == model.ModeOff && s.Version == 3 })
	b.get("192.0.2.1:80", "/two")
	b.quiet()
	b.load(4, "alert http any any -> any any (msg:\"three\"; http.uri; content:\"/three\"; sid:3;)\n"+
		`alert tcp any any -> any 80 (msg:"four"; content:"/four"; sid:4;)`)
	if s := b.inspection.Status(); s.Rules != 1 || s.Refused != 1 {
		t.Errorf("%+v", s)
	}
	b.inspection.SetMode(model.ModeOff)
	b.until("inspects although it is off", func(s Status) bool { return s.Mode == model.ModeOff })
}

func TestRulesTooLargeAreNotLoaded(t *testing.T) {
	b := newBench(t)
	b.run()
	b.inspection.SetRules(1, []model.RuleFile{{Name: "large", Text: strings.Repeat("# a comment\n", 1<<17)}})
	for c := range b.covered {
		if strings.Contains(c.Reason, "inspection_rules_kib") {
			if c.Active {
				t.Error("covered all the same")
			}
			return
		}
	}
}

// TestExploitIsStopped: in enforce mode the request never reaches the server;
// ordinary ones and other connections go on, and when rules go nothing is asked
// any more.
func TestExploitIsStopped(t *testing.T) {
	b := newBench(t)
	b.inspection.SetMode(model.ModeEnforce)
	b.run()
	seen := b.serve("80")
	b.load(1, "drop tcp any any -> $HOME_NET 80 "+exploit)
	if s := b.inspection.Status(); s.Mode != model.ModeEnforce {
		for c := range b.covered {
			t.Fatalf("%+v: %s", s, c.Reason)
		}
	}
	for _, addr := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
		for range 3 {
			if b.get(addr, "/index.html") != "fine\n" {
				t.Fatal("the server does not answer")
			}
			<-seen
		}
		if got := b.get(addr, "/cgi-bin/x?a=;wget"); got != "" {
			t.Errorf("the exploit was answered: %q", got)
		}
		select {
		case uri := <-seen:
			t.Errorf("%s reached the server", uri)
		default:
		}
		if e := b.await(); e.Kind != model.KindBlocked || e.Rule != "1:7:2" {
			t.Errorf("event %+v", e)
		}
		if b.get(addr, "/index.html") != "fine\n" {
			t.Error("the server does not answer any more")
		}
		<-seen
	}
	b.until("counted", func(s Status) bool { return s.Stopped >= 2 })
	b.inspection.SetMode(model.ModeObserve)
	b.until("observes", func(s Status) bool { return s.Mode == model.ModeObserve })
	b.get("192.0.2.1:80", "/cgi-bin/x?a=;wget")
	if uri := <-seen; uri != "/cgi-bin/x?a=;wget" {
		t.Error(uri)
	}
	for e := b.await(); e.Kind != model.KindIntrusion; e = b.await() { // after repeats of the block
	}
	if out, err := exec.Command("ip", "netns", "exec", b.device, "nft", "list", "tables").CombinedOutput(); err == nil && len(out) > 0 {
		t.Errorf("left behind: %s", out)
	}
}
