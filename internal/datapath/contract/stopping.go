package contract

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/model"
)

var compareRules = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

func testDrop(b *bench) {
	flood := Frame{DstPort: 80, Payload: make([]byte, 72)}.Build()
	b.wantPass("before", flood)
	rule := datapath.Rule{ID: 9, Device: camera, Verdict: datapath.VerdictDrop, Shape: model.Shape{
		Proto: 17, Dst: netip.PrefixFrom(victim4, 32), DstPort: 80}}
	b.setRules(rule)
	b.wantStop("flood", flood)
	b.wantStop("flood", flood)
	b.wantPass("another port", Frame{DstPort: 81}.Build())
	b.wantPass("another device", Frame{Device: television, DstPort: 80}.Build())
	b.wantPass("another address", Frame{Dst: other4, DstPort: 80}.Build())
	b.wantPass("another protocol", Frame{Proto: 6, DstPort: 80}.Build())
	if h := b.hits(9); h.Packets != 2 || h.Bytes != 200 || h.Stopped != 2 || h.StoppedBytes != 200 || !near(h.Last) {
		b.Errorf("hits %+v, want 2 packets of 100 bytes", h)
	}
	if d := b.device(camera); d.Dropped != 2 {
		b.Errorf("device dropped %d, want 2", d.Dropped)
	}
	if f := b.flows()[datapath.FlowKey{Device: camera, Dst: victim4, Proto: 17, DstPort: 80}]; f.Packets != 3 {
		b.Errorf("flow counted %d packets, want 3: stopped ones too", f.Packets)
	}
	rules, err := b.dp.Rules()
	must(b, err)
	if diff := cmp.Diff([]datapath.Rule{rule}, rules, compareRules); diff != "" {
		b.Errorf("rules in force (-want +have):\n%s", diff)
	}
	b.setRules()
	b.wantPass("after", flood)
}

func testShapes(b *bench) {
	must(b, b.dp.SetInside([]netip.Prefix{home4, home6}, false))
	in := Frame{Inward: true}.Build()
	tests := []struct {
		name          string
		shape         model.Shape
		match, others []Frame
	}{
		{"anything", model.Shape{}, []Frame{{}, {Proto: 6}, {Src: camera6}, {Proto: 47}}, nil},
		{"network", model.Shape{Dst: netip.MustParsePrefix("203.0.113.0/24")}, []Frame{{}}, []Frame{{Dst: other4}, {Src: camera6}}},
		{"every IPv4 address", model.Shape{Dst: netip.MustParsePrefix("0.0.0.0/0")}, []Frame{{}, {Dst: other4}}, []Frame{{Src: camera6}}},
		{"every IPv6 address", model.Shape{Dst: netip.MustParsePrefix("::/0")}, []Frame{{Src: camera6}}, []Frame{{}}},
		{"IPv6 network", model.Shape{Dst: netip.MustParsePrefix("2001:db8:b00::/40")}, []Frame{{Src: camera6}}, []Frame{{Src: camera6, Dst: netip.MustParseAddr("2001:db8:a00::1")}}},
		{"source port", model.Shape{SrcPort: 123}, []Frame{{SrcPort: 123}}, []Frame{{SrcPort: 124}}},
		{"length", model.Shape{LenMin: 100, LenMax: 200}, []Frame{{Payload: make([]byte, 72)}, {Payload: make([]byte, 172)}},
			[]Frame{{Payload: make([]byte, 71)}, {Payload: make([]byte, 173)}}},
		{"SYN", model.Shape{Proto: 6, TCPFlags: 2, TCPMask: 18}, []Frame{{Proto: 6, Flags: 2}}, []Frame{{Proto: 6, Flags: 18}, {Proto: 6, Flags: 16}, {}}},
		{"null scan", model.Shape{TCPMask: 0x3f}, []Frame{{Proto: 6}}, []Frame{{Proto: 6, Flags: 1}, {}}},
		{"spoofed", model.Shape{Spoofed: true}, []Frame{{Src: other4}}, []Frame{{}, {Src: camera6}}},
		{"port of fragments", model.Shape{Proto: 17, DstPort: 80}, []Frame{{DstPort: 80, Fragment: 0x2000}}, []Frame{{Fragment: 0x10, Payload: make([]byte, 40)}}},
	}
	for i, tt := range tests {
		b.setRules(datapath.Rule{ID: datapath.RuleID(i + 1), Shape: tt.shape, Device: camera, Verdict: datapath.VerdictDrop})
		for _, f := range tt.match {
			b.wantStop(fmt.Sprintf("%s: %+v", tt.name, f), f.Build())
		}
		for _, f := range tt.others {
			b.wantPass(fmt.Sprintf("%s: %+v", tt.name, f), f.Build())
		}
		if got := b.Inward(b, in); len(got) != 1 {
			b.Errorf("%s: stopped an inward packet", tt.name)
		}
	}
}

func testLimit(b *bench) {
	b.setRules(datapath.Rule{ID: 3, Verdict: datapath.VerdictLimit, PPS: 50, Shape: model.Shape{DstPort: 80}})
	flood := Frame{DstPort: 80}.Build()
	start := time.Now()
	passed := 0
	for range 6 {
		passed += b.repeat(50, flood)
		time.Sleep(50 * time.Millisecond)
	}
	// At most the rate and one burst of a fifth of a second's packets.
	most := int(50*time.Since(start).Seconds()) + 10
	if passed > most || passed < 10 {
		b.Errorf("%d of 300 passed in %v, want 10 to %d", passed, time.Since(start), most)
	}
	if h := b.hits(3); h.Packets != 300 || h.Stopped != uint64(300-passed) {
		b.Errorf("hits %+v, want 300 packets and %d stopped", h, 300-passed)
	}
	b.wantPass("the limit is a device's own", Frame{Device: television, DstPort: 80}.Build())
	b.wantPass("another port", Frame{DstPort: 81}.Build())
}

func testCount(b *bench) {
	b.setRules(datapath.Rule{ID: 4, Verdict: datapath.VerdictCount, Shape: model.Shape{Proto: 17}})
	b.wantPass("counted", Frame{}.Build())
	if h := b.hits(4); h.Packets != 1 || h.Stopped != 0 {
		b.Errorf("hits %+v, want 1 and none stopped", h)
	}
}

func testPrecedence(b *bench) {
	all := netip.MustParsePrefix("0.0.0.0/0")
	b.setRules(
		datapath.Rule{ID: 1, Verdict: datapath.VerdictCount, Shape: model.Shape{DstPort: 80}},
		datapath.Rule{ID: 2, Verdict: datapath.VerdictLimit, PPS: 1000, Shape: model.Shape{Dst: all}},
		datapath.Rule{ID: 3, Verdict: datapath.VerdictDrop, Shape: model.Shape{Proto: 17}, Device: camera},
		datapath.Rule{ID: 4, Verdict: datapath.VerdictLimit, PPS: 1, Device: television},
	)
	b.wantStop("drop wins over limit and count", Frame{DstPort: 80}.Build())
	for id := datapath.RuleID(1); id <= 3; id++ {
		if h := b.hits(id); h.Packets != 1 {
			b.Errorf("rule %d: %d hits, want 1: each that matches counts", id, h.Packets)
		}
	}
	tv := Frame{Device: television, DstPort: 80}.Build()
	b.wantPass("first of the second", tv)
	b.wantStop("limit wins over count", tv)
}

func testDeadline(b *bench) {
	deadline := time.Now().Add(300 * time.Millisecond)
	b.setRules(datapath.Rule{ID: 5, Verdict: datapath.VerdictDrop, Deadline: deadline})
	frame := Frame{}.Build()
	b.wantStopQuick("before the deadline", frame)
	time.Sleep(time.Until(deadline.Add(50 * time.Millisecond)))
	b.wantPass("after the deadline", frame)
	b.setRules(datapath.Rule{ID: 5, Verdict: datapath.VerdictDrop, Deadline: time.Now().Add(time.Minute)})
	b.wantStop("renewed", frame)
	if h := b.hits(5); h.Packets < 2 {
		b.Errorf("hits %+v: a new deadline alone must not reset them", h)
	}
}

// wantStopQuick is wantStop where even the sentinel is stopped: it reads
// what is there and does not wait.
func (b *bench) wantStopQuick(what string, frame []byte) {
	b.Helper()
	b.in.send(b, frame)
	if got := b.out.receive(b, 20*time.Millisecond); got != nil {
		b.Errorf("%s: passed", what)
	}
}

func testKeepHits(b *bench) {
	one := datapath.Rule{ID: 1, Verdict: datapath.VerdictDrop, Shape: model.Shape{DstPort: 1}}
	two := datapath.Rule{ID: 2, Verdict: datapath.VerdictDrop, Shape: model.Shape{DstPort: 2}}
	b.setRules(one)
	b.wantStop("one", Frame{DstPort: 1}.Build())
	b.setRules(one, two)
	b.wantStop("one", Frame{DstPort: 1}.Build())
	b.wantStop("two", Frame{DstPort: 2}.Build())
	if h := b.hits(1); h.Packets != 2 {
		b.Errorf("unchanged rule has %d hits, want 2", h.Packets)
	}
	one.Shape.Proto = 17
	b.setRules(two, one)
	if h := b.hits(1); h.Packets != 0 {
		b.Errorf("changed rule has %d hits, want 0", h.Packets)
	}
	if h := b.hits(2); h.Packets != 1 {
		b.Errorf("unchanged rule has %d hits, want 1", h.Packets)
	}
	b.wantStop("one", Frame{DstPort: 1}.Build())
	b.setRules(two)
	b.wantPass("one is gone", Frame{DstPort: 1}.Build())
}

func testRefuse(b *bench) {
	b.setRules(datapath.Rule{ID: 1, Verdict: datapath.VerdictDrop, Shape: model.Shape{DstPort: 1}})
	good := datapath.Rule{ID: 2, Verdict: datapath.VerdictDrop, Shape: model.Shape{DstPort: 2}}
	for name, bad := range map[string]datapath.Rule{
		"no ID":            {Verdict: datapath.VerdictDrop},
		"ID twice":         {ID: 2, Verdict: datapath.VerdictDrop},
		"unknown verdict":  {ID: 3, Verdict: 9},
		"limit of 0":       {ID: 3, Verdict: datapath.VerdictLimit},
		"empty length":     {ID: 3, Shape: model.Shape{LenMin: 9, LenMax: 8}},
		"flags outside":    {ID: 3, Shape: model.Shape{TCPFlags: 2, TCPMask: 1}},
		"flags of UDP":     {ID: 3, Shape: model.Shape{Proto: 17, TCPMask: 1}},
		"prefix with zone": {ID: 3, Shape: model.Shape{Dst: netip.PrefixFrom(netip.MustParseAddr("fe80::1"), 200)}},
	} {
		var refused *datapath.RuleError
		if err := b.dp.SetRules([]datapath.Rule{good, bad}); err == nil {
			b.Errorf("%s: taken", name)
		} else if !errors.As(err, &refused) || refused.Rule != bad.ID {
			b.Errorf("%s: %v does not name rule %d", name, err, bad.ID)
		}
	}
	b.wantStop("the old rule", Frame{DstPort: 1}.Build())
	b.wantPass("the refused rule", Frame{DstPort: 2}.Build())
}

func testManyRules(b *bench) {
	rules := make([]datapath.Rule, 1000)
	for i := range rules {
		rules[i] = datapath.Rule{ID: datapath.RuleID(i + 1), Verdict: datapath.VerdictDrop, Device: camera,
			Shape: model.Shape{Proto: 17, Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32)}}
	}
	for range 3 { // replaced as a whole, and as it is
		b.setRules(rules...)
		b.wantStop("last", Frame{Dst: netip.AddrFrom4([4]byte{203, 0, 3, 231})}.Build())
		b.wantPass("beside", Frame{Dst: netip.AddrFrom4([4]byte{203, 0, 3, 232})}.Build())
		for i := range rules {
			rules[i].ID += 500
		}
	}
}

func testBlocklist(b *bench) {
	p := netip.MustParsePrefix
	blocked := []netip.Addr{victim4, netip.MustParseAddr("198.18.255.255"), victim6, netip.MustParseAddr("2a00:1:2::1"), netip.MustParseAddr("3ff0::1")}
	free := []netip.Addr{netip.MustParseAddr("203.0.113.6"), netip.MustParseAddr("198.20.0.0"), netip.MustParseAddr("2001:db8:bad::6"), netip.MustParseAddr("2a00:2:2::1"), netip.MustParseAddr("4000::1")}
	must(b, b.dp.SetBlocklist([]netip.Prefix{p("203.0.113.5/32"), p("198.18.0.0/15"), p("2001:db8:bad::5/128"), p("2a00:1::/32"), p("3ff0::/12")}))
	frame := func(a netip.Addr, inward bool) []byte {
		src := camera4
		if a.Is6() {
			src = camera6
		}
		return Frame{Src: src, Dst: a, Inward: inward, SrcPort: 4444, DstPort: 4444}.Build()
	}
	for _, a := range blocked {
		b.wantStop(a.String(), frame(a, false))
		if got := b.Inward(b, frame(a, true)); len(got) != 0 {
			b.Errorf("%v inward: passed", a)
		}
	}
	for _, a := range free {
		b.wantPass(a.String(), frame(a, false))
		if got := b.Inward(b, frame(a, true)); len(got) != 1 {
			b.Errorf("%v inward: stopped", a)
		}
	}
	if t := b.totals(); t.DroppedBlocklist != uint64(2*len(blocked)) {
		b.Errorf("totals %+v, want %d dropped by the blocklist", t, 2*len(blocked))
	}
	wantRefusals(b, blocked, 1)
	b.wantStop("once more", frame(victim4, false))
	b.wantStop("once more", frame(victim4, false))
	wantRefusals(b, blocked[:1], 2)
	must(b, b.dp.SetBlocklist([]netip.Prefix{p("198.18.0.0/16")}))
	b.wantPass("no longer blocked", frame(victim4, false))
	b.wantPass("no longer blocked", frame(victim6, false))
	b.wantPass("narrower now", frame(netip.MustParseAddr("198.19.0.1"), false))
	b.wantStop("still blocked", frame(netip.MustParseAddr("198.18.0.1"), false))
	must(b, b.dp.SetBlocklist([]netip.Prefix{p("0.0.0.0/0"), p("::/0")}))
	b.wantStop("everything", frame(other4, false))
	b.wantStop("everything", frame(victim6, false))
}

// wantRefusals takes the refusals: n packets outward to each address, or one
// both ways.
func wantRefusals(b *bench, blocked []netip.Addr, n uint64) {
	b.Helper()
	type pair struct {
		outside netip.Addr
		inward  bool
	}
	got := make(map[pair]datapath.Refusal)
	must(b, b.dp.TakeRefusals(func(r *datapath.Refusal) { got[pair{r.Outside, r.Inward}] = *r }))
	for _, a := range blocked {
		for _, inward := range [2]bool{false, true} {
			if inward && n > 1 {
				continue
			}
			r, ok := got[pair{a, inward}]
			if !ok || r.Packets != n || r.Device != camera || r.Proto != 17 || r.Port != 4444 || time.Since(r.Last) > time.Minute || time.Since(r.Last) < -time.Minute {
				b.Errorf("refusal of %v, inward %v: %+v, %v", a, inward, r, ok)
			}
			delete(got, pair{a, inward})
		}
	}
	if len(got) > 0 {
		b.Errorf("other refusals: %v", got)
	}
}

func testAntiSpoof(b *bench) {
	spoofed, own := Frame{Src: other4}.Build(), Frame{}.Build()
	b.wantPass("nothing is known of the inside", spoofed)
	must(b, b.dp.SetInside([]netip.Prefix{home4, home6}, true))
	b.wantStop("spoofed", spoofed)
	b.wantPass("own", own)
	b.wantPass("own IPv6", Frame{Src: camera6}.Build())
	b.wantPass("link-local", Frame{Src: netip.MustParseAddr("fe80::11")}.Build())
	b.wantPass("unspecified", Frame{Src: netip.IPv6Unspecified(), Proto: 58, SrcPort: 135}.Build())
	if t := b.totals(); t.DroppedSpoofed != 1 {
		b.Errorf("totals %+v, want 1 spoofed", t)
	}
	many := []netip.Prefix{home6}
	for i := range 40 {
		many = append(many, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16))
	}
	must(b, b.dp.SetInside(append(many, home4), true))
	b.wantPass("own, last of many", own)
	b.wantStop("spoofed among many", spoofed)
	must(b, b.dp.SetInside(many, false))
	b.wantPass("only counted", spoofed)
	if d := b.device(camera); d.LastSpoofed != other4 {
		b.Errorf("last spoofed source %v, want %v", d.LastSpoofed, other4)
	}
}

func testCeilings(b *bench) {
	var ceilings datapath.Ceilings
	ceilings[datapath.ClassSYN] = 40
	must(b, b.dp.SetCeilings(datapath.DeviceKey{}, ceilings))
	syn := Frame{Proto: 6, Flags: 2}.Build()
	passed := b.repeat(200, syn)
	if passed < 1 || passed > 40 {
		b.Errorf("%d of 200 passed at once, want at most 40", passed)
	}
	b.wantPass("another class", Frame{Proto: 6, Flags: 16}.Build())
	b.wantPass("another device", Frame{Device: television, Proto: 6, Flags: 2}.Build())
	if t := b.totals(); t.DroppedCeiling != uint64(200-passed) {
		b.Errorf("totals %+v, want %d dropped by the ceiling", t, 200-passed)
	}
	must(b, b.dp.SetCeilings(camera, datapath.Ceilings{}))
	if n := b.repeat(100, syn); n != 100 {
		b.Errorf("%d of 100 passed without a ceiling", n)
	}
}

func testFailModes(b *bench) {
	frame, tv := Frame{}.Build(), Frame{Device: television}.Build()
	in, tvIn := Frame{Inward: true}.Build(), Frame{Device: television, Inward: true}.Build()
	must(b, b.dp.SetTrusted([]datapath.DeviceKey{television}))
	must(b, b.dp.SetFailMode(datapath.FailClosed))
	b.wantPass("alive", frame)
	time.Sleep(datapath.HeartbeatTimeout + 100*time.Millisecond)
	b.wantStop("closed", frame)
	b.wantStop("closed, though trusted", tv)
	must(b, b.dp.Heartbeat())
	b.wantPass("alive again", frame)
	must(b, b.dp.SetFailMode(datapath.FailClosedUntrusted))
	time.Sleep(datapath.HeartbeatTimeout + 100*time.Millisecond)
	b.wantStop("untrusted", frame)
	b.wantPass("trusted", tv)
	if got := b.Inward(b, in, tvIn); len(got) != 1 {
		b.Errorf("inward: %d of 2 passed, want the trusted one", len(got))
	}
	if t := b.totals(); t.DroppedFail < 4 {
		b.Errorf("totals %+v, want at least 4 dropped by the fail mode", t)
	}
	must(b, b.dp.SetFailMode(datapath.FailOpen))
	time.Sleep(datapath.HeartbeatTimeout + 100*time.Millisecond)
	b.wantPass("open", frame)
}

// testRestart closes the data path, checks that it works on, and adopts it.
func testRestart(t *testing.T, impl Implementation) {
	dir := t.TempDir()
	b := &bench{Rig: NewRig(t), T: t}
	b.dp = impl.Open(t, dir)
	rule := datapath.Rule{ID: 6, Device: camera, Verdict: datapath.VerdictDrop, Deadline: time.Now().Add(time.Hour).Round(0)}
	b.setRules(rule)
	must(t, b.dp.SetBlocklist([]netip.Prefix{netip.PrefixFrom(victim4, 32)}))
	b.wantStop("before", Frame{Dst: other4}.Build())
	must(t, b.dp.Close())
	if err := b.dp.SetRules(nil); err == nil {
		t.Error("closed data path takes rules")
	}
	if impl.Abandon == nil {
		return
	}
	b.wantStop("while closed", Frame{Dst: other4}.Build())
	b.wantPass("while closed", Frame{Device: television, Dst: other4}.Build())
	b.dp = impl.Open(t, dir)
	defer func() { must(t, b.dp.Detach()) }()
	rules, err := b.dp.Rules()
	must(t, err)
	if diff := cmp.Diff([]datapath.Rule{rule}, rules, compareRules); diff != "" {
		t.Errorf("adopted rules (-want +have):\n%s", diff)
	}
	if h := b.hits(6); h.Packets != 2 {
		t.Errorf("adopted rule has %d hits, want 2", h.Packets)
	}
	b.wantStop("blocked", Frame{Device: television}.Build())
	must(t, b.dp.SetBlocklist(nil))
	b.wantPass("adopted blocklist emptied", Frame{Device: television}.Build())
	b.setRules()
	b.wantPass("adopted rule taken back", Frame{}.Build())
}

// testKilled kills the process that holds the data path.
func testKilled(t *testing.T, impl Implementation) {
	dir := t.TempDir()
	b := &bench{Rig: NewRig(t), T: t}
	impl.Abandon(t, dir)
	b.wantStop("after SIGKILL", Frame{}.Build())
	b.wantPass("after SIGKILL", Frame{Device: television}.Build())
	b.dp = impl.Open(t, dir)
	defer func() { must(t, b.dp.Detach()) }()
	if h := b.hits(AbandonedRules()[0].ID); h.Packets != 1 {
		t.Errorf("rule of the killed process has %d hits, want 1", h.Packets)
	}
	b.wantStop("after adoption", Frame{}.Build())
	b.setRules()
	b.wantPass("after taking the rule back", Frame{}.Build())
}
