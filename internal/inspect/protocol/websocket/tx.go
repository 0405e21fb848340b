package websocket

import (
	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Tx is one frame.
type Tx struct {
	single.Message
	flags, opcode uint8
	masked        bool
	mask          uint32
	payload       []byte // unmasked
	plain         []byte // decompressed
	unpacked      bool
	cut           bool
	whole         bool
}

// maxReuse bounds the memory that a frame keeps for the next.
const maxReuse = 16 << 10

// Clear makes the transaction ready for the next frame.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	payload, plain := t.payload[:0], t.plain[:0]
	if cap(payload) > maxReuse {
		payload = nil
	}
	if cap(plain) > maxReuse {
		plain = nil
	}
	*t = Tx{Message: t.Message, payload: payload, plain: plain}
}

// Stage is StageDone once the frame is whole.
func (t *Tx) Stage(d packet.Direction) protocol.Stage {
	if t.whole || d != t.Dir {
		return protocol.StageDone
	}
	return protocol.StageStart
}

// Uint answers the head's fields.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	if i != 0 || d != t.Dir {
		return 0, false
	}
	switch f {
	case protocol.WebSocketFlags:
		return uint64(t.flags), true
	case protocol.WebSocketOpcode:
		return uint64(t.opcode), true
	case protocol.WebSocketMask:
		return uint64(t.mask), t.masked
	}
	return 0, false
}

// Bytes answers the payload.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if f != protocol.WebSocketPayload || i != 0 || d != t.Dir {
		return nil, false
	}
	if t.unpacked {
		return t.plain, true
	}
	return t.payload, true
}

// opcodeTexts are eve.json's names of opcodes.
var opcodeTexts = [16]string{
	"continuation", "text", "binary", "unknown-3", "unknown-4", "unknown-5", "unknown-6", "unknown-7",
	"connection_close", "ping", "pong", "unknown-11", "unknown-12", "unknown-13", "unknown-14", "unknown-15",
}

// AppendEve appends the frame's record, which stands under "websocket".
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Bool("fin", t.flags&flagFin != 0)
	if t.masked {
		o.Uint("mask", uint64(t.mask))
	}
	o.Str("opcode", opcodeTexts[t.opcode])
	o.End()
	return o.B
}
