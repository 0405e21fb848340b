package krb5

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// The events, by index in Spec.Events.
const (
	eventMalformed uint8 = iota
	eventWeak
)

// Spec describes the parser, for TCP and UDP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.KRB5,
		Transport: protocol.OverTCP | protocol.OverUDP,
		Ports:     []uint16{88},
		Probe:     probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return new(parser) }, nil
		},
		Keywords: keywords(),
		Events:   []string{"malformed_data", "weak_encryption"},
		Hooks: map[string]protocol.Stage{
			"request_started": protocol.StageStart, "request_complete": protocol.StageDone,
			"response_started": protocol.StageStart, "response_complete": protocol.StageDone,
		},
		Record: "krb5",
	}
}

// probe looks for the beginning of a message, with or without the length that
// TCP puts before it.
func probe(_ packet.Direction, data []byte, _, _ uint16) protocol.Verdict {
	if len(data) > 0 && isMessage(data[0]) {
		return begins(data)
	}
	if len(data) < 4 {
		if len(data) > 0 && data[0] == 0 {
			return protocol.More
		}
		return protocol.No
	}
	n := binary.BigEndian.Uint32(data)
	if n < 16 || n > maxMessage {
		return protocol.No
	}
	if len(data) == 4 {
		return protocol.More
	}
	if !isMessage(data[4]) {
		return protocol.No
	}
	return begins(data[4:])
}

func isMessage(tag byte) bool {
	return tag >= 0x6a && tag <= 0x6f || tag == 0x7e
}

// begins looks for the version, which is the first number of every message.
func begins(b []byte) protocol.Verdict {
	at := lengthSize(b, 1)
	seq := at
	at = lengthSize(b, at+1)
	if at+5 > len(b) {
		if len(b) < 20 {
			return protocol.More
		}
		return protocol.No
	}
	if b[seq] == tagSequence && (b[at] == tagContext || b[at] == tagContext+1) && b[at+1] == 3 && b[at+2] == tagInteger && b[at+3] == 1 && b[at+4] == 5 {
		return protocol.Yes
	}
	return protocol.No
}

// lengthSize is the position behind the length field at position at.
func lengthSize(b []byte, at int) int {
	if at >= len(b) {
		return at + 1
	}
	if b[at] < 0x80 {
		return at + 1
	}
	return at + 1 + int(b[at]&0x7f)
}
