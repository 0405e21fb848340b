package gate

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/afxdp"
	"github.com/masugata/masugata/internal/model"
)

// inspects says whether nothing is missing of the inspection.
func inspects(s Status) (ok bool, why string) {
	for _, c := range s.Coverage {
		if c.Protection == "inspection" {
			return c.Active, c.Reason
		}
	}
	return false, "unknown"
}

// TestReloadTriesSocketsAgain: somebody else has the queues when the gate
// starts; once they are free a reload has traffic inspected.
func TestReloadTriesSocketsAgain(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	w.cfg.FailMode = "closed"
	w.serve(80, answerHTTP)
	other, err := within(w.gate, func() (*afxdp.Crossing, error) {
		return afxdp.Open(afxdp.Config{Inside: "in", Outside: "out", Bind: func(datapath.Side, int, int, int) error { return nil }})
	})
	if err != nil {
		t.Fatal(err)
	}
	reload := make(chan Config)
	stop := w.start(testLog(t), reload)
	defer func() { stop() }()
	if ok, why := inspects(w.status()); ok || !strings.Contains(why, "bind") {
		t.Fatalf("inspection active %v: %q, want that the sockets cannot be bound", ok, why)
	}
	if got, err := w.get("/"); err == nil {
		t.Errorf("nobody inspects, but answered: %q", got)
	}
	reload <- w.cfg // in vain
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	w.until("inspected after a reload", func(s Status) bool {
		if ok, _ := inspects(s); ok {
			return true
		}
		reload <- w.cfg // the kernel gives queues back a little later
		return false
	})
	if got, err := w.get("/"); err != nil || !strings.HasSuffix(got, "hello") {
		t.Errorf("GET /: %q, %v", got, err)
	}
	if got, err := w.get("/cgi-bin/exploit"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the exploit was answered: %q, %v", got, err)
	}
	if ok, why := inspects(w.status()); !ok {
		t.Errorf("after more reloads: %s", why)
	}
}

// TestReloadReadsRulesAgain: rules that could not be read at the start are
// read by a reload.
func TestReloadReadsRulesAgain(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	w.serve(80, answerHTTP)
	rules := w.cfg.Inspection.Rules[0]
	if err := os.Rename(rules, rules+".away"); err != nil {
		t.Fatal(err)
	}
	reload := make(chan Config)
	stop := w.start(testLog(t), reload)
	defer func() { stop() }()
	if ok, why := inspects(w.status()); ok {
		t.Fatalf("inspected without rules: %q", why)
	}
	if err := os.Rename(rules+".away", rules); err != nil {
		t.Fatal(err)
	}
	reload <- w.cfg
	w.until("inspected after a reload", func(s Status) bool { ok, _ := inspects(s); return ok })
	if got, err := w.get("/cgi-bin/exploit"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the exploit was answered: %q, %v", got, err)
	}
}

// TestFirstStartClosed: with the fail mode closed nothing passes uninspected
// while a gate starts for the first time, however fast it comes.
func TestFirstStartClosed(t *testing.T) {
	w := inspected(t, model.ModeEnforce, testRules)
	w.cfg.FailMode, w.cfg.Flood.Mode = "closed", model.ModeObserve
	// Known beforehand, because nobody answers before the gate runs.
	if _, err := within(w.device, func() (struct{}, error) {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, netlink.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: net.ParseIP(outsideAddr), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0x0b, 1}})
	}); err != nil {
		t.Fatal(err)
	}
	s := w.sink()
	done := make(chan int)
	go func() {
		_, sent := w.flood(20000, 6*time.Second)
		done <- sent
	}()
	stop := w.start(testLog(t), nil)
	defer func() { stop() }()
	st := w.until("inspecting", func(s Status) bool { return s.Totals.Inspected > 1000 })
	if st.Totals.Forwarded != st.Totals.Settled || st.Totals.Uninspected > 0 {
		t.Errorf("totals %+v: want that the kernel forwards nothing by itself", st.Totals)
	}
	sent := <-done
	t.Logf("%d of %d packets arrived, totals %+v", s.count.Load(), sent, st.Totals)
}
