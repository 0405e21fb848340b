// Package tftp parses TFTP (RFC 1350): requests to read and write files. The
// blocks of files travel in flows of their own, which it does not follow.
// protocol/all lists it for the inspection engine.
package tftp

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

const (
	opRead  = 1
	opWrite = 2
	maxName = 512
)

// Tx is one request.
type Tx struct {
	single.Message
	op   uint8
	name []byte
	mode []byte
}

// Clear makes it ready for the next request.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Message: t.Message, name: t.name[:0], mode: t.mode[:0]}
}

// Bytes has nothing: there are no keywords for TFTP.
func (t *Tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Uint has nothing.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	if t.op == opRead {
		o.Str("packet", "read")
	} else {
		o.Str("packet", "write")
	}
	o.Text("file", t.name)
	o.Text("mode", t.mode)
	o.End()
	return o.B
}

// request cuts a request into operation, file name and mode.
func request(b []byte) (op uint8, name, mode []byte) {
	if len(b) < 4 || b[0] != 0 || b[1] != opRead && b[1] != opWrite {
		return 0, nil, nil
	}
	name, rest, ok := bytes.Cut(b[2:], []byte{0})
	if !ok || len(name) > maxName {
		return 0, nil, nil
	}
	mode, _, ok = bytes.Cut(rest, []byte{0})
	if !ok {
		return 0, nil, nil
	}
	for _, known := range [...]string{"netascii", "octet", "mail"} {
		if bytes.EqualFold(mode, []byte(known)) {
			return b[1], name, mode
		}
	}
	return 0, nil, nil
}

func fill(t *Tx, b []byte, _ *protocol.Env) bool {
	op, name, mode := request(b)
	if op == 0 {
		return false
	}
	t.op, t.name, t.mode = op, append(t.name, name...), append(t.mode, mode...)
	for i, c := range t.mode {
		if c >= 'A' && c <= 'Z' {
			t.mode[i] = c | 0x20
		}
	}
	return true
}

func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if op, _, _ := request(data); op != 0 {
		return protocol.Yes
	}
	if dstPort == 69 && len(data) >= 4 && data[0] == 0 && data[1] >= 1 && data[1] <= 6 {
		return protocol.Maybe
	}
	return protocol.No
}

// Spec describes TFTP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.TFTP, Transport: protocol.OverUDP, Ports: []uint16{69}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &single.Datagrams[Tx, *Tx]{Fill: fill, Malformed: single.NoEvent} }, nil
		},
		Record: "tftp", Packetwise: true,
	}
}
