package sockets

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The layout of linux/sock_diag.h and linux/inet_diag.h.
const (
	sockDiagByFamily = 20
	sizeHeader       = 16 // struct nlmsghdr
	sizeReq          = 56 // struct inet_diag_req_v2
	sizeMsg          = 72 // struct inet_diag_msg
	allStates        = 0xffffffff
	tcpEstablished   = 1
	offPorts         = 4 // in inet_diag_msg: sport, dport (network order)
	offRemote        = 24
	offInode         = 68
)

var errDiag = errors.New("sock_diag: malformed answer")

// diagDump asks for all sockets of a protocol, both address families. The
// error wraps the kernel's errno, so that the caller may fall back.
func diagDump(proto uint8, f func(Socket)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 32<<10)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := diagFamily(fd, family, proto, buf, f); err != nil {
			return err
		}
	}
	return nil
}

func diagFamily(fd int, family, proto byte, buf []byte, f func(Socket)) error {
	var req [sizeHeader + sizeReq]byte
	binary.NativeEndian.PutUint32(req[0:], uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req[sizeHeader], req[sizeHeader+1] = family, proto
	binary.NativeEndian.PutUint32(req[sizeHeader+4:], allStates)
	if err := unix.Sendto(fd, req[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for count := 0; ; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		done, err := ParseDiag(buf[:n], proto, func(s Socket) {
			if count++; count <= maxSockets {
				f(s)
			}
		})
		if err != nil || done {
			return err
		}
	}
}

// ParseDiag reads one datagram of a sock_diag dump in the machine's byte
// order; done says that it was the last.
func ParseDiag(b []byte, proto uint8, f func(Socket)) (done bool, err error) {
	for len(b) >= sizeHeader {
		size := binary.NativeEndian.Uint32(b)
		if size < sizeHeader || uint64(size) > uint64(len(b)) {
			return false, errDiag
		}
		body := b[sizeHeader:size]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			if len(body) < 4 {
				return true, nil
			}
			return true, diagError(body)
		case unix.NLMSG_ERROR:
			return true, diagError(body)
		case sockDiagByFamily:
			if s, ok := parseMsg(body, proto); ok {
				f(s)
			}
		}
		b = b[min(len(b), (int(size)+3)&^3):]
	}
	return false, nil
}

func diagError(body []byte) error {
	if len(body) < 4 {
		return errDiag
	}
	if n := -int32(binary.NativeEndian.Uint32(body)); n > 0 {
		return unix.Errno(n)
	}
	return nil
}

func parseMsg(b []byte, proto uint8) (Socket, bool) {
	if len(b) < sizeMsg {
		return Socket{}, false
	}
	s := Socket{
		Proto:      proto,
		Connected:  proto == unix.IPPROTO_TCP && b[1] == tcpEstablished,
		LocalPort:  binary.BigEndian.Uint16(b[offPorts:]),
		RemotePort: binary.BigEndian.Uint16(b[offPorts+2:]),
		Inode:      binary.NativeEndian.Uint32(b[offInode:]),
	}
	if b[0] == unix.AF_INET {
		s.Remote = netip.AddrFrom4([4]byte(b[offRemote:]))
	} else {
		s.Remote = netip.AddrFrom16([16]byte(b[offRemote:])).Unmap()
	}
	return s, true
}
