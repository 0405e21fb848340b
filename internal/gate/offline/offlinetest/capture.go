// Package offlinetest makes small capture files by hand for tests: a web
// request, a name lookup, a ping, and packets that are wrong. It knows frames,
// and nothing of the engine. Only tests of the gate call it.
package offlinetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Kinds of captures that Capture makes.
const (
	Ordinary = "ordinary" // HTTP with a file, DNS, ping
	Odd      = "odd"      // Ordinary, and a packet that is cut off, and one out of its stream
	Offload  = "offload"  // Ordinary with the client's checksums left to its network card
	CutOff   = "cut"      // Ordinary, without the file's last bytes
)

// maker writes frames a millisecond apart.
type maker struct {
	w    *pcapgo.Writer
	now  time.Time
	err  error
	sums bool
}

// Capture makes a capture file.
func Capture(kind string) ([]byte, error) {
	var b bytes.Buffer
	m := &maker{w: pcapgo.NewWriter(&b), now: time.Unix(1_700_000_000, 0), sums: kind != Offload}
	m.err = m.w.WriteFileHeader(1<<16, layers.LinkTypeEthernet)
	switch kind {
	case Ordinary, Odd, Offload, CutOff:
	default:
		return nil, fmt.Errorf("no kind of capture: %q", kind)
	}
	m.lookup()
	m.web()
	m.ping()
	if kind == Odd {
		m.raw([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 40})
		m.tcp(true, 9999, 5, 0, "late", false)
	}
	out := b.Bytes()
	if kind == CutOff {
		out = out[:len(out)-10]
	}
	return out, m.err
}

func (m *maker) raw(frame []byte) {
	m.now = m.now.Add(time.Millisecond)
	if m.err == nil {
		m.err = m.w.WritePacket(gopacket.CaptureInfo{Timestamp: m.now, CaptureLength: len(frame), Length: len(frame)}, frame)
	}
}

// send writes a frame from the client (10.0.0.1) or to it, of or to 192.0.2.80.
func (m *maker) send(client bool, proto layers.IPProtocol, transport gopacket.SerializableLayer, payload string) {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{192, 0, 2, 80}}
	eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	if !client {
		ip.SrcIP, ip.DstIP = ip.DstIP, ip.SrcIP
		eth.SrcMAC, eth.DstMAC = eth.DstMAC, eth.SrcMAC
	}
	if t, ok := transport.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		m.err = t.SetNetworkLayerForChecksum(ip)
	}
	b := gopacket.NewSerializeBuffer()
	opt := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, opt, eth, ip, transport, gopacket.Payload(payload)); err != nil {
		m.err = err
		return
	}
	frame := b.Bytes()
	if client && !m.sums && proto != layers.IPProtocolICMPv4 {
		at := 14 + 20 + 16
		if proto == layers.IPProtocolUDP {
			at = 14 + 20 + 6
		}
		binary.BigEndian.PutUint16(frame[at:], 0x1234)
	}
	m.raw(frame)
}

func (m *maker) tcp(client bool, port layers.TCPPort, seq, ack uint32, payload string, end bool) {
	t := &layers.TCP{SrcPort: port, DstPort: 80, Seq: seq, Ack: ack, ACK: ack != 0, SYN: payload == "" && !end && (ack == 0 || !client && seq == 900), FIN: end, PSH: payload != "", Window: 60000}
	if !client {
		t.SrcPort, t.DstPort = t.DstPort, t.SrcPort
	}
	m.send(client, layers.IPProtocolTCP, t, payload)
}

func (m *maker) web() {
	const port = 40000
	request := "GET /notes.txt HTTP/1.1\r\nHost: www.example.net\r\nUser-Agent: hand\r\n\r\n"
	response := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nplain words\n"
	up, down := uint32(101+len(request)), uint32(901+len(response))
	m.tcp(true, port, 100, 0, "", false)
	m.tcp(false, port, 900, 101, "", false)
	m.tcp(true, port, 101, 901, "", false)
	m.tcp(true, port, 101, 901, request, false)
	m.tcp(false, port, 901, up, response, false)
	m.tcp(true, port, up, down, "", true)
	m.tcp(false, port, down, up+1, "", true)
	m.tcp(true, port, up+1, down+1, "", false)
}

func (m *maker) lookup() {
	name := "\x03www\x07example\x03net\x00\x00\x01\x00\x01"
	m.send(true, layers.IPProtocolUDP, &layers.UDP{SrcPort: 5000, DstPort: 53}, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"+name)
	m.send(false, layers.IPProtocolUDP, &layers.UDP{SrcPort: 53, DstPort: 5000},
		"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"+name+"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x50")
}

func (m *maker) ping() {
	m.send(true, layers.IPProtocolICMPv4, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 1, Seq: 1}, "ping")
	m.send(false, layers.IPProtocolICMPv4, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(0, 0), Id: 1, Seq: 1}, "ping")
}
