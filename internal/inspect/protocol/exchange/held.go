package exchange

import "github.com/masugata/masugata/internal/inspect/packet"

// Held keeps the bytes of messages that are not whole, by direction. What Join
// gave stays as it is until the next Join of that direction, so that frames may
// show it. The zero value is ready; it is not safe for concurrent use.
type Held [2]struct {
	bytes []byte
	from  int // where what is held begins; what lies before it has been taken
}

// Reset forgets them and keeps their memory unless it is large.
func (h *Held) Reset() {
	const kept = 1 << 16
	for d := range h {
		s := &h[d]
		if cap(s.bytes) > kept {
			s.bytes = nil
		}
		s.bytes, s.from = s.bytes[:0], 0
	}
}

// Len is the number of bytes held in d.
func (h *Held) Len(d packet.Direction) int { return len(h[d].bytes) - h[d].from }

// Join is what is held in d with data after it: data itself when nothing is.
func (h *Held) Join(d packet.Direction, data []byte) []byte {
	s := &h[d]
	if s.from > 0 {
		n := copy(s.bytes, s.bytes[s.from:])
		s.bytes, s.from = s.bytes[:n], 0
	}
	if len(s.bytes) == 0 {
		return data
	}
	s.bytes = append(s.bytes, data...)
	return s.bytes
}

// Keep holds rest, the end of what Join gave.
func (h *Held) Keep(d packet.Direction, rest []byte) {
	s := &h[d]
	if len(s.bytes) > 0 {
		s.from = len(s.bytes) - len(rest)
		return
	}
	s.bytes = append(s.bytes, rest...)
}

// Drop forgets what is held in d.
func (h *Held) Drop(d packet.Direction) { h[d].from = len(h[d].bytes) }
