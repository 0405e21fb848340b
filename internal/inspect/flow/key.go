package flow

import (
	"encoding/binary"
	"math/bits"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// IP protocols that make flows.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoESP    = 50
	protoICMPv6 = 58
	protoSCTP   = 132
)

// key is what makes a flow, as one packet shows it. Ports are ICMP types or an
// ESP security parameter index where there are no ports.
type key struct {
	src, dst   packet.Addr
	sp, dp     uint32
	vlan       [3]uint16
	vlans      uint8
	proto      uint8
	ip         uint8
	depth      uint8
	hash       uint32
	wantQuoted bool // it is the flow that an ICMP error quotes: looked up, never made
}

// keyOf reads a packet's key; ok is false for packets that belong to no flow.
func (t *Table) keyOf(p *packet.Packet, k *key) bool {
	if p.IPVersion == 0 || p.Has&packet.HasFragment != 0 {
		return false
	}
	k.src, k.dst, k.ip, k.proto, k.depth = p.Src, p.Dst, p.IPVersion, p.Proto, p.Depth
	k.wantQuoted = false
	switch {
	case p.Has&(packet.HasTCP|packet.HasUDP|packet.HasSCTP) != 0:
		k.sp, k.dp = uint32(p.SrcPort), uint32(p.DstPort)
	case p.Has&packet.HasICMPv4 != 0:
		k.sp, k.dp = uint32(p.ICMPType), counterpart4(p.ICMPType)
	case p.Has&packet.HasICMPv6 != 0:
		k.sp, k.dp = uint32(p.ICMPType), counterpart6(p.ICMPType)
	case p.Has&packet.HasESP != 0:
		k.sp, k.dp = 0, 0
		if len(p.L4) >= 4 {
			k.sp = binary.BigEndian.Uint32(p.L4)
			k.dp = k.sp
		}
	default:
		return false
	}
	k.vlan, k.vlans = [3]uint16{}, 0
	if t.cfg.UseVLAN && p.VLANs > 0 {
		k.vlans = p.VLANs
		for i := range int(min(p.VLANs, 3)) {
			k.vlan[i] = p.VLAN[i] & 0x0fff
		}
	}
	t.hash(k)
	return true
}

// noCounterpart is the "port" of the far side of an ICMP message that is not
// answered by another type.
const noCounterpart = 0x100

// ICMPAnswer is the type of the messages that answer those of a type (RFC 792,
// RFC 4443), false when there is none. proto is 1 or 58.
func ICMPAnswer(proto, kind uint8) (answer uint8, ok bool) {
	n := counterpart4(kind)
	if proto == protoICMPv6 {
		n = counterpart6(kind)
	}
	return uint8(n), n != noCounterpart
}

func counterpart4(kind uint8) uint32 {
	switch kind {
	case 0, 8:
		return uint32(kind ^ 8)
	case 13, 15, 17:
		return uint32(kind) + 1
	case 14, 16, 18:
		return uint32(kind) - 1
	case 9:
		return 10
	case 10:
		return 9
	}
	return noCounterpart
}

func counterpart6(kind uint8) uint32 {
	switch kind {
	case 128, 130, 144, 146:
		return uint32(kind) + 1
	case 129, 131, 145, 147:
		return uint32(kind) - 1
	case 133, 135, 139:
		return uint32(kind) + 1
	case 134, 136, 140:
		return uint32(kind) - 1
	}
	return noCounterpart
}

// quotedKey reads the flow that an ICMP error quotes: the original datagram
// begins after eight bytes of ICMP (RFC 792, RFC 4443).
func (t *Table) quotedKey(p *packet.Packet, k *key) bool {
	switch {
	case p.Has&packet.HasICMPv4 != 0:
		switch p.ICMPType {
		case 3, 4, 11, 12:
		default:
			return false
		}
	case p.Has&packet.HasICMPv6 != 0:
		if p.ICMPType < 1 || p.ICMPType > 4 {
			return false
		}
	default:
		return false
	}
	if len(p.L4) < 8 {
		return false
	}
	if !quote(p.L4[8:], k) {
		return false
	}
	k.depth, k.wantQuoted = p.Depth, true
	k.vlan, k.vlans = [3]uint16{}, 0
	if t.cfg.UseVLAN && p.VLANs > 0 {
		k.vlan, k.vlans = p.VLAN, p.VLANs
	}
	t.hash(k)
	return true
}

// icmp4Error says whether the packet is an ICMP error, which begins no flow.
func icmp4Error(p *packet.Packet) bool {
	if p.Has&packet.HasICMPv4 == 0 {
		return false
	}
	switch p.ICMPType {
	case 3, 4, 5, 11, 12:
		return true
	}
	return false
}

func quote(b []byte, k *key) bool {
	var l4 []byte
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		head := int(b[0]&15) * 4
		if head < 20 || len(b) < head+4 || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
			return false
		}
		k.ip, k.proto, l4 = 4, b[9], b[head:]
		k.src, k.dst = mapped(b[12:16]), mapped(b[16:20])
	case len(b) >= 44 && b[0]>>4 == 6:
		k.ip, k.proto, l4 = 6, b[6], b[40:]
		k.src, k.dst = packet.Addr(b[8:24]), packet.Addr(b[24:40])
	default:
		return false
	}
	switch k.proto {
	case protoTCP, protoUDP, protoSCTP:
		k.sp, k.dp = uint32(binary.BigEndian.Uint16(l4)), uint32(binary.BigEndian.Uint16(l4[2:]))
	case protoICMP:
		k.sp, k.dp = uint32(l4[0]), counterpart4(l4[0])
	case protoICMPv6:
		k.sp, k.dp = uint32(l4[0]), counterpart6(l4[0])
	default:
		return false
	}
	return true
}

func mapped(b []byte) packet.Addr {
	return packet.Addr{10: 0xff, 11: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}
}

// mix is one step of the hash: a 64 by 64 bit product folded.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hash gives both directions of a flow the same number.
func (t *Table) hash(k *key) {
	a0, a1 := binary.LittleEndian.Uint64(k.src[:]), binary.LittleEndian.Uint64(k.src[8:])
	b0, b1 := binary.LittleEndian.Uint64(k.dst[:]), binary.LittleEndian.Uint64(k.dst[8:])
	seed := t.cfg.Seed | 1
	one := mix(a0^seed, a1^0xa0761d6478bd642f) + mix(uint64(k.sp)^a1, seed^0xe7037ed1a0b428db)
	two := mix(b0^seed, b1^0xa0761d6478bd642f) + mix(uint64(k.dp)^b1, seed^0xe7037ed1a0b428db)
	rest := uint64(k.proto) | uint64(k.depth)<<8 | uint64(k.vlan[0])<<16 | uint64(k.vlan[1])<<32 | uint64(k.vlan[2])<<48
	h := mix(one+two^rest, seed^0x8ebc6af09c88c6e3)
	k.hash = uint32(h ^ h>>32)
}

// same says whether the entry is of the key's flow, and in which direction the
// key's packet goes.
func (e *entry) same(k *key) (d packet.Direction, ok bool) {
	f := &e.flow
	if e.hash != k.hash || f.Proto != k.proto || e.depth != k.depth || f.IPVersion != k.ip || e.vlan != k.vlan {
		return 0, false
	}
	if e.cp == k.sp && e.sp == k.dp && f.Client == k.src && f.Server == k.dst {
		return packet.ToServer, true
	}
	if e.cp == k.dp && e.sp == k.sp && f.Client == k.dst && f.Server == k.src {
		return packet.ToClient, true
	}
	return 0, false
}
