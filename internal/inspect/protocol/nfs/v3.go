package nfs

import "github.com/masugata/masugata/internal/inspect/packet"

// The procedures of NFS 3 (RFC 1813 section 3) that name or carry something.
const (
	v3Lookup      = 3
	v3Access      = 4
	v3Read        = 6
	v3Write       = 7
	v3Create      = 8
	v3Mknod       = 11
	v3Remove      = 12
	v3Rmdir       = 13
	v3Rename      = 14
	v3ReaddirPlus = 17
	v3Commit      = 21
)

func (p *parser) call3(c *call, r *reader) {
	if c.procedure == 0 {
		p.transaction(c, nil, nil)
		return
	}
	handle := r.opaque()
	switch c.procedure {
	case v3Read:
		p.wait(pending{xid: c.xid, version: c.version, procedure: c.procedure, handle: handle, offset: r.u64()})
	case v3Write:
		offset := r.u64()
		r.u32()
		r.u32()
		data := r.opaque()
		p.wait(pending{xid: c.xid, version: c.version, procedure: c.procedure, handle: handle, tx: p.data(c, packet.ToServer, handle, offset, data)})
	case v3Commit:
		p.closeFile(handle, packet.ToServer)
		p.transaction(c, handle, p.nameOf(handle))
	case v3Lookup, v3Create, v3Create + 1, v3Create + 2, v3Mknod, v3Remove, v3Rmdir:
		p.transaction(c, nil, r.opaque())
	case v3Rename:
		t := p.transaction(c, handle, r.opaque())
		r.opaque()
		to := r.opaque()
		t.to = append(t.to, to[:min(len(to), maxName)]...)
	case v3Access, v3ReaddirPlus:
		p.transaction(c, handle, p.nameOf(handle))
	default:
		p.transaction(c, nil, p.nameOf(handle))
	}
	if r.bad {
		p.event(eventMalformed)
	}
}

func (p *parser) nameOf(handle []byte) []byte {
	if k := p.files.find(handle); k != nil {
		return k.name
	}
	return nil
}

func (p *parser) outcome3(w *pending, status uint32, r *reader) {
	if status != 0 {
		return
	}
	switch w.procedure {
	case v3Lookup:
		p.named(w, r.opaque())
	case v3Create, v3Create + 1, v3Create + 2, v3Mknod:
		if r.u32() == 1 {
			p.named(w, r.opaque())
		}
	case v3Read:
		if r.u32() == 1 {
			r.bytes(84) // attributes
		}
		r.u32()
		last := r.u32() == 1
		p.readResult(w, r.opaque(), last)
	}
	if r.bad {
		p.event(eventMalformed)
	}
}

// readResult takes the bytes that a read gave.
func (p *parser) readResult(w *pending, data []byte, last bool) {
	c := call{xid: w.xid, version: w.version, procedure: w.procedure}
	t := p.data(&c, packet.ToClient, w.handle, w.offset, data)
	t.answered = true
	if last {
		p.closeFile(w.handle, packet.ToClient)
	}
}

// named notes the handle that a name was answered with.
func (p *parser) named(w *pending, handle []byte) {
	if w.tx == nil || len(handle) == 0 {
		return
	}
	w.tx.handle = append(w.tx.handle[:0], handle[:min(len(handle), maxHandle)]...)
	p.files.name(handle, w.tx.name)
}
