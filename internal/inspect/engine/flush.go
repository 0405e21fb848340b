package engine

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// madeSize is the size of a made packet: an IP header and a TCP header.
const madeSize = 40 + 20

// flush inspects what there is of a flow with a made packet in each direction,
// before the packet that made it due: when nothing more of the flow can be
// read, and with each packet between the end of one protocol and the first
// bytes of the next. Suricata makes such packets, on which rules about packets
// fire too.
func (e *Engine) flush(o flow.Outcome) {
	f, first := o.Flow, o.Dir.Other()
	if f.Flags&(flow.FlagBypassed|flow.FlagNoInspect|flow.FlagDropped|flow.FlagListed) != 0 {
		return
	}
	a := e.app(f)
	for _, d := range [2]packet.Direction{first, first.Other()} {
		p := e.headers(f, d)
		c := rule.Context{Packet: p, Flow: f, Dir: d, Now: e.now, Last: true, App: f.App,
			Outcome: flow.Outcome{Flow: f, Dir: d, Established: true}}
		switch {
		case a.turning:
			c.App = f.AppOriginal
			if a.before != nil {
				c.Txs = a.before.Txs()
			}
		case a.parser != nil:
			c.Txs = a.parser.Txs()
			c.Raw, c.RawOffset, c.RawFresh = e.table.Raw(f, d)
		}
		e.current = p
		e.obey(f, e.report(&c))
		if c.Raw != nil {
			e.table.RawDone(f, d)
		}
	}
}

// headers makes an empty TCP segment of a flow in d.
func (e *Engine) headers(f *flow.Flow, d packet.Direction) *packet.Packet {
	like := e.made(&e.aside, f, d)
	b := &e.segment
	clear(b[:])
	tcp := b[20:]
	if f.IPVersion == 6 {
		tcp = b[40:]
		b[0], b[5], b[6], b[7] = 6<<4, 20, 6, 64
		copy(b[8:], like.Src[:])
		copy(b[24:], like.Dst[:])
	} else {
		b[0], b[3], b[8], b[9] = 4<<4|5, 40, 64, 6
		copy(b[12:], like.Src[12:])
		copy(b[16:], like.Dst[12:])
	}
	binary.BigEndian.PutUint16(tcp, like.SrcPort)
	binary.BigEndian.PutUint16(tcp[2:], like.DstPort)
	tcp[12], tcp[13] = 5<<4, packet.ACK
	n := len(b) - len(tcp) + 20
	e.blank.DecodeIP(&e.closing, b[:n], packet.SourceStreamDone, like)
	e.closing.VLAN, e.closing.VLANs = like.VLAN, like.VLANs
	return &e.closing
}
