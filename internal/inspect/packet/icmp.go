package packet

// icmpv4 decodes an ICMP message (RFC 792).
func (d *Decoder) icmpv4(p *Packet, b []byte) {
	p.Proto = protoICMP
	if len(b) < 8 {
		p.invalid(EventICMPv4PacketTooSmall)
		return
	}
	p.Has |= HasICMPv4
	p.ICMPType, p.ICMPCode = b[0], b[1]
	p.L4, p.L4Header, p.Payload = b, 8, b[8:]
	if d.sums&CheckICMPv4 != 0 {
		p.BadL4Sum = fold(sum(0, b)) != 0xffff
	}
	top := uint8(0) // highest code known
	quotes := false // an original packet follows
	switch p.ICMPType {
	case 0, 8, 13, 14, 15, 16, 17, 18:
		p.HasICMPID, p.ICMPID, p.ICMPSeq = true, be16(b[4:]), be16(b[6:])
		if (p.ICMPType == 13 || p.ICMPType == 14) && len(b) < 20 {
			p.invalid(EventICMPv4IPv4TruncPacket)
		}
	case 3:
		top, quotes = 15, true
		if p.ICMPCode == 4 {
			p.ICMPMTU = uint32(be16(b[6:]))
		}
	case 4:
		quotes = true
	case 5:
		top, quotes = 3, true
	case 9: // router advertisement, mobile IP among them
		return
	case 11:
		top, quotes = 1, true
	case 12:
		quotes = true
	default:
		p.Events.Set(EventICMPv4UnknownType)
		return
	}
	switch {
	case p.ICMPCode > top:
		p.Events.Set(EventICMPv4UnknownCode)
	case !quotes || len(b) == 8 && p.ICMPType != 4:
	case len(b) < 28:
		p.invalid(EventICMPv4IPv4TruncPacket)
	case b[8]>>4 != 4:
		p.invalid(EventICMPv4IPv4UnknownVersion)
	}
}

// icmpv6 decodes an ICMPv6 message (RFC 4443).
func (d *Decoder) icmpv6(p *Packet, b []byte) {
	p.Proto = protoICMPv6
	if len(b) < 8 {
		p.invalid(EventICMPv6PacketTooSmall)
		return
	}
	p.Has |= HasICMPv6
	p.ICMPType, p.ICMPCode = b[0], b[1]
	p.L4, p.L4Header, p.Payload = b, 8, b[8:]
	if d.sums&CheckICMPv6 != 0 {
		p.BadL4Sum = p.pseudoSum(b, protoICMPv6) != 0xffff
	}
	switch t := p.ICMPType; {
	case t >= 1 && t <= 4:
		p.icmpv6Error(b)
	case t == 128 || t == 129:
		if p.ICMPCode != 0 {
			p.Events.Set(EventICMPv6UnknownCode)
			break
		}
		p.HasICMPID, p.ICMPID, p.ICMPSeq = true, be16(b[4:]), be16(b[6:])
	default:
		p.icmpv6Informs()
	}
}

// icmpv6Error takes an error message, which quotes the packet it is about.
func (p *Packet) icmpv6Error(b []byte) {
	top := [5]uint8{1: 6, 2: 0, 3: 1, 4: 2}[p.ICMPType]
	if p.ICMPCode > top {
		p.Events.Set(EventICMPv6UnknownCode)
		return
	}
	if p.ICMPType == 2 {
		p.ICMPMTU = be32(b[4:])
	}
	switch {
	case len(b) < 48:
		p.invalid(EventICMPv6IPv6TruncPacket)
	case b[8]>>4 != 6:
		p.invalid(EventICMPv6IPv6UnknownVersion)
	}
}

// icmpv6Informs checks the type and code of an informational message.
func (p *Packet) icmpv6Informs() {
	top := uint8(0)
	switch t := p.ICMPType; {
	case t >= 130 && t <= 132:
		if p.TTL != 1 {
			p.Events.Set(EventICMPv6MLDMessageWithInvalidHopLimit)
		}
	case t >= 133 && t <= 137, t >= 141 && t <= 148:
	case t == 138:
		top = 2
		if p.ICMPCode == 255 {
			return
		}
	case t == 139, t == 140:
		top = 2
	case t == 149, t == 150, t >= 151 && t < 160:
		top = 255
	case t == 100, t == 101, t == 200, t == 201:
		p.Events.Set(EventICMPv6ExperimentationType)
		return
	case t >= 160 && t < 200, t > 201, t >= 5 && t < 100, t > 101 && t < 127:
		p.Events.Set(EventICMPv6UnassignedType)
		return
	default:
		p.Events.Set(EventICMPv6UnknownType)
		return
	}
	if p.ICMPCode > top {
		p.Events.Set(EventICMPv6UnknownCode)
	}
}

// Quoted is the packet that an ICMP error is about, as the side that sent the
// packet wrote it.
type Quoted struct {
	Proto            uint8
	Src, Dst         Addr
	SrcPort, DstPort uint16 // 0 when the protocol has none or they were cut off
}

// Quote gives the packet that an ICMP error message is about; false when p is
// no error message or quotes too little.
func (p *Packet) Quote() (q Quoted, ok bool) {
	var b []byte
	switch {
	case p.Invalid:
		return q, false
	case p.Has&HasICMPv4 != 0 && (p.ICMPType >= 3 && p.ICMPType <= 5 || p.ICMPType == 11 || p.ICMPType == 12):
		b = p.L4[8:]
		if len(b) < 20 || b[0]>>4 != 4 || int(b[0]&15)*4 < 20 {
			return q, false
		}
		q.Proto, q.Src, q.Dst = b[9], mapped(b[12:]), mapped(b[16:])
		b = b[min(len(b), int(b[0]&15)*4):]
	case p.Has&HasICMPv6 != 0 && p.ICMPType >= 1 && p.ICMPType <= 4:
		b = p.L4[8:]
		if len(b) < 40 || b[0]>>4 != 6 {
			return q, false
		}
		q.Proto = b[6]
		copy(q.Src[:], b[8:24])
		copy(q.Dst[:], b[24:40])
		b = b[40:]
	default:
		return q, false
	}
	switch q.Proto {
	case protoTCP, protoUDP, protoSCTP:
		if len(b) >= 4 {
			q.SrcPort, q.DstPort = be16(b), be16(b[2:])
		}
	}
	return q, true
}
