// Package sockets knows which sockets are open on this device and which
// processes hold them. It asks the kernel by sock_diag (netlink) and, where
// that is not built in, reads /proc/self/net. It knows nothing of traffic;
// internal/agent calls it for flows that stand out.
package sockets

import (
	"errors"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/host/process"
)

// maxSockets bounds what one question reads.
const maxSockets = 16384

// Socket is one open socket.
type Socket struct {
	Proto      uint8 // IP protocol; of raw sockets what they were opened for, 255 for any; 0 for packet sockets
	Raw        bool  // raw or packet socket: it can send any source address
	Connected  bool  // an established TCP connection
	LocalPort  uint16
	Remote     netip.Addr // invalid or unspecified when not connected
	RemotePort uint16
	Inode      uint32 // 0 for sockets that no process holds any more
}

// Flow is what is known of packets whose sender is sought.
type Flow struct {
	Proto      uint8
	LocalPorts []uint16 // seen as source port, some
	Remote     netip.Addr
	RemotePort uint16 // 0: many
	Spoofed    bool   // the sources are not the device's own
}

// Owners gives the processes that can send the flow, the most likely first:
// those whose socket has a seen source port, then those connected to the
// remote end, then those with a raw or packet socket. Processes for which skip
// is true are left out. It stops at the first of the three that finds any.
func Owners(flow Flow, skip func(pid uint32) bool) ([]uint32, error) {
	var firstErr error
	for _, find := range []func(Flow) ([]Socket, error){byTransport, byRaw} {
		found, err := find(flow)
		if err != nil && firstErr == nil {
			firstErr = err
		}
		if len(found) == 0 {
			continue
		}
		if pids := holders(found, skip); len(pids) > 0 {
			return pids, nil
		}
	}
	return nil, firstErr
}

// Connected says whether the device has an established TCP connection with
// the address. Not being able to tell counts as no.
func Connected(remote netip.Addr) bool {
	found := false
	_ = List(unix.IPPROTO_TCP, func(s Socket) { found = found || s.Connected && s.Remote == remote })
	return found
}

// byTransport finds TCP or UDP sockets; a spoofed flow has none.
func byTransport(flow Flow) ([]Socket, error) {
	if flow.Spoofed || flow.Proto != unix.IPPROTO_TCP && flow.Proto != unix.IPPROTO_UDP {
		return nil, nil
	}
	var byPort, byRemote []Socket
	err := List(flow.Proto, func(s Socket) {
		switch {
		case s.Inode == 0:
		case hasPort(flow.LocalPorts, s.LocalPort):
			byPort = append(byPort, s)
		case s.Remote == flow.Remote && (flow.RemotePort == 0 || s.RemotePort == flow.RemotePort):
			byRemote = append(byRemote, s)
		}
	})
	if len(byPort) > 0 {
		// A server's listening port is held by many connections; those to the
		// remote end say more.
		if exact := connectedTo(byPort, flow); len(exact) > 0 {
			return exact, err
		}
		return byPort, err
	}
	return byRemote, err
}

func connectedTo(from []Socket, flow Flow) []Socket {
	var out []Socket
	for _, s := range from {
		if s.Remote == flow.Remote {
			out = append(out, s)
		}
	}
	return out
}

func byRaw(flow Flow) ([]Socket, error) {
	all, err := Raw()
	var out []Socket
	for _, s := range all {
		if s.Inode != 0 && (s.Proto == 0 || s.Proto == flow.Proto || s.Proto == unix.IPPROTO_RAW || flow.Spoofed) {
			out = append(out, s)
		}
	}
	return out, err
}

func hasPort(ports []uint16, p uint16) bool {
	for _, q := range ports {
		if p == q && p != 0 {
			return true
		}
	}
	return false
}

// List calls f for every TCP or UDP socket of the device's network namespace.
func List(proto uint8, f func(Socket)) error {
	err := diagDump(proto, f)
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EPROTONOSUPPORT) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) {
		return err
	}
	name := "tcp"
	if proto == unix.IPPROTO_UDP {
		name = "udp"
	}
	_, err = procNet(name, proto, false, f)
	_, err6 := procNet(name+"6", proto, false, f)
	return errors.Join(err, err6)
}

// Raw lists raw and packet sockets. These are few, so that /proc/self/net is
// as good as netlink and needs no kernel module.
func Raw() ([]Socket, error) {
	var out []Socket
	add := func(s Socket) { out = append(out, s) }
	_, err := procNet("raw", 0, true, add)
	_, err6 := procNet("raw6", 0, true, add)
	text, errPacket := readFile("/proc/self/net/packet")
	ParsePacket(text, add)
	if err != nil && err6 != nil && errPacket != nil {
		return nil, errors.New("raw sockets: " + errors.Join(err, err6, errPacket).Error())
	}
	return out, nil
}

func procNet(name string, proto uint8, raw bool, f func(Socket)) (int, error) {
	text, err := readFile("/proc/self/net/" + name)
	if err != nil {
		return 0, err
	}
	return ParseInet(text, proto, raw, f), nil
}

// readFile reads a table of at most 4 MiB.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := make([]byte, 0, 8<<10)
	for len(out) < 4<<20 {
		if len(out) == cap(out) {
			out = append(make([]byte, 0, 2*cap(out)), out...)
		}
		n, err := f.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if err != nil || n == 0 {
			break
		}
	}
	return out, nil
}

// holders finds the processes that hold one of the sockets, each once.
func holders(found []Socket, skip func(uint32) bool) []uint32 {
	want := make(map[uint32]bool, len(found))
	for _, s := range found {
		want[s.Inode] = true
	}
	var out []uint32
	_ = process.Each(func(pid uint32) bool {
		if !skip(pid) && holdsAny(pid, want) {
			out = append(out, pid)
		}
		return len(out) < 64
	})
	return out
}

// holdsAny looks through /proc/PID/fd.
func holdsAny(pid uint32, want map[uint32]bool) bool {
	dir, err := os.Open(process.Name(pid, "fd"))
	if err != nil {
		return false // it ended, or belongs to a kernel thread
	}
	defer dir.Close()
	base := process.Name(pid, "fd/")
	var buf [64]byte
	for {
		names, err := dir.Readdirnames(64)
		for _, name := range names {
			n, e := unix.Readlink(base+name, buf[:])
			if e != nil {
				continue
			}
			if inode, ok := socketInode(string(buf[:n])); ok && want[inode] {
				return true
			}
		}
		if err != nil || len(names) == 0 {
			return false
		}
	}
}

// socketInode reads "socket:[123]".
func socketInode(link string) (uint32, bool) {
	s, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	s, ok = strings.CutSuffix(s, "]")
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(s, 10, 32)
	return uint32(v), err == nil
}
