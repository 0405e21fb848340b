package nfs

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// rpcHead is the part of a message that calls and replies share: its
// transaction number and whether it is a call (RFC 5531 section 9).
const rpcHead = 8

// rpcFrames notes the frames of a message b. Those of a stream begin with the
// record's mark.
func (p *parser) rpcFrames(d packet.Direction, b []byte) {
	whole, head := b, rpcHead
	if !p.env.UDP {
		s := &p.sides[d]
		s.marked = binary.BigEndian.AppendUint32(s.marked, uint32(len(b))|0x80000000)
		at := len(s.marked) - 4
		s.marked = append(s.marked, b...)
		whole, head = s.marked[at:], rpcHead+4
	}
	p.frame("rpc.pdu", d, whole)
	if d == packet.ToClient {
		if len(whole) > head {
			p.frame("rpc.hdr", d, whole[:head])
			p.frame("rpc.data", d, whole[head:])
		}
		p.replyFrames(b)
		return
	}
	r := reader{b: b}
	r.u32()
	r.u32()
	r.u32()
	number, version := r.u32(), r.u32()
	r.u32()
	at := len(b) - len(r.b)
	r.u32()
	r.opaque()
	end := len(b) - len(r.b)
	r.u32()
	r.opaque()
	if r.bad || number != program {
		return
	}
	p.frame("rpc.creds", d, b[at:end])
	p.nfsFrames(d, version, r.b)
}

// replyFrames notes the results of a call that waits, when it was accepted.
func (p *parser) replyFrames(b []byte) {
	r := reader{b: b}
	xid, kind := r.u32(), r.u32()
	rpc := r.u32()
	r.u32()
	r.opaque()
	if accepted := r.u32(); r.bad || kind != 1 || rpc != 0 || accepted != 0 {
		return
	}
	for i := range p.waiting {
		if p.waiting[i].xid == xid {
			p.nfsFrames(packet.ToClient, p.waiting[i].version, r.b)
			return
		}
	}
}

// nfsFrames notes what a call or a reply carries.
func (p *parser) nfsFrames(d packet.Direction, version uint32, b []byte) {
	if version != 4 {
		p.frame("nfs.pdu", d, b)
		if d == packet.ToClient {
			p.frame("nfs.status", d, b[:min(len(b), 4)])
		}
		return
	}
	p.frame("nfs4.pdu", d, b)
	if d == packet.ToClient {
		p.frame("nfs4.status", d, b[:min(len(b), 4)])
	}
	if len(b) > 8 {
		p.frame("nfs4.hdr", d, b[:8])
		p.frame("nfs4.ops", d, b[8:])
	}
}

func (p *parser) frame(name string, d packet.Direction, b []byte) {
	if len(b) > 0 {
		p.env.Frames = append(p.env.Frames, protocol.Frame{Name: name, Dir: d, Data: b})
	}
}
