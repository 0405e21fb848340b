// Package framer collects the bytes of a record across calls of a parser and
// hands its parts to rules as frames. It knows no protocol; the parsers of
// record protocols (TLS, SSH, HTTP/2, WebSocket) and
// of lines (SMTP, FTP) use it when Env.WantFrames says so.
package framer

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// maxRecord bounds the bytes kept of one record; frames show no more of it.
const maxRecord = 64 << 10

// Framer collects the records of one direction. The zero value is ready. It is
// for one goroutine.
type Framer struct {
	arena []byte // records emitted in this call, then the one begun
	start int    // of the one begun
}

// Names are the frames that a record makes; "" for none.
type Names struct {
	Head string // its first bytes
	Data string // what follows them
	More string // a second name for Data
	All  string // the whole record
}

// Call begins a call of the parser: frames of earlier calls become invalid.
func (f *Framer) Call() {
	f.arena = f.arena[:copy(f.arena, f.arena[f.start:])]
	f.start = 0
}

// Reset forgets everything and keeps memory.
func (f *Framer) Reset() {
	if cap(f.arena) > maxRecord {
		f.arena = nil
	}
	f.arena, f.start = f.arena[:0], 0
}

// Add takes the next bytes of the record.
func (f *Framer) Add(b []byte) {
	room := maxRecord - (len(f.arena) - f.start)
	f.arena = append(f.arena, b[:max(min(room, len(b)), 0)]...)
}

// Emit ends the record, whose head is the first head bytes of it.
func (f *Framer) Emit(env *protocol.Env, d packet.Direction, head int, names Names) {
	b := f.arena[f.start:]
	f.start = len(f.arena)
	head = min(head, len(b))
	for _, x := range [...]struct {
		name string
		data []byte
	}{{names.All, b}, {names.Head, b[:head]}, {names.Data, b[head:]}, {names.More, b[head:]}} {
		if x.name != "" && len(x.data) > 0 {
			env.Frames = append(env.Frames, protocol.Frame{Name: x.name, Dir: d, Data: x.data})
		}
	}
}

// Line emits a line with its ending as a frame of its own. No record may be
// under way.
func (f *Framer) Line(env *protocol.Env, d packet.Direction, name string, text []byte, end line.Ending) {
	f.Add(text)
	switch end {
	case line.CRLF:
		f.Add([]byte("\r\n"))
	case line.LF:
		f.Add([]byte("\n"))
	}
	f.Emit(env, d, 0, Names{All: name})
}
