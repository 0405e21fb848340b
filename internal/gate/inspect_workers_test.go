package gate

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/masugata/masugata/internal/model"
)

// TestWorkersOnTheWire: many devices' connections, shared among workers on
// ports of several queues, are all inspected whole, before and after the rules
// change.
func TestWorkersOnTheWire(t *testing.T) {
	const workers, devices = 2, 12
	w := inspectedOf(t, workers, model.ModeEnforce, testRules)
	w.cfg.Home.Prefixes = nil
	reload := make(chan Config)
	stop := w.start(testLog(t), reload)
	defer func() { stop() }()
	w.serve(80, answerHTTP)
	addrs := make([]net.IP, devices)
	for i := range addrs {
		addrs[i] = net.IPv4(10, 77, 0, byte(100+i))
		w.address(addrs[i])
	}
	w.all(addrs, func(from net.IP) {
		if err := w.getFrom(from, "/"); err != nil {
			t.Errorf("%v: GET /: %v", from, err)
		}
		if err := w.getFrom(from, "/secret"); err != nil {
			t.Errorf("%v: GET /secret: %v", from, err)
		}
		if err := w.getFrom(from, "/cgi-bin/exploit"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: the exploit was answered: %v", from, err)
		}
	})
	s := w.until("told of all", func(s Status) bool { return s.Inspection.Alerts == 2*devices })
	if n := s.Inspection.Workers; len(n) != workers || n[0] < 20 || n[1] < 20 {
		t.Errorf("frames by worker: %v", n)
	}
	if s.Inspection.RingFull != 0 || s.Totals.Uninspected > w.early {
		t.Errorf("inspection %+v, totals %+v", s.Inspection, s.Totals)
	}
	more := testRules + `drop http any any -> any any (msg:"new"; http.uri; content:"/new"; sid:9;)` + "\n"
	if err := os.WriteFile(w.cfg.Inspection.Rules[0], []byte(more), 0o644); err != nil {
		t.Fatal(err)
	}
	reload <- w.cfg
	w.until("reloaded by every worker", func(s Status) bool { return s.Inspection.Reloads == 1 })
	w.all(addrs, func(from net.IP) {
		if err := w.getFrom(from, "/new"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: stopped by a new rule, but answered: %v", from, err)
		}
	})
}

// all runs f for every address at once.
func (w *rig) all(addrs []net.IP, f func(net.IP)) {
	var wg sync.WaitGroup
	for _, a := range addrs {
		wg.Go(func() { f(a) })
	}
	wg.Wait()
}

// address gives the device another address.
func (w *rig) address(a net.IP) {
	_, err := within(w.device, func() (struct{}, error) {
		l, err := netlink.LinkByName("eth0")
		if err == nil {
			err = netlink.AddrAdd(l, &netlink.Addr{IPNet: &net.IPNet{IP: a, Mask: net.CIDRMask(24, 32)}})
		}
		return struct{}{}, err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// getFrom asks for a path from one of the device's addresses.
func (w *rig) getFrom(from net.IP, path string) error {
	c, err := within(w.device, func() (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: 5 * time.Second}
		return d.Dial("tcp4", fmt.Sprintf("%s:80", outsideAddr))
	})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: camera\r\n\r\n", path); err != nil {
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err = io.ReadFull(c, make([]byte, 20))
	return err
}
