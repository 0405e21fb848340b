package inline

import (
	"encoding/binary"
	"net/netip"

	"github.com/masugata/masugata/internal/datapath"
)

// Numbers of EtherTypes and IP protocols.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
	protoICM6 = 58
)

// heads says where the headers of a frame are. Only what the kernel's verdicts
// can name is read: TCP and UDP right behind an IP header, at most two tags.
type heads struct {
	l3, l4, payload, end int
	version, proto       uint8
	srcPort, dstPort     uint16
}

// deviceOf is the inside end of a frame, as the data path tells it.
func deviceOf(side datapath.Side, frame []byte) (k datapath.DeviceKey) {
	if len(frame) < 18 {
		return k
	}
	copy(k.MAC[:], frame[:6])
	if side == datapath.Inside {
		copy(k.MAC[:], frame[6:12])
	}
	if isTag(binary.BigEndian.Uint16(frame[12:])) {
		k.VLAN = binary.BigEndian.Uint16(frame[14:]) & 0xfff
	}
	return k
}

func isTag(t uint16) bool { return t == 0x8100 || t == 0x88a8 || t == 0x9100 }

// readHeads finds the headers; false when the frame is another kind.
func readHeads(frame []byte) (h heads, ok bool) {
	if len(frame) < 14 {
		return h, false
	}
	at := 12
	for range 2 {
		if isTag(binary.BigEndian.Uint16(frame[at:])) && len(frame) >= at+6 {
			at += 4
		}
	}
	h.l3 = at + 2
	ip := frame[h.l3:]
	switch t := binary.BigEndian.Uint16(frame[at:]); {
	case t == etherIPv4 && len(ip) >= 20 && ip[0]>>4 == 4:
		size, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
		if size < 20 || total < size || total > len(ip) || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return h, false
		}
		h.version, h.proto, h.l4, h.end = 4, ip[9], h.l3+size, h.l3+total
	case t == etherIPv6 && len(ip) >= 40 && ip[0]>>4 == 6:
		total := 40 + int(binary.BigEndian.Uint16(ip[4:]))
		if total > len(ip) {
			return h, false
		}
		h.version, h.proto, h.l4, h.end = 6, ip[6], h.l3+40, h.l3+total
	default:
		return h, false
	}
	return h, h.transport(frame[h.l4:h.end])
}

func (h *heads) transport(l4 []byte) bool {
	size := 8
	switch {
	case h.proto == protoUDP && len(l4) >= 8:
	case h.proto == protoTCP && len(l4) >= 20:
		if size = int(l4[12]>>4) * 4; size < 20 || size > len(l4) {
			return false
		}
	default:
		return false
	}
	h.payload = h.l4 + size
	h.srcPort, h.dstPort = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	return true
}

// addresses are the source and the destination, as they stand in the frame.
func (h *heads) addresses(frame []byte) (src, dst []byte) {
	if h.version == 4 {
		return frame[h.l3+12 : h.l3+16], frame[h.l3+16 : h.l3+20]
	}
	return frame[h.l3+8 : h.l3+24], frame[h.l3+24 : h.l3+40]
}

// flowID names the frame's flow for the kernel.
func (h *heads) flowID(side datapath.Side, frame []byte) datapath.FlowID {
	a, b := h.addresses(frame)
	src, _ := netip.AddrFromSlice(a)
	dst, _ := netip.AddrFromSlice(b)
	id := datapath.FlowID{Device: deviceOf(side, frame), Proto: h.proto,
		Inside: src, Outside: dst, InsidePort: h.srcPort, OutsidePort: h.dstPort}
	if side == datapath.Outside {
		id.Inside, id.Outside, id.InsidePort, id.OutsidePort = dst, src, h.dstPort, h.srcPort
	}
	return id
}

// rewrite puts another TCP payload of the same length in the frame.
func rewrite(frame, payload []byte) {
	h, ok := readHeads(frame)
	if !ok || h.proto != protoTCP || h.end-h.payload != len(payload) {
		return
	}
	copy(frame[h.payload:h.end], payload)
	src, dst := h.addresses(frame)
	seal(frame[h.l4:h.end], 16, h.proto, src, dst)
}

// seal writes the checksum of a transport header, at its place in l4, with
// the pseudo-header of RFC 9293, section 3.1, and RFC 8200, section 8.1.
func seal(l4 []byte, at int, proto uint8, src, dst []byte) {
	l4[at], l4[at+1] = 0, 0
	sum := add(add(add(uint32(proto)+uint32(len(l4)), src), dst), l4)
	binary.BigEndian.PutUint16(l4[at:], fold(sum))
}

// add adds bytes up as words of the Internet checksum (RFC 1071).
func add(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
