package tls

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/framer"
)

// frame notes bytes of a record for rules that name frames.
func (p *parser) frame(d packet.Direction, b []byte, whole bool, env *protocol.Env) {
	if !env.WantFrames {
		return
	}
	s := &p.sides[d]
	s.frames.Add(b)
	if !whole {
		return
	}
	names, head := framer.Names{Head: "hdr", Data: "data", All: "pdu"}, len(s.head)
	switch {
	case s.v2:
		names, head = framer.Names{Head: "ssl2.hdr", All: "ssl2.pdu"}, 2
		if b0 := s.head[0]; b0&0x80 == 0 {
			head = 3
		}
	case s.kind == recordAlert:
		names.More = "alert"
	case s.kind == recordHeartbeat:
		names.More = "heartbeat"
	}
	s.frames.Emit(env, d, head, names)
}

// closedTo takes bytes that nothing is read of any more: the session is over
// for the engine, unless rules ask for the frames of encrypted records.
func (p *parser) closedTo(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if !env.WantFrames {
		return protocol.Status{Code: protocol.StatusDone}
	}
	s := &p.sides[d]
	for len(data) > 0 {
		all := data
		if s.left == 0 {
			var whole, ok bool
			if data, whole, ok = p.header(d, data); !ok {
				return protocol.Status{Code: protocol.StatusFailed}
			}
			if !whole {
				p.frame(d, all[:len(all)-len(data)], false, env)
				continue
			}
		}
		n := min(s.left, len(data))
		s.left -= n
		data = data[n:]
		p.frame(d, all[:len(all)-len(data)], s.left == 0, env)
	}
	return protocol.Status{}
}
