package topology

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// makeNamespace makes a network namespace and binds it to a file.
func makeNamespace(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	f.Close()
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		self := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		if err := unix.Mount(self, path, "none", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", path, err)
		}
		return nil
	})
}

// onThread runs f on a thread of its own that ends with it, so that whatever
// namespace f enters is left behind.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

// Enter moves the calling thread into the network namespace of a file. The
// caller has locked the thread and lets it end.
func Enter(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", path, err)
	}
	return nil
}

// Do runs f on a thread that is in the node's namespace. Goroutines that f
// starts are not in it.
func (n *Net) Do(node Node, f func() error) error {
	return onThread(func() error {
		if err := Enter(n.Path(node)); err != nil {
			return err
		}
		return f()
	})
}

// Dial connects from inside a node's namespace; address must hold an IP
// address, not a name. The connection may be used anywhere.
func (n *Net) Dial(ctx context.Context, node Node, network, address string) (net.Conn, error) {
	var c net.Conn
	err := n.Do(node, func() error {
		var d net.Dialer
		var err error
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Inode names a network namespace: the inode of its file.
func Inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", path, err)
	}
	return st.Ino, nil
}

// ethtool commands (linux/ethtool.h).
const (
	ethtoolSTXCSUM = 0x17
	ethtoolSTSO    = 0x1f
	ethtoolSGSO    = 0x24
	ethtoolSGRO    = 0x2c
)

type ethtoolValue struct{ cmd, data uint32 }

type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [8]byte
}

// tunePort makes a veth port carry what a wire carries: finished checksums and
// real packet sizes: XDP redirect drops the note that a checksum is still to be
// filled in. Ports that XDP redirects to must poll (gro on).
func tunePort(port string, polls bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("tune %s: %w", port, err)
	}
	defer unix.Close(fd)
	gro := uint32(0)
	if polls {
		gro = 1
	}
	for _, v := range []ethtoolValue{{ethtoolSTXCSUM, 0}, {ethtoolSTSO, 0}, {ethtoolSGSO, 0}, {ethtoolSGRO, gro}} {
		req := ifreq{data: unsafe.Pointer(&v)}
		copy(req.name[:unix.IFNAMSIZ-1], port)
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if e != 0 {
			return fmt.Errorf("tune %s: ethtool command %#x: %w", port, v.cmd, e)
		}
	}
	return nil
}

// nodeSysctls runs inside the node's namespace.
func nodeSysctls(node Node) error {
	set := map[string]string{
		"net/ipv4/conf/all/rp_filter":     "0",
		"net/ipv4/conf/default/rp_filter": "0",
		"net/ipv6/conf/default/accept_ra": "0",
		"net/ipv4/icmp_ratelimit":         "1000",
		"net/ipv4/ping_group_range":       "0 2147483647",
	}
	switch node {
	case Router:
		set["net/ipv4/ip_forward"] = "1"
		set["net/ipv6/conf/all/forwarding"] = "1"
		set["net/ipv4/conf/all/send_redirects"] = "0"
	case Victim, CameraA, CameraB:
		// Connections cut by a block give up after seconds, not after a quarter
		// of an hour: their repeats would keep the block alive.
		set["net/ipv4/tcp_retries2"] = "3"
		set["net/ipv4/tcp_orphan_retries"] = "1"
	case Switch, Gate, ISP:
		set["net/ipv6/conf/default/disable_ipv6"] = "1"
		set["net/ipv6/conf/all/disable_ipv6"] = "1"
	}
	for k, v := range set {
		err := os.WriteFile("/proc/sys/"+k, []byte(v), 0o644)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s: sysctl %s: %w", node, k, err)
		}
	}
	return nil
}

// PortAlias gives the label of a port in the caller's namespace.
func PortAlias(index int) (string, error) {
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return "", fmt.Errorf("port %d: %w", index, err)
	}
	return l.Attrs().Alias, nil
}
