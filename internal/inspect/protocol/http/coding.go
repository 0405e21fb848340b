package http

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// chunkState is where a chunked body stands.
type chunkState uint8

const (
	chunkLine chunkState = iota
	chunkData
	chunkEnd
)

// readChunked takes what has come of a chunked body. It returns how many bytes
// it took; s.state has changed when the body has ended.
func (s *side) readChunked(m *message, data []byte) int {
	i := 0
	for i < len(data) && s.state == stateChunked && !s.failed {
		switch s.chunk {
		case chunkLine:
			i += s.readChunkLine(m, data[i:])
		case chunkData:
			n := int(min(uint64(len(data)-i), s.left))
			s.decoder.write(data[i : i+n])
			i += n
			if s.left -= uint64(n); s.left == 0 {
				s.chunk = chunkEnd
			}
		case chunkEnd:
			lf := bytes.IndexByte(data[i:], '\n')
			if lf < 0 {
				m.taken += uint64(len(data) - i)
				return len(data)
			}
			m.taken += uint64(lf + 1)
			i += lf + 1
			s.chunk = chunkLine
		}
	}
	return i
}

// readChunkLine reads the line before a chunk.
func (s *side) readChunkLine(m *message, data []byte) int {
	lf := bytes.IndexByte(data, '\n')
	if lf < 0 {
		if len(s.pending) == 0 && !mayBeChunkLength(data) || len(s.pending)+len(data) > m.p.cfg.fieldLimit {
			return s.badChunk(m, 0)
		}
		s.pending = append(s.pending, data...)
		return len(data)
	}
	line := data[:lf+1]
	if len(s.pending) > 0 {
		s.pending = append(s.pending, line...)
		line = s.pending
	}
	n, extension := chunkLength(line)
	if n < 0 && !onlyChunkControl(line) {
		return s.badChunk(m, lf+1)
	}
	m.taken += uint64(len(line))
	s.pending = s.pending[:0]
	if extension {
		m.event(evReqChunkExtension, evRespChunkExtension)
	}
	switch {
	case n == 0:
		s.decoder.finish()
		s.state = stateTrailer
		m.block = block{start: len(m.headers.raw)}
	case n > 0:
		s.left, s.chunk = uint64(n), chunkData
	}
	return lf + 1
}

// badChunk meets a line that is no chunk's length: requests end there, a
// response goes on without chunks, beginning with that very line, as browsers
// do. took is how much of the present data the line has.
func (s *side) badChunk(m *message, took int) int {
	m.event(evReqChunkLen, evRespChunkLen)
	if m.dir == packet.ToServer {
		s.failed = true
		return took
	}
	m.coding = codingIdentity
	s.state = stateUntilClose
	if len(s.pending) > 0 {
		s.decoder.write(s.pending)
		s.pending = s.pending[:0]
		return took
	}
	return 0
}

// readKnown takes what has come of a body of known length.
func (s *side) readKnown(m *message, data []byte) int {
	n := int(min(uint64(len(data)), s.left))
	s.decoder.write(data[:n])
	if s.left -= uint64(n); s.left == 0 {
		s.decoder.finish()
		s.state = stateFinalize
	}
	return n
}
