package rule

import (
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/number"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// packetCheck compares a number of the packet; get is false when the packet
// has none.
type packetCheck struct {
	get  func(p *packet.Packet) (uint64, bool)
	want number.Test
}

func (k *packetCheck) holds(in *Inspector, c *Context) bool {
	v, ok := k.get(c.Packet)
	return ok && in.facts.real && k.want.Match(v)
}

// packetNumber is a keyword that compares a number of each packet.
func packetNumber(bits int, names map[string]uint64, get func(p *packet.Packet) (uint64, bool)) func(*builder, syntax.Token, syntax.Token) error {
	return func(b *builder, name, value syntax.Token) error {
		t, err := number.Parse(value.Unquote().Text, bits, names)
		if err != nil {
			return fail(value, "%s: %s", "", name.Text, err.Error())
		}
		b.check(&packetCheck{get, t})
		b.needsPkt = true
		return nil
	}
}

func ip(get func(p *packet.Packet) uint64) func(p *packet.Packet) (uint64, bool) {
	return func(p *packet.Packet) (uint64, bool) {
		if p.IPVersion == 0 {
			return 0, false
		}
		return get(p), true
	}
}

func ipKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "ip", use: use, doc: doc, run: run}
	}
	same := k("sameip", "", "source and destination address are the same", (*builder).sameIP)
	same.arg = argNone
	return []keyword{
		k("ttl", "NUMBER or comparison", "IPv4 time to live, IPv6 hop limit", packetNumber(8, nil, ip(func(p *packet.Packet) uint64 { return uint64(p.TTL) }))),
		k("tos", "[!]NUMBER", "IPv4 type of service", packetNumber(8, nil, func(p *packet.Packet) (uint64, bool) { return uint64(p.TOS), p.IPVersion == 4 })),
		k("id", "NUMBER", "IPv4 identification", packetNumber(16, nil, func(p *packet.Packet) (uint64, bool) { return uint64(p.IPID), p.IPVersion == 4 })),
		k("fragoffset", "NUMBER or comparison", "fragment offset in units of 8 bytes", packetNumber(16, nil, ip(func(p *packet.Packet) uint64 { return uint64(p.FragOff / 8) }))),
		k("fragbits", "[+*!]MDR", "IPv4 fragment bits", (*builder).fragBits),
		k("ipopts", "rr|eol|nop|ts|sec|esec|lsrr|ssrr|satid|any|cipso|rtralt|qs", "an IPv4 option is there", (*builder).ipOpts),
		k("ip_proto", "[!<>]NUMBER or name", "IP protocol", (*builder).ipProto),
		k("l3_proto", "ipv4|ipv6", "IP version", (*builder).l3Proto),
		same,
		k("vlan.id", "NUMBER or comparison[, LAYER]", "VLAN number, of any layer or of one (0, 1, 2, -1 …)", (*builder).vlanID),
		k("vlan.layers", "NUMBER or comparison", "how many VLAN tags there are", packetNumber(8, nil, func(p *packet.Packet) (uint64, bool) { return uint64(p.VLANs), true })),
		k("ipv4-csum", "valid|invalid", "checksum of the IPv4 header", checksum(func(p *packet.Packet) (bool, bool) { return p.WrongIPSum(), p.IPVersion == 4 })),
		k("tcpv4-csum", "valid|invalid", "checksum of TCP over IPv4", checksum(l4Sum(packet.HasTCP, 4))),
		k("tcpv6-csum", "valid|invalid", "checksum of TCP over IPv6", checksum(l4Sum(packet.HasTCP, 6))),
		k("udpv4-csum", "valid|invalid", "checksum of UDP over IPv4", checksum(l4Sum(packet.HasUDP, 4))),
		k("udpv6-csum", "valid|invalid", "checksum of UDP over IPv6", checksum(l4Sum(packet.HasUDP, 6))),
		k("icmpv4-csum", "valid|invalid", "checksum of ICMPv4", checksum(l4Sum(packet.HasICMPv4, 4))),
		k("icmpv6-csum", "valid|invalid", "checksum of ICMPv6", checksum(l4Sum(packet.HasICMPv6, 6))),
	}
}

func l4Sum(has uint16, version uint8) func(p *packet.Packet) (bool, bool) {
	return func(p *packet.Packet) (bool, bool) {
		if p.Has&has == 0 || p.IPVersion != version {
			return false, false
		}
		return p.WrongL4Sum(), true
	}
}

func checksum(bad func(p *packet.Packet) (bool, bool)) func(*builder, syntax.Token, syntax.Token) error {
	get := func(p *packet.Packet) (uint64, bool) {
		b, ok := bad(p)
		if b {
			return 1, ok
		}
		return 0, ok
	}
	return packetNumber(8, map[string]uint64{"valid": 0, "invalid": 1}, get)
}

// sameIP is true when both addresses are the same.
type sameIP struct{}

func (sameIP) holds(_ *Inspector, c *Context) bool {
	return c.Packet.IPVersion != 0 && c.Packet.Src == c.Packet.Dst
}

func (b *builder) sameIP(_, _ syntax.Token) error {
	b.check(sameIP{})
	b.needsPkt = true
	return nil
}

// fragBits are packet.IPFlags by letter.
var fragBits = map[byte]uint64{'M': 1, 'D': 2, 'R': 4}

// flagsCheck compares bits: exactly, at least (+), any (*) or none (!) of them.
type flagsCheck struct {
	get          func(p *packet.Packet) (uint64, bool)
	mode         byte // 0, '+', '*', '!'
	bits, ignore uint64
}

func (k *flagsCheck) holds(in *Inspector, c *Context) bool {
	v, ok := k.get(c.Packet)
	if !ok || !in.facts.real {
		return false
	}
	v &^= k.ignore
	switch k.mode {
	case '+':
		return v&k.bits == k.bits && k.bits != 0
	case '*':
		return v&k.bits != 0
	case '!':
		return v&k.bits != k.bits
	}
	return v == k.bits
}

func (b *builder) fragBits(_, value syntax.Token) error {
	k := &flagsCheck{get: func(p *packet.Packet) (uint64, bool) { return uint64(p.IPFlags), p.IPVersion == 4 }}
	if err := k.parse(value.Unquote(), fragBits, false); err != nil {
		return err
	}
	b.check(k)
	b.needsPkt = true
	return nil
}

// parse reads letters with a modifier before or behind them.
func (k *flagsCheck) parse(t syntax.Token, letters map[byte]uint64, zero bool) error {
	if strings.TrimSpace(t.Text) == "" {
		return fail(t, "no flags", "write letters, such as S or M")
	}
	for i := range len(t.Text) {
		c := t.Text[i]
		if 'a' <= c && c <= 'z' {
			c -= 32
		}
		switch bit, ok := letters[c]; {
		case ok:
			k.bits |= bit
		case c == '+' || c == '*' || c == '!':
			if k.mode != 0 {
				return fail(t, "two of +, * and !", "keep one")
			}
			k.mode = c
		case c == '0' && zero:
		case c == ' ':
		default:
			return fail(t, "unknown flag %q", "", string(c))
		}
	}
	return nil
}

// ipOptions are the names of IPv4 options.
var ipOptions = map[string]uint16{
	"rr": packet.IPOptRR, "eol": packet.IPOptEOL, "nop": packet.IPOptNOP, "ts": packet.IPOptTS, "sec": packet.IPOptSec,
	"esec": packet.IPOptESec, "lsrr": packet.IPOptLSRR, "ssrr": packet.IPOptSSRR, "satid": packet.IPOptSID,
	"cipso": packet.IPOptCIPSO, "rtralt": packet.IPOptAlert, "qs": packet.IPOptQS, "any": 0xffff,
}

func (b *builder) ipOpts(_, value syntax.Token) error {
	bits, ok := ipOptions[strings.ToLower(value.Unquote().Text)]
	if !ok {
		return fail(value, "unknown IPv4 option %q", "write rr, eol, nop, ts, sec, esec, lsrr, ssrr, satid, cipso, rtralt, qs or any", value.Text)
	}
	b.check(&flagsCheck{get: func(p *packet.Packet) (uint64, bool) { return uint64(p.IPOptions), p.IPVersion == 4 }, mode: '*', bits: uint64(bits)})
	b.needsPkt = true
	return nil
}

func (b *builder) l3Proto(_, value syntax.Token) error {
	switch strings.ToLower(value.Unquote().Text) {
	case "ipv4", "ip4":
		b.rule.ipVersion = 4
	case "ipv6", "ip6":
		b.rule.ipVersion = 6
	default:
		return fail(value, "unknown network protocol %q", "write ipv4 or ipv6", value.Text)
	}
	return nil
}

// ipProtocols are the names that ip_proto takes.
var ipProtocols = map[string]uint64{
	"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "igp": 9, "udp": 17, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
	"icmpv6": 58, "ipv6-icmp": 58, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132,
}

func (b *builder) ipProto(name, value syntax.Token) error {
	if b.rule.over != overAnyIP && b.rule.over != overAnyIP|overNothing {
		return fail(name, "ip_proto in a rule of one protocol", "write alert ip any any -> any any")
	}
	t, err := number.Parse(strings.ReplaceAll(value.Unquote().Text, " ", ""), 8, ipProtocols)
	if err != nil {
		return fail(value, "ip_proto: %s", "", err.Error())
	}
	b.check(&packetCheck{ip(func(p *packet.Packet) uint64 { return uint64(p.Proto) }), t})
	return nil
}

// vlanCheck compares the number of one VLAN layer, or of any.
type vlanCheck struct {
	want  number.Test
	layer int
	any   bool
	all   bool
}

func (k *vlanCheck) holds(_ *Inspector, c *Context) bool {
	p := c.Packet
	n := int(p.VLANs)
	if !k.any && !k.all {
		at := k.layer
		if at < 0 {
			at += n
		}
		return at >= 0 && at < n && k.want.Match(uint64(p.VLAN[at]))
	}
	hits := 0
	for i := range n {
		if k.want.Match(uint64(p.VLAN[i])) {
			hits++
		}
	}
	return k.any && hits > 0 || k.all && hits == n && n > 0
}

func (b *builder) vlanID(_, value syntax.Token) error {
	v, layer, has := value.Cut(',')
	k := &vlanCheck{any: !has || layer.Text == "any", all: layer.Text == "all"}
	var err error
	if k.want, err = number.Parse(v.Text, 16, nil); err != nil {
		return fail(v, "vlan.id: %s", "", err.Error())
	}
	if !k.any && !k.all {
		n, ok := parseInt(layer.Text)
		if !ok || n < -3 || n > 2 {
			return fail(layer, "unknown layer %q", "write any, all, 0, 1, 2 or, from the inside, -1, -2, -3", layer.Text)
		}
		k.layer = int(n)
	}
	b.check(k)
	b.needsPkt = true
	return nil
}
