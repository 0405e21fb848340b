package sockets

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
)

// ParseInet reads the text of /proc/net/tcp, udp, raw and their IPv6 kin, and
// gives back how many sockets it held. In raw tables the local port is the
// protocol. Lines it does not understand are left out.
func ParseInet(text []byte, proto uint8, raw bool, f func(Socket)) int {
	n := 0
	for line := range bytes.Lines(text) {
		w := bytes.Fields(line)
		if len(w) < 10 || n >= maxSockets {
			continue
		}
		_, localPort, ok := parseEnd(w[1])
		remote, remotePort, ok2 := parseEnd(w[2])
		inode, err := strconv.ParseUint(string(w[9]), 10, 32)
		if !ok || !ok2 || err != nil {
			continue
		}
		s := Socket{Proto: proto, Connected: !raw && proto == 6 && string(w[3]) == "01", LocalPort: localPort, Remote: remote, RemotePort: remotePort, Inode: uint32(inode)}
		if raw {
			s.Raw, s.Proto, s.LocalPort = true, uint8(localPort), 0
		}
		n++
		f(s)
	}
	return n
}

// parseEnd reads "0100007F:0035": 32-bit words in the machine's byte order,
// each as a hexadecimal number, then the port.
func parseEnd(b []byte) (netip.Addr, uint16, bool) {
	addr, port, ok := bytes.Cut(b, []byte{':'})
	if !ok || len(addr) != 8 && len(addr) != 32 {
		return netip.Addr{}, 0, false
	}
	var packed [16]byte
	n, err := hex.Decode(packed[:], addr)
	if err != nil {
		return netip.Addr{}, 0, false
	}
	for i := 0; i < n; i += 4 {
		binary.NativeEndian.PutUint32(packed[i:], binary.BigEndian.Uint32(packed[i:]))
	}
	a, _ := netip.AddrFromSlice(packed[:n])
	p, err := strconv.ParseUint(string(port), 16, 16)
	return a.Unmap(), uint16(p), err == nil
}

// ParsePacket reads the text of /proc/net/packet.
func ParsePacket(text []byte, f func(Socket)) {
	for line := range bytes.Lines(text) {
		w := bytes.Fields(line)
		if len(w) < 9 {
			continue
		}
		inode, err := strconv.ParseUint(string(w[8]), 10, 32)
		if err == nil {
			f(Socket{Raw: true, Inode: uint32(inode)})
		}
	}
}
