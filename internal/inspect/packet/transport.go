package packet

// tcp decodes a TCP segment (RFC 9293).
func (d *Decoder) tcp(p *Packet, b []byte) {
	p.Proto = protoTCP
	if len(b) < 20 {
		p.invalid(EventTCPPacketTooSmall)
		return
	}
	hlen := int(b[12]>>4) * 4
	if hlen > len(b) {
		p.invalid(EventTCPHLenTooSmall)
		return
	}
	if hlen < 20 {
		p.invalid(EventTCPInvalidOptLen)
		return
	}
	p.Has |= HasTCP
	p.SrcPort, p.DstPort = be16(b), be16(b[2:])
	p.Seq, p.Ack = be32(b[4:]), be32(b[8:])
	p.TCPFlags, p.Window, p.Urgent = b[13], be16(b[14:]), be16(b[18:])
	p.L4, p.L4Header, p.Payload = b, hlen, b[hlen:]
	if hlen > 20 {
		p.tcpOptions(b[20:hlen])
	}
	if d.sums&CheckTCP != 0 {
		p.BadL4Sum = p.pseudoSum(b, protoTCP) != 0xffff
	}
}

// tcpOptions walks the options.
func (p *Packet) tcpOptions(b []byte) {
	// The usual case: NOP, NOP, timestamp.
	if len(b) == 12 && be32(b) == 0x0101080a {
		p.HasTS, p.TSVal, p.TSEcr = true, be32(b[4:]), be32(b[8:])
		return
	}
	var seen uint64
	for len(b) > 0 {
		kind := b[0]
		if kind == 0 {
			return
		}
		if kind == 1 {
			b = b[1:]
			continue
		}
		if len(b) < 2 {
			return
		}
		n := int(b[1])
		if n < 2 || n > len(b) {
			p.Events.Set(EventTCPOptInvalidLen)
			return
		}
		p.tcpOption(b[:n], &seen)
		b = b[n:]
	}
}

// tcpOption takes one option, from its kind byte to its end.
func (p *Packet) tcpOption(o []byte, seen *uint64) {
	kind, n := o[0], len(o)
	ok := true
	switch kind {
	case 2:
		ok = n == 4
	case 3:
		ok = n == 3
	case 4:
		ok = n == 2
	case 5:
		ok = n <= 34 && n%8 == 2
	case 8:
		ok = n == 10
	case 19: // MD5 signature
		ok = n == 18
	case 29: // authentication option
		ok = n >= 4
	case 34: // Fast Open
		ok = n == 2 || n >= 4 && n <= 18 && n%2 == 0
	case 253: // experimental: Fast Open when its magic number is there
		ok = n == 4 || n == 12
		if ok && be16(o[2:]) != 0xf989 {
			return
		}
		kind = 34
	default:
		return
	}
	if !ok {
		p.Events.Set(EventTCPOptInvalidLen)
		return
	}
	bit := uint64(1) << kind
	if *seen&bit != 0 {
		p.Events.Set(EventTCPOptDuplicate)
		return
	}
	*seen |= bit
	switch kind {
	case 2:
		p.MSS = be16(o[2:])
	case 3:
		p.WScale = o[2] + 1
		if o[2] > 14 {
			p.WScale = 1
		}
	case 4:
		p.SACKOK = true
	case 5:
		p.HasSACK = n > 2
	case 8:
		p.HasTS, p.TSVal, p.TSEcr = true, be32(o[2:]), be32(o[6:])
	}
}

// udp decodes a UDP datagram (RFC 768) and looks for tunnels in it.
func (d *Decoder) udp(p *Packet, b []byte) {
	p.Proto = protoUDP
	if len(b) < 8 {
		p.invalid(EventUDPHLenTooSmall)
		return
	}
	n := int(be16(b[4:]))
	switch {
	case n > len(b):
		p.invalid(EventUDPPacketTooSmall)
		return
	case n < 8:
		p.invalid(EventUDPLenInvalid)
		return
	}
	b = b[:n]
	p.Has |= HasUDP
	p.SrcPort, p.DstPort = be16(b), be16(b[2:])
	p.L4, p.L4Header, p.Payload = b, 8, b[8:]
	if d.sums&CheckUDP != 0 && (be16(b[6:]) != 0 || p.IPVersion == 6) {
		p.BadL4Sum = p.pseudoSum(b, protoUDP) != 0xffff
	}
	switch {
	case len(p.Payload) == 0:
	case d.teredoOn && (d.teredoAny || d.teredo.has(p.SrcPort, p.DstPort)) && p.findTeredo():
	case d.geneve.has(p.DstPort, p.DstPort) && p.findGeneve():
	case d.vxlan.has(p.DstPort, p.DstPort) && p.findVXLAN():
	}
}

// sctp decodes the common header of SCTP (RFC 9260).
func (d *Decoder) sctp(p *Packet, b []byte) {
	p.Proto = protoSCTP
	if len(b) < 12 {
		p.invalid(EventSCTPPacketTooSmall)
		return
	}
	p.Has |= HasSCTP
	p.SrcPort, p.DstPort = be16(b), be16(b[2:])
	p.L4, p.L4Header, p.Payload = b, 12, b[12:]
	if d.sums&CheckSCTP != 0 {
		p.BadL4Sum = !sctpSumOK(b)
	}
}

// esp notes an encapsulating security payload (RFC 4303).
func (d *Decoder) esp(p *Packet, b []byte) {
	p.Proto = protoESP
	if len(b) < 8 {
		p.invalid(EventESPPacketTooSmall)
		return
	}
	p.Has |= HasESP
	p.L4, p.L4Header, p.Payload = b, 8, b[8:]
}
