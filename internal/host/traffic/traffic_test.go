package traffic

import (
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
)

// packet makes an IPv4 packet with the given transport bytes.
func packet(proto byte, src, dst string, transport []byte) []byte {
	b := make([]byte, 20, 20+len(transport))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(transport)))
	s, d := netip.MustParseAddr(src).As4(), netip.MustParseAddr(dst).As4()
	copy(b[12:], s[:])
	copy(b[16:], d[:])
	return append(b, transport...)
}

func tcp(flags byte, payload string) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, 40000)
	binary.BigEndian.PutUint16(b[2:], 80)
	b[12], b[13] = 0x50, flags
	return append(b, payload...)
}

func udp(to uint16) []byte {
	b := make([]byte, 8)
	binary.BigEndian.PutUint16(b, 40000)
	binary.BigEndian.PutUint16(b[2:], to)
	return b
}

func v6(next byte, rest []byte) []byte {
	b := make([]byte, 40)
	b[0], b[6] = 0x60, next
	return append(b, rest...)
}

func TestClassOfPackets(t *testing.T) {
	const a, b = "192.0.2.1", "192.0.2.2"
	fragment := packet(17, a, b, udp(53))
	binary.BigEndian.PutUint16(fragment[6:], 100)
	for _, c := range []struct {
		name  string
		ether uint16
		data  []byte
		class Class
		http  bool
		port  uint16
	}{
		{"syn", etherIPv4, packet(6, a, b, tcp(tcpSyn, "")), ClassSYN, false, 80},
		{"syn ack", etherIPv4, packet(6, a, b, tcp(tcpSyn|tcpAck, "")), ClassTCP, false, 80},
		{"bare ack", etherIPv4, packet(6, a, b, tcp(tcpAck, "")), ClassACK, false, 80},
		{"data", etherIPv4, packet(6, a, b, tcp(tcpAck, "hello, hello")), ClassTCP, false, 80},
		{"request", etherIPv4, packet(6, a, b, tcp(tcpAck, "GET / HTTP/1.1\r\n")), ClassTCP, true, 80},
		{"post", etherIPv4, packet(6, a, b, tcp(tcpAck, "POST /x HTTP/1.1\r\n")), ClassTCP, true, 80},
		{"dns", etherIPv4, packet(17, a, b, udp(53)), ClassDNS, false, 53},
		{"udp", etherIPv4, packet(17, a, b, udp(5004)), ClassUDP, false, 5004},
		{"fragment", etherIPv4, fragment, ClassUDP, false, 0},
		{"icmp", etherIPv4, packet(1, a, b, []byte{8, 0, 0, 0}), ClassICMP, false, 0},
		{"gre", etherIPv4, packet(47, a, b, []byte{0, 0, 8, 0}), ClassOther, false, 0},
		{"vlan", etherVLAN, append([]byte{0, 5, 8, 0}, packet(17, a, b, udp(53))...), ClassDNS, false, 53},
		{"udp over v6", etherIPv6, v6(17, udp(9)), ClassUDP, false, 9},
		{"options, udp", etherIPv6, v6(0, append([]byte{17, 0, 0, 0, 0, 0, 0, 0}, udp(9)...)), ClassUDP, false, 9},
		{"neighbour", etherIPv6, v6(58, []byte{135, 0, 0, 0}), ClassOther, false, 0},
		{"echo", etherIPv6, v6(58, []byte{128, 0, 0, 0}), ClassICMP, false, 0},
	} {
		var h head
		if !h.parse(c.ether, c.data, len(c.data)) || h.class != c.class || h.http != c.http || h.dstPort != c.port {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
	var h head
	for _, bad := range [][]byte{nil, {0x45}, make([]byte, 20), packet(6, a, b, nil)[:19]} {
		if h.parse(etherIPv4, bad, len(bad)) {
			t.Errorf("%x was taken", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(uint16(etherIPv4), packet(6, "192.0.2.1", "192.0.2.2", tcp(tcpAck, "GET / HTTP/1.1")), 1500)
	f.Add(uint16(etherIPv6), v6(44, append([]byte{17, 0, 0, 0, 0, 0, 0, 0}, udp(9)...)), 100)
	f.Fuzz(func(t *testing.T, ether uint16, b []byte, size int) {
		var h head
		if h.parse(ether, b, max(size, len(b))) && h.class >= NumClasses {
			t.Fatalf("class %d", h.class)
		}
	})
}

// The table against a plain map, while everything fits.
func TestTableCountsLikeAMap(t *testing.T) {
	var tab table
	var s Sample
	want := map[[16]byte]float64{}
	for i := range 5000 {
		dst := netip.AddrFrom4([4]byte{10, 0, byte(i % 7), byte(i % 11)}).As16()
		h := head{dst: dst, class: ClassUDP, proto: 17, length: 100, dstPort: 9, srcPort: uint16(i)}
		tab.out(&h, int64(i+1), 1, &s)
		want[dst]++
	}
	if s.Evicted != 0 {
		t.Fatalf("%d evicted", s.Evicted)
	}
	got := 0
	tab.drain(4, 1, func(f *Flow) {
		got++
		if f.Packets != 4*want[f.Dst] || f.Port != 9 || f.PortShare != f.Sampled || f.Len != 100 || f.First == 0 || f.Last < f.First {
			t.Errorf("%v: %+v", f.Address(), f)
		}
	})
	if got != len(want) {
		t.Errorf("%d flows, want %d", got, len(want))
	}
	tab.drain(1, 1, func(f *Flow) { t.Errorf("drained twice: %v", f.Address()) })
}

func TestTableKeepsTheBigOnesWhenFull(t *testing.T) {
	var tab table
	var s Sample
	big := head{dst: netip.MustParseAddr("192.0.2.2").As16(), class: ClassSYN, proto: 6}
	for i := range 200_000 {
		if i%10 == 0 {
			tab.out(&big, int64(i+1), 1, &s)
		}
		small := head{class: ClassSYN, proto: 6}
		binary.BigEndian.PutUint32(small.dst[12:], uint32(i)*2654435761)
		tab.out(&small, int64(i+1), 1, &s)
	}
	found := 0.0
	tab.drain(1, 1, func(f *Flow) {
		if f.Dst == big.dst {
			found = f.Packets
		}
	})
	if found < 19_000 || s.Total[ClassSYN] != 220_000 {
		t.Errorf("the big one has %v of 20000; all %v", found, s.Total[ClassSYN])
	}
}

func TestAnswersAndForgedSources(t *testing.T) {
	var tab table
	var s Sample
	own, peer := netip.MustParseAddr("192.0.2.1").As16(), netip.MustParseAddr("192.0.2.2").As16()
	tab.own.addrs[0], tab.own.n = own, 1
	out := head{src: own, dst: peer, class: ClassUDP, proto: 17}
	tab.out(&out, 1, 1, &s)
	for range 300 {
		forged := out
		binary.BigEndian.PutUint32(forged.src[12:], 0xc6336400+uint32(s.Total[ClassSpoofed]))
		tab.out(&forged, 1, 1, &s)
	}
	answer := head{src: peer, dst: own, proto: 17}
	refusal := head{src: peer, dst: own, proto: 17, refusal: true}
	tab.back(&answer, 1)
	tab.back(&refusal, 1)
	tab.drain(1, 1, func(f *Flow) {
		switch f.Class {
		case ClassUDP:
			if f.Packets != 1 || f.Back != 1 || f.Sources() != 1 {
				t.Errorf("%+v", f)
			}
		case ClassSpoofed:
			if f.Packets != 300 || f.Sources() < 150 || f.Sources() > 600 {
				t.Errorf("%v packets, %d sources", f.Packets, f.Sources())
			}
		default:
			t.Errorf("class %d", f.Class)
		}
	})
}

func TestNoAllocationPerPacket(t *testing.T) {
	tab := new(table)
	var s Sample
	p := packet(17, "192.0.2.1", "192.0.2.2", udp(9))
	if n := testing.AllocsPerRun(1000, func() {
		var h head
		h.parse(etherIPv4, p, len(p))
		tab.out(&h, 1, 1, &s)
		tab.back(&h, 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSamplingFollowsTheRate(t *testing.T) {
	shift := step(0, 10_000)
	if got := 10_000 / math.Exp2(float64(shift)); got > budget || got < budget/4 {
		t.Errorf("10000 packets at shift %d", shift)
	}
	for range 20 {
		shift = step(shift, 3)
	}
	if shift != 0 {
		t.Errorf("a quiet line stays at shift %d", shift)
	}
}
