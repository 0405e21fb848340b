package tls

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// heartbeat is a request that waits for its response (RFC 6520).
type heartbeat struct {
	waiting bool
	from    packet.Direction
	length  int // of the request's record when it was encrypted, else 0
}

// minPadding is the least padding of a heartbeat message.
const minPadding = 16

// beat takes bytes of a heartbeat record; it judges once the head is there. It
// is false when the record cannot be one.
func (p *parser) beat(d packet.Direction, data []byte) bool {
	s := &p.sides[d]
	p.asked = true
	if len(s.beat) < 3 {
		s.beat = append(s.beat, data[:min(3-len(s.beat), len(data))]...)
		if len(s.beat) == 3 || s.left == 0 {
			if !p.judgeBeat(d) {
				return false
			}
		}
	}
	if s.left == 0 {
		s.beat = s.beat[:0]
	}
	return true
}

func (p *parser) judgeBeat(d packet.Direction) bool {
	s, h, t := &p.sides[d], &p.heartbeat, &p.tx
	if h.waiting && h.from != d {
		if h.length > 0 && s.length > h.length {
			t.event(eventLeakHeartbeat)
		}
		*h = heartbeat{}
		return true
	}
	*h = heartbeat{waiting: true, from: d}
	if s.encrypted {
		h.length = s.length
		return true
	}
	if len(s.beat) < 3 || s.beat[0] != 1 && s.beat[0] != 2 {
		t.event(eventInvalidHeartbeat)
		return false
	}
	payload := int(binary.BigEndian.Uint16(s.beat[1:]))
	padding := s.length - 3 - payload
	switch {
	case payload > s.length:
		t.event(eventOverflowHeartbeat)
	case padding < minPadding:
		t.event(eventInvalidHeartbeat)
	}
	return true
}
