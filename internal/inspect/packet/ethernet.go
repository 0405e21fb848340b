package packet

// Ethernet types.
const (
	typeIPv4     = 0x0800
	typeARP      = 0x0806
	typeBridge   = 0x6558 // transparent Ethernet bridging
	typeVLAN     = 0x8100
	typeIPv6     = 0x86dd
	typeERSPAN   = 0x88be
	typePPP      = 0x880b
	typeMPLS     = 0x8847
	typeMPLSMany = 0x8848
	typePPPoEDsc = 0x8863
	typePPPoE    = 0x8864
	typeQinQ     = 0x88a8
	type8021ah   = 0x88e7
	typeDCE      = 0x8903
	typeVNTag    = 0x8926
	typeETag     = 0x893f
	typeNSH      = 0x894f
	typeOldQinQ  = 0x9100
)

// ethernet decodes an Ethernet II frame.
func (d *Decoder) ethernet(p *Packet, b []byte) {
	if !d.deeper(p) {
		return
	}
	if len(b) < 14 {
		p.invalid(EventEthernetPacketTooSmall)
		return
	}
	p.Has |= HasEthernet
	copy(p.MACDst[:], b)
	copy(p.MACSrc[:], b[6:])
	t := be16(b[12:])
	if !d.network(p, t, b[14:]) {
		p.Events.Set(EventEthernetUnknownEthertype)
	}
}

// network decodes what an Ethernet type announces and is false when that is
// none we know.
func (d *Decoder) network(p *Packet, t uint16, b []byte) bool {
	p.EtherType = t
	switch t {
	case typeIPv4:
		d.ipv4(p, b)
	case typeIPv6:
		d.ipv6(p, b)
	case typeVLAN, typeQinQ, typeOldQinQ:
		d.vlan(p, b)
	case typeARP:
		d.arp(p, b)
	case typePPPoE:
		d.pppoeSession(p, b)
	case typePPPoEDsc:
		d.pppoeDiscovery(p, b)
	case typeMPLS, typeMPLSMany:
		d.mpls(p, b)
	case typeBridge:
		d.ethernet(p, b)
	case type8021ah:
		d.tagged(p, b, 18, EventIEEE8021ahHeaderTooSmall, EventEthernetUnknownEthertype)
	case typeVNTag:
		d.tagged(p, b, 6, EventVNTagHeaderTooSmall, EventVNTagUnknownType)
	case typeETag:
		d.tagged(p, b, 8, EventETagHeaderTooSmall, EventETagUnknownType)
	case typeDCE:
		if len(b) < 16 {
			p.invalid(EventDCEPacketTooSmall)
			return true
		}
		d.ethernet(p, b[2:])
	case typeNSH:
		d.nsh(p, b)
	default:
		return false
	}
	return true
}

// vlan decodes an 802.1Q or 802.1ad tag.
func (d *Decoder) vlan(p *Packet, b []byte) {
	if !d.deeper(p) {
		return
	}
	if len(b) < 4 {
		p.invalid(EventVLANHeaderTooSmall)
		return
	}
	if p.VLANs >= d.vlanDepth {
		p.invalid(EventVLANTooManyLayers)
		return
	}
	p.VLAN[p.VLANs] = be16(b) & 0x0fff
	p.VLANs++
	if !d.network(p, be16(b[2:]), b[4:]) {
		p.invalid(EventVLANUnknownType)
	}
}

// tagged skips a tag of n bytes whose last two are the next Ethernet type.
func (d *Decoder) tagged(p *Packet, b []byte, n int, small, unknown Event) {
	if !d.deeper(p) {
		return
	}
	if len(b) < n {
		p.invalid(small)
		return
	}
	if !d.network(p, be16(b[n-2:]), b[n:]) {
		p.invalid(unknown)
	}
}

// arp decodes ARP for IPv4 over Ethernet.
func (d *Decoder) arp(p *Packet, b []byte) {
	if len(b) < 8 {
		p.invalid(EventARPPacketTooSmall)
		return
	}
	switch {
	case be16(b) != 1:
		p.invalid(EventARPUnsupportedHardware)
	case be16(b[2:]) != typeIPv4:
		p.invalid(EventARPUnsupportedProtocol)
	case b[4] != 6:
		p.invalid(EventARPInvalidHardwareSize)
	case b[5] != 4:
		p.invalid(EventARPInvalidProtocolSize)
	case len(b) < 28:
		p.invalid(EventARPUnsupportedPacket)
	default:
		switch be16(b[6:]) {
		case 1, 2, 3, 4, 8, 9, 10:
		default:
			p.invalid(EventARPUnsupportedOpcode)
			return
		}
		p.Has |= HasARP
		p.L3, p.L3Header = b[:28], 28
	}
}

// nsh is the network service header (RFC 8300).
func (d *Decoder) nsh(p *Packet, b []byte) {
	if !d.deeper(p) {
		return
	}
	if len(b) < 8 {
		p.invalid(EventNSHHeaderTooSmall)
		return
	}
	words := int(be16(b) & 0x3f)
	if b[0]>>6 != 0 {
		p.Events.Set(EventNSHUnsupportedVersion)
		return
	}
	switch kind := b[2]; {
	case words*4 > len(b):
		p.Events.Set(EventNSHBadHeaderLength)
		return
	case kind == 0:
		p.Events.Set(EventNSHReservedType)
		return
	case kind == 1 && words != 6, kind == 2 && words < 2:
		p.Events.Set(EventNSHBadHeaderLength)
		return
	case kind != 1 && kind != 2 && kind != 15:
		p.Events.Set(EventNSHUnsupportedType)
		return
	}
	n := words * 4
	if n >= len(b) {
		p.Events.Set(EventNSHBadHeaderLength)
		return
	}
	switch inner := b[n:]; b[3] {
	case 1:
		d.ipv4(p, inner)
	case 2:
		d.ipv6(p, inner)
	case 3:
		d.ethernet(p, inner)
	case 5:
		d.mpls(p, inner)
	case 4:
		p.Events.Set(EventNSHUnsupportedType)
	default:
		p.Events.Set(EventNSHUnknownPayload)
	}
}

// mpls follows a label stack and guesses what is below it.
func (d *Decoder) mpls(p *Packet, b []byte) {
	if !d.deeper(p) {
		return
	}
	var label uint32
	for bottom := false; !bottom; b = b[4:] {
		if len(b) < 4 {
			p.invalid(EventMPLSHeaderTooSmall)
			return
		}
		label, bottom = be32(b)>>12, b[2]&1 != 0
	}
	switch {
	case label == 0:
		d.ipv4(p, b)
	case label == 1:
		p.Events.Set(EventMPLSBadLabelRouterAlert)
	case label == 2:
		d.ipv6(p, b)
	case label == 3:
		p.Events.Set(EventMPLSBadLabelImplicitNull)
	case label < 15:
		p.Events.Set(EventMPLSBadLabelReserved)
	case len(b) < 4:
		p.invalid(EventMPLSPacketTooSmall)
	case b[0]>>4 == 4:
		d.ipv4(p, b)
	case b[0]>>4 == 6:
		d.ipv6(p, b)
	case b[0]>>4 == 0: // pseudo wire with a control word
		d.ethernet(p, b[4:])
	default:
		p.invalid(EventMPLSUnknownPayloadType)
	}
}
