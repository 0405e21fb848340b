package http2

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// openRange notes which part of a file the body in d carries: its bytes from
// start on, of total (0 when that is not told).
func (p *parser) openRange(t *Tx, d packet.Direction, start, total uint64, env *protocol.Env) {
	s, q := &t.sides[d], &t.sides[packet.ToServer].headers
	if _, coded := s.headers.find("content-encoding", 0); d != packet.ToClient || coded {
		return
	}
	host, _ := q.find(":authority", 0)
	path, _ := q.find(":path", 0)
	p.key = append(append(append(p.key[:0], host...), ' '), path...)
	s.ranged, s.at = p.ranges.Open(p.key, total, env.Now), start
	t.newID, t.hashes = p.files, env.Hashes
}

// rangeBytes takes bytes of a body that is a part.
func (s *side) rangeBytes(data []byte) {
	if s.ranged != nil {
		s.ranged.Write(s.at, data)
		s.at += uint64(len(data))
	}
}

// closeRange adds the file that the body was the last missing part of.
func (t *Tx) closeRange(s *side) {
	r := s.ranged
	if r == nil {
		return
	}
	s.ranged = nil
	data, ok := r.Take()
	if !ok {
		return
	}
	s.files = append(s.files, s.whole.Open(s.body.File().Name, t.newID, t.hashes, file.Limits{Back: len(data), Max: len(data)}))
	s.whole.Write(data)
	s.whole.Close(protocol.FileClosed)
}
