// Package tap reads copies of the packets that go through a device's network
// interface, without eBPF and without a ring: a packet socket with a classic
// BPF program, so that the kernel hands over only what somebody wants to see
// and nothing costs anything while nobody does. It knows nothing of what is in
// the packets; internal/agent calls it.
package tap

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// bufferBytes is what the kernel may hold for a slow reader.
const bufferBytes = 1 << 20

// Packet is one that was seen. Data begins with the IP header and is valid
// until the next Read.
type Packet struct {
	Data []byte
	Sent bool // by this device; else received
}

// Tap is open on one interface. It is for one goroutine.
type Tap struct {
	fd    int
	buf   []byte
	drops uint64
}

// Open taps the filter's interfaces for the packets that it takes. It needs
// CAP_NET_RAW. buf takes one packet; longer ones are cut.
func Open(want *Filter, buf []byte) (*Tap, error) {
	if len(want.Interfaces) == 0 {
		return nil, errors.New("tap: no interface")
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, errors.New("tap: packet socket: " + err.Error() + " (needs root or CAP_NET_RAW, and a kernel with CONFIG_PACKET)")
	}
	t := &Tap{fd: fd, buf: buf}
	if err := t.setup(want); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return t, nil
}

// SetFilter replaces the filter without losing a packet that both take. The
// interfaces stay those of Open.
func (t *Tap) SetFilter(want *Filter) error {
	prog := want.program()
	err := unix.SetsockoptSockFprog(t.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
	if err != nil {
		return errors.New("tap: filter: " + err.Error())
	}
	return nil
}

// setup attaches the filter before anything is received.
func (t *Tap) setup(want *Filter) error {
	if err := t.SetFilter(want); err != nil {
		return err
	}
	if unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferBytes) != nil { // needs CAP_NET_ADMIN
		_ = unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bufferBytes)
	}
	all := uint16(unix.ETH_P_ALL)
	index := 0 // all
	if len(want.Interfaces) == 1 {
		index = want.Interfaces[0]
	}
	if err := unix.Bind(t.fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: index}); err != nil {
		return errors.New("tap: bind: " + err.Error())
	}
	return nil
}

// Read waits for the next packet, at most for the given time; false means that
// none came.
func (t *Tap) Read(wait time.Duration) (Packet, bool, error) {
	n, from, err := unix.Recvfrom(t.fd, t.buf, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) && wait > 0 {
		if ready, err := t.wait(wait); !ready {
			return Packet{}, false, err
		}
		n, from, err = unix.Recvfrom(t.fd, t.buf, unix.MSG_DONTWAIT)
	}
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return Packet{}, false, nil
	case err != nil:
		return Packet{}, false, errors.New("tap: " + err.Error())
	}
	ll, ok := from.(*unix.SockaddrLinklayer)
	return Packet{Data: t.buf[:n], Sent: ok && ll.Pkttype == unix.PACKET_OUTGOING}, true, nil
}

func (t *Tap) wait(d time.Duration) (bool, error) {
	fds := [1]unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], int(d.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, errors.New("tap: poll: " + err.Error())
	}
	return n > 0, nil
}

// Lost gives how many packets found no room since Open.
func (t *Tap) Lost() uint64 {
	if st, err := unix.GetsockoptTpacketStats(t.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		t.drops += uint64(st.Drops)
	}
	return t.drops
}

// Close ends the tapping.
func (t *Tap) Close() error { return unix.Close(t.fd) }
