package websocket

import (
	"bytes"
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/framer"
	"github.com/masugata/masugata/internal/inspect/protocol/http"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Opcodes (RFC 6455 section 5.2).
const (
	opContinuation = 0
	opClose        = 8
)

const (
	flagFin  = 0x80
	flagComp = 0x40
)

// parser follows one flow.
type parser struct {
	cfg     *config
	txs     single.List[Tx, *Tx]
	sides   [2]side
	deflate agreed
}

// agreed says what is known of permessage-deflate.
type agreed uint8

const (
	unknown agreed = iota // the upgrade was not seen: believe the frames
	no
	yes
)

// side is how far one direction is read.
type side struct {
	head      [14]byte
	headLen   int
	left      uint64 // bytes of the payload still to come
	read      uint64 // bytes of it read
	tx        *Tx    // of the frame begun; nil while its payload is passed over
	message   []byte // fragments of a message that has not ended
	open      bool   // such a message has begun
	packed    bool   // it is compressed
	inflate   *http.Inflate
	forgetful bool // each message is compressed by itself
	frames    framer.Framer
	headSize  int // of the frame begun
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	p.txs.Reset()
	for d := range p.sides {
		s := &p.sides[d]
		if s.inflate != nil {
			s.inflate.Reset()
		}
		s.frames.Reset()
		*s = side{message: s.message[:0], inflate: s.inflate, frames: s.frames}
	}
	p.deflate = unknown
}

// Txs are the frames.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the frames that are done; a frame still on its way stays.
func (p *parser) Sweep() { p.txs.Sweep() }

// Upgrade learns from the response whether messages may be compressed.
func (p *parser) Upgrade(by protocol.Tx, _ *protocol.Env) {
	p.deflate = no
	for i := 0; ; i++ {
		line, ok := by.Bytes(protocol.HTTPResponseHeader, packet.ToClient, i)
		if !ok {
			return
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("sec-websocket-extensions")) || !bytes.Contains(value, []byte("permessage-deflate")) {
			continue
		}
		p.deflate = yes
		p.sides[packet.ToServer].forgetful = bytes.Contains(value, []byte("client_no_context_takeover"))
		p.sides[packet.ToClient].forgetful = bytes.Contains(value, []byte("server_no_context_takeover"))
	}
}

// Parse takes bytes of the flow.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	s := &p.sides[d]
	if env.WantFrames {
		s.frames.Call()
	}
	for len(data) > 0 {
		n := p.take(d, data, env)
		if env.WantFrames {
			s.frames.Add(data[:n])
			if s.left == 0 && s.headLen == 0 {
				s.frames.Emit(env, d, s.headSize, framer.Names{Head: "header", Data: "data", All: "pdu"})
			}
		}
		data = data[n:]
	}
	return protocol.Status{}
}

// take takes bytes of a frame's head or of its payload, and says how many.
func (p *parser) take(d packet.Direction, data []byte, env *protocol.Env) int {
	s := &p.sides[d]
	if s.left > 0 {
		n := int(min(s.left, uint64(len(data))))
		p.payload(d, data[:n])
		env.TriggerRawStream = env.TriggerRawStream || s.left == 0
		return n
	}
	n := copy(s.head[s.headLen:s.want()], data)
	s.headLen += n
	if s.headLen >= 2 && s.headLen == s.want() {
		p.begin(d)
	}
	return n
}

// want is the length of the head, as far as it is known.
func (s *side) want() int {
	if s.headLen < 2 {
		return 2
	}
	n := 2
	switch s.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if s.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// begin begins the frame whose head is there.
func (p *parser) begin(d packet.Direction) {
	s := &p.sides[d]
	at := 2
	s.left = uint64(s.head[1] & 0x7f)
	switch s.left {
	case 126:
		s.left, at = uint64(binary.BigEndian.Uint16(s.head[2:])), 4
	case 127:
		s.left, at = binary.BigEndian.Uint64(s.head[2:]), 10
	}
	s.headSize = s.headLen
	s.headLen, s.read = 0, 0
	t := p.txs.Open(d)
	s.tx = t
	if t == nil {
		return
	}
	t.flags, t.opcode = s.head[0]&0xf0, s.head[0]&0x0f
	if s.head[1]&0x80 != 0 {
		t.masked, t.mask = true, binary.BigEndian.Uint32(s.head[at:])
	}
	if s.left == 0 {
		p.finish(d)
	}
}

// payload takes bytes of the frame begun.
func (p *parser) payload(d packet.Direction, data []byte) {
	s := &p.sides[d]
	s.left -= uint64(len(data))
	if t := s.tx; t != nil {
		room := p.cfg.maxPayload - len(t.payload)
		if len(data) > room && !t.cut {
			t.cut = true
			t.Event(eventSkipEnd)
		}
		from := len(t.payload)
		t.payload = append(t.payload, data[:max(min(room, len(data)), 0)]...)
		if t.masked {
			unmask(t.payload[from:], t.mask, s.read)
		}
		if s.left == 0 {
			p.finish(d)
		}
	}
	s.read += uint64(len(data))
}

// unmask takes the mask off bytes that begin at offset at of the payload.
func unmask(b []byte, mask uint32, at uint64) {
	var key [4]byte
	binary.BigEndian.PutUint32(key[:], mask)
	for i := range b {
		b[i] ^= key[(at+uint64(i))&3]
	}
}

// finish ends the frame begun.
func (p *parser) finish(d packet.Direction) {
	s := &p.sides[d]
	t := s.tx
	s.tx = nil
	t.whole = true
	if t.opcode >= opClose {
		return
	}
	fin := t.flags&flagFin != 0
	if t.opcode != opContinuation {
		s.open, s.packed, s.message = !fin, t.flags&flagComp != 0, s.message[:0]
	}
	if !fin || t.opcode == opContinuation {
		room := p.cfg.maxPayload - len(s.message)
		if len(t.payload) > room {
			t.Event(eventReassembly)
		}
		s.message = append(s.message, t.payload[:min(room, len(t.payload))]...)
	}
	if !fin {
		return
	}
	if t.opcode == opContinuation && s.open {
		t.payload = append(t.payload[:0], s.message...)
		s.open, s.message = false, s.message[:0]
	}
	if s.packed && p.deflate != no {
		p.unpack(s, t)
	}
}

// tail ends the block that a compressed message leaves open (RFC 7692 section 7.2.2).
var tail = []byte{0, 0, 0xff, 0xff}

// unpack decompresses a message in place; what makes no sense stays as it is.
func (p *parser) unpack(s *side, t *Tx) {
	if s.inflate == nil {
		s.inflate = http.NewInflate()
	}
	if s.forgetful {
		s.inflate.Reset()
	}
	s.message = append(append(s.message[:0], t.payload...), tail...)
	plain, ok := s.inflate.Append(t.plain[:0], s.message, p.cfg.maxPayload)
	t.plain, s.message = plain, s.message[:0]
	if ok || len(plain) > 0 {
		t.unpacked = true
	}
}

// Gap makes a direction unreadable unless it is within a payload.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	s := &p.sides[d]
	if n > s.left || s.left == 0 {
		return protocol.Status{Code: protocol.StatusFailed}
	}
	s.left -= n
	s.read += n
	if s.tx != nil && s.left == 0 {
		p.finish(d)
	}
	return protocol.Status{}
}

// End ends a direction: a frame not yet whole is shown as it is.
func (p *parser) End(d packet.Direction, _ *protocol.Env) {
	s := &p.sides[d]
	if s.tx != nil {
		s.tx.whole = true
		s.tx = nil
	}
}
