// Package ntp parses NTP versions 2 to 4 (RFC 5905): the fixed header of time
// messages, and control and private messages by their mode. It computes no
// time. protocol/all lists it for the inspection engine.
package ntp

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

const (
	headerLen      = 48 // of modes 1 to 5
	eventMalformed = 1
)

// Tx is one message.
type Tx struct {
	single.Message
	version, mode, stratum uint8
	timed                  bool // it has the fixed header of time messages
	reference              [4]byte
	first                  [4]byte // of control and private messages
}

// Clear makes it ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Message: t.Message}
}

// Bytes answers the reference identifier.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if d != t.Dir || i > 0 || f != protocol.NTPReference || !t.timed {
		return nil, false
	}
	return t.reference[:], true
}

// Uint answers version, stratum and mode.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	if d != t.Dir || i > 0 {
		return 0, false
	}
	switch f {
	case protocol.NTPVersion:
		return uint64(t.version), true
	case protocol.NTPMode:
		return uint64(t.mode), true
	case protocol.NTPStratum:
		return uint64(t.stratum), t.timed
	}
	return 0, false
}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Uint("version", uint64(t.version))
	o.Uint("mode", uint64(t.mode))
	if t.timed {
		o.Uint("stratum", uint64(t.stratum))
		if t.stratum < 2 {
			o.Str("reference_id", strings.TrimRight(string(t.reference[:]), "\x00"))
		} else {
			o.Str("reference_id", netip.AddrFrom4(t.reference).String())
		}
	}
	o.End()
	return o.B
}

// fill parses a message.
func fill(t *Tx, b []byte, _ *protocol.Env) bool {
	if len(b) < 4 {
		return false
	}
	t.version, t.mode = b[0]>>3&7, b[0]&7
	copy(t.first[:], b)
	switch t.mode {
	case 0, 1, 2, 3, 4, 5:
		if len(b) < headerLen || t.version == 0 || t.version > 4 {
			return false
		}
		t.timed, t.stratum = true, b[1]
		copy(t.reference[:], b[12:16])
		return extensions(b[headerLen:], t.version)
	case 6:
		return len(b) >= 12 && len(b) >= 12+int(binary.BigEndian.Uint16(b[10:12]))
	default:
		return len(b) >= 8
	}
}

// extensions checks what follows the header: extension fields of version 4,
// then nothing, a crypto-NAK or a message digest.
func extensions(b []byte, version uint8) bool {
	for version == 4 && len(b) > 24 {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return false
		}
		b = b[n:]
	}
	switch len(b) {
	case 0, 4, 12, 20, 24:
		return true
	}
	return version == 4 && len(b) >= 16 && len(b) == int(binary.BigEndian.Uint16(b[2:])) || version < 4
}

func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	var t Tx
	if !fill(&t, data, nil) || t.version < 2 && t.mode > 5 || t.version > 4 || t.mode == 0 {
		return protocol.No
	}
	if srcPort == 123 || dstPort == 123 {
		return protocol.Yes
	}
	return protocol.No
}

// Spec describes NTP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.NTP, Transport: protocol.OverUDP, Ports: []uint16{123}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &single.Datagrams[Tx, *Tx]{Fill: fill, Malformed: eventMalformed} }, nil
		},
		Events: []string{"unsolicited_response", "malformed_data", "not_request", "not_response"},
		Record: "ntp", Packetwise: true,
	}
}
