package rule

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

func icmp(get func(p *packet.Packet) uint64) func(p *packet.Packet) (uint64, bool) {
	return func(p *packet.Packet) (uint64, bool) {
		if p.Has&(packet.HasICMPv4|packet.HasICMPv6) == 0 {
			return 0, false
		}
		return get(p), true
	}
}

func echo(get func(p *packet.Packet) uint64) func(p *packet.Packet) (uint64, bool) {
	return func(p *packet.Packet) (uint64, bool) {
		if !p.HasICMPID {
			return 0, false
		}
		return get(p), true
	}
}

func icmpKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "icmp", use: use, doc: doc, run: run}
	}
	return []keyword{
		k("itype", "NUMBER or comparison", "ICMP type", packetNumber(8, nil, icmp(func(p *packet.Packet) uint64 { return uint64(p.ICMPType) }))),
		k("icode", "NUMBER or comparison", "ICMP code", packetNumber(8, nil, icmp(func(p *packet.Packet) uint64 { return uint64(p.ICMPCode) }))),
		k("icmp_id", "NUMBER", "identifier of an ICMP echo", unquotedNumber(echo(func(p *packet.Packet) uint64 { return uint64(p.ICMPID) }))),
		k("icmp_seq", "NUMBER", "sequence number of an ICMP echo", unquotedNumber(echo(func(p *packet.Packet) uint64 { return uint64(p.ICMPSeq) }))),
		k("icmpv6.mtu", "NUMBER or comparison", "MTU in an ICMPv6 packet too big", packetNumber(32, nil, icmpMTU)),
		k("igmp.type", "NUMBER or comparison", "IGMP type", packetNumber(8, igmpTypes, igmpType)),
	}
}

// igmpTypes are the message types of RFC 1112, RFC 2236 and RFC 3376.
var igmpTypes = map[string]uint64{"query": 0x11, "membership_query": 0x11, "v1_report": 0x12, "v2_report": 0x16, "leave_group": 0x17, "v3_report": 0x22}

func igmpType(p *packet.Packet) (uint64, bool) {
	if p.IPVersion == 0 || p.Proto != 2 || len(p.Payload) == 0 {
		return 0, false
	}
	return uint64(p.Payload[0]), true
}

// unquotedNumber takes the number also in quotes, as old rules write it.
func unquotedNumber(get func(p *packet.Packet) (uint64, bool)) func(*builder, syntax.Token, syntax.Token) error {
	inner := packetNumber(16, nil, get)
	return func(b *builder, name, value syntax.Token) error { return inner(b, name, value.Unquote()) }
}

// icmpMTU is in bytes 4 to 8 of a packet too big message (RFC 4443).
func icmpMTU(p *packet.Packet) (uint64, bool) {
	if p.Has&packet.HasICMPv6 == 0 || p.ICMPType != 2 || len(p.L4) < 8 {
		return 0, false
	}
	return uint64(binary.BigEndian.Uint32(p.L4[4:])), true
}
