package ssh

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Tx is the session: a flow has one.
type Tx struct {
	cfg        *config
	inspection protocol.Inspection
	stage      [2]protocol.Stage
	ends       [2]end
}

// end is what one side has shown.
type end struct {
	proto, software []byte
	kex             []byte // body of its KEXINIT
	padding         int
	hasKex, tried   bool
	text            []byte // hassh's algorithms
	hash            []byte
}

func (t *Tx) clear() {
	t.inspection.Reset(0)
	*t = Tx{cfg: t.cfg, inspection: t.inspection, ends: t.ends}
	for i := range t.ends {
		e := &t.ends[i]
		*e = end{proto: e.proto[:0], software: e.software[:0], kex: e.kex[:0], text: e.text[:0], hash: e.hash[:0]}
	}
}

func (t *Tx) event(n uint8) { t.inspection.Raise(n) }

func (t *Tx) reach(d packet.Direction, s protocol.Stage) { t.stage[d] = max(t.stage[d], s) }

// Stage is how far the session has come in d.
func (t *Tx) Stage(d packet.Direction) protocol.Stage { return t.stage[d] }

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Files are none.
func (t *Tx) Files(packet.Direction) []*protocol.File { return nil }

// Window is never there.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Uint is never there.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// Bytes answers the fields of SSH.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if i != 0 {
		return nil, false
	}
	var v []byte
	e := &t.ends[d]
	switch f {
	case protocol.SSHProto:
		v = e.proto
	case protocol.SSHSoftware:
		v = e.software
	case protocol.SSHHassh:
		_, v = t.hassh(packet.ToServer)
	case protocol.SSHHasshString:
		v, _ = t.hassh(packet.ToServer)
	case protocol.SSHHasshServer:
		_, v = t.hassh(packet.ToClient)
	case protocol.SSHHasshServerString:
		v, _ = t.hassh(packet.ToClient)
	}
	return v, len(v) > 0
}

// Name lists of a KEXINIT (RFC 4253 section 7.1): which of them make hassh.
var hasshLists = [2][4]int{{0, 2, 4, 6}, {0, 3, 5, 7}}

const nameLists = 10

// hassh computes the fingerprint of the side that sends in d when it is first
// asked for: algorithms as text, and their MD5 in hexadecimal.
func (t *Tx) hassh(d packet.Direction) (text, hash []byte) {
	e := &t.ends[d]
	if !e.hasKex || e.tried || t.cfg.noHassh {
		return e.text, e.hash
	}
	e.tried = true
	var lists [nameLists][]byte
	b := e.kex[min(16, len(e.kex)):max(min(16, len(e.kex)), len(e.kex)-e.padding)]
	for i := range lists {
		if len(b) < 4 {
			return nil, nil
		}
		n := binary.BigEndian.Uint32(b)
		if uint64(n) > uint64(len(b)-4) {
			return nil, nil
		}
		lists[i], b = b[4:4+n], b[4+n:]
	}
	for i, n := range hasshLists[d] {
		if i > 0 {
			e.text = append(e.text, ';')
		}
		e.text = append(e.text, lists[n]...)
	}
	sum := md5.Sum(e.text)
	e.hash = hex.AppendEncode(e.hash, sum[:])
	return e.text, e.hash
}

// AppendEve appends the session's record, which stands under "ssh".
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	if len(t.ends[0].proto) == 0 && len(t.ends[1].proto) == 0 {
		return dst
	}
	o := eve.Object{B: dst}
	o.Begin()
	for d, name := range [...]string{"client", "server"} {
		e := &t.ends[d]
		if len(e.proto) == 0 {
			continue
		}
		if t.cfg.hassh {
			t.hassh(packet.Direction(d))
		}
		o.BeginObject(name)
		o.Text("proto_version", e.proto)
		if len(e.software) > 0 {
			o.Text("software_version", e.software)
		}
		if len(e.hash) > 0 {
			o.BeginObject("hassh")
			o.Text("hash", e.hash)
			o.Text("string", e.text)
			o.End()
		}
		o.End()
	}
	o.End()
	return o.B
}
