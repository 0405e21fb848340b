package smb

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/dcerpc"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// kind is what a transaction is about.
type kind uint8

const (
	kindOther kind = iota
	kindNegotiate
	kindSession
	kindTree
	kindCreate
	kindFile
	kindCall
	kindIoctl
	kindRename
	kindSetInfo
)

// Tx is a request with its response, a file, or a remote procedure call. It
// implements protocol.Tx, protocol.Recorder and dcerpc.Carrier.
type Tx struct {
	inspection protocol.Inspection
	stage      [2]protocol.Stage
	kind       kind
	version    uint8 // 1, or 2 for SMB 2 and 3
	command    uint16
	status     uint32
	answered   bool
	session    uint64
	tree       uint32
	dialect    dialect

	negotiation negotiation
	auth        auth
	connect     connect
	create      create
	function    uint32 // of an IOCTL
	class       uint8  // of SET_INFO
	level       uint8
	to          []byte // new name of a rename

	call  dcerpc.Call
	pipe  [16]byte // the pipe that carries the call
	files [2]file.List
	queue queue
}

// negotiation is what both sides offer.
type negotiation struct {
	dialects             []byte // names, each ended by NUL
	clientGUID, server   [16]byte
	hasClient, hasServer bool
	maxRead, maxWrite    uint32
	hasSizes             bool
}

// connect is a tree connect.
type connect struct {
	share             []byte
	pipe              bool
	kind              byte // SMB 2: share type of the response
	request, response []byte
}

// create is the opening of a file; other kinds use its name and id.
type create struct {
	name        []byte
	share       []byte
	disposition uint32
	deletes     bool
	times       [4]uint64 // created, accessed, modified, changed
	size        uint64
	id          [16]byte
	hasID       bool
}

// Clear makes the transaction ready for the next use.
func (t *Tx) Clear(number uint64) {
	t.inspection.Reset(number)
	t.call.Reset()
	t.files[0].Reset()
	t.files[1].Reset()
	t.queue.reset()
	*t = Tx{
		inspection: t.inspection, call: t.call, files: t.files, queue: t.queue, to: t.to[:0],
		negotiation: negotiation{dialects: t.negotiation.dialects[:0]}, auth: t.auth.cleared(),
		connect: connect{share: t.connect.share[:0], request: t.connect.request[:0], response: t.connect.response[:0]},
		create:  create{name: t.create.name[:0], share: t.create.share[:0]},
	}
}

// Stage is how far the transaction has come.
func (t *Tx) Stage(d packet.Direction) protocol.Stage { return t.stage[d] }

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Files is the file that passes in d.
func (t *Tx) Files(d packet.Direction) []*protocol.File { return t.files[d].Files() }

// Window answers no field: files are files.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// RPC is the call that the transaction carries, nil for none.
func (t *Tx) RPC() *dcerpc.Call {
	if t.kind != kindCall {
		return nil
	}
	return &t.call
}

// Uint is the version of SMB.
func (t *Tx) Uint(f protocol.Field, _ packet.Direction, i int) (uint64, bool) {
	return uint64(t.version), f == protocol.SMBVersion && i == 0 && t.version != 0
}

// Bytes is a name of the transaction, or the arguments of its call.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if i != 0 {
		return nil, false
	}
	switch f {
	case protocol.SMBNamedPipe:
		return t.connect.share, d == packet.ToServer && t.kind == kindTree && t.connect.pipe
	case protocol.SMBShare:
		return t.connect.share, d == packet.ToServer && t.kind == kindTree && !t.connect.pipe
	case protocol.SMBNTLMSSPUser:
		return t.auth.user, d == packet.ToServer && t.auth.ntlm
	case protocol.SMBNTLMSSPDomain:
		return t.auth.domain, d == packet.ToServer && t.auth.ntlm
	case protocol.DCERPCStubData:
		return t.call.Stub(d), t.kind == kindCall && len(t.call.Stub(d)) > 0
	}
	return nil, false
}

func (t *Tx) raise(d packet.Direction, s protocol.Stage) {
	if t.stage[d] < s {
		t.stage[d] = s
	}
}

func (t *Tx) event(e uint8) { t.inspection.Raise(e) }
