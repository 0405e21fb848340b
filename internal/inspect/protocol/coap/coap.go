// Package coap parses CoAP over UDP (RFC 7252): kind, code and path of every
// message. It pairs no requests with responses. protocol/all lists it for the
// inspection engine.
package coap

import (
	"encoding/binary"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

const (
	optionPath = 11
	maxPath    = 512
)

// Tx is one message.
type Tx struct {
	single.Message
	kind, code uint8
	id         uint16
	path       []byte
}

// Clear makes it ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Message: t.Message, path: t.path[:0]}
}

// Bytes has nothing: there are no keywords for CoAP.
func (t *Tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Uint has nothing.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

var kinds = [...]string{"confirmable", "non_confirmable", "acknowledgement", "reset"}
var methods = [...]string{1: "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Str("type", kinds[t.kind&3])
	o.Uint("message_id", uint64(t.id))
	if int(t.code) < len(methods) && t.code > 0 {
		o.Str("method", methods[t.code])
	} else {
		var b [8]byte
		code := strconv.AppendUint(b[:0], uint64(t.code>>5), 10)
		code = append(code, '.', '0'+t.code&31/10, '0'+t.code&31%10)
		o.Text("code", code)
	}
	if len(t.path) > 0 {
		o.Text("path", t.path)
	}
	o.End()
	return o.B
}

// fill parses a message. Options are read up to the payload.
func fill(t *Tx, b []byte, _ *protocol.Env) bool {
	if !header(b) {
		return false
	}
	t.kind, t.code, t.id = b[0]>>4&3, b[1], binary.BigEndian.Uint16(b[2:])
	b = b[4+b[0]&15:]
	option := 0
	for len(b) > 0 && b[0] != 0xff {
		delta, length := int(b[0]>>4), int(b[0]&15)
		b = b[1:]
		var ok bool
		if delta, b, ok = extended(delta, b); !ok {
			return false
		}
		if length, b, ok = extended(length, b); !ok || length > len(b) {
			return false
		}
		if option += delta; option == optionPath && len(t.path)+length < maxPath {
			t.path = append(append(t.path, '/'), b[:length]...)
		}
		b = b[length:]
	}
	return true
}

// extended reads a delta or length that does not fit into four bits.
func extended(v int, b []byte) (int, []byte, bool) {
	switch v {
	case 13:
		if len(b) < 1 {
			return 0, nil, false
		}
		return 13 + int(b[0]), b[1:], true
	case 14:
		if len(b) < 2 {
			return 0, nil, false
		}
		return 269 + int(binary.BigEndian.Uint16(b)), b[2:], true
	case 15:
		return 0, nil, false
	}
	return v, b, true
}

// header says whether the first bytes may be of a message: version 1, a token
// of at most 8 bytes, a code that is in use.
func header(b []byte) bool {
	if len(b) < 4 || b[0]>>6 != 1 || b[0]&15 > 8 || len(b) < 4+int(b[0]&15) {
		return false
	}
	switch class := b[1] >> 5; class {
	case 0:
		return b[1] <= 7
	case 2, 4, 5, 7:
		return true
	}
	return false
}

func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if !header(data) || srcPort != 5683 && dstPort != 5683 {
		return protocol.No
	}
	var t Tx
	if !fill(&t, data, nil) {
		return protocol.No
	}
	return protocol.Yes
}

// Spec describes CoAP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.CoAP, Transport: protocol.OverUDP, Ports: []uint16{5683}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &single.Datagrams[Tx, *Tx]{Fill: fill, Malformed: single.NoEvent} }, nil
		},
		Record: "coap", Packetwise: true,
	}
}
