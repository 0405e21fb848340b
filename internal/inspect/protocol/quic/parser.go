package quic

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

const (
	maxTxs       = 256 // packets of one flow that wait for the engine
	maxCoalesced = 16  // packets in one datagram
)

// kind is a packet's type.
type kind uint8

const (
	kindInitial kind = iota
	kindZeroRTT
	kindHandshake
	kindRetry
	kindOther // version negotiation, and versions whose types are not known
)

// parser follows one flow.
type parser struct {
	cfg    *config
	txs    txlist.List[Tx, *Tx]
	keys   *keys
	opener opener
	crypto [2]assembly
	hello  [2]bool
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	p.txs.Reset()
	for d := range p.crypto {
		p.crypto[d].reset()
	}
	*p = parser{cfg: p.cfg, txs: p.txs, opener: p.opener, crypto: p.crypto}
}

// Txs are the packets.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the packets that are done.
func (p *parser) Sweep() { p.txs.Sweep() }

// Gap does not happen over UDP.
func (p *parser) Gap(packet.Direction, uint64, *protocol.Env) protocol.Status {
	return protocol.Status{}
}

// End has nothing to end.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Parse takes a datagram.
func (p *parser) Parse(d packet.Direction, data []byte, _ *protocol.Env) protocol.Status {
	for range maxCoalesced {
		if len(data) < 2 || p.hello[d] {
			break
		}
		if data[0]&0x80 == 0 {
			p.public(d, data)
			break
		}
		var ok bool
		if data, ok = p.long(d, data); !ok {
			break
		}
	}
	if p.hello[0] && p.hello[1] {
		return protocol.Status{Code: protocol.StatusDone}
	}
	return protocol.Status{}
}

// newTx adds a packet; beyond the bound it takes the place of nothing and is
// not kept.
func (p *parser) newTx(d packet.Direction, version uint32) *Tx {
	if len(p.txs.Live()) >= maxTxs {
		return nil
	}
	t := p.txs.New()
	t.cfg, t.Dir = p.cfg, d
	t.Inspection().OneSided(d)
	binary.BigEndian.PutUint32(t.version[:], version)
	return t
}

// long takes one packet with a long header (RFC 9000 section 17.2) off data.
func (p *parser) long(d packet.Direction, data []byte) ([]byte, bool) {
	c := reader{b: data}
	first := c.u8()
	version := uint32(c.u32())
	if isGoogle(version) {
		return nil, p.google46(d, data, version)
	}
	dcid := c.take(c.u8())
	c.take(c.u8())
	if c.bad || len(dcid) > 20 {
		return nil, false
	}
	switch k := kindOf(byte(first), version); k {
	case kindInitial:
		return p.initial(d, data, &c, version, dcid)
	case kindRetry:
		p.newTx(d, version)
		p.retry()
		return nil, false
	case kindOther:
		p.newTx(d, version)
		return nil, false
	default:
		n := c.varint()
		rest := c.b
		p.newTx(d, version)
		if c.bad || n > uint64(len(rest)) {
			return nil, false
		}
		return rest[n:], true
	}
}

// kindOf reads the type bits; version 2 numbers them otherwise.
func kindOf(first byte, version uint32) kind {
	bits := first >> 4 & 3
	switch {
	case saltOf(version) == "":
		return kindOther
	case version == version2:
		return kind((bits + 3) & 3)
	}
	return kind(bits)
}

// retry begins anew: the client will send its hello again, under new keys.
func (p *parser) retry() {
	p.keys = nil
	p.hello = [2]bool{}
	p.crypto[0].reset()
	p.crypto[1].reset()
}

// initial takes an Initial packet; c stands after the connection ids.
func (p *parser) initial(d packet.Direction, data []byte, c *reader, version uint32, dcid []byte) ([]byte, bool) {
	c.takeLong(c.varint())
	n := c.varint()
	if c.bad || n > uint64(len(c.b)) {
		return nil, false
	}
	pn := len(data) - len(c.b)
	whole, rest := data[:pn+int(n)], c.b[n:]
	if p.keys == nil {
		if d == packet.ToClient {
			p.newTx(d, version)
			return rest, true
		}
		p.keys = newKeys(version, dcid)
	}
	t := p.newTx(d, version)
	if t == nil || p.keys == nil {
		return nil, false
	}
	plain, ok := p.opener.open(p.keys, d, whole, pn)
	if !ok {
		t.Event(eventFailedDecrypt)
		return nil, false
	}
	if !p.frames(t, d, plain) {
		t.Event(eventErrorOnData)
		return nil, false
	}
	return rest, true
}

// frames takes the frames of an Initial packet (RFC 9000 section 12.4).
func (p *parser) frames(t *Tx, d packet.Direction, b []byte) bool {
	c := reader{b: b}
	for len(c.b) > 0 && !c.bad {
		switch c.u8() {
		case 0, 1: // PADDING, PING
		case 2:
			c.ack(false)
		case 3:
			c.ack(true)
		case 6:
			offset := c.varint()
			data := c.takeLong(c.varint())
			if c.bad {
				return false
			}
			if !p.crypto[d].add(offset, data) {
				t.Event(eventCryptoTooLong)
			}
		case 0x1c:
			c.varint()
			c.varint()
			c.takeLong(c.varint())
		case 0x1d:
			c.varint()
			c.takeLong(c.varint())
		default:
			return false
		}
	}
	if c.bad {
		return false
	}
	p.takeHello(t, d)
	return true
}

// takeHello reads the hello once it is whole.
func (p *parser) takeHello(t *Tx, d packet.Direction) {
	m := p.crypto[d].whole()
	if len(m) < 4 {
		return
	}
	n := int(m[1])<<16 | int(m[2])<<8 | int(m[3])
	want := [...]byte{packet.ToServer: 1, packet.ToClient: 2}
	if m[0] != want[d] || len(m) < 4+n {
		return
	}
	t.setHello(m[4 : 4+n])
	p.hello[d] = true
}
