package traffic

import "encoding/binary"

// head is what is used of a packet's headers.
type head struct {
	src, dst         [16]byte
	proto            uint8
	class            Class
	srcPort, dstPort uint16
	length           uint16 // IP total length, at most 65535
	flags            uint8
	http             bool
	refusal          bool // TCP reset or ICMP error: no answer to what was sent
}

// EtherTypes.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
)

// Protocol numbers of IP.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// parse reads the headers of a packet that begins behind the link layer; b may
// be cut, size is its full length. It gives false for what is not IP or is broken.
func (h *head) parse(ether uint16, b []byte, size int) bool {
	if ether == etherVLAN && len(b) >= 4 {
		ether, b, size = binary.BigEndian.Uint16(b[2:]), b[4:], size-4
	}
	*h = head{}
	switch {
	case ether == etherIPv4 && len(b) >= 20 && b[0]>>4 == 4:
		return h.ipv4(b, size)
	case ether == etherIPv6 && len(b) >= 40 && b[0]>>4 == 6:
		return h.ipv6(b, size)
	}
	return false
}

func (h *head) ipv4(b []byte, size int) bool {
	header := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 || total > size {
		total = size // a packet still to be cut, or a lie
	}
	if header < 20 || total < header {
		return false
	}
	h.length = uint16(min(total, 65535))
	h.src[10], h.src[11], h.dst[10], h.dst[11] = 0xff, 0xff, 0xff, 0xff
	copy(h.src[12:], b[12:16])
	copy(h.dst[12:], b[16:20])
	h.proto = b[9]
	first := binary.BigEndian.Uint16(b[6:])&0x1fff == 0
	if !first || len(b) < header {
		h.class = classOfFragment(h.proto)
		return true
	}
	h.transport(b[header:], total-header)
	return true
}

func (h *head) ipv6(b []byte, size int) bool {
	h.length = uint16(min(size, 65535))
	copy(h.src[:], b[8:24])
	copy(h.dst[:], b[24:40])
	h.proto = b[6]
	rest, left := b[40:], size-40
	for range 6 { // extension headers (RFC 8200, section 4)
		var n int
		switch h.proto {
		case 0, 43, 60:
			if len(rest) < 8 {
				h.class = ClassOther
				return true
			}
			n = 8 + 8*int(rest[1])
		case 44:
			if len(rest) < 8 {
				h.class = ClassOther
				return true
			}
			n = 8
			if binary.BigEndian.Uint16(rest[2:])&^7 != 0 {
				h.proto = rest[0]
				h.class = classOfFragment(h.proto)
				return true
			}
		default:
			h.transport(rest, left)
			return true
		}
		h.proto = rest[0]
		if n > len(rest) {
			h.class = ClassOther
			return true
		}
		rest, left = rest[n:], left-n
	}
	h.class = ClassOther
	return true
}

func classOfFragment(proto uint8) Class {
	switch proto {
	case protoTCP:
		return ClassTCP
	case protoUDP:
		return ClassUDP
	case protoICMP, protoICMPv6:
		return ClassICMP
	}
	return ClassOther
}

// transport reads TCP, UDP or ICMP; left is the full length of b.
func (h *head) transport(b []byte, left int) {
	h.class = classOfFragment(h.proto)
	switch h.proto {
	case protoTCP:
		h.tcp(b, left)
	case protoUDP:
		if len(b) >= 8 {
			h.srcPort, h.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
			if h.dstPort == 53 {
				h.class = ClassDNS
			}
		}
	case protoICMP:
		h.refusal = len(b) > 0 && (b[0] == 3 || b[0] == 11)
	case protoICMPv6:
		h.refusal = len(b) > 0 && b[0] < 128
		if len(b) > 0 && b[0] >= 130 && b[0] <= 137 {
			h.class = ClassOther // multicast listeners, neighbour discovery
		}
	}
}

// Flags of TCP that matter here.
const (
	tcpFin, tcpSyn, tcpRst, tcpAck = 1, 2, 4, 16
)

func (h *head) tcp(b []byte, left int) {
	if len(b) < 20 {
		return
	}
	h.srcPort, h.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	h.flags = b[13]
	header := int(b[12]>>4) * 4
	h.refusal = h.flags&tcpRst != 0
	switch {
	case h.flags&(tcpSyn|tcpAck) == tcpSyn:
		h.class = ClassSYN
	case h.flags&(tcpSyn|tcpAck|tcpFin|tcpRst) == tcpAck && left <= header:
		h.class = ClassACK
	case header >= 20 && header < len(b):
		h.http = isRequest(b[header:])
	}
}

// isRequest says whether a segment begins with a method of HTTP/1.
func isRequest(b []byte) bool {
	if len(b) < 5 {
		return false
	}
	switch string(b[:4]) {
	case "GET ", "PUT ":
		return true
	case "POST", "HEAD":
		return b[4] == ' '
	case "OPTI", "DELE", "PATC", "CONN":
		return len(b) >= 8
	}
	return false
}
