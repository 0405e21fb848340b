package contract

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Names of the interfaces in the middle namespace, which the implementation
// gets.
const (
	InsidePort  = "inside"
	OutsidePort = "outside"
)

// Rig is three namespaces in a row: device, middle, router. The goroutine of
// the test that made it is locked to its thread, which is in the middle.
type Rig struct {
	device, middle, router netns.NsHandle
	in, out                *end
	markers                atomic.Uint32
}

// end is a raw socket at the far end of a port.
type end struct {
	fd   int
	name string
}

// NewRig makes the namespaces and links; t's end takes them away. It skips
// the test when it is not allowed to.
func NewRig(t testing.TB) *Rig { return NewRigOf(t, 1) }

// NewRigOf is NewRig with so many queues on each port.
func NewRigOf(t testing.TB, queues int) *Rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	home, err := netns.Get()
	if err != nil {
		t.Skipf("needs network namespaces: %v", err)
	}
	r := &Rig{}
	t.Cleanup(func() { r.close(home) })
	for _, ns := range []*netns.NsHandle{&r.device, &r.router, &r.middle} {
		if *ns, err = netns.New(); err != nil {
			t.Skipf("needs network namespaces: %v", err)
		}
		quiet(t)
	}
	r.in = r.link(t, InsidePort, r.device, queues)
	r.out = r.link(t, OutsidePort, r.router, queues)
	return r
}

func (r *Rig) close(home netns.NsHandle) {
	// Nothing to do about errors at the end of a test.
	for _, e := range []*end{r.in, r.out} {
		if e != nil {
			_ = unix.Close(e.fd)
		}
	}
	for _, ns := range []netns.NsHandle{r.device, r.middle, r.router} {
		if ns.IsOpen() {
			_ = ns.Close()
		}
	}
	_ = netns.Set(home)
	_ = home.Close()
}

// quiet keeps the kernel from sending frames of its own.
func quiet(t testing.TB) {
	for _, conf := range []string{"all", "default"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+conf+"/disable_ipv6", []byte("1"), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// link makes one port with its far end in ns.
func (r *Rig) link(t testing.TB, port string, ns netns.NsHandle, queues int) *end {
	t.Helper()
	far := port + "-far"
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.NumTxQueues, attrs.NumRxQueues = port, queues, queues
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: far, PeerNamespace: netlink.NsFd(ns)}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Skipf("needs veth: %v", err)
	}
	must(t, netlink.LinkSetUp(veth))
	e := &end{name: far}
	r.Within(t, ns, func() { e.open(t) })
	return e
}

// Within runs f on this thread inside ns.
func (r *Rig) Within(t testing.TB, ns netns.NsHandle, f func()) {
	t.Helper()
	must(t, netns.Set(ns))
	defer func() { must(t, netns.Set(r.middle)) }()
	f()
}

// InDevice and InRouter run f inside the namespace of that end.
func (r *Rig) InDevice(t testing.TB, f func()) { r.Within(t, r.device, f) }

// InRouter is the other side of InDevice.
func (r *Rig) InRouter(t testing.TB, f func()) { r.Within(t, r.router, f) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (e *end) open(t testing.TB) {
	t.Helper()
	l, err := netlink.LinkByName(e.name)
	must(t, err)
	must(t, netlink.LinkSetUp(l))
	must(t, netlink.SetPromiscOn(l))
	// XDP needs whole checksums, and redirection to a veth needs NAPI at its
	// far end, which GRO turns on.
	must(t, ethtool(e.name, unix.ETHTOOL_STXCSUM, 0))
	must(t, ethtool(e.name, unix.ETHTOOL_SGRO, 1))
	proto := int(htons(unix.ETH_P_ALL))
	e.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	must(t, err)
	must(t, unix.SetsockoptInt(e.fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	must(t, unix.SetsockoptInt(e.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
	must(t, unix.SetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20))
	must(t, unix.Bind(e.fd, &unix.SockaddrLinklayer{Protocol: uint16(proto), Ifindex: l.Attrs().Index}))
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// ethtool sets one of the offloads of an interface.
func ethtool(iface string, command, value uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	arg := struct{ command, value uint32 }{command, value}
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:], iface)
	req.data = unsafe.Pointer(&arg)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("ethtool %s %#x: %w", iface, command, errno)
	}
	return nil
}

func (e *end) send(t testing.TB, frame []byte) {
	t.Helper()
	if _, err := unix.Write(e.fd, frame); err != nil {
		t.Fatalf("send %d bytes on %s: %v", len(frame), e.name, err)
	}
}

// receive gives the next frame, nil after wait.
func (e *end) receive(t testing.TB, wait time.Duration) []byte {
	t.Helper()
	tv := unix.NsecToTimeval(int64(max(wait, time.Millisecond)))
	must(t, unix.SetsockoptTimeval(e.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
	buf, control := make([]byte, 4096), make([]byte, 256)
	n, cn, _, _, err := unix.Recvmsg(e.fd, buf, control, 0)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	must(t, err)
	return withTag(t, buf[:n], control[:cn])
}

// withTag puts back the VLAN tag that the kernel takes out of received frames.
func withTag(t testing.TB, frame, control []byte) []byte {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(control)
	must(t, err)
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		if status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tag := binary.BigEndian.AppendUint16(nil, binary.NativeEndian.Uint16(m.Data[18:]))
		tag = binary.BigEndian.AppendUint16(tag, binary.NativeEndian.Uint16(m.Data[16:]))
		return bytes.Join([][]byte{frame[:12], tag, frame[12:]}, nil)
	}
	return frame
}

// sentinel is a frame that no rule of the suite is about.
func (r *Rig) sentinel(outward bool) []byte {
	f := make([]byte, 60)
	copy(f, net.HardwareAddr{2, 0xee, 0, 0, 0, 2})
	copy(f[6:], net.HardwareAddr{2, 0xee, 0, 0, 0, 1})
	if !outward {
		copy(f, f[6:12])
	}
	binary.BigEndian.PutUint16(f[12:], 0x88b5) // IEEE local experimental
	binary.BigEndian.PutUint32(f[14:], r.markers.Add(1))
	return f
}

// Outward sends frames from the device and gives those that reached the
// router, in order.
func (r *Rig) Outward(t testing.TB, frames ...[]byte) [][]byte {
	t.Helper()
	return r.cross(t, r.in, r.out, true, frames)
}

// Inward is Outward the other way.
func (r *Rig) Inward(t testing.TB, frames ...[]byte) [][]byte {
	t.Helper()
	return r.cross(t, r.out, r.in, false, frames)
}

func (r *Rig) cross(t testing.TB, from, to *end, outward bool, frames [][]byte) [][]byte {
	t.Helper()
	for _, f := range frames {
		from.send(t, f)
	}
	last := r.sentinel(outward)
	from.send(t, last)
	var got [][]byte
	for deadline := time.Now().Add(400 * time.Millisecond); time.Now().Before(deadline); {
		f := to.receive(t, time.Until(deadline))
		if bytes.Equal(f, last) {
			return got
		}
		if f != nil && !bytes.HasPrefix(f[6:], []byte{2, 0xee}) {
			got = append(got, f)
		}
	}
	return got
}
