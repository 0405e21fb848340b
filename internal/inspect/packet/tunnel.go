package packet

// gre decodes GRE versions 0 (RFC 2784, 2890, 1701) and 1 (PPTP, RFC 2637).
func (d *Decoder) gre(p *Packet, b []byte) {
	if len(b) < 4 {
		p.invalid(EventGREPacketTooSmall)
		return
	}
	p.Has |= HasGRE
	n, ok := 0, false
	switch b[1] & 7 {
	case 0:
		n, ok = p.gre0(b)
	case 1:
		n, ok = p.gre1(b)
	default:
		p.invalid(EventGREWrongVersion)
	}
	if !ok {
		return
	}
	p.L4, p.L4Header, p.Payload = b, n, b[n:]
	inner := b[n:]
	switch be16(b[2:]) {
	case typeIPv4:
		p.carry(tunnelIP4, inner)
	case typeIPv6:
		p.carry(tunnelIP6, inner)
	case typePPP:
		if b[1]&7 != 1 {
			return
		}
		p.carry(tunnelPPP, inner)
	case typeVLAN:
		p.carry(tunnelVLAN, inner)
	case typeBridge:
		p.carry(tunnelEthernet, inner)
	case typeARP:
		p.carry(tunnelARP, inner)
	case typeERSPAN:
		if n > 4 {
			p.carry(tunnelERSPAN, inner)
		} else if d.erspan1 {
			p.carry(tunnelEthernet, inner)
		}
	}
}

// gre0 gives the length of a version 0 header.
func (p *Packet) gre0(b []byte) (int, bool) {
	if b[0]&7 != 0 {
		p.invalid(EventGREVersion0Recur)
		return 0, false
	}
	if b[1]&0x78 != 0 {
		p.invalid(EventGREVersion0Flags)
		return 0, false
	}
	n := 4
	if b[0]&0x20 != 0 {
		n += 4
	}
	if b[0]&0x10 != 0 {
		n += 4
	}
	if b[0]&0xc0 != 0 {
		n += 4
	}
	if n > len(b) {
		p.invalid(EventGREVersion0HdrTooBig)
		return 0, false
	}
	if b[0]&0x40 == 0 {
		return n, true
	}
	for { // source route entries, up to the empty one
		if n+4 > len(b) {
			p.invalid(EventGREVersion0MalformedSREHdr)
			return 0, false
		}
		family, size := be16(b[n:]), int(b[n+3])
		n += 4
		if family == 0 && size == 0 {
			return n, true
		}
		if n += size; n >= len(b) {
			p.invalid(EventGREVersion0MalformedSREHdr)
			return 0, false
		}
	}
}

// gre1 gives the length of a version 1 header.
func (p *Packet) gre1(b []byte) (int, bool) {
	bad := func(e Event) (int, bool) {
		p.invalid(e)
		return 0, false
	}
	switch {
	case b[0]&0x80 != 0:
		return bad(EventGREVersion1Chksum)
	case b[0]&0x40 != 0:
		return bad(EventGREVersion1Route)
	case b[0]&0x08 != 0:
		return bad(EventGREVersion1SSR)
	case b[0]&0x07 != 0:
		return bad(EventGREVersion1Recur)
	case b[1]&0x78 != 0:
		return bad(EventGREVersion1Flags)
	case be16(b[2:]) != typePPP:
		return bad(EventGREVersion1WrongProtocol)
	case b[0]&0x20 == 0:
		return bad(EventGREVersion1NoKey)
	}
	n := 8
	if b[0]&0x10 != 0 {
		n += 4
	}
	if b[1]&0x80 != 0 {
		n += 4
	}
	if n > len(b) {
		return bad(EventGREVersion1HdrTooBig)
	}
	return n, true
}

// erspan decodes ERSPAN type II.
func (d *Decoder) erspan(p *Packet, b []byte) {
	if !d.deeper(p) {
		return
	}
	if len(b) < 8 {
		p.invalid(EventERSPANHeaderTooSmall)
		return
	}
	if b[0]>>4 != 1 {
		p.invalid(EventERSPANUnsupportedVersion)
		return
	}
	if id := be16(b) & 0x0fff; id > 0 {
		if p.VLANs >= d.vlanDepth {
			p.invalid(EventERSPANTooManyVLANLayers)
			return
		}
		p.VLAN[p.VLANs] = id
		p.VLANs++
	}
	d.ethernet(p, b[8:])
}

// findTeredo looks for an IPv6 packet in a datagram (RFC 4380).
func (p *Packet) findTeredo() bool {
	b := p.Payload
	if len(b) < 40 {
		return false
	}
	for b[0] == 0 {
		if b[1] != 0 || len(b) < 48 { // only the origin indication may come before
			return false
		}
		b = b[8:]
	}
	if b[0]>>4 != 6 || len(b) != 40+int(be16(b[4:])) {
		return false
	}
	p.carry(tunnelTeredo, b)
	return true
}

// findVXLAN takes the frame out of a VXLAN datagram (RFC 7348).
func (p *Packet) findVXLAN() bool {
	b := p.Payload
	if len(b) < 8+14 || b[0]&0x08 == 0 || b[7] != 0 {
		return false
	}
	inner := b[8:]
	switch be16(inner[12:]) {
	case typeIPv4, typeIPv6, typeVLAN, typeQinQ, typeARP:
		p.carry(tunnelEthernet, inner)
	default:
		p.invalid(EventVXLANUnknownPayloadType)
	}
	return true
}

// findGeneve takes the packet out of a Geneve datagram (RFC 8926).
func (p *Packet) findGeneve() bool {
	b := p.Payload
	if len(b) < 8 || b[0]>>6 != 0 || b[7] != 0 || b[1]&0x3f != 0 {
		return false
	}
	n := 8 + int(b[0]&0x3f)*4
	if n > len(b) {
		return false
	}
	inner := b[n:]
	switch be16(b[2:]) {
	case typeBridge:
		p.carry(tunnelEthernet, inner)
	case typeIPv4:
		p.carry(tunnelIP4, inner)
	case typeIPv6:
		p.carry(tunnelIP6, inner)
	case typeARP:
		p.carry(tunnelARP, inner)
	default:
		p.invalid(EventGeneveUnknownPayloadType)
	}
	p.tunnel.carrier = WithinGeneve
	return true
}
