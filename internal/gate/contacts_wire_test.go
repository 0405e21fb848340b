package gate

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/model"
)

// strangers gives the outside public addresses, and the device the way there.
func (w *rig) strangers(addrs ...string) {
	w.t.Helper()
	for _, a := range addrs {
		p := netlink.NewIPNet(net.ParseIP(a))
		_, err := within(w.outside, func() (struct{}, error) {
			l, err := netlink.LinkByName("eth0")
			if err != nil {
				return struct{}{}, err
			}
			return struct{}{}, netlink.AddrAdd(l, &netlink.Addr{IPNet: p})
		})
		if err == nil {
			_, err = within(w.device, func() (struct{}, error) {
				l, err := netlink.LinkByName("eth0")
				if err != nil {
					return struct{}{}, err
				}
				return struct{}{}, netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: p, Gw: net.ParseIP(outsideAddr)})
			})
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// ask opens a connection from the device and says something.
func (w *rig) ask(addr, text string) error {
	c, err := within(w.device, func() (net.Conn, error) { return net.DialTimeout("tcp4", addr, 5*time.Second) })
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1000))
	return err
}

// TestContactsOnTheWire has a device speak with strangers through a real gate:
// by a name in DNS, by one in HTTP, without a name, without an answer, and as
// the one who is asked.
func TestContactsOnTheWire(t *testing.T) {
	w := inspected(t, model.ModeObserve, "")
	w.strangers("203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.53")
	w.cfg.Contacts.Interval = 3 * time.Second
	listen := func(addr string, answer func(net.Conn)) {
		l, err := within(w.outside, func() (net.Listener, error) { return net.Listen("tcp4", addr) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				go func() { defer c.Close(); answer(c) }()
			}
		}()
	}
	echo := func(c net.Conn) { _, _ = io.Copy(c, c) }
	listen("203.0.113.10:8883", echo)
	listen("203.0.113.11:80", answerHTTP)
	listen("203.0.113.12:2323", echo)
	w.answerDNS("203.0.113.53:53", "203.0.113.10")
	camera, err := within(w.device, func() (net.Listener, error) { return net.Listen("tcp4", ":554") })
	if err != nil {
		t.Fatal(err)
	}
	defer camera.Close()
	go func() {
		for c, err := camera.Accept(); err == nil; c, err = camera.Accept() {
			go func() { defer c.Close(); echo(c) }()
		}
	}()

	l := &listener{}
	_, stop := w.startWith(l)
	if err := w.lookUp("203.0.113.53:53", "broker.example."); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err = errors.Join(err, w.ask("203.0.113.10:8883", "hello"))
	}
	err = errors.Join(err, w.ask("203.0.113.11:80", "GET / HTTP/1.1\r\nHost: www.shop.example\r\n\r\n"), w.ask("203.0.113.12:2323", "x"), w.askFrom("203.0.113.12", deviceAddr+":554"))
	if err != nil {
		t.Fatal(err)
	}
	_ = w.ask("203.0.113.12:9999", "") // refused
	deadline := time.Now().Add(20 * time.Second)
	for len(l.of(model.KindContact)) < 6 && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
	}
	if c := w.status().Contacts; c == nil || c.Told < 6 {
		t.Errorf("status %+v", c)
	}
	stop()
	got := map[string]string{}
	for _, e := range l.of(model.KindContact) {
		if e.Severity != model.SeverityInfo || e.Device != "mac-020000000a01" || e.Last.Before(e.Time) {
			t.Errorf("event %+v", e)
		}
		text := ""
		for _, o := range e.Observables {
			text += string(o.Type) + "=" + o.Value + " "
		}
		got[text] = fmt.Sprint(e.Subject, " ", e.Rule, " ", e.Count)
		t.Log(e.Explanation)
	}
	want := map[string]string{
		"ip=203.0.113.53 port=53 protocol=udp ":                         "203.0.113.53 contact.out 1",
		"domain=broker.example ip=203.0.113.10 port=8883 protocol=tcp ": "broker.example contact.out 3",
		"domain=www.shop.example ip=203.0.113.11 port=80 protocol=tcp ": "www.shop.example contact.out 1",
		"ip=203.0.113.12 port=2323 protocol=tcp ":                       "203.0.113.12 contact.out 1",
		"ip=203.0.113.12 port=9999 protocol=tcp ":                       "203.0.113.12 contact.out 1",
		"ip=203.0.113.12 port=554 protocol=tcp class=inbound ":          "203.0.113.12 contact.in 1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("contacts (-want +got):\n%s", d)
	}
}

// answerDNS answers every question outside with one address.
func (w *rig) answerDNS(at, addr string) {
	pc, err := within(w.outside, func() (net.PacketConn, error) { return net.ListenPacket("udp4", at) })
	if err != nil {
		w.t.Fatal(err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		alias, _ := dns.NewRR(q.Question[0].Name + " 60 IN CNAME edge.cdn.example.")
		rr, _ := dns.NewRR("edge.cdn.example. 60 IN A " + netip.MustParseAddr(addr).String())
		m.Answer = append(m.Answer, alias, rr)
		_ = rw.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	w.t.Cleanup(func() { _ = s.Shutdown() })
}

// lookUp asks a server for a name.
func (w *rig) lookUp(server, name string) error {
	c, err := within(w.device, func() (net.Conn, error) { return net.Dial("udp4", server) })
	if err != nil {
		return err
	}
	d := &dns.Conn{Conn: c}
	defer d.Close()
	_ = d.SetDeadline(time.Now().Add(2 * time.Second))
	if err := d.WriteMsg(new(dns.Msg).SetQuestion(name, dns.TypeA)); err != nil {
		return err
	}
	_, err = d.ReadMsg()
	return err
}

// askFrom opens a connection from an address outside to the device.
func (w *rig) askFrom(from, to string) error {
	c, err := within(w.outside, func() (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
		return d.Dial("tcp4", to)
	})
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := io.WriteString(c, "x"); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 10))
	return err
}

// TestContactsByPolicy: what the policy keeps is neither told nor remembered.
func TestContactsByPolicy(t *testing.T) {
	key := datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 0x0a, 1}}
	other := datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 0x0a, 2}}
	l := &listener{}
	g := &Gate{link: l, cfg: Default()}
	count := func(d datapath.DeviceKey, port uint16) {
		g.takeContact(&datapath.FlowCounter{FlowKey: datapath.FlowKey{Device: d, Dst: netip.MustParseAddr("203.0.113.7"), Proto: 6, DstPort: port},
			Packets: 1, Syn: 1, First: time.Now(), Last: time.Now()})
	}
	now := time.Now()
	scan := func(port uint16) int {
		now = now.Add(contactEvery)
		g.beginContacts(now)
		count(key, port)
		count(other, port)
		now = now.Add(g.cfg.Contacts.Interval)
		g.tellContacts(now)
		n := len(l.events)
		l.events = nil
		return n
	}
	if n := scan(1); n != 2 {
		t.Errorf("%d contacts are told, want 2", n)
	}
	g.policy.ContactsDevices = map[model.DeviceID]model.Mode{"mac-020000000a01": model.ModeOff}
	if n := scan(2); n != 1 {
		t.Errorf("with one device off %d are told, want 1", n)
	}
	g.policy.Contacts, g.policy.ContactsDevices = model.ModeOff, nil
	if n := scan(3); n != 0 {
		t.Errorf("with all off %d are told", n)
	}
	g.policy.Contacts = ""
	g.cfg.Contacts.Enabled = false
	if n := scan(4); n != 0 || g.contacts.book != nil {
		t.Errorf("switched off on the gate, %d are told", n)
	}
}
