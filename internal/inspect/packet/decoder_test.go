package packet_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/packet/capture"
)

// build serializes layers with right lengths and checksums.
func build(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func ether(kind layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: kind}
}

func ip4(proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
}

func ip6(proto layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: netip.MustParseAddr("2001:db8::1").AsSlice(), DstIP: netip.MustParseAddr("2001:db8::2").AsSlice()}
}

func tcpOver(n gopacket.NetworkLayer) *layers.TCP {
	l := &layers.TCP{
		SrcPort: 1234, DstPort: 80, Seq: 7, Ack: 9, SYN: true, ACK: true, Window: 1000,
		Options: []layers.TCPOption{
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}},
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{7}},
			{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2},
			{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{0, 0, 0, 1, 0, 0, 0, 2}},
		},
	}
	l.SetNetworkLayerForChecksum(n)
	return l
}

func udpOver(n gopacket.NetworkLayer, port layers.UDPPort) *layers.UDP {
	l := &layers.UDP{SrcPort: 5000, DstPort: port}
	l.SetNetworkLayerForChecksum(n)
	return l
}

func decoder() *packet.Decoder {
	o := packet.DefaultOptions()
	o.Checksums = packet.CheckAll
	return packet.NewDecoder(o)
}

func TestTCP(t *testing.T) {
	n := ip4(layers.IPProtocolTCP)
	frame := build(t, ether(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 7, Type: layers.EthernetTypeIPv4}, n, tcpOver(n), gopacket.Payload("hello"))
	var p packet.Packet
	decoder().Decode(&p, packet.LinkEthernet, frame, 5, 1)
	if p.Invalid || !p.Events.Empty() || p.BadIPSum || p.BadL4Sum || p.Has != packet.HasEthernet|packet.HasIPv4|packet.HasTCP {
		t.Fatalf("%+v", p)
	}
	if p.SrcPort != 1234 || p.MSS != 1460 || p.WScale != 8 || !p.SACKOK || p.TSVal != 1 || p.TSEcr != 2 || p.VLANs != 1 || p.VLAN[0] != 7 || string(p.Payload) != "hello" {
		t.Errorf("%+v", p)
	}
	frame[len(frame)-1]++
	frame[18+8]++ // TTL
	decoder().Decode(&p, packet.LinkEthernet, frame, 5, 1)
	if !p.BadIPSum || !p.BadL4Sum {
		t.Error("wrong checksums pass")
	}
}

func TestTunnels(t *testing.T) {
	inner := func() []gopacket.SerializableLayer {
		n := ip6(layers.IPProtocolUDP)
		return []gopacket.SerializableLayer{n, udpOver(n, 53), gopacket.Payload("query")}
	}
	outer := ip4(layers.IPProtocolUDP)
	for name, ls := range map[string][]gopacket.SerializableLayer{
		"gre":    {ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeIPv6, KeyPresent: true, Key: 9}},
		"6in4":   {ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolIPv6)},
		"vxlan":  {ether(layers.EthernetTypeIPv4), outer, udpOver(outer, 4789), &layers.VXLAN{ValidIDFlag: true, VNI: 5}, ether(layers.EthernetTypeIPv6)},
		"geneve": {ether(layers.EthernetTypeIPv4), outer, udpOver(outer, 6081), &layers.Geneve{Protocol: layers.EthernetTypeTransparentEthernetBridging, VNI: 5}, ether(layers.EthernetTypeIPv6)},
		"teredo": {ether(layers.EthernetTypeIPv4), outer, udpOver(outer, 3544)},
		"mpls":   {ether(layers.EthernetTypeMPLSUnicast), &layers.MPLS{Label: 100, StackBottom: true, TTL: 3}},
		"pppoe":  {ether(layers.EthernetTypePPPoESession), &layers.PPPoE{Version: 1, Type: 1, SessionId: 3}, &layers.PPP{PPPType: layers.PPPTypeIPv6}},
	} {
		frame := build(t, append(ls, inner()...)...)
		var p, q packet.Packet
		d := decoder()
		d.Decode(&p, packet.LinkEthernet, frame, 0, 1)
		got := &p
		if d.Next(&p, &q) {
			within := map[string]packet.Carrier{"gre": packet.WithinGRE, "6in4": packet.WithinIPv4, "vxlan": packet.WithinVXLAN, "geneve": packet.WithinGeneve, "teredo": packet.WithinTeredo}
			if q.Source != packet.SourceTunnel || q.Depth != 1 || q.Within != within[name] {
				t.Errorf("%s: %+v", name, q)
			}
			got = &q
		}
		if got.IPVersion != 6 || got.DstPort != 53 || string(got.Payload) != "query" || got.BadL4Sum {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestICMPQuote(t *testing.T) {
	n := ip4(layers.IPProtocolUDP)
	quoted := build(t, n, udpOver(n, 99))
	frame := build(t, ip4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 4), Seq: 1400}, gopacket.Payload(quoted))
	var p packet.Packet
	decoder().Decode(&p, packet.LinkRaw, frame, 0, 1)
	q, ok := p.Quote()
	if !ok || q.Proto != 17 || q.DstPort != 99 || q.Src != p.Src || p.ICMPMTU != 1400 || p.BadL4Sum {
		t.Errorf("%+v %v of %+v", q, ok, p)
	}
}

func TestEvents(t *testing.T) {
	for i, name := range packet.EventNames() {
		if e, ok := packet.EventByName(name); !ok || int(e) != i || e.String() != name {
			t.Errorf("event %d %q: %v %v", i, name, e, ok)
		}
	}
	if _, ok := packet.EventByName("ipv4.nonsense"); ok {
		t.Error("unknown event found")
	}
	frame := build(t, ip6(layers.IPProtocolTCP))
	for want, change := range map[string]func(b []byte) []byte{
		"ipv6.trunc_pkt":            func(b []byte) []byte { b[5] = 9; return b },
		"ipv6.unknown_next_header":  func(b []byte) []byte { b[6] = 200; return b },
		"ipv6.trunc_exthdr":         func(b []byte) []byte { b[6] = 0; return b },
		"tcp.pkt_too_small":         func(b []byte) []byte { return b },
		"ipv6.pkt_too_small":        func(b []byte) []byte { return b[:39] },
		"ipraw.invalid_ip_version":  func(b []byte) []byte { b[0] = 0x50; return b },
		"ipv4.hlen_too_small":       func(b []byte) []byte { b[0] = 0x44; return b },
		"ipv6.rh_type_0":            func(b []byte) []byte { b[6], b[5] = 43, 8; return append(b, 59, 0, 0, 0, 0, 0, 0, 0) },
		"ipv6.exthdr_useless_fh":    func(b []byte) []byte { b[6], b[5] = 44, 8; return append(b, 59, 0, 0, 0, 0, 0, 0, 1) },
		"ipv6.hopopts_only_padding": func(b []byte) []byte { b[6], b[5] = 0, 8; return append(b, 59, 0, 1, 4, 0, 0, 0, 0) },
	} {
		var p packet.Packet
		decoder().Decode(&p, packet.LinkRaw, change(append([]byte(nil), frame...)), 0, 1)
		if e, _ := packet.EventByName(want); !p.Events.Has(e) {
			t.Errorf("%s is not set: %+v", want, p.Events)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	n := ip4(layers.IPProtocolTCP)
	frame := build(t, ether(layers.EthernetTypeIPv4), n, tcpOver(n), gopacket.Payload(make([]byte, 1400)))
	o := ip4(layers.IPProtocolUDP)
	tunnel := build(t, ether(layers.EthernetTypeIPv4), o, udpOver(o, 4789), &layers.VXLAN{ValidIDFlag: true}, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolESP))
	var p, q packet.Packet
	d := decoder()
	if a := testing.AllocsPerRun(100, func() {
		d.Decode(&p, packet.LinkEthernet, frame, 0, 1)
		d.Decode(&p, packet.LinkEthernet, tunnel, 0, 1)
		d.Next(&p, &q)
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// frames reads the first frames of corpus captures, or skips the test.
func frames(t *testing.T, each func(name string, n int, f capture.Frame)) {
	root := os.Getenv("MASUGATA_CORPUS")
	if root == "" {
		root = "../../../../shared/corpus"
	}
	files, _ := filepath.Glob(filepath.Join(root, "pcap/ndpi/*.pcap*"))
	more, _ := filepath.Glob(filepath.Join(root, "suricata-verify/tests/*/*.pcap"))
	if files = append(files, more...); len(files) == 0 {
		t.Skip("no corpus: set MASUGATA_CORPUS to its folder")
	}
	for _, name := range files {
		in, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := capture.NewReader(in)
		for n := 1; err == nil && n <= 100; n++ {
			var f capture.Frame
			if f, err = r.Next(); err == nil {
				each(filepath.Base(name), n, f)
			}
		}
		in.Close()
	}
}

// TestAgainstGopacket decodes corpus frames beside gopacket and compares what
// both call a TCP segment or UDP datagram.
func TestAgainstGopacket(t *testing.T) {
	d := decoder()
	var p, q packet.Packet
	compared := 0
	frames(t, func(name string, n int, f capture.Frame) {
		d.Decode(&p, f.Link, f.Data, f.Time, uint64(n))
		last := &p
		for d.Next(last, &q) {
			*last = q
		}
		var first gopacket.Decoder
		switch f.Link {
		case packet.LinkEthernet:
			first = layers.LinkTypeEthernet
		case packet.LinkRaw:
			first = layers.LinkTypeRaw
		case packet.LinkLinuxSLL:
			first = layers.LinkTypeLinuxSLL
		default:
			return
		}
		if p.Depth > 0 || p.Events != (packet.Events{}) {
			return
		}
		g := gopacket.NewPacket(f.Data, first, gopacket.DecodeOptions{NoCopy: true, Lazy: true})
		var src, dst uint16
		switch l := g.TransportLayer().(type) {
		case *layers.TCP:
			src, dst = uint16(l.SrcPort), uint16(l.DstPort)
			if p.Has&packet.HasTCP != 0 && (l.Seq != p.Seq || len(l.Contents) != p.L4Header) {
				t.Errorf("%s:%d: TCP differs", name, n)
			}
		case *layers.UDP:
			src, dst = uint16(l.SrcPort), uint16(l.DstPort)
		default:
			return
		}
		compared++
		if p.Has&packet.HasFragment == 0 && (src != p.SrcPort || dst != p.DstPort) {
			t.Errorf("%s:%d: ports %d, %d; gopacket has %d, %d", name, n, p.SrcPort, p.DstPort, src, dst)
		}
	})
	t.Logf("%d packets compared", compared)
}

func FuzzDecode(f *testing.F) {
	n4, n6 := ip4(layers.IPProtocolTCP), ip6(layers.IPProtocolUDP)
	f.Add(uint32(1), build(f, ether(layers.EthernetTypeIPv4), n4, tcpOver(n4), gopacket.Payload("x")))
	f.Add(uint32(101), build(f, n6, udpOver(n6, 3544), gopacket.Payload("x")))
	f.Add(uint32(1), build(f, ether(layers.EthernetTypeMPLSUnicast), &layers.MPLS{Label: 100, StackBottom: true}, ip4(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeIPv4}, ip4(1)))
	f.Add(uint32(1), []byte("000000000000\b\x00G0\x00 0000000000000000000000000000")) // an option runs past the header
	for _, l := range []uint32{0, 9, 51, 104, 105, 113, 127, 192, 239, 276} {
		f.Add(l, make([]byte, 64))
	}
	f.Fuzz(func(t *testing.T, link uint32, data []byte) {
		d := decoder()
		var p, q packet.Packet
		d.Decode(&p, packet.LinkType(link), data, 0, 1)
		for range 20 {
			if end := len(p.L4) - p.L4Header; end < 0 || p.L3Header > len(p.L3) {
				t.Fatalf("header lengths past the data: %+v", p)
			}
			p.Quote()
			if !d.Next(&p, &q) {
				return
			}
			if len(q.Data) > len(p.Data) {
				t.Fatal("a packet inside is longer than the one outside")
			}
			p = q
		}
		t.Fatal("endless tunnels")
	})
}

func BenchmarkDecode(b *testing.B) {
	n := ip4(layers.IPProtocolTCP)
	frame := build(b, ether(layers.EthernetTypeIPv4), n, tcpOver(n), gopacket.Payload(make([]byte, 1400)))
	for name, sums := range map[string]packet.Checksums{"plain": packet.CheckNone, "checksums": packet.CheckAll} {
		b.Run(name, func(b *testing.B) {
			o := packet.DefaultOptions()
			o.Checksums = sums
			d := packet.NewDecoder(o)
			var p packet.Packet
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				d.Decode(&p, packet.LinkEthernet, frame, 0, 1)
			}
		})
	}
}

// TestSum compares the fast checksum with the textbook one.
func TestSum(t *testing.T) {
	n := ip4(layers.IPProtocolUDP)
	for size := range 100 {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i*37 + size)
		}
		frame := build(t, n, udpOver(n, 9), gopacket.Payload(data))
		var p packet.Packet
		decoder().Decode(&p, packet.LinkRaw, frame, 0, 1)
		if p.BadIPSum || p.BadL4Sum || binary.BigEndian.Uint16(p.L4[4:]) != uint16(8+size) {
			t.Fatalf("size %d: checksum judged wrong", size)
		}
	}
}
