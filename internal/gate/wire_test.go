package gate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath/xdp"
)

// rig is a device, a gate's two ports and the outside, each in a network
// namespace of its own that ends with the test.
type rig struct {
	t                     testing.TB
	device, gate, outside netns.NsHandle
	cfg                   Config
	queues                int    // of each port
	early                 uint64 // frames that passed (fail open) before the inspection of the gate started last had begun
}

const (
	deviceAddr  = "10.77.0.2"
	outsideAddr = "10.77.0.1"
	victimPort  = 27015
	deviceMAC   = "02:00:00:00:0a:01"
)

func newRig(t testing.TB) *rig { return newRigOf(t, 1) }

// newRigOf is newRig with so many queues on each port.
func newRigOf(t testing.TB, queues int) *rig {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	w := &rig{t: t, device: newNS(t), gate: newNS(t), outside: newNS(t), queues: queues}
	w.pair("in", w.device, deviceAddr, deviceMAC)
	w.pair("out", w.outside, outsideAddr, "02:00:00:00:0b:01")
	dir := t.TempDir()
	w.cfg = Default()
	w.cfg.State = filepath.Join(dir, "state")
	w.cfg.Ports.Inside, w.cfg.Ports.Outside, w.cfg.Ports.Pin = "in", "out", filepath.Join(dir, "bpf")
	w.cfg.Ports.Flows, w.cfg.Ports.Devices = 8192, 64
	w.cfg.Home.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24")}
	w.cfg.Flood.RetireAfter = 3 * time.Second
	t.Cleanup(w.detach)
	return w
}

func newNS(t testing.TB) netns.NsHandle {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	h, err := netns.New()
	if err != nil {
		t.Skipf("no network namespace: %v", err)
	}
	if err := netns.Set(own); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// within runs f on a thread in a namespace; the thread ends with f.
func within[T any](h netns.NsHandle, f func() (T, error)) (T, error) {
	var v T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread is not used again
		if err = netns.Set(h); err == nil {
			v, err = f()
		}
	}()
	<-done
	return v, err
}

func (w *rig) pair(port string, end netns.NsHandle, addr, mac string) {
	w.t.Helper()
	_, err := within(w.gate, func() (struct{}, error) {
		hw, err := net.ParseMAC(mac)
		if err != nil {
			return struct{}{}, err
		}
		v := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port, NumRxQueues: w.queues, NumTxQueues: w.queues}, PeerName: "eth0", PeerNamespace: netlink.NsFd(end), PeerHardwareAddr: hw}
		if err := netlink.LinkAdd(v); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, netlink.LinkSetUp(v)
	})
	if err != nil {
		w.t.Skipf("no veth pair: %v", err)
	}
	_, err = within(end, func() (struct{}, error) {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return struct{}{}, err
		}
		a, err := netlink.ParseAddr(addr + "/24")
		if err != nil {
			return struct{}{}, err
		}
		// XDP_REDIRECT loses what offloading needs, and wants NAPI here, which
		// only a port that is up tells its peer.
		return struct{}{}, errors.Join(netlink.AddrAdd(l, a), netlink.LinkSetUp(l),
			ethtool("eth0", unix.ETHTOOL_STXCSUM, 0), ethtool("eth0", unix.ETHTOOL_SGRO, 1))
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func ethtool(name string, cmd, data uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := [2]uint32{cmd, data}
	var req struct {
		name [unix.IFNAMSIZ]byte
		data uintptr
		_    [16]byte
	}
	copy(req.name[:], name)
	req.data = uintptr(unsafe.Pointer(&value))
	_, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(&value)
	if no != 0 {
		return fmt.Errorf("ethtool %#x on %s: %w", cmd, name, no)
	}
	return nil
}

func (w *rig) detach() {
	w.detachPrograms()
	if err := unix.Unmount(w.cfg.Ports.Pin, unix.MNT_DETACH); err != nil {
		w.t.Errorf("unmount: %v", err)
	}
}

// detachPrograms takes the gate off its ports.
func (w *rig) detachPrograms() {
	w.t.Helper()
	_, err := within(w.gate, func() (struct{}, error) {
		d, err := xdp.Open(xdp.Config{Inside: "in", Outside: "out", PinDir: w.cfg.Ports.Pin,
			MaxFlows: uint32(w.cfg.Ports.Flows), MaxDevices: uint32(w.cfg.Ports.Devices)})
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, d.Detach()
	})
	if err != nil {
		w.t.Errorf("detach: %v", err)
	}
}

// start runs the gate until stop is called.
func (w *rig) start(log *slog.Logger, reload <-chan Config) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := within(w.gate, func() (struct{}, error) {
			return struct{}{}, Run(ctx, w.cfg, log, Options{Version: "test", Reload: reload})
		})
		ended <- err
	}()
	deadline := time.Now().Add(40 * time.Second)
	for {
		s, err := AskStatus(ctx, w.cfg.State)
		if err == nil && s.Scans > 2 {
			w.early = s.Totals.Uninspected
			break
		}
		select {
		case err := <-ended:
			w.t.Fatalf("gate did not start: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("gate does not answer: %v", err)
		}
	}
	return func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("gate: %v", err)
		}
	}
}

func (w *rig) status() Status {
	w.t.Helper()
	s, err := AskStatus(context.Background(), w.cfg.State)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// until waits for a state of the gate.
func (w *rig) until(what string, f func(Status) bool) Status {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		s := w.status()
		if f(s) {
			return s
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("never %s: %+v", what, s)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sink counts the flood's packets that reach the outside.
type sink struct {
	count atomic.Int64
	last  atomic.Int64 // UnixNano of the last
}

func (w *rig) sink() *sink {
	s := &sink{}
	fd, err := within(w.outside, func() (int, error) {
		return unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_IP)))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
		w.t.Fatal(err)
	}
	tv := unix.NsecToTimeval(int64(50 * time.Millisecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		w.t.Fatal(err)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 2048)
		for !stop.Load() {
			n, _, err := unix.Recvfrom(fd, b, 0)
			if err == nil && n > 28 && b[9] == 17 && binary.BigEndian.Uint16(b[22:]) == victimPort {
				s.count.Add(1)
				s.last.Store(time.Now().UnixNano())
			}
		}
	})
	w.t.Cleanup(func() { stop.Store(true); wg.Wait(); unix.Close(fd) })
	return s
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// flood sends UDP packets at a rate for a time and gives when the first went.
func (w *rig) flood(pps int, d time.Duration) (first time.Time, sent int) {
	c := w.dial(victimPort)
	defer c.Close()
	payload := make([]byte, 512)
	first = time.Now()
	for time.Since(first) < d {
		for due := int(time.Since(first).Seconds()*float64(pps)) + 1; sent < due; sent++ {
			if _, err := c.Write(payload); err != nil && !errors.Is(err, unix.ECONNREFUSED) {
				w.t.Errorf("send: %v", err)
				return first, sent
			}
		}
		time.Sleep(time.Millisecond)
	}
	return first, sent
}

func (w *rig) dial(port int) net.Conn {
	c, err := within(w.device, func() (net.Conn, error) {
		return net.Dial("udp4", net.JoinHostPort(outsideAddr, fmt.Sprint(port)))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// echo answers on a port outside; benign asks it until stopped and gives how
// many questions stayed unanswered.
func (w *rig) benign() (stop func() (asked, lost int)) {
	pc, err := within(w.outside, func() (net.PacketConn, error) { return net.ListenPacket("udp4", outsideAddr+":5300") })
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(b[:n], from)
		}
	}()
	var end atomic.Bool
	var wg sync.WaitGroup
	asked, lost := 0, 0
	wg.Go(func() {
		c := w.dial(5300)
		defer c.Close()
		b := make([]byte, 64)
		for !end.Load() {
			asked++
			_ = c.SetDeadline(time.Now().Add(500 * time.Millisecond))
			if _, err := c.Write(b[:40]); err != nil {
				lost++
			} else if _, err := c.Read(b); err != nil {
				lost++
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	return func() (int, int) {
		end.Store(true)
		wg.Wait()
		_ = pc.Close()
		return asked, lost
	}
}
