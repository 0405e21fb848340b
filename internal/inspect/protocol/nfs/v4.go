package nfs

import "github.com/masugata/masugata/internal/inspect/packet"

// The operations of NFS 4 (RFC 7530 section 16, RFC 5661 section 18) that are
// walked over or taken note of.
const (
	opAccess    = 3
	opClose     = 4
	opCommit    = 5
	opGetAttr   = 9
	opGetFH     = 10
	opLookup    = 15
	opOpen      = 18
	opPutFH     = 22
	opPutPubFH  = 23
	opPutRootFH = 24
	opRead      = 25
	opRemove    = 28
	opRename    = 29
	opRenew     = 30
	opRestoreFH = 31
	opSaveFH    = 32
	opWrite     = 38
	opSequence  = 53
)

// compound is what a COMPOUND call is about.
type compound struct {
	main   uint32 // the operation that says most of it
	handle []byte
	name   []byte
	to     []byte
	offset uint64
	data   []byte
}

// maxOps bounds the operations of one COMPOUND that are looked at.
const maxOps = 64

func (p *parser) call4(c *call, r *reader) {
	if c.procedure != 1 {
		p.transaction(c, nil, nil)
		return
	}
	r.opaque() // tag
	r.u32()    // minor version
	var m compound
	count := min(r.u32(), maxOps)
	for range count {
		op := r.u32()
		if r.bad || !m.operation(op, r) {
			break
		}
	}
	if m.main != 0 {
		c.procedure = m.main
	}
	switch m.main {
	case opRead:
		p.wait(pending{xid: c.xid, version: 4, procedure: opRead, handle: m.handle, offset: m.offset})
	case opWrite:
		p.wait(pending{xid: c.xid, version: 4, procedure: opWrite, handle: m.handle, tx: p.data(c, packet.ToServer, m.handle, m.offset, m.data)})
	default:
		if m.main == opClose || m.main == opCommit {
			p.closeFile(m.handle, packet.ToServer)
			p.closeFile(m.handle, packet.ToClient)
		}
		name := m.name
		if len(name) == 0 {
			name = p.nameOf(m.handle)
		}
		t := p.transaction(c, m.handle, name)
		t.to = append(t.to, m.to[:min(len(m.to), maxName)]...)
	}
}

// operation takes the arguments of an operation, false when it does not know
// their length.
func (m *compound) operation(op uint32, r *reader) bool {
	ok := true
	switch op {
	case opPutFH:
		m.handle = r.opaque()
		return true
	case opPutRootFH, opPutPubFH, opGetFH, opSaveFH, opRestoreFH:
		return true
	case opGetAttr:
		r.bytes(4 * int(min(r.u32(), 16)))
		return true
	case opSequence:
		r.bytes(32)
		return true
	case opAccess:
		r.u32()
	case opLookup, opRemove:
		m.name = r.opaque()
	case opRename:
		m.name, m.to = r.opaque(), r.opaque()
	case opRead:
		r.bytes(16)
		m.offset = r.u64()
		r.u32()
	case opWrite:
		r.bytes(16)
		m.offset = r.u64()
		r.u32()
		m.data = r.opaque()
	case opClose:
		r.bytes(20)
	case opCommit:
		r.bytes(12)
	case opRenew:
		r.u64()
	case opOpen:
		ok = m.open(r)
	default:
		ok = false
	}
	if m.main == 0 || m.main == opAccess || m.main == opLookup {
		m.main = op
	}
	return ok
}

// open takes the arguments of OPEN up to the name of what is opened.
func (m *compound) open(r *reader) bool {
	r.u32()
	r.u32()
	r.u32()
	r.u64()
	r.opaque()        // owner
	if r.u32() == 1 { // create
		switch r.u32() {
		case 0, 1:
			r.bytes(4 * int(min(r.u32(), 16)))
			r.opaque()
		case 2:
			r.u64()
		default:
			return false
		}
	}
	if r.u32() != 0 {
		return false // not by name
	}
	m.name = r.opaque()
	return !r.bad
}

// outcome4 walks over the results of a COMPOUND to the bytes of a read or the
// handle of what was looked up or opened.
func (p *parser) outcome4(w *pending, r *reader) {
	r.opaque() // tag
	count := min(r.u32(), maxOps)
	for range count {
		op, status := r.u32(), r.u32()
		if r.bad || status != 0 {
			return
		}
		switch op {
		case opPutFH, opPutRootFH, opPutPubFH, opSaveFH, opRestoreFH, opLookup:
		case opSequence:
			r.bytes(36)
		case opAccess:
			r.u64()
		case opGetAttr:
			r.bytes(4 * int(min(r.u32(), 16)))
			r.opaque()
		case opGetFH:
			p.named(w, r.opaque())
		case opOpen:
			if !skipOpened(r) {
				return
			}
		case opRead:
			last := r.u32() == 1
			if data := r.opaque(); w.procedure == opRead && !r.bad {
				p.readResult(w, data, last)
			}
			return
		default:
			return
		}
	}
}

// skipOpened walks over the result of OPEN, false when there is a delegation.
func skipOpened(r *reader) bool {
	r.bytes(16 + 20 + 4)
	r.bytes(4 * int(min(r.u32(), 16)))
	return r.u32() == 0
}
