package line

import "github.com/masugata/masugata/internal/inspect/packet"

// Session cuts both directions of a session into lines of which only the
// beginning is looked at. The zero value is ready. It is not safe for concurrent
// use.
type Session struct {
	lines [2]Reader
	cut   [2]bool // what comes next belongs to a line that was handed out, or lost
}

// Reset makes it ready for another session and keeps the memory.
func (s *Session) Reset() {
	s.lines[0].Reset()
	s.lines[1].Reset()
	s.cut = [2]bool{}
}

// Next takes the next line of d off data, without its ending; of a longer line
// its first limit bytes, and what is behind them is passed over. When there is
// none whole it keeps data for the next call and ok is false. The line is valid
// until the next call; rest is what remains of data.
func (s *Session) Next(d packet.Direction, data []byte, limit int) (text, rest []byte, ok bool) {
	for len(data) > 0 {
		text, end, rest, ok := s.lines[d].Next(data, limit)
		if !ok {
			break
		}
		continued := s.cut[d]
		s.cut[d] = end == Cut
		if !continued {
			return text, rest, true
		}
		data = rest
	}
	return nil, nil, false
}

// Gap says that bytes of d are missing: the line they belong to is passed over.
func (s *Session) Gap(d packet.Direction) {
	s.lines[d].Reset()
	s.cut[d] = true
}
