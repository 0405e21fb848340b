package contact

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/datapath"
)

var (
	cam   = datapath.DeviceKey{MAC: [6]byte{2, 0, 0, 0, 0, 1}}
	start = time.Unix(1_800_000_000, 0)
)

func counter(dst string, proto uint8, port uint16) datapath.FlowCounter {
	return datapath.FlowCounter{FlowKey: datapath.FlowKey{Device: cam, Dst: netip.MustParseAddr(dst), Proto: proto, DstPort: port},
		Packets: 1, Bytes: 100, SrcPortMin: 40000, SrcPortMax: 40000, First: start, Last: start}
}

// told gives all that was told up to a time.
func told(b *Book, now time.Time) (out []Contact) {
	for _, t := range b.Round(now) {
		out = append(out, t.Contacts...)
	}
	return out
}

func TestSums(t *testing.T) {
	b := New(Config{})
	web := counter("203.0.113.7", 6, 443)
	web.Syn, web.BackPackets, web.BackBytes = 1, 3, 5000
	b.Name(cam, web.Dst, "www.example.net", start)
	b.Flow(&web)
	if got := told(b, start.Add(10*time.Second)); len(got) != 0 {
		t.Errorf("told before the interval is over: %+v", got)
	}
	b.Flow(&web) // nothing new
	b.Round(start.Add(20 * time.Second))
	web.Syn, web.Packets, web.Bytes, web.BackBytes, web.Last = 4, 9, 700, 9000, start.Add(time.Minute)
	b.Flow(&web)
	ssh := counter("198.51.100.9", 6, 51234)
	ssh.TCPFlagsOr, ssh.SrcPortMin, ssh.SrcPortMax, ssh.BackPackets = 0x1a, 22, 22, 2
	b.Flow(&ssh)
	ssh.DstPort = 51235
	b.Flow(&ssh)
	ntp := counter("198.51.100.1", 17, 123)
	b.Flow(&ntp)
	for _, dst := range []string{"192.168.1.1", "224.0.0.251", "100.64.1.1", "ff02::1", "fe80::1"} {
		x := counter(dst, 17, 53)
		b.Flow(&x)
	}
	want := []Contact{
		{Device: cam, Key: Key{Addr: ntp.Dst, Proto: 17, Port: 123}, Flows: 1, Sent: 100, First: start, Last: start},
		{Device: cam, Key: Key{Addr: ssh.Dst, Proto: 6, Port: 22, Inbound: true}, Flows: 2, Sent: 200, Answered: true, First: start, Last: start},
		{Device: cam, Key: Key{Addr: web.Dst, Proto: 6, Port: 443}, Name: "www.example.net", Flows: 4, Sent: 700, Got: 9000, Answered: true,
			First: start, Last: start.Add(time.Minute)},
	}
	if d := cmp.Diff(want, told(b, start.Add(11*time.Minute)), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("contacts (-want +got):\n%s", d)
	}
	b.Flow(&web)
	if got := told(b, start.Add(30*time.Minute)); len(got) != 0 {
		t.Errorf("a flow without news is told: %+v", got)
	}
	web.Last, web.Bytes, web.Packets = start.Add(31*time.Minute), 800, 10
	web.First = web.First.Add(time.Millisecond) // the clock was set
	b.Flow(&web)
	got := told(b, start.Add(60*time.Minute))
	if len(got) != 1 || got[0].Sent != 100 || got[0].Flows != 1 || got[0].Name == "" {
		t.Errorf("a flow that goes on: %+v", got)
	}
}

// TestAfterRestart begins with counters that a former process had told of.
func TestAfterRestart(t *testing.T) {
	b := New(Config{Began: start.Add(time.Hour)})
	old, recent := counter("203.0.113.1", 6, 80), counter("203.0.113.2", 6, 80)
	for _, x := range []*datapath.FlowCounter{&old, &recent} {
		x.Syn, x.Packets, x.Bytes = 50, 5000, 1<<20
	}
	recent.Last = start.Add(58 * time.Minute)
	b.Flow(&old)
	b.Flow(&recent)
	got := told(b, start.Add(2*time.Hour))
	if len(got) != 1 || got[0].Addr != recent.Dst || got[0].Flows != 1 || got[0].Sent != 0 || !got[0].First.Equal(recent.Last) {
		t.Errorf("told %+v", got)
	}
	old.Syn, old.Packets, old.Bytes, old.Last = 52, 5010, old.Bytes+100, start.Add(150*time.Minute)
	b.Flow(&old)
	if got = told(b, start.Add(4*time.Hour)); len(got) != 1 || got[0].Flows != 2 || got[0].Sent != 100 {
		t.Errorf("what came after: %+v", got)
	}
}

func TestLateName(t *testing.T) {
	b := New(Config{})
	web := counter("203.0.113.7", 6, 443)
	b.Flow(&web)
	b.Name(cam, web.Dst, "late.example", start)
	if got := told(b, start.Add(time.Hour)); len(got) != 1 || got[0].Name != "late.example" {
		t.Errorf("a name that came after the flow: %+v", got)
	}
}

// TestBounds has a device speak with far more than is told: who answers is told.
func TestBounds(t *testing.T) {
	b := New(Config{Most: 10, Devices: 2})
	for i := range 1000 {
		x := counter(netip.AddrFrom4([4]byte{203, 0, 113, 0}).String(), 6, uint16(i))
		x.Syn = 1
		if i >= 990 && i < 995 {
			x.BackPackets = 1
		}
		b.Flow(&x)
	}
	all := b.Round(start.Add(time.Hour))
	if len(all) != 1 || len(all[0].Contacts) != 10 || all[0].More == 0 {
		t.Fatalf("told %+v", all)
	}
	answered := 0
	for _, c := range all[0].Contacts {
		if c.Answered {
			answered++
		}
	}
	if answered != 5 {
		t.Errorf("%d of 5 that answered are told", answered)
	}
	for i := range 100 {
		x := counter("203.0.113.1", 6, 1)
		x.Device.MAC[5] = byte(i)
		b.Flow(&x)
	}
	if len(b.devices) > 2 {
		t.Errorf("%d devices are followed", len(b.devices))
	}
	for i := range maxNames + 10 {
		b.Name(cam, netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)}), "x.example", start)
	}
	if len(b.names) > maxNames {
		t.Errorf("%d names are kept", len(b.names))
	}
	b.Round(start.Add(3 * time.Hour))
	if len(b.names) != 0 {
		t.Errorf("%d names are kept that nobody uses", len(b.names))
	}
}

func TestFlowAllocatesNothing(t *testing.T) {
	b := New(Config{})
	x := counter("203.0.113.7", 6, 443)
	b.Flow(&x)
	if n := testing.AllocsPerRun(100, func() {
		x.Bytes++
		x.Packets++
		x.Last = x.Last.Add(time.Second)
		b.Flow(&x)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFlow(b *testing.B) {
	k := New(Config{})
	x := counter("203.0.113.7", 6, 443)
	for i := range 65536 {
		x.DstPort, x.Device.MAC[4] = uint16(i), byte(i>>12)
		k.Flow(&x)
	}
	for i := 0; b.Loop(); i++ {
		x.DstPort, x.Device.MAC[4] = uint16(i), byte(i&0xffff>>12)
		k.Flow(&x)
	}
}
