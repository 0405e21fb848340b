package attack

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

func noHome(byte) uint8 { return 0 }

// TestMarkOfOwnPackets makes the packets of every raw vector and reads their
// marks and checksums back.
func TestMarkOfOwnPackets(t *testing.T) {
	dst := topology.VictimAddr(1).As4()
	for _, v := range []model.Vector{model.VectorSYN, model.VectorACK, model.VectorICMP, model.VectorSpoofed} {
		fd, err := unix.Open("/dev/null", unix.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := &rawFlood{fd: fd, order: Order{Vector: v, Device: 9}, source: netip.MustParseAddr("192.168.77.11"), dst: unix.RawSockaddrInet4{Addr: dst}, rnd: rand.New(rand.NewPCG(1, 2))}
		b := make([]byte, 20+8+128)
		if v == model.VectorSYN || v == model.VectorACK {
			b = b[:40]
		}
		f.write(b)
		f.close()
		if got := Mark(b, noHome); got != 9 {
			t.Errorf("%s: mark %d, want 9", v, got)
		}
		if b[9] == unix.IPPROTO_TCP {
			sum := checksum(checksum(checksum(0, b[12:20]), b[20:])+6+20, nil)
			if fold(sum) != 0 {
				t.Errorf("%s: the TCP checksum is wrong", v)
			}
		}
		spoofed := netip.AddrFrom4([4]byte(b[12:16])) != f.source
		if want := v == model.VectorSpoofed; spoofed != want {
			t.Errorf("%s: source %v is spoofed: %v, want %v", v, b[12:16], spoofed, want)
		}
	}
}

func TestMarkOfPayloads(t *testing.T) {
	udp := func(port byte, payload []byte) []byte {
		b := make([]byte, 28, 700)
		b[0], b[9], b[23] = 0x45, 17, port
		return append(b, payload...)
	}
	if got := Mark(udp(1, udpPayload(3)), noHome); got != 3 {
		t.Errorf("udp: mark %d, want 3", got)
	}
	if got := Mark(udp(53, dnsQuery(12)), noHome); got != 12 {
		t.Errorf("dns: mark %d, want 12", got)
	}
	if got := Mark(udp(1, []byte("an ordinary payload")), noHome); got != 0 {
		t.Errorf("ordinary packet: mark %d, want 0", got)
	}
}

func FuzzMark(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 28})
	f.Add(append([]byte{0x60, 39: 0}, udpPayload(1)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m := Mark(b, noHome); m > 15 {
			t.Errorf("mark %d", m)
		}
	})
}
