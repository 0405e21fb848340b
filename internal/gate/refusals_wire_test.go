package gate

import (
	"net/netip"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/model"
)

// TestBlockedAddressesAreTold: what the kernel's blocklist stops is told by
// device and address, at once and then not again for each packet.
func TestBlockedAddressesAreTold(t *testing.T) {
	w := newRig(t)
	w.cfg.Home.Prefixes = []netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")} // the outside address is in the usual one
	l := &listener{}
	g, stop := w.startWith(l)
	defer stop()
	// The rig's addresses are private, which no set may block: straight into the data path.
	if err := g.dp.SetBlocklist([]netip.Prefix{netip.MustParsePrefix(outsideAddr + "/32")}); err != nil {
		t.Fatal(err)
	}
	c := w.dial(4444)
	defer c.Close()
	for range 50 {
		_, _ = c.Write([]byte("beacon"))
		time.Sleep(20 * time.Millisecond)
	}
	var events []*model.Event
	for range 100 {
		if events = l.of(model.KindListedBlocked); len(events) > 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if e.Device != "mac-020000000a01" || e.Observables[0] != (model.Observable{Type: model.ObservableIP, Value: outsideAddr}) || e.Rule != ruleReputation ||
		e.Observables[1].Value != "4444" || e.Count == 0 || time.Since(e.Time) > time.Minute {
		t.Errorf("%+v", e)
	}
}

func TestRefusalsAreJoined(t *testing.T) {
	var r refusals
	a := netip.MustParseAddr("203.0.113.9")
	now := time.Now()
	told := func(after time.Duration) (n uint64) {
		r.due(now.Add(after), &tellings{}, func(_ refusalKey, e *refused) { n += e.count })
		return n
	}
	add := func(n uint64) { r.add(&datapath.Refusal{Outside: a, Packets: n, Last: now}) }
	add(3)
	if n := told(0); n != 3 {
		t.Errorf("first: %d", n)
	}
	add(2)
	add(5)
	if n := told(time.Second); n != 0 {
		t.Errorf("again after a second: %d", n)
	}
	if n := told(repeatTold); n != 7 {
		t.Errorf("after the time: %d", n)
	}
	if told(2 * repeatTold); len(r.list) != 0 {
		t.Errorf("a quiet one is kept: %v", r.list)
	}
	for i := range maxRefusals + 9 {
		r.add(&datapath.Refusal{Outside: netip.AddrFrom4([4]byte{1, 2, byte(i >> 8), byte(i)}), Packets: 1})
	}
	if len(r.list) != maxRefusals || r.lost != 9 {
		t.Errorf("%d kept, %d lost", len(r.list), r.lost)
	}
	g := &Gate{}
	g.list(t, 1, object(t, canon.Address, "203.0.113.9"))
	if e := g.refusalEvent(refusalKey{outside: a}, &refused{count: 1}); e.Severity != model.SeverityHigh {
		t.Errorf("outward: %+v", e)
	}
	if e := g.refusalEvent(refusalKey{outside: a, inward: true}, &refused{count: 1}); e.Severity != model.SeverityLow {
		t.Errorf("inward: %+v", e)
	}
}
