package packet

// ppp decodes a PPP frame with or without address and control bytes, with a
// protocol field of one or two bytes.
func (d *Decoder) ppp(p *Packet, b []byte) {
	if !d.deeper(p) {
		return
	}
	if len(b) < 1 {
		p.invalid(EventPPPPacketTooSmall)
		return
	}
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b = b[2:]
	}
	d.pppProtocol(p, b)
}

// pppProtocol decodes from the protocol field on.
func (d *Decoder) pppProtocol(p *Packet, b []byte) {
	if len(b) < 1 || b[0]&1 == 0 && len(b) < 2 {
		p.invalid(EventPPPPacketTooSmall)
		return
	}
	proto, n := uint16(b[0]), 1
	if b[0]&1 == 0 {
		proto, n = be16(b), 2
	}
	b = b[n:]
	switch proto {
	case 0x002f: // Van Jacobson, uncompressed
		if len(b) < 20 {
			p.invalid(EventPPPVJUPacketTooSmall)
		} else if b[0]>>4 == 4 {
			d.ipv4(p, b)
		}
	case 0x0021:
		if len(b) < 20 {
			p.invalid(EventPPPIP4PacketTooSmall)
		} else {
			d.ipv4(p, b)
		}
	case 0x0057:
		if len(b) < 40 {
			p.invalid(EventPPPIP6PacketTooSmall)
		} else {
			d.ipv6(p, b)
		}
	case 0x002d, 0x002b, 0x0023, 0x0025, 0x0027, 0x0029, 0x0031, 0x0033, 0x0035, 0x0281, 0x0283, 0x4001, 0x8021, 0x8023, 0x8025,
		0x8027, 0x8029, 0x802b, 0x8033, 0x8035, 0x8057, 0x8281, 0xc021, 0xc023, 0xc025, 0xc223, 0x0231, 0x0233, 0x80fd, 0x00fd:
		p.Events.Set(EventPPPUnsupProto)
	default:
		p.invalid(EventPPPWrongType)
	}
}

// pppoeSession decodes the session stage of PPP over Ethernet (RFC 2516).
func (d *Decoder) pppoeSession(p *Packet, b []byte) {
	if !d.deeper(p) {
		return
	}
	if len(b) < 7 {
		p.invalid(EventPPPoEPacketTooSmall)
		return
	}
	if n := int(be16(b[4:])); n > 0 {
		d.pppProtocol(p, b[6:])
	}
}

// pppoeDiscovery checks the tags of the discovery stage.
func (d *Decoder) pppoeDiscovery(p *Packet, b []byte) {
	if len(b) < 6 {
		p.invalid(EventPPPoEPacketTooSmall)
		return
	}
	switch b[1] {
	case 0x09, 0x07, 0x19, 0x65, 0xa7:
	default:
		p.invalid(EventPPPoEWrongCode)
		return
	}
	n := int(be16(b[4:]))
	if b = b[6:]; n > len(b) {
		p.invalid(EventPPPoEMalformedTags)
		return
	}
	for b = b[:n]; len(b) >= 4; {
		t := 4 + int(be16(b[2:]))
		if t > len(b) {
			p.invalid(EventPPPoEMalformedTags)
			return
		}
		b = b[t:]
	}
}
