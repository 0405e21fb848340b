package smtp

import (
	"encoding/hex"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
	"github.com/masugata/masugata/internal/inspect/protocol/smtp/mime"
)

// maxRecipients bounds the recipients kept of one mail.
const maxRecipients = 256

// Tx is one mail with the commands around it. It implements protocol.Tx,
// protocol.Recorder and protocol.Beside.
type Tx struct {
	inspection protocol.Inspection
	stage      [2]protocol.Stage
	helo       []byte
	from       []byte
	hasFrom    bool
	rcpts      []byte // one after another
	rcptEnds   []int
	mail       mime.Reader
	hasMail    bool
	files      file.List
	sum        [32]byte // hexadecimal MD5 of the body
}

// Clear makes the transaction ready for the next mail.
func (t *Tx) Clear(number uint64) {
	t.inspection.Reset(number)
	t.stage = [2]protocol.Stage{}
	t.helo, t.from, t.rcpts, t.rcptEnds = t.helo[:0], t.from[:0], t.rcpts[:0], t.rcptEnds[:0]
	t.files.Reset()
	t.hasFrom, t.hasMail = false, false
}

// Stage is how far the mail has come.
func (t *Tx) Stage(d packet.Direction) protocol.Stage { return t.stage[d] }

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Files are the attachments, all of which the client sends.
func (t *Tx) Files(d packet.Direction) []*protocol.File {
	if d == packet.ToClient {
		return nil
	}
	return t.files.Files()
}

// Uint answers no field: mail has no numbers.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// Window answers no field: attachments are files.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Bytes is a field of the envelope or of the mail's headers.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if d != packet.ToServer {
		return nil, false
	}
	switch f {
	case protocol.SMTPHelo:
		return t.helo, i == 0 && len(t.helo) > 0
	case protocol.SMTPMailFrom:
		return t.from, i == 0 && t.hasFrom
	case protocol.SMTPRcptTo:
		return t.recipient(i)
	}
	if !t.hasMail {
		return nil, false
	}
	return t.mailField(f, i)
}

func (t *Tx) recipient(i int) ([]byte, bool) {
	if i < 0 || i >= len(t.rcptEnds) {
		return nil, false
	}
	start := 0
	if i > 0 {
		start = t.rcptEnds[i-1]
	}
	return t.rcpts[start:t.rcptEnds[i]], true
}

func (t *Tx) mailField(f protocol.Field, i int) ([]byte, bool) {
	switch f {
	case protocol.EmailURL:
		return t.mail.URL(i)
	case protocol.EmailReceived:
		return t.mail.Received(i)
	case protocol.EmailBodyMD5:
		return t.bodyMD5(i)
	}
	if f < protocol.EmailFrom || f > protocol.EmailXMailer || i != 0 {
		return nil, false
	}
	return t.mail.Value(mime.Header(f - protocol.EmailFrom))
}

func (t *Tx) bodyMD5(i int) ([]byte, bool) {
	sum, ok := t.mail.BodyMD5()
	if !ok || i != 0 {
		return nil, false
	}
	hex.Encode(t.sum[:], sum[:])
	return t.sum[:], true
}

// raise moves the stage forward.
func (t *Tx) raise(d packet.Direction, s protocol.Stage) {
	if t.stage[d] < s {
		t.stage[d] = s
	}
}

func (t *Tx) addRecipient(v []byte) {
	if len(t.rcptEnds) < maxRecipients {
		t.rcpts = append(t.rcpts, v...)
		t.rcptEnds = append(t.rcptEnds, len(t.rcpts))
	}
}
