// Package rdp parses how sessions of the Remote Desktop Protocol begin
// (MS-RDPBCGR): negotiation, and the client's name, screen and channels where
// they go in clear. It stops where encryption begins. protocol/all lists it for
// the inspection engine.
package rdp

import (
	"bytes"
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// X.224 kinds of unit.
const (
	unitRequest = 0xe0
	unitConfirm = 0xd0
	unitData    = 0xf0

	tpktLen    = 4
	tlsRecord  = 0x16
	maxChannel = 31
)

// kind is what a transaction shows.
type kind uint8

const (
	kindInitialRequest kind = iota
	kindInitialResponse
	kindConnectRequest
	kindConnectResponse
	kindTLS
)

// Tx is one message.
type Tx struct {
	single.Message
	kind     kind
	text     []byte // cookie, or the client's name
	product  []byte // identifier of the client's installation
	flags    uint8
	protocol uint32
	negotiated, failed,
	hasClient bool
	client   client
	channels []byte // 8 bytes each
}

// client is the core data of the client.
type client struct {
	version, build, keyboard, keyboardType, functionKeys uint32
	width, height, productID, depth, capabilities        uint16
}

// Clear makes it ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Message: t.Message, text: t.text[:0], product: t.product[:0], channels: t.channels[:0]}
}

// Bytes has nothing: there are no keywords for RDP.
func (t *Tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Uint has nothing.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// parser follows the beginning of one connection.
type parser struct {
	list single.List[Tx, *Tx]
	held exchange.Held
	over bool // encrypted, or past the beginning
}

// Reset forgets the connection.
func (p *parser) Reset() {
	p.list.Reset()
	p.held.Reset()
	p.over = false
}

// Txs are the live messages.
func (p *parser) Txs() []protocol.Tx { return p.list.Txs() }

// Sweep frees what the engine is done with.
func (p *parser) Sweep() { p.list.Sweep() }

// End has nothing to do.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Gap ends parsing: the beginning is lost.
func (p *parser) Gap(packet.Direction, uint64, *protocol.Env) protocol.Status {
	p.over = true
	return protocol.Status{}
}

// Parse takes the next bytes of the stream.
func (p *parser) Parse(d packet.Direction, data []byte, _ *protocol.Env) protocol.Status {
	if p.over {
		return protocol.Status{}
	}
	data = p.held.Join(d, data)
	for len(data) >= tpktLen && !p.over {
		if data[0] == tlsRecord {
			if tx := p.list.Open(d); tx != nil {
				tx.kind = kindTLS
			}
			p.over = true
			break
		}
		n := int(binary.BigEndian.Uint16(data[2:]))
		if data[0] != 3 || data[1] != 0 || n < tpktLen+3 {
			p.over = true
			break
		}
		if len(data) < n {
			break
		}
		p.unit(d, data[tpktLen:n])
		data = data[n:]
	}
	if p.over {
		data = nil
	}
	p.held.Keep(d, data)
	return protocol.Status{}
}

// unit handles one X.224 unit.
func (p *parser) unit(d packet.Direction, b []byte) {
	switch kindOf := b[1] & 0xf0; {
	case kindOf == unitRequest && d == packet.ToServer && len(b) >= 7:
		if tx := p.list.Open(d); tx != nil {
			tx.kind = kindInitialRequest
			tx.request(b[7:])
		}
	case kindOf == unitConfirm && d == packet.ToClient && len(b) >= 7:
		if tx := p.list.Open(d); tx != nil {
			tx.kind = kindInitialResponse
			tx.negotiate(b[7:], 2)
		}
	case kindOf == unitData && len(b) > 5 && b[3] == 0x7f && (b[4] == 0x65 || b[4] == 0x66):
		tx := p.list.Open(d)
		if tx == nil {
			return
		}
		tx.kind = kindConnectRequest
		if d == packet.ToClient {
			tx.kind = kindConnectResponse
			p.over = true
			return
		}
		tx.connect(b[5:])
	}
}

// request reads the cookie and the negotiation of a connection request.
func (t *Tx) request(b []byte) {
	const begin = "Cookie: mstshash="
	if line, rest, ok := bytes.Cut(b, []byte("\r\n")); ok {
		if name, found := bytes.CutPrefix(line, []byte(begin)); found {
			t.text = append(t.text, name...)
		}
		b = rest
	}
	t.negotiate(b, 1)
}

// negotiate reads RDP_NEG_REQ (1), RDP_NEG_RSP (2) or RDP_NEG_FAILURE (3).
func (t *Tx) negotiate(b []byte, want byte) {
	if len(b) < 8 || b[0] != want && (want != 2 || b[0] != 3) || binary.LittleEndian.Uint16(b[2:]) != 8 {
		return
	}
	t.flags, t.protocol = b[1], binary.LittleEndian.Uint32(b[4:])
	t.negotiated, t.failed = b[0] != 3, b[0] == 3
}

// Blocks of the client's data.
const (
	blockCore    = 0xc001
	blockNetwork = 0xc003
)

// connect finds the client's data behind the H.221 key of the conference
// request.
func (t *Tx) connect(b []byte) {
	_, b, ok := bytes.Cut(b, []byte("Duca"))
	if !ok || len(b) < 2 {
		return
	}
	if b[0]&0x80 != 0 {
		b = b[2:]
	} else {
		b = b[1:]
	}
	for len(b) >= 4 {
		block, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return
		}
		switch block {
		case blockCore:
			t.core(b[4:n])
		case blockNetwork:
			t.network(b[4:n])
		}
		b = b[n:]
	}
}

func (t *Tx) core(b []byte) {
	const least = 128
	if len(b) < least {
		return
	}
	u16 := func(at int) uint16 {
		if len(b) < at+2 {
			return 0
		}
		return binary.LittleEndian.Uint16(b[at:])
	}
	u32 := func(at int) uint32 { return uint32(u16(at)) | uint32(u16(at+2))<<16 }
	t.hasClient = true
	t.client = client{
		version: u32(0), width: u16(4), height: u16(6), keyboard: u32(12), build: u32(16),
		keyboardType: u32(52), functionKeys: u32(60), depth: u16(136), productID: u16(130), capabilities: u16(140),
	}
	t.text = utf16(t.text, b[20:52])
	if len(b) >= 142+64 {
		t.product = utf16(t.product, b[142:142+64])
	}
}

// utf16 appends the characters below 256 of a text up to its end.
func utf16(dst, b []byte) []byte {
	for ; len(b) >= 2 && b[0]|b[1] != 0; b = b[2:] {
		c := b[0]
		if b[1] != 0 || c >= 0x80 {
			c = '?'
		}
		dst = append(dst, c)
	}
	return dst
}

func (t *Tx) network(b []byte) {
	if len(b) < 4 {
		return
	}
	n := int(min(binary.LittleEndian.Uint32(b), maxChannel))
	for b = b[4:]; n > 0 && len(b) >= 12; n, b = n-1, b[12:] {
		t.channels = append(t.channels, b[:8]...)
	}
}

// probe tells RDP by the connection request or its confirmation.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if len(data) == 0 || data[0] != 3 || len(data) > 1 && data[1] != 0 {
		return protocol.No
	}
	if len(data) < 11 {
		if srcPort == 3389 || dstPort == 3389 {
			return protocol.More
		}
		return protocol.No
	}
	want := byte(unitRequest)
	if d == packet.ToClient {
		want = unitConfirm
	}
	n := int(binary.BigEndian.Uint16(data[2:]))
	if data[5]&0xf0 != want || n < 11 || n > 1024 || int(data[4]) != n-5 {
		return protocol.No
	}
	rest := data[11:min(n, len(data))]
	if srcPort == 3389 || dstPort == 3389 || bytes.HasPrefix(rest, []byte("Cookie: mstshash=")) || len(rest) >= 4 && rest[0] >= 1 && rest[0] <= 3 && rest[2] == 8 && rest[3] == 0 {
		return protocol.Yes
	}
	return protocol.No
}

// Spec describes RDP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.RDP, Transport: protocol.OverTCP, Ports: []uint16{3389}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &parser{} }, nil
		},
		Record: "rdp",
	}
}
