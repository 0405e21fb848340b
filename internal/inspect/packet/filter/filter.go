// Package filter understands a small part of the filter language that capture
// programs share (pcap-filter): host, net, port, portrange, src, dst, tcp, udp,
// icmp, icmp6, ip, ip6, arp, vlan, and, or, not and parentheses. It knows
// decoded packets, and nothing of flows or rules: each packet is judged by
// itself, an IP fragment as it is. `masugata-gate read` calls it.
//
// One thing is unlike capture programs: VLAN tags are looked through, so that
// "port 22" finds tagged packets too, and "vlan" only asks for a tag.
package filter

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// Filter is a parsed filter. It does not change and may be shared by
// goroutines. The zero value takes every packet.
type Filter struct {
	nodes []node // the last is the root
}

// Error is a filter that cannot be read.
type Error struct {
	Column  int    // 1-based, in bytes
	Problem string // what is wrong
	Mend    string // what to write instead, "" when nothing will do
}

// Error gives column, problem and mend.
func (e *Error) Error() string {
	text := fmt.Sprintf("filter: column %d: %s", e.Column, e.Problem)
	if e.Mend != "" {
		text += "; " + e.Mend
	}
	return text
}

type operation uint8

const (
	opTest operation = iota
	opAnd
	opOr
	opNot
)

// node is a test, or joins the nodes at a and b.
type node struct {
	op   operation
	a, b int
	test test
}

type kind uint8

const (
	anything kind = iota // whatever proto says
	host                 // address in prefix
	port                 // port in low..high
	vlan                 // tagged, with low unless any
)

// side says which of a packet's ends are asked.
type side uint8

const (
	either side = iota
	source
	destination
	both
)

type network uint8

const (
	anyNetwork network = iota
	netARP
	netIPv4
	netIPv6
)

// test is one primitive.
type test struct {
	kind      kind
	side      side
	network   network
	proto     uint8 // IP protocol, 0 for any
	prefix    netip.Prefix
	low, high uint16
	any       bool
}

// Match says whether the filter takes p, the outermost packet of a frame.
func (f *Filter) Match(p *packet.Packet) bool {
	if len(f.nodes) == 0 {
		return true
	}
	return f.at(len(f.nodes)-1, p)
}

func (f *Filter) at(i int, p *packet.Packet) bool {
	n := &f.nodes[i]
	switch n.op {
	case opAnd:
		return f.at(n.a, p) && f.at(n.b, p)
	case opOr:
		return f.at(n.a, p) || f.at(n.b, p)
	case opNot:
		return !f.at(n.a, p)
	}
	return n.test.match(p)
}

func (t *test) match(p *packet.Packet) bool {
	if t.proto != 0 && (p.IPVersion == 0 || p.Proto != t.proto) {
		return false
	}
	switch t.network {
	case netARP:
		if p.Has&packet.HasARP == 0 {
			return false
		}
	case netIPv4:
		if p.IPVersion != 4 {
			return false
		}
	case netIPv6:
		if p.IPVersion != 6 {
			return false
		}
	}
	switch t.kind {
	case host:
		src, dst, ok := addresses(p)
		return ok && t.sides(t.prefix.Contains(src), t.prefix.Contains(dst))
	case port:
		src, dst, ok := ports(p)
		return ok && t.sides(src >= t.low && src <= t.high, dst >= t.low && dst <= t.high)
	case vlan:
		return t.tagged(p)
	}
	return true
}

func (t *test) sides(src, dst bool) bool {
	switch t.side {
	case source:
		return src
	case destination:
		return dst
	case both:
		return src && dst
	}
	return src || dst
}

func (t *test) tagged(p *packet.Packet) bool {
	for _, id := range p.VLAN[:p.VLANs] {
		if t.any || id == t.low {
			return true
		}
	}
	return false
}

// addresses are the ends of an IP packet, or of an ARP message for IPv4.
func addresses(p *packet.Packet) (src, dst netip.Addr, ok bool) {
	switch {
	case p.IPVersion == 4:
		return netip.AddrFrom4([4]byte(p.Src[12:])), netip.AddrFrom4([4]byte(p.Dst[12:])), true
	case p.IPVersion == 6:
		return netip.AddrFrom16(p.Src), netip.AddrFrom16(p.Dst), true
	case p.Has&packet.HasARP != 0 && len(p.L3) >= 28:
		return netip.AddrFrom4([4]byte(p.L3[14:])), netip.AddrFrom4([4]byte(p.L3[24:])), true
	}
	return src, dst, false
}

// ports are those of TCP, UDP and SCTP, also of a datagram's first fragment.
func ports(p *packet.Packet) (src, dst uint16, ok bool) {
	if p.IPVersion == 0 || p.Proto != protoTCP && p.Proto != protoUDP && p.Proto != protoSCTP {
		return 0, 0, false
	}
	if p.Has&packet.HasFragment == 0 {
		return p.SrcPort, p.DstPort, p.Has&(packet.HasTCP|packet.HasUDP|packet.HasSCTP) != 0
	}
	if p.FragOff != 0 || len(p.L3) < p.L3Header+4 {
		return 0, 0, false
	}
	b := p.L3[p.L3Header:]
	return binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), true
}
