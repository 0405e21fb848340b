package dnsbl

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"

	intel "github.com/masugata/masugata/internal/intel/reputation"
)

// book is a Source of a few objects.
type book struct {
	prefixes map[netip.Prefix]intel.Brief
	names    map[string]intel.Brief // with all below
}

var bot = intel.Brief{Score: 95, Kind: intel.KindBot}

func newBook() *book {
	return &book{
		prefixes: map[netip.Prefix]intel.Brief{
			netip.MustParsePrefix("192.0.2.7/32"): bot, netip.MustParsePrefix("198.51.100.0/24"): {Score: 80, Kind: intel.KindScanner},
			netip.MustParsePrefix("2001:db8::5/128"): bot, netip.MustParsePrefix("203.0.113.1/32"): {Score: 20, Kind: intel.KindSpam},
			netip.MustParsePrefix("203.0.113.2/32"): {Local: intel.LocalDeny}, netip.MustParsePrefix("203.0.113.3/32"): {Score: 0, Local: intel.LocalAllow},
		},
		names: map[string]intel.Brief{"bad.example": {Score: 90, Kind: intel.KindC2}, "good.example": {Local: intel.LocalAllow}},
	}
}

func (b *book) Address(a netip.Addr) intel.Brief {
	for p, brief := range b.prefixes {
		if p.Contains(a) {
			return brief
		}
	}
	return intel.Brief{}
}

func (b *book) Domain(name []byte) intel.Brief {
	for n := name; ; {
		if brief, ok := b.names[string(n)]; ok {
			return brief
		}
		dot := bytes.IndexByte(n, '.')
		if dot < 0 {
			return intel.Brief{}
		}
		n = n[dot+1:]
	}
}

func (b *book) Words(object string) string {
	return object + ` is "bad"; \ ` + strings.Repeat("x", 300)
}
func (b *book) Serial() uint32 { return 42 }

func (b *book) Each(yield func(intel.Object, intel.Brief) bool) {
	for p, brief := range b.prefixes {
		if !yield(intel.Object{Type: intel.TypePrefix, Prefix: p}, brief) {
			return
		}
	}
	for n, brief := range b.names {
		if !yield(intel.Object{Type: intel.TypeDomain, Below: true, Text: n}, brief) {
			return
		}
	}
}

func zones(t testing.TB) *Zones {
	t.Helper()
	z, err := New(Config{Zone: "bl.example.net", RPZ: "rpz.example.net", Least: 75, Source: newBook(),
		Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func query(t testing.TB, name string, typ uint16, edns bool) []byte {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), typ)
	if edns {
		m.SetEdns0(1232, false)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var questions = map[string]byte{ // last byte of the answer; 0: not listed
	"2.0.0.127.bl.example.net": 2, "1.0.0.127.bl.example.net": 0, "test.bl.example.net": 2, "invalid.bl.example.net": 0,
	"7.2.0.192.bl.example.net": 80 + byte(intel.KindBot), "9.100.51.198.bl.example.net": 60 + byte(intel.KindScanner),
	"8.2.0.192.bl.example.net": 0, "1.113.0.203.bl.example.net": 0, "2.113.0.203.bl.example.net": 80, "3.113.0.203.bl.example.net": 0,
	"5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example.net": 80 + byte(intel.KindBot),
	"6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example.net": 0,
	"2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.example.net": 2,
	"1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.example.net": 0,
	"bad.example.bl.example.net": 80 + byte(intel.KindC2), "WWW.Bad.Example.BL.example.net": 80 + byte(intel.KindC2),
	"fine.example.bl.example.net": 0, "good.example.bl.example.net": 0, "256.0.0.1.bl.example.net": 0,
	"127.bl.example.net": 0, "0.0.127.bl.example.net": 0, "2.bl.example.net": 0, "b.d.0.1.0.0.2.bl.example.net": 0, "example.bl.example.net": 0,
	"256.0.bl.example.net": 0,
}

// between are names that are no entries but have entries below them.
var between = map[string]bool{"127.bl.example.net": true, "0.0.127.bl.example.net": true, "2.bl.example.net": true,
	"b.d.0.1.0.0.2.bl.example.net": true, "example.bl.example.net": true}

// TestPolicyBelowList: with the policy zone below the list zone, as configured
// at first, no question for the one is answered by the other.
func TestPolicyBelowList(t *testing.T) {
	z, err := New(Config{Zone: "example.net", RPZ: "rpz.example.net", Least: 75, Source: newBook(),
		Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	for name, answers := range map[string]int{"bad.example.rpz.example.net": 1, "rpz.example.net": 0, "bad.example.example.net": 1} {
		var a dns.Msg
		if err := a.Unpack(z.packet(make([]byte, 0, udpSize), query(t, name, dns.TypeA, false), make([]byte, 256), from)); err != nil {
			t.Fatal(err)
		}
		if a.Rcode != dns.RcodeSuccess || len(a.Answer) != answers {
			t.Errorf("%s: %s", name, &a)
		}
	}
}

// TestListAnswers asks both ways and compares them.
func TestListAnswers(t *testing.T) {
	z := zones(t)
	for name, code := range questions {
		for _, edns := range []bool{false, true} {
			ask := query(t, name, dns.TypeA, edns)
			fast, ok := z.wire(nil, ask, make([]byte, 256))
			if !ok {
				t.Errorf("%s goes the long way", name)
				continue
			}
			var got, want dns.Msg
			if err := got.Unpack(fast); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := want.Unpack(z.slow(make([]byte, 0, udpSize), ask)); err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() {
				t.Errorf("%s: fast\n%s\nlong\n%s", name, &got, &want)
			}
			rcode := dns.RcodeNameError
			if between[name] {
				rcode = dns.RcodeSuccess
			}
			if code == 0 && (got.Rcode != rcode || len(got.Ns) != 1) {
				t.Errorf("%s: %s", name, &got)
			}
			if code != 0 && (len(got.Answer) != 1 || !got.Answer[0].(*dns.A).A.Equal(net.IPv4(127, 0, 0, code))) {
				t.Errorf("%s: want 127.0.0.%d: %s", name, code, &got)
			}
		}
	}
}

func TestFastPathDoesNotAllocate(t *testing.T) {
	z := zones(t)
	ask, out, room := query(t, "7.2.0.192.bl.example.net", dns.TypeA, true), make([]byte, 0, udpSize), make([]byte, 256)
	if n := testing.AllocsPerRun(1000, func() { out, _ = z.wire(out[:0], ask, room) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPacket(f *testing.F) {
	z := zones(f)
	for name := range questions {
		f.Add(query(f, name, dns.TypeA, true))
	}
	f.Add(query(f, "24.0.100.51.198.rpz-ip.rpz.example.net", dns.TypeCNAME, false))
	f.Add([]byte("\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x3f"))
	from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	f.Fuzz(func(t *testing.T, packet []byte) {
		out := z.packet(make([]byte, 0, udpSize), packet, make([]byte, 256), from)
		if len(out) > udpSize {
			t.Fatalf("%d bytes", len(out))
		}
		if len(out) > 0 && new(dns.Msg).Unpack(out) != nil {
			t.Fatalf("% x", out)
		}
	})
}

// start serves on loopback.
func start(t testing.TB, z *Zones) string {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- z.ServeOn(ctx, udp, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return udp.LocalAddr().String()
}

func TestOverTheWire(t *testing.T) {
	addr := start(t, zones(t))
	ask := func(proto, name string, typ uint16) *dns.Msg {
		m := new(dns.Msg)
		m.SetQuestion(name, typ)
		a, _, err := (&dns.Client{Net: proto, Timeout: 5 * time.Second}).Exchange(m, addr)
		if err != nil {
			t.Fatalf("%s %s: %v", proto, name, err)
		}
		return a
	}
	for _, proto := range []string{"udp", "tcp"} {
		a := ask(proto, "7.2.0.192.bl.example.net.", dns.TypeTXT)
		if len(a.Answer) != 1 || !strings.HasPrefix(strings.Join(a.Answer[0].(*dns.TXT).Txt, ""), `192.0.2.7 is \"bad\"; \\ `) {
			t.Errorf("%s: %s", proto, a)
		}
		if a := ask(proto, "7.2.0.192.bl.example.net.", dns.TypeAAAA); a.Rcode != 0 || len(a.Answer) != 0 || len(a.Ns) != 1 {
			t.Errorf("%s: %s", proto, a)
		}
		if a := ask(proto, "elsewhere.example.", dns.TypeA); a.Rcode != dns.RcodeRefused {
			t.Errorf("%s: %s", proto, a)
		}
		for name, target := range map[string]string{"bad.example": ".", "x.bad.example": ".", "*.bad.example": ".", "good.example": "rpz-passthru.",
			"32.7.2.0.192.rpz-ip": ".", "128.5.zz.db8.2001.rpz-ip": "."} {
			a := ask(proto, name+".rpz.example.net.", dns.TypeCNAME)
			if len(a.Answer) != 1 || a.Answer[0].(*dns.CNAME).Target != target {
				t.Errorf("%s %s: %s", proto, name, a)
			}
		}
		if a := ask(proto, "fine.example.rpz.example.net.", dns.TypeCNAME); a.Rcode != dns.RcodeNameError {
			t.Errorf("%s: %s", proto, a)
		}
	}
}

func TestTransfer(t *testing.T) {
	addr := start(t, zones(t))
	m := new(dns.Msg)
	m.SetAxfr("rpz.example.net.")
	in, err := (&dns.Transfer{}).In(m, addr)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	soas := 0
	for e := range in {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		for _, rr := range e.RR {
			switch rr := rr.(type) {
			case *dns.SOA:
				soas++
			case *dns.CNAME:
				got[strings.TrimSuffix(rr.Hdr.Name, ".rpz.example.net.")] = rr.Target
			}
		}
	}
	want := map[string]string{"bad.example": ".", "*.bad.example": ".", "good.example": "rpz-passthru.", "*.good.example": "rpz-passthru.",
		"32.7.2.0.192.rpz-ip": ".", "24.0.100.51.198.rpz-ip": ".", "128.5.zz.db8.2001.rpz-ip": ".", "32.2.113.0.203.rpz-ip": ".",
		"32.3.113.0.203.rpz-ip": "rpz-passthru."}
	if soas != 2 || len(got) != len(want) {
		t.Errorf("%d SOA records, %v", soas, got)
	}
	for name, target := range want {
		if got[name] != target {
			t.Errorf("%s: %q, want %q", name, got[name], target)
		}
	}
}

func TestOwnerNames(t *testing.T) {
	for _, text := range []string{"192.0.2.0/24", "2001:db8::/32", "::1/128", "2001:db8:1:2:3:4:5:6/128", "2001:db8::7/128", "fe80::/10", "1:2:3:4:5:6::/96"} {
		p := netip.MustParsePrefix(text)
		if got, ok := parseOwner(owner(p)); !ok || got != p {
			t.Errorf("%s: %s: %v", text, owner(p), got)
		}
	}
	for _, bad := range []string{"", "33.1.2.0.192", "x", "24", "24.zz.zz.1", "1.2.3"} {
		if p, ok := parseOwner(bad); ok {
			t.Errorf("%q: %v", bad, p)
		}
	}
}

func TestStrangersAreRefused(t *testing.T) {
	z := zones(t)
	out := z.packet(nil, query(t, "7.2.0.192.bl.example.net", dns.TypeA, false), make([]byte, 256), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1)})
	var m dns.Msg
	if err := m.Unpack(out); err != nil || m.Rcode != dns.RcodeRefused || len(m.Answer) != 0 {
		t.Errorf("%v %s", err, &m)
	}
}

// BenchmarkUDP asks and answers over loopback, the asking included.
func BenchmarkUDP(b *testing.B) {
	addr := start(b, zones(b))
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		b.Fatal(err)
	}
	asks := [][]byte{query(b, "7.2.0.192.bl.example.net", dns.TypeA, true), query(b, "8.2.0.192.bl.example.net", dns.TypeA, true),
		query(b, "www.bad.example.bl.example.net", dns.TypeA, true)}
	var lost atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.DialUDP("udp", nil, to)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		conn := ipv4.NewPacketConn(c)
		out, in := make([]ipv4.Message, 32), make([]ipv4.Message, 32)
		for i := range out {
			out[i].Buffers, in[i].Buffers = [][]byte{asks[i%len(asks)]}, [][]byte{make([]byte, udpSize)}
		}
		for more := true; more; {
			n := 0
			for n < len(out) {
				if more = pb.Next(); !more {
					break
				}
				n++
			}
			for sent := 0; sent < n; {
				k, err := conn.WriteBatch(out[sent:n], 0)
				if err != nil {
					b.Error(err)
					return
				}
				sent += k
			}
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			for got := 0; got < n; {
				k, err := conn.ReadBatch(in, 0)
				if err != nil {
					lost.Add(int64(n - got))
					break
				}
				got += k
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
	b.ReportMetric(float64(lost.Load()), "lost")
}
