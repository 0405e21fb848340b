package packet

import "encoding/binary"

// The link types that Decode knows.
const (
	LinkNull       LinkType = 0
	LinkEthernet   LinkType = 1
	LinkPPP        LinkType = 9
	LinkRaw12      LinkType = 12
	LinkRaw14      LinkType = 14
	LinkPPPHDLC    LinkType = 50
	LinkPPPEther   LinkType = 51
	LinkRaw        LinkType = 101
	LinkCHDLC      LinkType = 104
	LinkIEEE80211  LinkType = 105
	LinkLoop       LinkType = 108
	LinkLinuxSLL   LinkType = 113
	LinkRadiotap   LinkType = 127
	LinkIEEE8021PP LinkType = 192 // per packet information header before a frame
	LinkIPv4       LinkType = 228
	LinkIPv6       LinkType = 229
	LinkNFLOG      LinkType = 239
	LinkLinuxSLL2  LinkType = 276
)

// Checksums says which checksums are verified.
type Checksums uint8

// The checksums.
const (
	CheckIPv4 Checksums = 1 << iota
	CheckTCP
	CheckUDP
	CheckICMPv4
	CheckICMPv6
	CheckSCTP
	CheckNone Checksums = 0
	CheckAll  Checksums = CheckIPv4 | CheckTCP | CheckUDP | CheckICMPv4 | CheckICMPv6 | CheckSCTP
)

// Options is what a Decoder looks for.
type Options struct {
	Checksums   Checksums
	VXLANPorts  []uint16 // UDP ports of VXLAN, empty for none; at most 4
	GenevePorts []uint16 // UDP ports of Geneve, empty for none; at most 4
	Teredo      bool     // look for IPv6 in UDP
	TeredoPorts []uint16 // where; empty is any port; at most 4
	ERSPANTypeI bool     // decode ERSPAN without a header of its own
	VLANDepth   int      // VLAN tags followed, 1 to 3; 0 is 3
	MaxLayers   int      // headers followed in one frame with its tunnels; 0 is 16
}

// DefaultOptions verifies nothing and follows the tunnels that Suricata's
// stock configuration follows: VXLAN on 4789, Geneve on 6081, Teredo on 3544.
func DefaultOptions() Options {
	return Options{VXLANPorts: []uint16{4789}, GenevePorts: []uint16{6081}, Teredo: true, TeredoPorts: []uint16{3544}}
}

// Decoder decodes frames. It keeps no state between packets and may be shared
// by goroutines.
type Decoder struct {
	sums                  Checksums
	vxlan, geneve, teredo ports
	teredoOn, teredoAny   bool
	erspan1               bool
	vlanDepth             uint8
	maxLayers             uint8
}

type ports struct {
	n    int
	list [4]uint16
}

func portsOf(list []uint16) (p ports) {
	p.n = copy(p.list[:], list)
	return p
}

func (p *ports) has(a, b uint16) bool {
	for _, n := range p.list[:p.n] {
		if n == a || n == b {
			return true
		}
	}
	return false
}

// NewDecoder makes a decoder.
func NewDecoder(o Options) *Decoder {
	d := &Decoder{
		sums: o.Checksums, vxlan: portsOf(o.VXLANPorts), geneve: portsOf(o.GenevePorts), teredo: portsOf(o.TeredoPorts),
		teredoOn: o.Teredo, teredoAny: len(o.TeredoPorts) == 0, erspan1: o.ERSPANTypeI, vlanDepth: 3, maxLayers: 16,
	}
	if o.VLANDepth > 0 && o.VLANDepth < 3 {
		d.vlanDepth = uint8(o.VLANDepth)
	}
	if o.MaxLayers > 0 && o.MaxLayers < 255 {
		d.maxLayers = uint8(o.MaxLayers)
	}
	return d
}

// Decode fills p with what data, a frame of the given link type, holds. p is
// reset first. What is wrong with the headers is told by p.Events and
// p.Invalid. now is the capture time in nanoseconds, number the position in
// the capture.
func (d *Decoder) Decode(p *Packet, link LinkType, data []byte, now int64, number uint64) {
	*p = Packet{Data: data, Link: link, Time: now, Number: number}
	d.link(p, link, data)
}

// DecodeIP fills p with an IP packet that was put together from fragments or
// made by the engine: data begins with the IP header. like gives time, number,
// layer 2 and depth.
func (d *Decoder) DecodeIP(p *Packet, data []byte, source Source, like *Packet) {
	number, now := like.Number, like.Time
	*p = Packet{
		Data: data, Link: LinkRaw, Time: now, Number: number, Source: source, Depth: like.Depth, EtherType: like.EtherType,
		MACSrc: like.MACSrc, MACDst: like.MACDst, VLAN: like.VLAN, VLANs: like.VLANs, Has: like.Has & HasEthernet,
	}
	d.rawIP(p, data)
}

// Kinds of what is inside a tunnel.
const (
	tunnelNone uint8 = iota
	tunnelIP4
	tunnelIP6
	tunnelEthernet
	tunnelPPP
	tunnelVLAN
	tunnelERSPAN
	tunnelTeredo
	tunnelARP
)

// Next decodes the packet that p carries (GRE, ERSPAN, VXLAN, Geneve, Teredo,
// IP in IP) into inner, and is false when p carries none that makes sense.
// inner is reset; its
// slices point into the same frame. Packets inside are to be inspected before
// the one they came in.
func (d *Decoder) Next(p, inner *Packet) bool {
	t := p.tunnel
	if t.kind == tunnelNone || p.layers >= d.maxLayers {
		return false
	}
	data := p.Data[t.from:t.to]
	*inner = Packet{
		Data: data, Time: p.Time, Number: p.Number, Source: SourceTunnel, Depth: p.Depth + 1, layers: p.layers,
		VLAN: p.VLAN, VLANs: p.VLANs, Within: t.carrier,
	}
	switch t.kind {
	case tunnelIP4:
		inner.Link = LinkIPv4
		d.ipv4(inner, data)
		return inner.Has&HasIPv4 != 0
	case tunnelIP6:
		inner.Link = LinkIPv6
		d.ipv6(inner, data)
		return inner.Has&HasIPv6 != 0
	case tunnelTeredo:
		inner.Link = LinkIPv6
		d.ipv6(inner, data)
		return !inner.Invalid
	case tunnelEthernet:
		inner.Link = LinkEthernet
		d.ethernet(inner, data)
		return inner.Has&HasEthernet != 0
	case tunnelERSPAN:
		d.erspan(inner, data)
		return inner.Has&HasEthernet != 0
	case tunnelPPP:
		inner.Link = LinkPPP
		d.ppp(inner, data)
	case tunnelVLAN:
		d.vlan(inner, data)
	case tunnelARP:
		d.arp(inner, data)
	}
	return !inner.Invalid || inner.Has != 0
}

// carry notes that data, a part of p.Data, is a packet of its own.
func (p *Packet) carry(kind uint8, data []byte) {
	if len(data) == 0 {
		return
	}
	p.tunnel.from = uint32(cap(p.Data) - cap(data))
	p.tunnel.to = p.tunnel.from + uint32(len(data))
	p.tunnel.kind, p.tunnel.carrier = kind, p.carrier(kind)
	p.Has |= HasTunnel
}

// carrier is what a packet of a kind in p is carried in.
func (p *Packet) carrier(kind uint8) Carrier {
	switch {
	case p.Proto == 47:
		return WithinGRE
	case kind == tunnelTeredo:
		return WithinTeredo
	case p.Has&HasUDP != 0:
		return WithinVXLAN
	case p.IPVersion == 6:
		return WithinIPv6
	}
	return WithinIPv4
}

// invalid adds an event after which nothing more is decoded.
func (p *Packet) invalid(e Event) {
	p.Events.Set(e)
	p.Invalid = true
}

// deeper counts a header and is false when there are too many.
func (d *Decoder) deeper(p *Packet) bool {
	p.layers++
	if p.layers > d.maxLayers {
		p.invalid(EventTooManyLayers)
		return false
	}
	return true
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
