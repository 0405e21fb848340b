package rule

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

func tcp(get func(p *packet.Packet) uint64) func(p *packet.Packet) (uint64, bool) {
	return func(p *packet.Packet) (uint64, bool) {
		if p.Has&packet.HasTCP == 0 {
			return 0, false
		}
		return get(p), true
	}
}

func tcpKeywords() []keyword {
	k := func(name string, aliases []string, use, doc string, bits int, get func(p *packet.Packet) uint64) keyword {
		return keyword{name: name, aliases: aliases, family: "tcp", use: use, doc: doc, run: packetNumber(bits, nil, tcp(get))}
	}
	return []keyword{
		{name: "tcp.flags", aliases: []string{"flags"}, family: "tcp", use: "[!+*]FSRPAUCE0[, IGNORED]", doc: "TCP flags: exactly these, + at least, * any, ! not all", run: (*builder).tcpFlags},
		k("tcp.seq", []string{"seq"}, "NUMBER", "TCP sequence number", 32, func(p *packet.Packet) uint64 { return uint64(p.Seq) }),
		k("tcp.ack", []string{"ack"}, "NUMBER", "TCP acknowledgement number", 32, func(p *packet.Packet) uint64 { return uint64(p.Ack) }),
		k("tcp.window", []string{"window"}, "[!]NUMBER", "TCP window as sent", 16, func(p *packet.Packet) uint64 { return uint64(p.Window) }),
		{name: "tcp.mss", family: "tcp", use: "NUMBER or comparison", doc: "TCP option: largest segment",
			run: packetNumber(16, nil, func(p *packet.Packet) (uint64, bool) { return uint64(p.MSS), p.Has&packet.HasTCP != 0 && p.MSS != 0 })},
		{name: "tcp.wscale", family: "tcp", use: "NUMBER or comparison", doc: "TCP option: window scale",
			run: packetNumber(8, nil, func(p *packet.Packet) (uint64, bool) {
				return uint64(p.WScale - 1), p.Has&packet.HasTCP != 0 && p.WScale != 0
			})},
	}
}

var tcpFlagLetters = map[byte]uint64{
	'F': uint64(packet.FIN), 'S': uint64(packet.SYN), 'R': uint64(packet.RST), 'P': uint64(packet.PSH),
	'A': uint64(packet.ACK), 'U': uint64(packet.URG), 'E': uint64(packet.ECE), 'C': uint64(packet.CWR),
	'2': uint64(packet.ECE), '1': uint64(packet.CWR),
}

func (b *builder) tcpFlags(_, value syntax.Token) error {
	k := &flagsCheck{get: tcp(func(p *packet.Packet) uint64 { return uint64(p.TCPFlags) })}
	list, ignore, has := value.Unquote().Cut(',')
	if err := k.parse(list, tcpFlagLetters, true); err != nil {
		return err
	}
	if has {
		var other flagsCheck
		if err := other.parse(ignore, tcpFlagLetters, true); err != nil {
			return err
		}
		k.ignore = other.bits
	}
	b.check(k)
	b.needsPkt = true
	return nil
}
