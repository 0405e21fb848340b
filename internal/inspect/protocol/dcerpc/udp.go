package dcerpc

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// udpHeaderSize is the length of the header of connectionless RPC (C706
// section 12.5).
const udpHeaderSize = 80

// Bits of the first flags of a connectionless header.
const (
	udpLastFragment = 2
	udpFragment     = 4
)

// probeUDP looks for a header of connectionless RPC.
func probeUDP(_ packet.Direction, data []byte, _, _ uint16) protocol.Verdict {
	if len(data) < udpHeaderSize || data[0] != 4 || data[1] > 10 || data[3]&0xfc != 0 || data[4]&0xee != 0 || data[5] > 3 || data[6] != 0 {
		return protocol.No
	}
	h := Header{Little: data[4]&0x10 != 0}
	if int(h.u16(data[74:])) > len(data)-udpHeaderSize {
		return protocol.No
	}
	return protocol.Yes
}

// udpParser follows the datagrams of one flow.
type udpParser struct {
	txs txlist.List[Tx, *Tx]
}

// Reset makes the parser ready for another flow.
func (p *udpParser) Reset() { p.txs.Reset() }

// Txs are the calls.
func (p *udpParser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the calls that are done.
func (p *udpParser) Sweep() { p.txs.Sweep() }

// Parse takes a datagram.
func (p *udpParser) Parse(d packet.Direction, data []byte, _ *protocol.Env) protocol.Status {
	if len(data) < udpHeaderSize || data[0] != 4 {
		return protocol.Status{Code: protocol.StatusFailed}
	}
	h := Header{Type: Type(data[1] & 0x1f), Flags: data[2], Little: data[4]&0x10 != 0}
	switch h.Type {
	case Request, Response, Fault:
	default:
		return protocol.Status{}
	}
	activity, sequence := h.readUUID(data[40:56]), h.u32(data[64:])
	t := p.find(activity, sequence, d)
	c := &t.call
	if !c.seen[d] {
		c.seen[d], c.types[d] = true, h.Type
	}
	c.Frags[d]++
	c.Opnum = h.u16(data[68:])
	c.bound = Interface{UUID: h.readUUID(data[24:40]), Major: uint16(h.u32(data[60:])), Answered: true, First: true}
	c.resolved = true
	body := data[udpHeaderSize:]
	c.add(d, body[:min(int(h.u16(data[74:])), len(body))])
	c.Done[d] = h.Flags&udpFragment == 0 || h.Flags&udpLastFragment != 0
	t.inspection.Again(d)
	return protocol.Status{}
}

// find is the call of an activity and sequence number.
func (p *udpParser) find(activity UUID, sequence uint32, d packet.Direction) *Tx {
	for _, t := range p.txs.Live() {
		if t.activity == activity && t.sequence == sequence && !t.call.Done[d] {
			return t
		}
	}
	if live := p.txs.Live(); len(live) >= maxTxs {
		for _, t := range live[:maxTxs/2] {
			t.inspection.Done = true
		}
		p.txs.Sweep()
	}
	t := p.txs.New()
	t.udp, t.activity, t.sequence = true, activity, sequence
	if d == packet.ToClient {
		t.call.Done[packet.ToServer] = true
	}
	return t
}

// Gap does not happen to datagrams.
func (p *udpParser) Gap(packet.Direction, uint64, *protocol.Env) protocol.Status {
	return protocol.Status{}
}

// End says that a side has ended.
func (p *udpParser) End(d packet.Direction, _ *protocol.Env) {
	for _, t := range p.txs.Live() {
		t.call.Done[d] = true
	}
}
