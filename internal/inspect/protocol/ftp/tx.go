package ftp

import (
	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

const (
	maxReplies    = 256      // reply lines kept of one command
	maxReplyBytes = 64 << 10 // bytes of them
)

// Tx is a command with its replies; the first of a session may be the server's
// greeting, without a command. It implements protocol.Tx and protocol.Recorder.
type Tx struct {
	inspection     protocol.Inspection
	stage          [2]protocol.Stage
	verb           verb
	command        []byte
	data           []byte
	replies        []byte // lines, one after another
	replyEnds      []int
	port           uint16 // of the data connection agreed on
	known          bool   // the command is one that FTP knows
	active         bool   // the server opens the data connection
	bounce         bool   // PORT names another host than the client
	truncated      bool
	replyTruncated bool
}

// Clear makes the transaction ready for the next command.
func (t *Tx) Clear(number uint64) {
	t.inspection.Reset(number)
	*t = Tx{inspection: t.inspection, command: t.command[:0], data: t.data[:0], replies: t.replies[:0], replyEnds: t.replyEnds[:0]}
}

// Stage is how far the command has come.
func (t *Tx) Stage(d packet.Direction) protocol.Stage { return t.stage[d] }

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Files are none: they pass through the data connection.
func (t *Tx) Files(packet.Direction) []*protocol.File { return nil }

// Window answers no field.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Uint is the port of the data connection.
func (t *Tx) Uint(f protocol.Field, _ packet.Direction, i int) (uint64, bool) {
	return uint64(t.port), f == protocol.FTPDynamicPort && i == 0 && t.known
}

// Bytes is the command, its argument, or a reply.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	switch {
	case f == protocol.FTPCommand && d == packet.ToServer && i == 0:
		return t.command, t.known
	case f == protocol.FTPCommandData && d == packet.ToServer && i == 0:
		return t.data, len(t.data) > 0
	case f == protocol.FTPCompletionCode && d == packet.ToClient:
		code, _, ok := t.reply(i)
		return code, ok && len(code) > 0
	case f == protocol.FTPReply && d == packet.ToClient:
		_, text, ok := t.reply(i)
		return text, ok
	}
	return nil, false
}

// reply is the i-th line of the replies, code (if any) and text apart.
func (t *Tx) reply(i int) (code, text []byte, ok bool) {
	if i < 0 || i >= len(t.replyEnds) {
		return nil, nil, false
	}
	start := 0
	if i > 0 {
		start = t.replyEnds[i-1]
	}
	l := t.replies[start:t.replyEnds[i]]
	if !hasCode(l) {
		return nil, l, true
	}
	if len(l) == 3 {
		return l, nil, true
	}
	return l[:3], l[4:], true
}

// hasCode says whether a line begins with a completion code.
func hasCode(l []byte) bool {
	if len(l) < 3 || len(l) > 3 && l[3] != ' ' && l[3] != '-' {
		return false
	}
	for _, c := range l[:3] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func (t *Tx) addReply(l []byte) {
	if len(t.replyEnds) < maxReplies && len(t.replies)+len(l) <= maxReplyBytes {
		t.replies = append(t.replies, l...)
		t.replyEnds = append(t.replyEnds, len(t.replies))
	}
}

func (t *Tx) raise(d packet.Direction, s protocol.Stage) {
	if t.stage[d] < s {
		t.stage[d] = s
	}
}

// AppendEve appends the record of the command.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	if t.known {
		o.Text("command", t.command)
		if len(t.data) > 0 {
			o.Text("command_data", t.data)
			o.Bool("command_truncated", t.truncated)
		}
	}
	t.recordReplies(&o)
	if t.port != 0 {
		o.Uint("dynamic_port", uint64(t.port))
	}
	if t.verb == verbPort || t.verb == verbEprt {
		o.Str("mode", mode(t.active))
	}
	received := "no"
	if len(t.replyEnds) > 0 {
		received = "yes"
	}
	o.Str("reply_received", received)
	o.Bool("reply_truncated", t.replyTruncated)
	o.End()
	return o.B
}

func mode(active bool) string {
	if active {
		return "active"
	}
	return "passive"
}

func (t *Tx) recordReplies(o *eve.Object) {
	if len(t.replyEnds) == 0 {
		return
	}
	codes := false
	for i := range t.replyEnds {
		if code, _, _ := t.reply(i); len(code) > 0 {
			if !codes {
				o.BeginArray("completion_code")
				codes = true
			}
			o.ItemText(code)
		}
	}
	if codes {
		o.EndArray()
	}
	o.BeginArray("reply")
	for i := range t.replyEnds {
		_, text, _ := t.reply(i)
		o.ItemText(text)
	}
	o.EndArray()
}
