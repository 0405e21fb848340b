package packet

// IP protocols.
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoIPIP     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoESP      = 50
	protoAH       = 51
	protoICMPv6   = 58
	protoNone     = 59
	protoDstOpts  = 60
	protoSCTP     = 132
	protoMobility = 135
	protoHIP      = 139
	protoShim6    = 140
)

// mapped is the IPv4-mapped form of 4 address bytes.
func mapped(b []byte) Addr {
	return Addr{10: 0xff, 11: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}
}

// ipv4 decodes an IPv4 packet (RFC 791).
func (d *Decoder) ipv4(p *Packet, b []byte) {
	if !d.deeper(p) {
		return
	}
	if len(b) < 20 {
		p.invalid(EventIPv4PacketTooSmall)
		return
	}
	if b[0]>>4 != 4 {
		p.invalid(EventIPv4WrongIPVersion)
		return
	}
	hlen, total := int(b[0]&15)*4, int(be16(b[2:]))
	switch {
	case hlen < 20:
		p.invalid(EventIPv4HLenTooSmall)
		return
	case total < hlen:
		p.invalid(EventIPv4IPLenSmallerThanHLen)
		return
	case len(b) < total:
		p.invalid(EventIPv4TruncPacket)
		return
	}
	b = b[:total]
	p.Has |= HasIPv4
	p.IPVersion, p.Proto, p.TTL, p.TOS = 4, b[9], b[8], b[1]
	p.IPID, p.IPFlags, p.FragOff = uint32(be16(b[4:])), b[6]>>5, (be16(b[6:])&0x1fff)*8
	p.IPFlags = p.IPFlags&1 | p.IPFlags&2 | p.IPFlags&4
	p.Src, p.Dst = mapped(b[12:]), mapped(b[16:])
	p.L3, p.L3Header = b, hlen
	if hlen > 20 {
		if !p.ipv4Options(b[20:hlen]) { // one runs past the header: where the payload begins is doubtful
			p.Has &^= HasIPv4
			p.IPVersion, p.L3, p.L3Header = 0, nil, 0
			return
		}
	}
	if d.sums&CheckIPv4 != 0 {
		p.BadIPSum = fold(sum(0, b[:hlen])) != 0xffff
	}
	p.Payload = b[hlen:]
	if p.FragOff > 0 || p.IPFlags&1 != 0 {
		p.Has |= HasFragment
		return
	}
	d.transport(p, p.Proto, b[hlen:])
}

// transport decodes what the IP protocol number announces.
func (d *Decoder) transport(p *Packet, proto uint8, b []byte) {
	switch proto {
	case protoTCP:
		d.tcp(p, b)
	case protoUDP:
		d.udp(p, b)
	case protoICMP:
		if p.IPVersion == 6 {
			p.Events.Set(EventIPv6ICMPv4)
			return
		}
		d.icmpv4(p, b)
	case protoICMPv6:
		if p.IPVersion == 4 {
			p.Events.Set(EventIPv4ICMPv6)
			return
		}
		d.icmpv6(p, b)
	case protoSCTP:
		d.sctp(p, b)
	case protoESP:
		d.esp(p, b)
	case protoGRE:
		d.gre(p, b)
	case protoIPIP:
		if p.IPVersion == 6 {
			d.carryIP(p, b, 4, 20, EventIPv6IPv4InIPv6TooSmall, EventIPv6IPv4InIPv6WrongVersion)
			return
		}
		p.carry(tunnelIP4, b)
	case protoIPv6:
		if p.IPVersion == 6 {
			d.carryIP(p, b, 6, 40, EventIPv6IPv6InIPv6TooSmall, EventIPv6IPv6InIPv6WrongVersion)
			return
		}
		p.carry(tunnelIP6, b)
	}
}

// carryIP notes an IP packet within IPv6.
func (d *Decoder) carryIP(p *Packet, b []byte, version byte, atLeast int, small, wrong Event) {
	switch {
	case len(b) < atLeast:
		p.invalid(small)
	case b[0]>>4 != version:
		p.invalid(wrong)
	case version == 4:
		p.carry(tunnelIP4, b)
	default:
		p.carry(tunnelIP6, b)
	}
}

// ipv4Option maps an option's type to its bit.
func ipv4Option(t byte) uint16 {
	switch t {
	case 7:
		return IPOptRR
	case 25:
		return IPOptQS
	case 68:
		return IPOptTS
	case 130:
		return IPOptSec
	case 131:
		return IPOptLSRR
	case 133:
		return IPOptESec
	case 134:
		return IPOptCIPSO
	case 136:
		return IPOptSID
	case 137:
		return IPOptSSRR
	case 148:
		return IPOptAlert
	}
	return IPOptOther
}

// ipv4Options walks the options and checks the form of each. It is false when
// their lengths do not fit.
func (p *Packet) ipv4Options(b []byte) bool {
	if len(b)%8 != 0 {
		p.Events.Set(EventIPv4OptPadRequired)
	}
	for len(b) > 0 {
		switch b[0] {
		case 0:
			p.IPOptions |= IPOptEOL
			return true
		case 1:
			p.IPOptions |= IPOptNOP
			b = b[1:]
			continue
		}
		if len(b) < 2 {
			p.Events.Set(EventIPv4OptEOLRequired)
			return true
		}
		n := int(b[1])
		if n < 2 || n > len(b) {
			return p.invalidOption(EventIPv4OptInvalidLen)
		}
		bit := ipv4Option(b[0])
		switch {
		case bit == IPOptOther:
			p.Events.Set(EventIPv4OptInvalid)
		case p.IPOptions&bit != 0:
			p.Events.Set(EventIPv4OptDuplicate)
		case p.ipv4OptionForm(bit, b[:n]):
			p.IPOptions |= bit
		}
		b = b[n:]
	}
	return true
}

// invalidOption notes a malformed option and is false.
func (p *Packet) invalidOption(e Event) bool {
	p.invalid(e)
	return false
}

// ipv4OptionForm checks one option, from its type byte to its end.
func (p *Packet) ipv4OptionForm(bit uint16, o []byte) bool {
	n := len(o)
	switch bit {
	case IPOptRR, IPOptLSRR, IPOptSSRR:
		if n < 3 {
			return p.invalidOption(EventIPv4OptInvalidLen)
		}
		if at := int(o[2]); at < 4 || at%4 != 0 || at > n+1 {
			return p.invalidOption(EventIPv4OptMalformed)
		}
	case IPOptTS:
		if n < 5 {
			return p.invalidOption(EventIPv4OptInvalidLen)
		}
		at := int(o[2])
		if at < 5 {
			return p.invalidOption(EventIPv4OptMalformed)
		}
		record := 4
		if o[3]&15 == 1 || o[3]&15 == 3 { // an address beside each time
			record = 8
		}
		if (at-5)%record != 0 || at > n+1 {
			return p.invalidOption(EventIPv4OptMalformed)
		}
	case IPOptCIPSO:
		if n < 10 {
			return p.invalidOption(EventIPv4OptInvalidLen)
		}
		return p.cipso(o[6:])
	case IPOptQS:
		return n >= 8 || p.invalidOption(EventIPv4OptInvalidLen)
	case IPOptSID, IPOptAlert:
		return n == 4 || p.invalidOption(EventIPv4OptInvalidLen)
	case IPOptSec, IPOptESec:
		return n >= 3 || p.invalidOption(EventIPv4OptInvalidLen)
	}
	return true
}

// cipso checks the tags of a commercial security option (FIPS 188).
func (p *Packet) cipso(tags []byte) bool {
	for len(tags) > 0 {
		if len(tags) < 2 || int(tags[1]) > len(tags) || tags[1] < 4 {
			return p.invalidOption(EventIPv4OptMalformed)
		}
		switch tags[0] {
		case 1, 2, 5, 6:
			if tags[2] != 0 {
				return p.invalidOption(EventIPv4OptMalformed)
			}
		case 7:
		default:
			return p.invalidOption(EventIPv4OptMalformed)
		}
		tags = tags[tags[1]:]
	}
	return true
}
