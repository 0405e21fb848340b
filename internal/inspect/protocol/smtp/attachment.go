package smtp

import (
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// attachment gives the files of a mail to its transaction. It implements
// mime.Sink.
type attachment struct {
	cfg     *config
	env     *protocol.Env
	t       *Tx
	tracker *file.Tracker
	count   uint32
	raw     bool // the whole message is the file
	ending  line.Ending
}

// FileOpen begins an attachment.
func (a *attachment) FileOpen(name []byte) {
	a.count++
	a.tracker = a.t.files.Open(name, a.count, a.env.Hashes, file.Limits{Inspect: a.cfg.minSize, Back: int(a.cfg.window)})
}

// FileData adds decoded bytes.
func (a *attachment) FileData(data []byte) {
	if a.tracker != nil {
		a.tracker.Write(data)
	}
}

// FileClose ends the attachment.
func (a *attachment) FileClose(whole bool) {
	if a.tracker == nil {
		return
	}
	state := protocol.FileTruncated
	if whole {
		state = protocol.FileClosed
	}
	a.tracker.Close(state)
	a.tracker = nil
}

// openRaw begins the file that is the whole message.
func (a *attachment) openRaw(t *Tx) {
	a.t, a.raw, a.ending = t, true, line.Cut
	a.FileOpen([]byte("rawmsg"))
}

// rawLine adds a line; its ending is added with the next one, as the last
// belongs to the end of DATA.
func (a *attachment) rawLine(text []byte, end line.Ending) {
	switch a.ending {
	case line.CRLF:
		a.FileData(crlf[:])
	case line.LF:
		a.FileData(crlf[1:])
	}
	a.ending = end
	a.FileData(text)
}

var crlf = [2]byte{'\r', '\n'}

// closeRaw ends the file that is the whole message.
func (a *attachment) closeRaw(whole bool) {
	if a.raw {
		a.raw = false
		a.FileClose(whole)
	}
}
