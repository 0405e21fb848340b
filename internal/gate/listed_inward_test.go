package gate

import (
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/model"
)

// TestOutsideAsksInVain: a query for a listed name that comes from outside is
// stopped without an answer, which would go to whoever it claims to be from, and
// is no sign that the device was taken over.
func TestOutsideAsksInVain(t *testing.T) {
	w := inspected(t, model.ModeObserve, testRules)
	l := &listener{}
	g, stop := w.startWith(l)
	defer stop()
	g.list(t, 1, canon.Widen(object(t, canon.Domain, "evil.example")))
	c, err := within(w.outside, func() (net.Conn, error) { return net.Dial("udp4", deviceAddr+":53") })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(500 * time.Millisecond))
	conn := &dns.Conn{Conn: c}
	if err := conn.WriteMsg(new(dns.Msg).SetQuestion("c2.evil.example.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	if m, err := conn.ReadMsg(); err == nil {
		t.Errorf("an answer: %v", m)
	}
	var events []*model.Event
	for range 100 {
		if events = l.of(model.KindListedBlocked); len(events) > 0 {
			break
		}
		time.Sleep(30 * time.Millisecond)
	}
	if len(events) != 1 || events[0].Severity != model.SeverityLow || events[0].Subject != "c2.evil.example" || events[0].Device == "" {
		t.Errorf("told %+v", events)
	}
	if s := w.status(); s.Inspection.Denied != 0 || s.Inspection.ListedStopped != 1 {
		t.Errorf("%+v", s.Inspection)
	}
}
