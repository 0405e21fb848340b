package http

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// maxFrame bounds what of a message is kept as a frame.
const maxFrame = 64 << 10

// noteFrame keeps the bytes of the message being read.
func (s *side) noteFrame(data []byte) {
	if s.m == nil && s.state == stateIdle {
		return
	}
	s.frame = append(s.frame, data[:min(len(data), maxFrame-len(s.frame))]...)
}

// addFrame hands the complete message out as a frame.
func (p *Parser) addFrame(s *side, d packet.Direction) {
	name := "request"
	if d == packet.ToClient {
		name = "response"
	}
	p.env.Frames = append(p.env.Frames, protocol.Frame{Name: name, Dir: d, Data: s.frame})
}
