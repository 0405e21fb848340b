// Package http2 follows HTTP/2 (RFC 9113) in the clear, also after an upgrade
// from HTTP/1: frames, header compression (RFC 7541), bodies with content
// encodings. Each stream is a transaction, and so is each frame that belongs to
// no stream. It knows nothing of rules. The inspection engine calls it through
// Spec.
package http2

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/byterange"
)

// The events, by index in Spec.Events.
const (
	eventFrameHeader uint8 = iota
	eventClientMagic
	eventFrameData
	eventHeader
	eventFrameLength
	eventExtraHeader
	eventLongFrame
	eventStreamReuse
	eventHTTP1Settings
	eventDecompression
	eventRange
	eventIntegerOverflow
	eventManyStreams
	eventAuthorityHost
	eventUserInfo
	eventReassembly
	eventDNSRequest
	eventDNSResponse
	eventDataStream0
	eventManyFrames
)

func eventNames() []string {
	return []string{
		"invalid_frame_header", "invalid_client_magic", "invalid_frame_data", "invalid_header", "invalid_frame_length",
		"extra_header_data", "long_frame_data", "stream_id_reuse", "invalid_http1_settings", "failed_decompression",
		"invalid_range", "header_integer_overflow", "too_many_streams", "authority_host_mismatch", "userinfo_in_uri",
		"reassembly_limit_reached", "dns_request_too_long", "dns_response_too_long", "data_stream_zero", "too_many_frames",
	}
}

// config is the parser's configuration.
type config struct {
	maxStreams    int
	maxTable      int
	maxReassembly int
	maxFrames     int
}

// Spec describes the parser.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.HTTP2,
		Transport: protocol.OverTCP,
		Ports:     []uint16{80, 8080},
		Probe:     probe,
		Open:      open,
		Keywords:  keywords(),
		Events:    eventNames(),
		Hooks: map[string]protocol.Stage{
			"request_headers": protocol.StageHeaders, "request_body": protocol.StageBody, "request_complete": protocol.StageDone,
			"response_headers": protocol.StageHeaders, "response_body": protocol.StageBody, "response_complete": protocol.StageDone,
		},
		Record: "http",
		Files:  true,
	}
}

func open(s protocol.Settings) (func() protocol.Parser, error) {
	cfg := &config{maxStreams: 4096, maxTable: 65536, maxReassembly: 102400, maxFrames: 65536}
	for name, v := range map[string]*int{"max-streams": &cfg.maxStreams, "max-table-size": &cfg.maxTable, "max-reassembly-size": &cfg.maxReassembly, "max-frames": &cfg.maxFrames} {
		text, ok := s.Lookup(name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 24)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("http2.%s: %q is not a number from 1 to 16777215", name, text)
		}
		*v = int(n)
	}
	ranges := new(byterange.Shelf)
	return func() protocol.Parser {
		p := &parser{cfg: cfg, ranges: ranges}
		p.Reset()
		return p
	}, nil
}

const magic = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// probe looks for the client's preface or the server's first SETTINGS frame.
func probe(d packet.Direction, data []byte, _, _ uint16) protocol.Verdict {
	if d == packet.ToServer {
		n := min(len(data), len(magic))
		switch {
		case string(data[:n]) != magic[:n]:
			return protocol.No
		case n < len(magic):
			return protocol.More
		}
		return protocol.Yes
	}
	if len(data) < frameHead {
		if len(data) > 0 && data[0] != 0 || len(data) > 3 && data[3] != frameSettings {
			return protocol.No
		}
		return protocol.More
	}
	f := readHead(data)
	if f.kind == frameSettings && f.flags&^1 == 0 && f.stream == 0 && f.length <= 16384 && f.length%6 == 0 && data[5]&0x80 == 0 {
		return protocol.Yes
	}
	return protocol.No
}
