package ftp

import (
	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// dataTx is the one transaction of a data connection. It implements
// protocol.Tx and protocol.Recorder.
type dataTx struct {
	inspection protocol.Inspection
	stage      [2]protocol.Stage
	files      [2]file.List
	name       []byte
	download   bool
}

// Stage is how far the transfer has come.
func (t *dataTx) Stage(d packet.Direction) protocol.Stage { return t.stage[d] }

// Inspection is the engine's state.
func (t *dataTx) Inspection() *protocol.Inspection { return &t.inspection }

// Files is the file that passes, in the direction in which it does.
func (t *dataTx) Files(d packet.Direction) []*protocol.File { return t.files[d].Files() }

// Bytes answers no field: the file's name is the file's.
func (t *dataTx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Uint answers no field.
func (t *dataTx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// Window answers no field.
func (t *dataTx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// AppendEve appends the record of the transfer.
func (t *dataTx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	if len(t.name) > 0 {
		o.Text("filename", t.name)
	}
	if t.download {
		o.Str("command", "RETR")
	} else {
		o.Str("command", "STOR")
	}
	o.End()
	return o.B
}

// dataParser follows one data connection: all that passes is the file.
type dataParser struct {
	tx   dataTx
	list [1]protocol.Tx
	live bool
}

// Reset makes the parser ready for another connection.
func (p *dataParser) Reset() {
	t := &p.tx
	t.inspection.Reset(0)
	t.stage = [2]protocol.Stage{}
	t.files[0].Reset()
	t.files[1].Reset()
	t.name, t.download, p.live = t.name[:0], false, false
}

// Expect takes what the session said of the connection.
func (p *dataParser) Expect(name []byte, download bool) {
	p.tx.name, p.tx.download = append(p.tx.name[:0], name...), download
}

// Txs is the transfer, once it has begun.
func (p *dataParser) Txs() []protocol.Tx {
	if !p.live {
		return nil
	}
	p.list[0] = &p.tx
	return p.list[:]
}

// Sweep forgets the transfer when the engine is done with it.
func (p *dataParser) Sweep() {
	if p.tx.inspection.Done {
		p.live = false
	}
}

// Parse takes bytes of the file.
func (p *dataParser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if tracker := p.open(d, env); tracker != nil {
		tracker.Write(data)
	}
	return protocol.Status{}
}

func (p *dataParser) open(d packet.Direction, env *protocol.Env) *file.Tracker {
	t := &p.tx
	if t.inspection.Done || t.stage[d] == protocol.StageDone {
		return nil
	}
	l := &t.files[d]
	if l.Last() == nil {
		p.live = true
		t.stage[d], t.stage[d.Other()] = protocol.StageBody, max(t.stage[d.Other()], protocol.StageStart)
		return l.Open(t.name, 1+uint32(d), env.Hashes, file.Limits{})
	}
	l.Trim(&t.inspection, d)
	return l.Last()
}

// Gap says that bytes of the file are missing.
func (p *dataParser) Gap(d packet.Direction, n uint64, env *protocol.Env) protocol.Status {
	if tracker := p.open(d, env); tracker != nil {
		tracker.Gap(n)
	}
	return protocol.Status{}
}

// End says that the file is whole.
func (p *dataParser) End(d packet.Direction, _ *protocol.Env) {
	p.tx.files[d].Close(protocol.FileClosed)
	p.tx.stage[d] = protocol.StageDone
}
