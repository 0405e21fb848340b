package listed

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/host/connect"
	"github.com/masugata/masugata/internal/host/traffic"
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// payload is a set with 192.0.2.7 (score 95), 198.51.100.0/24 (60) and, allowed,
// 198.51.100.9.
func payload(t *testing.T, version uint64) []byte {
	t.Helper()
	now := uint32(time.Now().Unix())
	snap, err := edge.Build(func(yield func(reputation.Object, reputation.Brief) bool) {
		_ = yield(edge.ObjectOf(netip.MustParseAddr("192.0.2.7")), reputation.Brief{Score: 95}) &&
			yield(reputation.Object{Type: reputation.TypePrefix, Prefix: netip.MustParsePrefix("198.51.100.0/24")}, reputation.Brief{Score: 60}) &&
			yield(edge.ObjectOf(netip.MustParseAddr("198.51.100.9")), reputation.Brief{Local: reputation.LocalAllow})
	}, edge.Config{Header: edge.Header{Class: edge.ClassSmall, Version: version, Issued: now, Expires: now + 3600, Key: edge.Key{1}}})
	if err != nil || snap.Kept != 3 {
		t.Fatal(err, snap)
	}
	return snap.Payload
}

// rig is a Watch on a kernel that cannot be asked, whose Run is stepped by hand.
type rig struct {
	*runner
	events   []*model.Event
	cover    model.Coverage
	kept     []netip.Prefix
	forwards bool
}

func newRig(limit model.Mode) *rig {
	g := &rig{}
	w := New(Config{Limit: limit, Kept: func() []netip.Prefix { return g.kept }, Who: func(uint32) *model.ProcessEvidence { return nil },
		Seeing: func() bool { return true }, Forwards: func() bool { return g.forwards }, Open: func(string) (*connect.Filter, error) { return nil, errors.New("no eBPF") },
		Device: func() model.DeviceID { return "dev" }, Submit: func(e *model.Event) { g.events = append(g.events, e) },
		Cover: func(c model.Coverage) { g.cover = c }, Log: slog.New(slog.DiscardHandler)})
	g.runner = &runner{Watch: w, told: joined{}, begun: time.Now()}
	return g
}

func (g *rig) apply() {
	x := g.wanted()
	g.runner.apply(&x, time.Now())
}

// sees gives the watch a flow and says whether it counted.
func (g *rig) sees(addr string, proto uint8) bool {
	f := traffic.Flow{Dst: netip.MustParseAddr(addr).As16(), Proto: proto, Port: 443, Class: traffic.ClassTCP}
	g.Met(&f)
	select {
	case m := <-g.met:
		g.meet(&m, time.Now())
		return true
	default:
		return false
	}
}

func TestPolicySetAndConfiguration(t *testing.T) {
	g := newRig(model.ModeObserve)
	g.apply()
	if g.cover.Active || g.sees("192.0.2.7", 6) {
		t.Error("without a set:", g.cover.Reason)
	}
	if err := g.SetReputation(1, payload(t, 5)); err != nil {
		t.Fatal(err)
	}
	g.apply()
	for _, c := range []struct {
		mode  model.Mode
		score uint8
		addr  string
		proto uint8
		want  bool
	}{
		{"", 0, "192.0.2.7", 6, true}, {"", 0, "192.0.2.7", 17, true}, {"", 0, "192.0.2.7", 1, false}, {"", 0, "192.0.2.8", 6, false},
		{"", 0, "198.51.100.7", 6, false}, {"", 50, "198.51.100.7", 6, true}, {"", 50, "198.51.100.9", 6, false},
		{model.ModeOff, 50, "192.0.2.7", 6, false}, {model.ModeEnforce, 90, "192.0.2.7", 6, true},
	} {
		g.SetPolicy(model.ReputationPolicy{Mode: c.mode, Score: c.score})
		g.apply()
		if got := g.sees(c.addr, c.proto); got != c.want {
			t.Errorf("mode %q, score %d, %s: %v", c.mode, c.score, c.addr, got)
		}
	}
	if g.table != nil || g.Status().Mode != model.ModeObserve || g.Status().Seen == 0 || len(g.events) == 0 {
		t.Errorf("the configuration only observes: %+v", g.Status())
	}
	for _, e := range g.events {
		if e.Kind != model.KindListedSeen || e.Observables[0].Value != e.Subject {
			t.Errorf("%+v", e)
		}
	}
	g.forwards = true
	g.SetPolicy(model.ReputationPolicy{})
	if g.apply(); g.cover.Active || g.sees("192.0.2.7", 6) {
		t.Error("others' connections count as the device's:", g.cover.Reason)
	}
	g.forwards = false
	bad := payload(t, 6)
	for _, p := range [][]byte{payload(t, 5), payload(t, 4), bad[:len(bad)-9], append(bad[:20:20], bad[21:]...), nil} {
		if g.SetReputation(9, p) == nil {
			t.Error("a set was taken that is older, cut or changed")
		}
	}
	g.kept = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	g.SetPolicy(model.ReputationPolicy{})
	g.apply()
	if g.Status().Version != 5 || g.sees("192.0.2.7", 6) {
		t.Error("what is kept counts, or the set in force is gone")
	}
}

func TestRepeatsAreToldTogether(t *testing.T) {
	var events []*model.Event
	submit := func(e *model.Event) { events = append(events, e) }
	j, now := joined{}, time.Unix(1000, 0)
	k := key{remote: netip.MustParseAddrPort("192.0.2.7:443"), proto: 6, pid: 9, what: refused}
	for i := range 5 {
		j.add(k, 2, now.Add(time.Duration(i)*time.Second), submit, func() *model.Event { return &model.Event{Subject: "first", Count: 2} })
	}
	j.flush(now.Add(30*time.Second), submit)
	if len(events) != 1 || events[0].Subject != "first" {
		t.Fatalf("%d events", len(events))
	}
	j.flush(now.Add(joinFor), submit)
	if len(events) != 2 || events[1].Count != 8 || !events[1].Last.Equal(now.Add(4*time.Second)) {
		t.Fatalf("%+v", events[len(events)-1])
	}
	m := &meeting{remote: k.remote, proto: 6}
	if !j.meanwhile(m, now.Add(90*time.Second)) || j.meanwhile(&meeting{remote: k.remote, proto: 17}, now) {
		t.Error("what is known is told again, or the other way round")
	}
	j.flush(now.Add(140*time.Second), submit)
	if len(j) != 1 {
		t.Error("forgotten while it goes on")
	}
	if j.flush(now.Add(200*time.Second), submit); len(j) != 0 || len(events) != 2 {
		t.Errorf("%d kept, %d events", len(j), len(events))
	}
	for i := range 2 * maxKinds {
		j.add(key{pid: uint32(i)}, 1, now, submit, func() *model.Event { return &model.Event{} })
	}
	if len(j) != maxKinds {
		t.Errorf("%d kinds are kept", len(j))
	}
}

func TestMetAllocatesNothing(t *testing.T) {
	g := newRig(model.ModeObserve)
	if err := g.SetReputation(1, payload(t, 5)); err != nil {
		t.Fatal(err)
	}
	g.apply()
	f := traffic.Flow{Dst: netip.MustParseAddr("203.0.113.9").As16(), Proto: 6, Class: traffic.ClassTCP}
	if n := testing.AllocsPerRun(1000, func() { g.Met(&f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMet(b *testing.B) {
	g := newRig(model.ModeObserve)
	var t testing.T
	_ = g.SetReputation(1, payload(&t, 5))
	g.apply()
	f := traffic.Flow{Dst: netip.MustParseAddr("203.0.113.9").As16(), Proto: 6, Class: traffic.ClassTCP}
	b.ReportAllocs()
	for b.Loop() {
		g.Met(&f)
	}
}

// TestLeftoversGo: what an agent that was killed left in the kernel goes when
// the next one is not to stop anything.
func TestLeftoversGo(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	runtime.LockOSThread() // the thread ends with the test, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network namespace: ", err)
	}
	ip := func(args ...string) string {
		out, err := exec.Command("ip", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	ip("link", "set", "lo", "up")
	for _, c := range []struct {
		limit  model.Mode
		policy model.Mode
		opened int
	}{{model.ModeOff, "", 1}, {model.ModeEnforce, model.ModeOff, 1}, {model.ModeObserve, "", 1}, {model.ModeEnforce, model.ModeObserve, 1}} {
		g := newRig(c.limit)
		opened := 0
		g.cfg.Open = func(string) (*connect.Filter, error) {
			opened++
			return nil, errors.New("no eBPF")
		}
		ip("route", "add", "prohibit", "192.0.2.7", "proto", "179")
		if err := g.SetReputation(1, payload(t, 1)); err != nil {
			t.Fatal(err)
		}
		g.SetPolicy(model.ReputationPolicy{Mode: c.policy})
		g.apply()
		g.apply()
		if left := ip("route", "show"); strings.Contains(left, "192.0.2.7") || opened != c.opened {
			t.Errorf("limit %s, policy %s: %d opened, left %s", c.limit, c.policy, opened, left)
			ip("route", "del", "prohibit", "192.0.2.7")
		}
	}
}

// TestFormerListHolds: while the kernel lacks something for a newer list, it goes
// on with the one before, and the newer one is tried again.
func TestFormerListHolds(t *testing.T) {
	f, err := connect.Open(t.TempDir())
	if err != nil {
		t.Skip("no eBPF here: ", err)
	}
	g := newRig(model.ModeEnforce)
	defer g.close()
	g.cfg.Open = func(string) (*connect.Filter, error) { return f, nil }
	take := func(version uint64) {
		t.Helper()
		if err := g.SetReputation(version, payload(t, version)); err != nil {
			t.Fatal(err)
		}
		g.apply()
	}
	take(1)
	if g.filter == nil {
		t.Skip("the kernel takes no list: ", g.unable)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: limit.Max}); err != nil {
		t.Skip("files cannot be bounded: ", err)
	}
	take(2)
	filter, stale := g.filter, g.stale
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if filter == nil || stale == nil || !g.runner.active || !strings.Contains(g.cover.Reason, "older set") {
		t.Errorf("filter %v, %v, %+v", filter != nil, stale, g.cover)
	}
	g.apply()
	if g.filter == nil || g.stale != nil || strings.Contains(g.cover.Reason, "older set") {
		t.Errorf("not tried again: %v, %+v", g.stale, g.cover)
	}
}
