// Package nfs follows NFS 2, 3 and 4 (RFC 1094, RFC 1813, RFC 7530) over ONC
// RPC (RFC 5531) on TCP and UDP: procedures, names, and files as they are read
// and written. A transaction is a call with its reply, or a file. The
// inspection engine calls it through Spec.
package nfs

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// The events, by index in Spec.Events.
const (
	eventMalformed uint8 = iota
	eventVersion
	eventTransactions
)

// program is the number of NFS among RPC programs.
const program = 100003

// Spec describes the parser, for TCP and UDP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.NFS,
		Transport: protocol.OverTCP | protocol.OverUDP,
		Ports:     []uint16{2049},
		Probe:     probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return new(parser) }, nil
		},
		Keywords: keywords(),
		Events:   []string{"malformed_data", "unsupported_version", "too_many_transactions"},
		Hooks: map[string]protocol.Stage{
			"request_started": protocol.StageStart, "request_complete": protocol.StageDone,
			"response_started": protocol.StageStart, "response_complete": protocol.StageDone,
		},
		Reversed: func(d packet.Direction, data []byte, udp bool) bool {
			if !udp && len(data) > 4 {
				data = data[4:]
			}
			return d == packet.ToServer && isReply(data) || d == packet.ToClient && isCall(data)
		},
		Record: "nfs",
		Files:  true,
	}
}

// probe looks for a call of NFS or a reply of RPC, with or without the record
// mark that TCP puts before it.
func probe(_ packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if len(data) >= 4 && data[0]&0x80 != 0 {
		n := binary.BigEndian.Uint32(data) & 0x7fffffff
		if n >= 24 && n <= maxRecord {
			if len(data) < 28 {
				return protocol.More
			}
			if v := probeMessage(data[4:], srcPort, dstPort); v != protocol.No {
				return v
			}
		}
	}
	return probeMessage(data, srcPort, dstPort)
}

func probeMessage(data []byte, srcPort, dstPort uint16) protocol.Verdict {
	switch {
	case isCall(data):
		return protocol.Yes
	case isReply(data) && (srcPort == 2049 || dstPort == 2049):
		return protocol.Yes
	}
	return protocol.No
}

func isCall(b []byte) bool {
	return len(b) >= 24 && binary.BigEndian.Uint32(b[4:]) == 0 && binary.BigEndian.Uint32(b[8:]) == 2 && binary.BigEndian.Uint32(b[12:]) == program
}

func isReply(b []byte) bool {
	return len(b) >= 24 && binary.BigEndian.Uint32(b[4:]) == 1 && binary.BigEndian.Uint32(b[8:]) <= 1 && binary.BigEndian.Uint32(b[12:]) <= 6
}
