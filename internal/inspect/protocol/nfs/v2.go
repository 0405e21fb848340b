package nfs

import "github.com/masugata/masugata/internal/inspect/packet"

// The procedures of NFS 2 (RFC 1094 section 2.2) that name or carry something.
const (
	v2Lookup  = 4
	v2Read    = 6
	v2Write   = 8
	v2Create  = 9
	v2Remove  = 10
	v2Rename  = 11
	v2Symlink = 13
	v2Mkdir   = 14
	v2Rmdir   = 15
)

// handle2 is the length of a handle in NFS 2.
const handle2 = 32

func (p *parser) call2(c *call, r *reader) {
	if c.procedure == 0 {
		p.transaction(c, nil, nil)
		return
	}
	handle := r.bytes(handle2)
	switch c.procedure {
	case v2Read:
		p.wait(pending{xid: c.xid, version: c.version, procedure: c.procedure, handle: handle, offset: uint64(r.u32())})
	case v2Write:
		r.u32()
		offset := uint64(r.u32())
		r.u32()
		p.wait(pending{xid: c.xid, version: c.version, procedure: c.procedure, handle: handle, tx: p.data(c, packet.ToServer, handle, offset, r.opaque())})
	case v2Lookup, v2Create, v2Remove, v2Symlink, v2Mkdir, v2Rmdir:
		p.transaction(c, handle, r.opaque())
	case v2Rename:
		t := p.transaction(c, handle, r.opaque())
		r.bytes(handle2)
		to := r.opaque()
		t.to = append(t.to, to[:min(len(to), maxName)]...)
	default:
		p.transaction(c, handle, p.nameOf(handle))
	}
	if r.bad {
		p.event(eventMalformed)
	}
}

func (p *parser) outcome2(w *pending, status uint32, r *reader) {
	if status != 0 {
		return
	}
	switch w.procedure {
	case v2Lookup, v2Create, v2Mkdir:
		p.named(w, r.bytes(handle2))
	case v2Read:
		r.bytes(68) // attributes
		p.readResult(w, r.opaque(), false)
	}
	if r.bad {
		p.event(eventMalformed)
	}
}
