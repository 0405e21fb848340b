package packet

// link decodes the capture's own layer.
func (d *Decoder) link(p *Packet, link LinkType, data []byte) {
	switch link {
	case LinkEthernet:
		d.ethernet(p, data)
	case LinkRaw12, LinkRaw14, LinkRaw:
		d.rawIP(p, data)
	case LinkIPv4:
		d.ipv4(p, data)
	case LinkIPv6:
		d.ipv6(p, data)
	case LinkLinuxSLL:
		d.sll(p, data)
	case LinkLinuxSLL2:
		d.sll2(p, data)
	case LinkNull, LinkLoop:
		d.null(p, data)
	case LinkPPP, LinkPPPHDLC:
		d.ppp(p, data)
	case LinkPPPEther:
		d.pppoeSession(p, data)
	case LinkCHDLC:
		d.chdlc(p, data)
	case LinkNFLOG:
		d.nflog(p, data)
	case LinkIEEE80211:
		d.wireless(p, data)
	case LinkRadiotap:
		if len(data) >= 4 {
			d.wireless(p, data[min(len(data), int(data[2])|int(data[3])<<8):])
		}
	case LinkIEEE8021PP:
		d.ppi(p, data)
	default:
		p.Invalid = true
	}
}

// rawIP decodes an IP packet of either version.
func (d *Decoder) rawIP(p *Packet, b []byte) {
	switch {
	case len(b) == 0:
		p.invalid(EventIPv4PacketTooSmall)
	case b[0]>>4 == 4:
		d.ipv4(p, b)
	case b[0]>>4 == 6:
		d.ipv6(p, b)
	default:
		p.invalid(EventIPRawInvalidIPVersion)
	}
}

// sll is the Linux cooked header, version 1.
func (d *Decoder) sll(p *Packet, b []byte) {
	if len(b) < 16 {
		p.invalid(EventSLLPacketTooSmall)
		return
	}
	copy(p.MACSrc[:], b[6:12])
	d.network(p, be16(b[14:]), b[16:])
}

// sll2 is the Linux cooked header, version 2.
func (d *Decoder) sll2(p *Packet, b []byte) {
	if len(b) < 20 {
		p.invalid(EventSLL2PacketTooSmall)
		return
	}
	copy(p.MACSrc[:], b[12:18])
	d.network(p, be16(b), b[20:])
}

// null is the BSD loopback header: an address family in the byte order of the
// machine that captured.
func (d *Decoder) null(p *Packet, b []byte) {
	if len(b) < 4 {
		p.invalid(EventNullPacketTooSmall)
		return
	}
	family := be32(b)
	if family > 0xffff {
		family = uint32(b[0]) | uint32(b[1])<<8
	}
	switch family {
	case 2:
		d.ipv4(p, b[4:])
	case 10, 23, 24, 28, 30: // IPv6 in Linux, Windows, and the BSDs
		d.ipv6(p, b[4:])
	default:
		p.Events.Set(EventNullUnsupportedType)
		p.Invalid = true
	}
}

// chdlc is Cisco HDLC.
func (d *Decoder) chdlc(p *Packet, b []byte) {
	if len(b) < 4 {
		p.invalid(EventCHDLCPacketTooSmall)
		return
	}
	d.network(p, be16(b[2:]), b[4:])
}

// nflog walks the attributes of a netfilter log record to its payload.
func (d *Decoder) nflog(p *Packet, b []byte) {
	const payload = 9
	if len(b) < 4 {
		p.Invalid = true
		return
	}
	for b = b[4:]; len(b) >= 4; {
		n, kind := int(b[0])|int(b[1])<<8, (int(b[2])|int(b[3])<<8)&0x7fff
		if n < 4 || n > len(b) {
			break
		}
		if kind == payload {
			d.rawIP(p, b[4:n])
			return
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	p.Invalid = true
}

// ppi is the per-packet information header: version, flags, length and link
// type, little-endian.
func (d *Decoder) ppi(p *Packet, b []byte) {
	if len(b) < 8 {
		p.Invalid = true
		return
	}
	n := int(b[2]) | int(b[3])<<8
	inner := LinkType(b[4]) | LinkType(b[5])<<8
	if n < 8 || n > len(b) || inner == LinkIEEE8021PP {
		p.Invalid = true
		return
	}
	d.link(p, inner, b[n:])
}

// wireless takes data frames of IEEE 802.11 that carry IP in the clear.
func (d *Decoder) wireless(p *Packet, b []byte) {
	if len(b) < 24 || b[0]>>2&3 != 2 || b[1]&0x40 != 0 {
		p.Invalid = true
		return
	}
	n := 24
	if b[1]&3 == 3 {
		n += 6
	}
	if b[0]&0x80 != 0 { // quality of service
		n += 2
	}
	if len(b) < n+8 || b[n] != 0xaa || b[n+1] != 0xaa {
		p.Invalid = true
		return
	}
	copy(p.MACDst[:], b[4:10])
	copy(p.MACSrc[:], b[10:16])
	d.network(p, be16(b[n+6:]), b[n+8:])
}
