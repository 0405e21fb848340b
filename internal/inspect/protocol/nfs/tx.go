package nfs

import (
	"hash/crc32"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// Tx is a call with its reply, or a file that is read or written. It
// implements protocol.Tx, protocol.Recorder and protocol.Beside.
type Tx struct {
	inspection  protocol.Inspection
	stage       [2]protocol.Stage
	version     uint32
	procedure   uint32
	xid         uint32
	flavor      uint32
	machine     []byte
	uid, gid    uint32
	rpc, status uint32
	answered    bool
	name, to    []byte
	handle      []byte
	isFile      bool
	files       [2]file.List
	chunks      uint32
	last        uint32 // xid of the last chunk
	ended       bool
}

// Clear makes the transaction ready for the next use.
func (t *Tx) Clear(number uint64) {
	t.inspection.Reset(number)
	t.files[0].Reset()
	t.files[1].Reset()
	*t = Tx{inspection: t.inspection, files: t.files, machine: t.machine[:0], name: t.name[:0], to: t.to[:0], handle: t.handle[:0]}
}

// Stage is how far the transaction has come.
func (t *Tx) Stage(d packet.Direction) protocol.Stage { return t.stage[d] }

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Files is the file that passes in d.
func (t *Tx) Files(d packet.Direction) []*protocol.File { return t.files[d].Files() }

// Bytes answers no field.
func (t *Tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Window answers no field.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Uint is the version of NFS.
func (t *Tx) Uint(f protocol.Field, _ packet.Direction, i int) (uint64, bool) {
	return uint64(t.version), f == protocol.NFSVersion && i == 0
}

func (t *Tx) raise(d packet.Direction, s protocol.Stage) {
	if t.stage[d] < s {
		t.stage[d] = s
	}
}

// AppendEve appends what NFS shows; nothing for NULL and GETATTR, of which
// there are too many to be worth a record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	if !t.recorded() {
		return dst
	}
	o := eve.Object{B: dst}
	o.Begin()
	o.Uint("version", uint64(t.version))
	o.Str("procedure", procedureName(t.version, t.procedure))
	o.Text("filename", t.name)
	if len(t.handle) > 0 {
		var text [8]byte
		o.Text("hhash", strconv.AppendUint(text[:0], uint64(crc32.ChecksumIEEE(t.handle)), 16))
	}
	o.Uint("id", t.inspection.Number+1)
	o.Bool("file_tx", t.isFile)
	if t.answered {
		o.Str("type", "response")
		o.Str("status", statusName(t.status))
	} else {
		o.Str("type", "request")
	}
	if len(t.to) > 0 {
		o.BeginObject("rename")
		o.Text("from", t.name)
		o.Text("to", t.to)
		o.End()
	}
	if t.isFile {
		t.writeChunks(&o)
	}
	o.End()
	return o.B
}

// recorded says whether the transaction has a record.
func (t *Tx) recorded() bool { return t.version >= 4 || t.procedure > 1 }

func (t *Tx) writeChunks(o *eve.Object) {
	key := "read"
	if t.files[packet.ToServer].Last() != nil {
		key = "write"
	}
	o.BeginObject(key)
	o.Bool("first", true)
	o.Bool("last", t.ended)
	if t.ended {
		o.Uint("last_xid", uint64(t.last))
	}
	o.Uint("chunks", uint64(t.chunks))
	o.End()
}

// AppendBeside appends what RPC shows, which stands beside "nfs" as "rpc".
func (t *Tx) AppendBeside(dst []byte, _ packet.Direction) []byte {
	if !t.recorded() {
		return dst
	}
	o := eve.Object{B: dst}
	o.BeginObject("rpc")
	o.Uint("xid", uint64(t.xid))
	if t.answered {
		o.Str("status", rpcStatus(t.rpc))
	} else {
		o.Str("status", "UNKNOWN")
	}
	o.Str("auth_type", authName(t.flavor))
	if t.flavor == 1 {
		o.BeginObject("creds")
		o.Text("machine_name", t.machine)
		o.Uint("uid", uint64(t.uid))
		o.Uint("gid", uint64(t.gid))
		o.End()
	}
	o.End()
	return o.B
}
