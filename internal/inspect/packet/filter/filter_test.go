package filter_test

import (
	"errors"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/packet/filter"
)

func decoded(t testing.TB, ls ...gopacket.SerializableLayer) *packet.Packet {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, ls...); err != nil {
		t.Fatal(err)
	}
	p := &packet.Packet{}
	packet.NewDecoder(packet.DefaultOptions()).Decode(p, packet.LinkEthernet, b.Bytes(), 0, 1)
	return p
}

func ether(kind layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: kind}
}

func ip4(proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 9, Protocol: proto, SrcIP: []byte{10, 1, 2, 3}, DstIP: []byte{192, 0, 2, 9}}
}

// packets are what the filters below are tried on.
func packets(t testing.TB) map[string]*packet.Packet {
	tcp := &layers.TCP{SrcPort: 40000, DstPort: 22}
	first, later := ip4(layers.IPProtocolUDP), ip4(layers.IPProtocolUDP)
	first.Flags, later.FragOffset = layers.IPv4MoreFragments, 2
	six := &layers.IPv6{Version: 6, HopLimit: 9, NextHeader: layers.IPProtocolUDP,
		SrcIP: []byte{0x20, 1, 0xd, 0xb8, 15: 1}, DstIP: []byte{0x20, 1, 0xd, 0xb8, 15: 2}}
	return map[string]*packet.Packet{
		"tcp":   decoded(t, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolTCP), tcp),
		"vlan":  decoded(t, ether(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 7, Type: layers.EthernetTypeIPv4}, ip4(layers.IPProtocolTCP), tcp),
		"first": decoded(t, ether(layers.EthernetTypeIPv4), first, gopacket.Payload("\x00\x35\x10\x00\x00\x10\x00\x00abcdefgh")),
		"later": decoded(t, ether(layers.EthernetTypeIPv4), later, gopacket.Payload("\x00\x35\x10\x00abcd")),
		"udp6":  decoded(t, ether(layers.EthernetTypeIPv6), six, &layers.UDP{SrcPort: 53, DstPort: 5353}),
		"icmp":  decoded(t, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: 0x800}),
		"arp": decoded(t, ether(layers.EthernetTypeARP), &layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6,
			ProtAddressSize: 4, Operation: 1, SourceHwAddress: make([]byte, 6), SourceProtAddress: []byte{10, 1, 2, 3}, DstHwAddress: make([]byte, 6), DstProtAddress: []byte{10, 9, 9, 9}}),
	}
}

func TestMatch(t *testing.T) {
	all := packets(t)
	for text, want := range map[string][]string{
		"":                                       {"tcp", "vlan", "first", "later", "udp6", "icmp", "arp"},
		"port 22":                                {"tcp", "vlan"},
		"tcp dst port 22":                        {"tcp", "vlan"},
		"src port 22":                            nil,
		"src or dst port 22 and not vlan":        {"tcp"},
		"vlan 7":                                 {"vlan"},
		"vlan 8":                                 nil,
		"udp":                                    {"first", "later", "udp6"},
		"port 53":                                {"first", "udp6"},
		"src and dst portrange 50-6000":          {"first", "udp6"},
		"port 22 or 5353":                        {"tcp", "vlan", "udp6"},
		"host 10.1.2.3":                          {"tcp", "vlan", "first", "later", "icmp", "arp"},
		"10.9.9.9":                               {"arp"},
		"dst net 192.0.2.0/24 && icmp":           {"icmp"},
		"net 10.1":                               {"tcp", "vlan", "first", "later", "icmp", "arp"},
		"ip net 192.0.2.0 mask 255.255.0.0":      {"tcp", "vlan", "first", "later", "icmp"},
		"net 2001:db8::/32":                      {"udp6"},
		"host 2001:db8::2 or arp":                {"udp6", "arp"},
		"not (ip or arp)":                        {"udp6"},
		"!ip6 and (udp or icmp6)":                {"first", "later"},
		"arp or port 22 and vlan":                {"vlan"}, // both bind alike, from the left
		"not host 10.1.2.3 and 192.0.2.9":        nil,
		"host 192.0.2.9 and not 10.1.2.3":        nil,
		"arp host 10.1.2.3":                      {"arp"},
		"ip6 src host 2001:db8::1":               {"udp6"},
		"((port 5353))":                          {"udp6"},
		"udp portrange 5000-6000 or icmp":        {"udp6", "icmp"},
		"not not tcp and not !(not vlan) or arp": {"tcp", "arp"},
	} {
		f, err := filter.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		hit := map[string]bool{}
		for _, name := range want {
			hit[name] = true
		}
		for name, p := range all {
			if f.Match(p) != hit[name] {
				t.Errorf("%q: %s: %v, want %v", text, name, !hit[name], hit[name])
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for text, column := range map[string]int{
		"prot 22": 1, "port": 5, "port x": 6, "host www.example": 6, "port 70000": 6, "(tcp": 5, "tcp)": 4, "tcp udp": 5,
		"net 300/8": 5, "portrange 6": 11, "vlan 5000": 6, "tcp and": 8, "host 10.0.0.1 &": 15, "net 10.0.0.0 mask 255.0.255.0": 19,
		"greater 100": 1, "src": 4,
	} {
		_, err := filter.Parse(text)
		var e *filter.Error
		if !errors.As(err, &e) || e.Column != column {
			t.Errorf("%q: %v, want column %d", text, err, column)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	p := packets(t)["tcp"]
	f, err := filter.Parse("vlan 3 or (host 10.1.2.3 and not port 80)")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { f.Match(p) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"port 22", "not (host 10.0.0.1 or net 10/8) && src or dst portrange 1-2", "vlan 3 or ip6", "((((", "a&b|c!"} {
		f.Add(s)
	}
	all := packets(f)
	f.Fuzz(func(t *testing.T, text string) {
		g, err := filter.Parse(text)
		var e *filter.Error
		if err != nil {
			if !errors.As(err, &e) || e.Column < 1 || e.Column > len(text)+1 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for _, p := range all {
			g.Match(p)
		}
	})
}
