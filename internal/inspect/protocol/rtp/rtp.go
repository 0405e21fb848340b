// Package rtp tells RTP over UDP (RFC 3550) and notes what a flow carries: kind
// of payload and source, once a direction. It follows no media. protocol/all
// lists it for the inspection engine.
package rtp

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

const headerLen = 12

// Tx is the first packet of a direction.
type Tx struct {
	single.Message
	payload uint8
	source  uint32
}

// Clear makes it ready for the next flow.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Message: t.Message}
}

// Bytes has nothing: there are no keywords for RTP.
func (t *Tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Uint has nothing.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Uint("payload_type", uint64(t.payload))
	o.Uint("ssrc", uint64(t.source))
	o.End()
	return o.B
}

// parser notes the first packet of each direction.
type parser struct {
	list single.List[Tx, *Tx]
	seen [2]bool
}

// Reset forgets the flow.
func (p *parser) Reset() {
	p.list.Reset()
	p.seen = [2]bool{}
}

// Parse takes a datagram.
func (p *parser) Parse(d packet.Direction, data []byte, _ *protocol.Env) protocol.Status {
	if p.seen[d] || !header(data) {
		return protocol.Status{}
	}
	if tx := p.list.Open(d); tx != nil {
		p.seen[d] = true
		tx.payload, tx.source = data[1]&0x7f, binary.BigEndian.Uint32(data[8:])
	}
	return protocol.Status{}
}

// Gap has no meaning for datagrams.
func (p *parser) Gap(packet.Direction, uint64, *protocol.Env) protocol.Status {
	return protocol.Status{}
}

// End has nothing to do.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Txs are the first packets.
func (p *parser) Txs() []protocol.Tx { return p.list.Txs() }

// Sweep frees what the engine is done with.
func (p *parser) Sweep() { p.list.Sweep() }

// header says whether a datagram may be RTP: version 2, room for its sources
// and extension, and a kind of payload in use (RFC 3551, dynamic ones from 96).
func header(b []byte) bool {
	if len(b) < headerLen || b[0]>>6 != 2 {
		return false
	}
	n := headerLen + 4*int(b[0]&15)
	if b[0]&0x10 != 0 {
		if len(b) < n+4 {
			return false
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(b[n+2:]))
	}
	kind := b[1] & 0x7f
	return len(b) > n && (kind <= 18 && kind != 1 && kind != 2 || kind >= 25 && kind <= 34 && kind != 27 && kind != 29 && kind != 30 || kind >= 96)
}

// probe accepts RTP only between ports that are not known to others: its header
// says little.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if srcPort < 1024 || dstPort < 1024 || !header(data) || len(data) < headerLen+20 {
		return protocol.No
	}
	if binary.BigEndian.Uint32(data[8:]) == 0 || srcPort&1 != 0 && dstPort&1 != 0 {
		return protocol.No
	}
	return protocol.Maybe
}

// Spec describes RTP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.RTP, Transport: protocol.OverUDP, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &parser{} }, nil
		},
		Record: "rtp", Packetwise: true,
	}
}
