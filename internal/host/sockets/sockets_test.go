package sockets

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// loop is a TCP connection and a UDP socket on loopback.
type loop struct {
	client, server net.Conn
	udp            *net.UDPConn
}

func newLoop(t *testing.T) loop {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close(); u.Close() })
	return loop{c, s, u}
}

func port(a net.Addr) uint16 { return netip.MustParseAddrPort(a.String()).Port() }

// find looks for a socket by both ports; the two ways to list must agree.
func find(list func(func(Socket)) error, local, remote uint16) (found Socket, n int, err error) {
	err = list(func(s Socket) {
		if s.LocalPort == local && s.RemotePort == remote {
			found, n = s, n+1
		}
	})
	return found, n, err
}

func TestBothWaysToListAgree(t *testing.T) {
	x := newLoop(t)
	for _, c := range []struct {
		proto         uint8
		local, remote uint16
		file          string
	}{
		{unix.IPPROTO_TCP, port(x.client.LocalAddr()), port(x.client.RemoteAddr()), "tcp"},
		{unix.IPPROTO_UDP, port(x.udp.LocalAddr()), 0, "udp"},
	} {
		a, n, err := find(func(f func(Socket)) error { return diagDump(c.proto, f) }, c.local, c.remote)
		if err != nil || n != 1 {
			t.Fatalf("sock_diag: %d found, %v", n, err)
		}
		b, n, err := find(func(f func(Socket)) error { _, err := procNet(c.file, c.proto, false, f); return err }, c.local, c.remote)
		if err != nil || n != 1 {
			t.Fatalf("/proc/net/%s: %d found, %v", c.file, n, err)
		}
		if a != b || a.Inode == 0 || a.Connected != (c.proto == unix.IPPROTO_TCP) {
			t.Errorf("sock_diag says %+v, /proc/net/%s %+v", a, c.file, b)
		}
	}
}

func nobody(uint32) bool { return false }

func TestOwnersByPortAndByRemote(t *testing.T) {
	x := newLoop(t)
	local := netip.MustParseAddr("127.0.0.1")
	for name, flow := range map[string]Flow{
		"port":   {Proto: unix.IPPROTO_UDP, LocalPorts: []uint16{port(x.udp.LocalAddr())}, Remote: local, RemotePort: 9},
		"remote": {Proto: unix.IPPROTO_TCP, Remote: local, RemotePort: port(x.client.RemoteAddr())},
	} {
		pids, err := Owners(flow, nobody)
		if err != nil || len(pids) != 1 || pids[0] != uint32(os.Getpid()) {
			t.Errorf("%s: %v %v", name, pids, err)
		}
		if pids, _ := Owners(flow, func(pid uint32) bool { return pid == uint32(os.Getpid()) }); len(pids) != 0 {
			t.Errorf("%s: left out, and found: %v", name, pids)
		}
	}
	if !Connected(local) || Connected(netip.MustParseAddr("192.0.2.99")) {
		t.Error("TCP sessions are told wrong")
	}
}

func TestOwnersOfRawSockets(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	contains := func(flow Flow) bool {
		pids, err := Owners(flow, nobody)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pids {
			if p == uint32(os.Getpid()) {
				return true
			}
		}
		return false
	}
	spoofed := Flow{Proto: unix.IPPROTO_UDP, Remote: netip.MustParseAddr("192.0.2.2"), Spoofed: true}
	if contains(spoofed) {
		t.Fatal("found before it was opened")
	}
	for _, s := range [][3]int{{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW}, {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_RAW}, {unix.AF_PACKET, unix.SOCK_RAW, 0}} {
		fd, err := unix.Socket(s[0], s[1], s[2])
		if err != nil {
			t.Fatal(err)
		}
		if !contains(spoofed) {
			t.Errorf("socket %v not found", s)
		}
		unix.Close(fd)
	}
}

func FuzzParseDiag(f *testing.F) {
	msg := make([]byte, sizeHeader+sizeMsg)
	binary.NativeEndian.PutUint32(msg, uint32(len(msg)))
	binary.NativeEndian.PutUint16(msg[4:], sockDiagByFamily)
	f.Add(msg)
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_, _ = ParseDiag(b, 6, func(Socket) { n++ })
		if n*(sizeHeader+sizeMsg) > len(b) {
			t.Fatal("more sockets than fit")
		}
	})
}

func FuzzParseInet(f *testing.F) {
	f.Add([]byte("  sl  local_address rem_address   st\n   0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1162 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseInet(b, 6, false, func(s Socket) {
			if !s.Remote.IsValid() {
				t.Fatal("a socket without a remote address")
			}
		})
		ParsePacket(b, func(s Socket) {
			if !s.Raw {
				t.Fatal("a packet socket that is not raw")
			}
		})
	})
}

func FuzzSocketInode(f *testing.F) {
	f.Add("socket:[123]")
	f.Fuzz(func(t *testing.T, s string) {
		if _, ok := socketInode(s); ok && len(s) < len("socket:[0]") {
			t.Fatal(s)
		}
	})
}
