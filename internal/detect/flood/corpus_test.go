package flood

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/masugata/masugata/internal/model"
)

// corpus gives the folder of public captures, or skips.
func corpus(t *testing.T) string {
	dir := os.Getenv("MASUGATA_CORPUS")
	if dir == "" {
		t.Skip("MASUGATA_CORPUS is not set: no captures to replay")
	}
	return dir
}

// replay counts a capture as a data path would and scans it at its own pace.
type replay struct {
	*sim
	inside func(src net.HardwareAddr, p gopacket.Packet) bool
	joined bool // all senders are one device
	first  time.Time
	count  int
}

func openCapture(t *testing.T, path string) (gopacket.PacketDataSource, layers.LinkType, func()) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b := bufio.NewReader(f)
	if magic, _ := b.Peek(4); string(magic) == "\n\r\r\n" {
		r, err := pcapgo.NewNgReader(b, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Logf("%s: %v", path, err)
			f.Close()
			return nil, 0, nil
		}
		return r, r.LinkType(), func() { f.Close() }
	}
	r, err := pcapgo.NewReader(b)
	if err != nil {
		t.Logf("%s: %v", path, err)
		f.Close()
		return nil, 0, nil
	}
	return r, r.LinkType(), func() { f.Close() }
}

func (r *replay) file(t *testing.T, path string) {
	src, link, done := openCapture(t, path)
	if src == nil {
		return
	}
	defer done()
	for {
		data, ci, err := src.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Logf("%s: %v", path, err)
			break
		}
		p := gopacket.NewPacket(data, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		r.packet(p, ci.Timestamp)
	}
	r.scan()
	r.scan()
}

// packet moves the clock to the packet's time and counts it.
func (r *replay) packet(p gopacket.Packet, at time.Time) {
	if r.first.IsZero() {
		r.first, r.start, r.now = at, at, at.Add(-5*time.Second) // the gate ran before
	}
	if at.Sub(r.now) > 30*time.Second { // nothing happens in between
		r.now = at.Add(-30 * time.Second)
	}
	for at.Sub(r.now) >= Tick {
		r.scan()
	}
	var dst netip.Addr
	var proto uint8
	var size int
	switch n := p.NetworkLayer().(type) {
	case *layers.IPv4:
		dst, _ = netip.AddrFromSlice(n.DstIP)
		proto, size = uint8(n.Protocol), int(n.Length)
	case *layers.IPv6:
		dst, _ = netip.AddrFromSlice(n.DstIP)
		proto, size = uint8(n.NextHeader), int(n.Length)+40
	default:
		return
	}
	r.ip(p, dst, proto, size, at)
}

func (r *replay) ip(p gopacket.Packet, dst netip.Addr, proto uint8, size int, at time.Time) {
	q := packets{dst: dst.String(), proto: proto, size: size, n: 1}
	var sport uint16
	switch l := p.TransportLayer().(type) {
	case *layers.TCP:
		q.port, sport = uint16(l.DstPort), uint16(l.SrcPort)
		if h := l.LayerContents(); len(h) > 13 {
			q.flags = h[13]
		}
		q.bare = l.ACK && !l.SYN && !l.FIN && !l.RST && len(l.Payload) == 0
		q.http = len(l.Payload) > 4 && strings.Contains("GET POST HEAD PUT ", string(l.Payload[:4]))
	case *layers.UDP:
		q.port, sport = uint16(l.DstPort), uint16(l.SrcPort)
	}
	eth, _ := p.LinkLayer().(*layers.Ethernet)
	r.count++
	if r.inside(mac(eth), p) {
		from := devOf(eth)
		if r.joined {
			from = dev(1)
		}
		r.send(from, q, at)
		return
	}
	src, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
	var to Device
	if eth != nil {
		copy(to.MAC[:], eth.DstMAC)
	}
	k := simKey{to, src, proto, sport}
	if f := r.flows[k]; f != nil {
		f.BackPackets++
		f.BackBytes += uint64(size)
	}
}

func mac(e *layers.Ethernet) net.HardwareAddr {
	if e == nil {
		return nil
	}
	return e.SrcMAC
}

func devOf(e *layers.Ethernet) (d Device) {
	if e != nil {
		copy(d.MAC[:], e.SrcMAC)
	}
	return d
}

// TestCorpusDevicesRaiseNoAlarm replays the set-up of real devices: whatever
// they send in their first minutes, none of it is a flood.
func TestCorpusDevicesRaiseNoAlarm(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(corpus(t), "pcap/iot-sentinel/*/*/*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	files, packets := 0, 0
	for _, dir := range dirs {
		b, err := os.ReadFile(filepath.Join(dir, "_iotdevice-mac.txt"))
		if err != nil {
			continue
		}
		own := strings.TrimSpace(string(b))
		names, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			r := &replay{sim: newSim(t), inside: func(src net.HardwareAddr, _ gopacket.Packet) bool { return src.String() == own }}
			r.file(t, name)
			r.wantNone(name)
			files, packets = files+1, packets+r.count
		}
	}
	t.Logf("%d captures, %d packets, no alarm", files, packets)
	if files == 0 || packets == 0 {
		t.Error("nothing was replayed")
	}
}

// TestCorpusApplicationsRaiseNoAlarm replays captures of some hundred
// applications; each end that a private address speaks from is a device. One
// of them is an attack tool at work and must be told.
func TestCorpusApplicationsRaiseNoAlarm(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(corpus(t), "pcap/ndpi/*.pcap*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	files := 0
	for _, name := range names {
		if strings.HasSuffix(name, ".out") {
			continue
		}
		r := &replay{sim: newSim(t), inside: func(_ net.HardwareAddr, p gopacket.Packet) bool {
			a, ok := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
			return ok && a.IsPrivate()
		}}
		r.file(t, name)
		files++
		if filepath.Base(name) == "synscan.pcap" {
			if v := r.started(); len(v) != 1 || v[0].Vector != model.VectorSYN {
				t.Errorf("a port scan of 2,000 SYNs to one host: got %+v", v)
			}
			continue
		}
		r.wantNone(filepath.Base(name))
	}
	t.Logf("%d captures", files)
}

// TestCorpusFloodsAreDetected replays real floods as if one device sent them.
func TestCorpusFloodsAreDetected(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(corpus(t), "pcap/ddos/*.pcap"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, name := range names {
		r := &replay{sim: newSim(t), joined: true, inside: func(net.HardwareAddr, gopacket.Packet) bool { return true }}
		r.file(t, name)
		v := r.started() // the reflection has UDP and ICMP in it too
		if len(v) == 0 || !slices.ContainsFunc(v, func(x Verdict) bool { return x.Shape.Proto == 6 }) {
			t.Errorf("%s: got %+v, want a TCP flood", filepath.Base(name), v)
			continue
		}
		after := v[0].Detected.Sub(r.first)
		t.Logf("%s: %d packets, %s %v after %v at %.0f packets/s", filepath.Base(name), r.count, v[0].Vector, v[0].Shape, after, v[0].PPS)
		if after > 300*time.Millisecond {
			t.Errorf("%s: detected after %v", filepath.Base(name), after)
		}
	}
}
