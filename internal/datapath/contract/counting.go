package contract

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/masugata/masugata/internal/datapath"
)

func testForward(b *bench) {
	arp := pad([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x0a\x01\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"))
	spanning := pad([]byte("\x01\x80\xc2\x00\x00\x01\x02\x00\x00\x00\x0a\x01\x00\x26\x42\x42\x03\x00\x00"))
	frames := map[string]Frame{
		"IPv4 UDP":             {SrcPort: 1000, DstPort: 2000, Payload: []byte("hello")},
		"IPv4 options":         {Options: []byte{0x94, 4, 0, 0, 1, 1, 1, 0}, Payload: []byte("router alert")},
		"IPv4 first fragment":  {Fragment: 0x2000, Payload: bytes.Repeat([]byte("a"), 512)},
		"IPv4 later fragment":  {Fragment: 0x0040, Payload: []byte("rest")},
		"TCP":                  {Proto: 6, Flags: 2, DstPort: 80},
		"ICMP":                 {Proto: 1, SrcPort: 8},
		"SCTP":                 {Proto: 132, Payload: make([]byte, 12)},
		"GRE":                  {Proto: 47, Payload: make([]byte, 12)},
		"largest":              {Payload: bytes.Repeat([]byte("x"), 1472)},
		"IPv6 UDP":             {Src: camera6, DstPort: 53, Payload: []byte("hello v6 is here")},
		"IPv6 neighbour":       {Src: camera6, Proto: 58, SrcPort: 135},
		"IPv6 hop-by-hop":      {Src: camera6, Next: 0, Options: []byte{17, 0, 5, 2, 0, 0, 1, 0}, Payload: []byte("mld")},
		"IPv6 later fragment":  {Src: camera6, Next: 44, Options: []byte{17, 0, 0x01, 0x00, 0, 0, 0, 9}, Payload: make([]byte, 64)},
		"mDNS":                 {Dst: netip.MustParseAddr("224.0.0.251"), SrcPort: 5353, DstPort: 5353, Payload: make([]byte, 20)},
		"VLAN":                 {Device: datapath.DeviceKey{MAC: camera.MAC, VLAN: 12}, DstPort: 7},
		"QinQ":                 {Device: datapath.DeviceKey{MAC: camera.MAC, VLAN: 12}, Tags: []uint16{34}, DstPort: 7},
		"priority tag":         {Tags: []uint16{0xe000}, DstPort: 7},
		"three tags":           {Tags: []uint16{1, 2, 3}, DstPort: 7},
		"VLAN with priority 5": {Tags: []uint16{5<<13 | 9}, DstPort: 7},
	}
	raw := map[string][]byte{"ARP": arp, "LLC": spanning}
	for name, f := range frames {
		raw[name] = f.Build()
	}
	for name, frame := range raw {
		b.wantPass(name, frame)
	}
	for name, f := range frames {
		f.Inward = true
		frame := f.Build()
		if got := b.Inward(b, frame); len(got) != 1 || !bytes.Equal(got[0], frame) {
			b.Errorf("%s inward: arrived %x, want %x", name, got, frame)
		}
	}
	if t := b.totals(); t.Forwarded < uint64(len(raw)+len(frames)) || t.Malformed != 0 {
		b.Errorf("totals %+v, want %d forwarded and none malformed", t, len(raw)+len(frames))
	}
}

// testTCP moves a megabyte through a real connection.
func testTCP(b *bench) {
	const size = 1 << 20
	address := func(name, cidr string) {
		l, err := netlink.LinkByName(name)
		must(b, err)
		a, err := netlink.ParseAddr(cidr)
		must(b, err)
		must(b, netlink.AddrAdd(l, a))
	}
	var listener net.Listener
	b.InRouter(b, func() {
		var err error
		address(b.out.name, "192.168.7.1/24")
		listener, err = net.Listen("tcp4", "192.168.7.1:8080")
		must(b, err)
	})
	defer listener.Close()
	received := make(chan int64, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			received <- -1
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c) // an error shows in n
		received <- n
	}()
	b.InDevice(b, func() {
		address(b.in.name, "192.168.7.11/24")
		c, err := net.DialTimeout("tcp4", "192.168.7.1:8080", 3*time.Second)
		must(b, err)
		must(b, c.SetDeadline(time.Now().Add(10*time.Second)))
		if _, err := c.Write(make([]byte, size)); err != nil {
			b.Errorf("send: %v", err)
		}
		must(b, c.Close())
	})
	if n := <-received; n != size {
		b.Errorf("received %d bytes, want %d", n, size)
	}
}

func testFlows(b *bench) {
	syn := Frame{Proto: 6, SrcPort: 4000, DstPort: 80, Flags: 2}
	ack := Frame{Proto: 6, SrcPort: 4001, DstPort: 80, Flags: 16}
	get := Frame{Proto: 6, SrcPort: 4002, DstPort: 80, Flags: 24, Payload: []byte("GET / HTTP/1.1\r\n\r\n")}
	query := Frame{SrcPort: 5000, DstPort: 53, Payload: []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}}
	answer := Frame{SrcPort: 5000, DstPort: 53, Payload: []byte{0, 1, 0x81, 0, 0, 1, 0, 0, 0, 0, 0, 0}}
	fragment := Frame{Fragment: 0x20, Payload: make([]byte, 32)}
	v6 := Frame{Src: camera6, SrcPort: 9, DstPort: 99, Payload: make([]byte, 52)}
	for _, f := range []Frame{syn, ack, ack, get, query, query, answer, fragment, v6} {
		b.wantPass("frame", f.Build())
	}
	flows := b.flows()
	web := flows[datapath.FlowKey{Device: camera, Dst: victim4, Proto: 6, DstPort: 80}]
	if web.Packets != 4 || web.Syn != 1 || web.BareAck != 2 || web.HTTPRequests != 1 || web.Bytes != 40*4+18 {
		b.Errorf("web flow %+v", web)
	}
	if web.LenMin != 40 || web.LenMax != 58 || web.SrcPortMin != 4000 || web.SrcPortMax != 4002 || web.TCPFlagsOr != 26 || web.TCPFlagsAnd != 0 {
		b.Errorf("web flow's range %+v", web)
	}
	if !near(web.First) || !near(web.Last) || web.Last.Before(web.First) {
		b.Errorf("web flow from %v to %v", web.First, web.Last)
	}
	dns := flows[datapath.FlowKey{Device: camera, Dst: victim4, Proto: 17, DstPort: 53}]
	if dns.Packets != 3 || dns.DNSQueries != 2 {
		b.Errorf("DNS flow %+v", dns)
	}
	if f := flows[datapath.FlowKey{Device: camera, Dst: victim4, Proto: 17}]; f.Packets != 1 || f.Bytes != 52 {
		b.Errorf("fragment flow %+v", f)
	}
	if f := flows[datapath.FlowKey{Device: camera, Dst: victim6, Proto: 17, DstPort: 99}]; f.Packets != 1 || f.Bytes != 100 {
		b.Errorf("IPv6 flow %+v", f)
	}
}

func testAnswers(b *bench) {
	out := Frame{SrcPort: 4000, DstPort: 443, Payload: make([]byte, 12)}
	in := out
	in.Inward, in.Payload = true, make([]byte, 72)
	b.Inward(b, in.Build()) // unasked: counted nowhere
	b.wantPass("question", out.Build())
	b.Inward(b, in.Build(), in.Build())
	f := b.flows()[datapath.FlowKey{Device: camera, Dst: victim4, Proto: 17, DstPort: 443}]
	if f.Packets != 1 || f.BackPackets != 2 || f.BackBytes != 200 {
		b.Errorf("flow %+v, want 1 packet out and 2 back", f)
	}
	stray := in
	stray.DstPort = 444
	b.Inward(b, stray.Build())
	if flows := b.flows(); len(flows) != 1 {
		b.Errorf("an unasked packet made a flow: %v", flows)
	}
	if d := b.device(camera); d.RxPackets != 3 || d.RxBytes != 300 {
		b.Errorf("device received %d packets, %d bytes; want 3, 300", d.RxPackets, d.RxBytes)
	}
}

func testDevices(b *bench) {
	must(b, b.dp.SetInside([]netip.Prefix{home4, home6}, false))
	frames := []struct {
		class datapath.Class
		frame Frame
	}{
		{datapath.ClassSpoofed, Frame{Src: other4, Proto: 6, Flags: 2}},
		{datapath.ClassSYN, Frame{Proto: 6, Flags: 2}},
		{datapath.ClassACK, Frame{Proto: 6, Flags: 16}},
		{datapath.ClassTCP, Frame{Proto: 6, Flags: 18}},
		{datapath.ClassTCP, Frame{Proto: 6, Flags: 16, Payload: []byte("data")}},
		{datapath.ClassDNS, Frame{DstPort: 53}},
		{datapath.ClassUDP, Frame{DstPort: 54}},
		{datapath.ClassICMP, Frame{Proto: 1, SrcPort: 8}},
		{datapath.ClassICMP, Frame{Src: camera6, Proto: 58, SrcPort: 128}},
		{datapath.ClassOther, Frame{Src: camera6, Proto: 58, SrcPort: 135}},
		{datapath.ClassOther, Frame{Proto: 47}},
		{datapath.ClassUDP, Frame{Src: netip.MustParseAddr("169.254.3.4")}},
		{datapath.ClassUDP, Frame{Src: netip.MustParseAddr("fe80::1")}},
		{datapath.ClassUDP, Frame{Src: netip.IPv4Unspecified(), Dst: netip.MustParseAddr("255.255.255.255"), DstPort: 67}},
		{datapath.ClassSpoofed, Frame{Src: netip.MustParseAddr("2001:db8:8::1")}},
	}
	var want [datapath.NumClasses]uint64
	for _, f := range frames {
		b.wantPass("frame", f.frame.Build())
		want[f.class]++
		d := b.device(camera)
		var have [datapath.NumClasses]uint64
		for c := range have {
			have[c] = d.Classes[c].Packets
		}
		if have != want {
			b.Errorf("%+v: classes %v, want %v", f.frame, have, want)
			want = have
		}
	}
	d := b.device(camera)
	if d.TxPackets != uint64(len(frames)) || d.LastSpoofed != netip.MustParseAddr("2001:db8:8::1") || d.LastSource != d.LastSpoofed || d.Dropped != 0 {
		b.Errorf("device %+v", d)
	}
	tagged := datapath.DeviceKey{MAC: camera.MAC, VLAN: 5}
	b.wantPass("tagged", Frame{Device: tagged}.Build())
	if d := b.device(tagged); d.TxPackets != 1 || !near(d.First) {
		b.Errorf("tagged device %+v", d)
	}
}

func testMalformed(b *bench) {
	good := Frame{Proto: 6, Flags: 2, DstPort: 80}.Build()
	mangle := func(f func(b []byte) []byte) []byte { return f(slices.Clone(good)) }
	for name, frame := range map[string][]byte{
		"IPv4 header of 16 bytes":      mangle(func(b []byte) []byte { b[14] = 0x44; return b }),
		"version 5":                    mangle(func(b []byte) []byte { b[14] = 0x55; return b }),
		"longer than the frame":        mangle(func(b []byte) []byte { b[16] = 0xff; return b }),
		"shorter than its TCP header":  mangle(func(b []byte) []byte { b[17] = 30; return b }),
		"TCP header of 4 bytes":        mangle(func(b []byte) []byte { b[14+20+12] = 0x10; return b }),
		"tiny first fragment":          mangle(func(b []byte) []byte { b[17], b[20] = 28, 0x20; return b }),
		"IPv6 header behind the frame": Frame{Src: camera6, Next: 0, Options: []byte{17, 200, 0, 0, 0, 0, 0, 0}}.Build(),
	} {
		before := b.totals().Malformed
		b.wantStop(name, frame)
		if n := b.totals().Malformed - before; n != 1 {
			b.Errorf("%s: counted %d times", name, n)
		}
	}
}

func testAllocations(b *bench) {
	for i := range 50 {
		b.Outward(b, Frame{DstPort: uint16(1 + i)}.Build())
	}
	b.setRules(datapath.Rule{ID: 1, Device: camera})
	onFlow, onDevice, onHits := func(*datapath.FlowCounter) {}, func(*datapath.DeviceCounter) {}, func(*datapath.RuleHits) {}
	allocated := testing.AllocsPerRun(5, func() {
		must(b, b.dp.ReadFlows(onFlow))
		must(b, b.dp.ReadDevices(onDevice))
		must(b, b.dp.ReadHits(onHits))
	})
	if allocated > 0 {
		b.Errorf("reading allocates %v times", allocated)
	}
}
