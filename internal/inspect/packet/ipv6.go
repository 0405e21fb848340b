package packet

// ipv6 decodes an IPv6 packet (RFC 8200).
func (d *Decoder) ipv6(p *Packet, b []byte) {
	if !d.deeper(p) {
		return
	}
	if len(b) < 40 {
		p.invalid(EventIPv6PacketTooSmall)
		return
	}
	if b[0]>>4 != 6 {
		p.invalid(EventIPv6WrongIPVersion)
		return
	}
	total := 40 + int(be16(b[4:]))
	if len(b) < total {
		p.invalid(EventIPv6TruncPacket)
		return
	}
	b = b[:total]
	p.Has |= HasIPv6
	p.IPVersion, p.Proto, p.TTL, p.TOS = 6, b[6], b[7], b[0]<<4|b[1]>>4
	copy(p.Src[:], b[8:24])
	copy(p.Dst[:], b[24:40])
	p.L3, p.L3Header = b, 40
	w := walk{next: b[6], rest: b[40:]}
	for d.extension(p, &w) {
	}
	p.L3Header = total - len(w.rest)
	p.Proto = w.next
	if w.stop {
		p.Payload = w.rest
		return
	}
	p.Payload = w.rest
	d.afterIPv6(p, w)
}

// walk is the state of a walk over extension headers.
type walk struct {
	next             byte
	rest             []byte
	stop             bool // nothing more is to be decoded
	started          bool
	hop, route, auth bool
	dst              uint8
	frag             bool
}

// afterIPv6 decodes what follows the extension headers.
func (d *Decoder) afterIPv6(p *Packet, w walk) {
	switch w.next {
	case protoTCP, protoUDP, protoICMP, protoICMPv6, protoSCTP, protoESP, protoIPIP, protoIPv6, protoGRE:
		if (w.started || w.next == protoESP) && len(w.rest) < 2 {
			p.invalid(EventIPv6TruncExtHdr)
			return
		}
		if w.started && (w.next == protoIPv6 || w.next == protoGRE) {
			p.Events.Set(EventIPv6UnknownNextHeader)
			return
		}
		d.transport(p, w.next, w.rest)
	case protoNone:
		if len(w.rest) > 0 {
			p.Events.Set(EventIPv6DataAfterNoneHeader)
		}
	default:
		p.Events.Set(EventIPv6UnknownNextHeader)
	}
}

// extension takes one extension header and is false at the end of them.
func (d *Decoder) extension(p *Packet, w *walk) bool {
	switch w.next {
	case protoHopByHop, protoDstOpts, protoRouting, protoFragment, protoAH, protoMobility, protoHIP, protoShim6:
	default:
		return false
	}
	w.started = true
	if len(w.rest) < 2 {
		return w.truncated(p)
	}
	n := 8 + int(w.rest[1])*8
	switch w.next {
	case protoFragment:
		n = 8
	case protoAH:
		n = 12 + max(int(w.rest[1])-1, 0)*4
	}
	if n > len(w.rest) {
		return w.truncated(p)
	}
	h := w.rest[:n]
	switch w.next {
	case protoHopByHop:
		w.options(p, h, w.hop, EventIPv6ExtHdrDuplHH)
		w.hop = true
	case protoDstOpts:
		w.options(p, h, w.dst >= 2, EventIPv6ExtHdrDuplDH)
		w.dst++
	case protoRouting:
		if w.route {
			p.Events.Set(EventIPv6ExtHdrDuplRH)
		} else if h[2] == 0 {
			p.Events.Set(EventIPv6RHType0)
		}
		w.route = true
	case protoAH:
		if be16(h[2:]) != 0 {
			p.Events.Set(EventIPv6ExtHdrAHResNotNull)
		}
		if w.auth {
			p.Events.Set(EventIPv6ExtHdrDuplAH)
		}
		w.auth = true
	case protoFragment:
		if w.fragment(p, h) {
			w.rest, w.next, w.stop = w.rest[n:], h[0], true
			return false
		}
	}
	w.next, w.rest = h[0], w.rest[n:]
	if w.next != protoNone && len(w.rest) < 2 {
		return w.truncated(p)
	}
	return true
}

func (w *walk) truncated(p *Packet) bool {
	p.invalid(EventIPv6TruncExtHdr)
	w.stop = true
	return false
}

// fragment takes a fragment header and says whether the packet is a fragment.
func (w *walk) fragment(p *Packet, h []byte) bool {
	if h[1] != 0 {
		p.Events.Set(EventIPv6FHNonZeroReservedField)
	}
	if w.frag {
		p.Events.Set(EventIPv6ExtHdrDuplFH)
		return false
	}
	w.frag = true
	off := be16(h[2:])
	p.FragOff, p.IPFlags, p.IPID = off&^7, uint8(off&1), be32(h[4:])
	if off&^6 == 0 {
		p.Events.Set(EventIPv6ExtHdrUselessFH)
		p.Has |= HasUseless
		return false
	}
	if off&1 != 0 && len(w.rest)%8 != 0 {
		p.Events.Set(EventIPv6FragInvalidLength)
	}
	p.Has |= HasFragment
	return true
}

// options walks hop-by-hop or destination options.
func (w *walk) options(p *Packet, h []byte, dup bool, dupEvent Event) {
	if dup {
		p.Events.Set(dupEvent)
		return
	}
	unknown, padded := EventIPv6HopoptsUnknownOpt, EventIPv6HopoptsOnlyPadding
	if w.next == protoDstOpts {
		unknown, padded = EventIPv6DstoptsUnknownOpt, EventIPv6DstoptsOnlyPadding
	}
	pads, others := 0, 0
walk:
	for o := h[2:]; len(o) > 0; {
		if o[0] == 0 {
			pads++
			o = o[1:]
			continue
		}
		if len(o) < 2 || 1+int(o[1]) > len(o) {
			p.invalid(EventIPv6ExtHdrInvalidOptLen)
			break
		}
		n := int(o[1])
		switch atLeast, counts := ipv6Option(o[0]); {
		case o[0] == 1: // PadN
			pads++
			if n == 0 {
				p.Events.Set(EventIPv6ZeroLenPadN)
			}
		case n < atLeast:
			p.invalid(EventIPv6ExtHdrInvalidOptLen)
			break walk
		case counts:
			others++
		case atLeast == 0:
			p.Events.Set(unknown)
			others++
		}
		o = o[min(len(o), 2+n):]
	}
	if pads > 0 && others == 0 {
		p.Events.Set(padded)
	}
}

// ipv6Option gives the least length of an option's data, 0 for options that
// are not known, and whether it counts as more than padding.
func ipv6Option(kind byte) (atLeast int, counts bool) {
	switch kind {
	case 5: // router alert
		return 2, true
	case 0xc2: // jumbo payload
		return 4, false
	case 0xc9: // home address
		return 16, true
	}
	return 0, false
}
