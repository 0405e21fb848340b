package krb5

import (
	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Tx is one message. It implements protocol.Tx and protocol.Recorder.
type Tx struct {
	inspection   protocol.Inspection
	dir          packet.Direction
	kind         int32 // msg-type
	request      int32 // of an error: the request that failed
	cname, sname name
	realm        []byte
	hasRealm     bool
	code         int32
	encryption   int32
	encrypted    bool // encryption is valid
	ticket       int32
	hasTicket    bool
	text         []byte // scratch for names
}

// Clear makes the transaction ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.inspection.Reset(number)
	t.cname.reset()
	t.sname.reset()
	*t = Tx{inspection: t.inspection, cname: t.cname, sname: t.sname, realm: t.realm[:0], text: t.text[:0]}
}

// Stage is done at once: a message comes whole.
func (t *Tx) Stage(packet.Direction) protocol.Stage { return protocol.StageDone }

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Files are none.
func (t *Tx) Files(packet.Direction) []*protocol.File { return nil }

// Window answers no field.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Bytes is a part of a name.
func (t *Tx) Bytes(f protocol.Field, _ packet.Direction, i int) ([]byte, bool) {
	switch f {
	case protocol.KRB5CName:
		return t.cname.part(i)
	case protocol.KRB5SName:
		return t.sname.part(i)
	}
	return nil, false
}

// Uint is the kind of the message or its error code.
func (t *Tx) Uint(f protocol.Field, _ packet.Direction, i int) (uint64, bool) {
	switch f {
	case protocol.KRB5MsgType:
		return uint64(uint32(t.kind)), i == 0
	case protocol.KRB5ErrCode:
		return uint64(uint32(t.code)), i == 0 && t.kind == msgError
	}
	return 0, false
}

// AppendEve appends the record of the message.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Str("msg_type", messageName(t.kind))
	if t.kind == msgError {
		o.Str("failed_request", messageName(t.request))
		o.Str("error_code", errorName(t.code))
	}
	t.text = t.cname.append(t.text[:0])
	o.Text("cname", t.text)
	if t.hasRealm {
		o.Text("realm", t.realm)
	} else {
		o.Str("realm", "<empty>")
	}
	t.text = t.sname.append(t.text[:0])
	o.Text("sname", t.text)
	o.Str("encryption", encryptionName(t.encryption, t.encrypted))
	o.Bool("weak_encryption", t.encrypted && weak(t.encryption))
	if t.hasTicket {
		o.Str("ticket_encryption", encryptionName(t.ticket, true))
		o.Bool("ticket_weak_encryption", weak(t.ticket))
	}
	o.End()
	return o.B
}
