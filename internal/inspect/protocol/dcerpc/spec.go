package dcerpc

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

func hooks() map[string]protocol.Stage {
	return map[string]protocol.Stage{
		"request_started": protocol.StageStart, "request_complete": protocol.StageDone,
		"response_started": protocol.StageStart, "response_complete": protocol.StageDone,
	}
}

// Spec describes the parser of calls over TCP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.DCERPC,
		Transport: protocol.OverTCP,
		Ports:     []uint16{135, 593},
		Probe:     probeTCP,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return new(parser) }, nil
		},
		Keywords: keywords(),
		Hooks:    hooks(),
		Record:   "dcerpc",
	}
}

// UDPSpec describes the parser of calls over UDP.
func UDPSpec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.DCERPC,
		Transport: protocol.OverUDP,
		Ports:     []uint16{135},
		Probe:     probeUDP,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return new(udpParser) }, nil
		},
		Hooks:  hooks(),
		Record: "dcerpc",
	}
}

// probeTCP looks for a header.
func probeTCP(_ packet.Direction, data []byte, _, _ uint16) protocol.Verdict {
	if len(data) < HeaderSize {
		if len(data) > 0 && data[0] == 5 && (len(data) < 2 || data[1] <= 1) && (len(data) < 3 || int(data[2]) < len(typeNames)) && (len(data) < 5 || data[4]&0xee == 0) {
			return protocol.More
		}
		return protocol.No
	}
	h, ok := ReadHeader(data)
	if !ok || data[6] != 0 || data[7] != 0 {
		return protocol.No
	}
	switch h.Type {
	case Request, Response, Fault, Bind, BindAck, BindNak, AlterContext, AlterContextResp:
		return protocol.Yes
	}
	return protocol.Maybe
}
