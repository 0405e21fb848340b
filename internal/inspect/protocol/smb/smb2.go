package smb

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

const smb2HeaderSize = 64

// The commands of SMB 2 and 3 (MS-SMB2 section 2.2.1).
const (
	smb2Negotiate      = 0
	smb2SessionSetup   = 1
	smb2Logoff         = 2
	smb2TreeConnect    = 3
	smb2TreeDisconnect = 4
	smb2Create         = 5
	smb2Close          = 6
	smb2Read           = 8
	smb2Write          = 9
	smb2Ioctl          = 11
	smb2QueryInfo      = 16
	smb2SetInfo        = 17
)

const (
	statusPending        = 0x103
	statusBufferOverflow = 0x80000005
	fsctlPipeTransceive  = 0x0011c017
)

// head is what the header of a message says.
type head struct {
	version uint8
	command uint16
	status  uint32
	message uint64
	session uint64
	tree    uint32
	unicode bool
}

// related is the file identity that means "the one of the request before".
var related = [16]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// smb2 takes a message of SMB 2 or 3: one request or response, or several.
func (p *parser) smb2(d packet.Direction, r record, total int) {
	for {
		if len(r) < smb2HeaderSize || r.u16(4) != smb2HeaderSize || r[0] != 0xfe {
			p.event(eventMalformed)
			return
		}
		next := int(r.u32(20))
		one, size := r, total
		if next > 0 {
			if next < smb2HeaderSize || next > len(r) {
				p.event(eventMalformed)
				return
			}
			one, size = r[:next], next
		}
		p.smb2Message(d, one, size)
		if next == 0 {
			return
		}
		r, total = r[next:], total-next
	}
}

func (p *parser) smb2Message(d packet.Direction, r record, total int) {
	h := head{version: 2, command: r.u16(12), status: r.u32(8), message: r.u64(24), session: r.u64(40), tree: r.u32(36), unicode: true}
	response := r.u32(16)&1 != 0
	async := r.u32(16)&2 != 0
	if async {
		h.tree = 0
	}
	switch {
	case response && d == packet.ToServer:
		p.event(eventResponseToServer)
		return
	case !response && d == packet.ToClient:
		p.event(eventRequestToClient)
		return
	}
	if !response {
		p.smb2Request(h, r, total)
		return
	}
	if h.status == statusPending {
		return
	}
	p.smb2Response(h, r, total)
}

// transaction makes one for a request and remembers that it waits.
func (p *parser) transaction(k kind, h head) *Tx {
	t := p.begin(k)
	t.version, t.command, t.session, t.tree = h.version, h.command, h.session, h.tree
	t.raise(packet.ToServer, protocol.StageDone)
	p.book.wait(pending{message: h.message, command: h.command, tx: t, tree: h.tree})
	return t
}

func (p *parser) smb2Request(h head, r record, total int) {
	const body = smb2HeaderSize
	switch h.command {
	case smb2Negotiate:
		p.smb2Negotiate(p.transaction(kindNegotiate, h), r)
	case smb2SessionSetup:
		t := p.transaction(kindSession, h)
		p.login(t, r.slice(int(r.u16(body+12)), int(r.u16(body+14))))
	case smb2TreeConnect:
		t := p.transaction(kindTree, h)
		t.connect.share = appendUTF16(t.connect.share, r.slice(int(r.u16(body+4)), int(r.u16(body+6))))
	case smb2TreeDisconnect:
		p.transaction(kindOther, h)
	case smb2Create:
		t := p.transaction(kindCreate, h)
		t.create.disposition = r.u32(body + 36)
		t.create.deletes = r.u32(body+40)&0x1000 != 0 // FILE_DELETE_ON_CLOSE
		t.create.name = appendUTF16(t.create.name, r.slice(int(r.u16(body+44)), int(r.u16(body+46))))
	case smb2Close:
		p.transaction(kindOther, h)
		p.closeHandle(p.identity(r.id(body + 8)))
	case smb2Read:
		if max := p.cfg.maxRead; max > 0 && uint64(r.u32(body+4)) > max {
			p.event(eventReadRequest)
		}
		p.book.wait(pending{message: h.message, command: h.command, file: p.identity(r.id(body + 16)), offset: r.u64(body + 8), tree: h.tree})
	case smb2Write:
		p.smb2Write(h, r, total)
	case smb2Ioctl:
		p.smb2Ioctl(h, r)
	case smb2SetInfo:
		p.smb2SetInfo(h, r)
	case smb2QueryInfo:
	default:
		p.transaction(kindOther, h)
	}
}

// identity resolves the identity that a related request uses.
func (p *parser) identity(id [16]byte) [16]byte {
	if id == related {
		return p.lastID
	}
	return id
}

func (p *parser) smb2Negotiate(t *Tx, r record) {
	const body = smb2HeaderSize
	n := &t.negotiation
	n.clientGUID, n.hasClient = r.id(body+12), true
	if len(r) < body+36 || len(r) < body+36+2*int(r.u16(body+2)) {
		t.event(eventDialects)
	}
	for i := range int(r.u16(body + 2)) {
		if body+36+2*i+2 > len(r) {
			break
		}
		n.dialects = append(dialect(r.u16(body+36+2*i)).append(n.dialects), 0)
	}
	if p.negotiated {
		t.event(eventDuplicateNegotiate)
	}
}

// login reads the security blob of a session setup request.
func (p *parser) login(t *Tx, blob []byte) {
	if len(blob) == 0 {
		return
	}
	if _, ok := t.auth.security(blob); !ok {
		t.event(eventNTLMRequest)
	}
}

func (p *parser) smb2Write(h head, r record, total int) {
	const body = smb2HeaderSize
	size := uint64(r.u32(body + 4))
	if max := p.cfg.maxWrite; max > 0 && size > max {
		p.event(eventWriteRequest)
	}
	at := int(r.u16(body + 2))
	id := p.identity(r.id(body + 16))
	file := p.handleOf(id, h.tree)
	if room := uint64(max(total-at, 0)); size > room {
		p.event(eventMalformed)
		size = room
	}
	data := r.slice(at, int(min(size, uint64(len(r)))))
	if !p.isPipe(file, data) {
		p.data(file, packet.ToServer, h.version, h.command, r.u64(body+8), data, size)
		p.book.wait(pending{message: h.message, command: h.command, file: id, tx: file.txs[packet.ToServer]})
		return
	}
	t := p.rpc(file, packet.ToServer, data, h.version, h.command)
	p.callOf(t, h)
	p.book.wait(pending{message: h.message, command: h.command, tx: t, file: id})
}

// callOf notes on a call where it came from.
func (p *parser) callOf(t *Tx, h head) {
	if t != nil {
		t.session, t.tree = h.session, h.tree
	}
}

// handleOf is the open file of an identity; one whose opening was not seen is
// taken as open.
func (p *parser) handleOf(id [16]byte, tree uint32) *handle {
	if h := p.book.handle(id); h != nil {
		return h
	}
	return p.book.open(id, tree, nil, p.book.isPipe(tree))
}

func (p *parser) smb2Ioctl(h head, r record) {
	const body = smb2HeaderSize
	function := r.u32(body + 4)
	data := r.slice(int(r.u32(body+24)), int(r.u32(body+28)))
	if function == fsctlPipeTransceive {
		id := p.identity(r.id(body + 8))
		file := p.handleOf(id, h.tree)
		file.pipe = true
		if t := p.rpc(file, packet.ToServer, data, h.version, h.command); t != nil {
			p.callOf(t, h)
			p.book.wait(pending{message: h.message, command: h.command, tx: t, file: id})
			return
		}
	}
	t := p.transaction(kindIoctl, h)
	t.function = function
	if n := len(p.book.waiting); n > 0 {
		p.book.waiting[n-1].file = p.identity(r.id(body + 8))
	}
}

// The information that SET_INFO sets: files have class 1.
const (
	classFile        = 1
	levelRename      = 10
	levelDisposition = 13
)

func (p *parser) smb2SetInfo(h head, r record) {
	const body = smb2HeaderSize
	class, level := r.u8(body+2), r.u8(body+3)
	if class != classFile || level != levelRename && level != levelDisposition {
		return
	}
	buffer := record(r.slice(int(r.u16(body+8)), int(r.u32(body+4))))
	k := kindSetInfo
	if level == levelRename {
		k = kindRename
	}
	t := p.transaction(k, h)
	t.class, t.level = class, level
	if f := p.book.handle(p.identity(r.id(body + 16))); f != nil {
		t.create.name = append(t.create.name, f.name...)
	}
	if k == kindRename {
		t.to = appendUTF16(t.to, buffer.slice(20, int(buffer.u32(16))))
		return
	}
	t.create.deletes = buffer.u8(0) != 0
}

func (p *parser) smb2Response(h head, r record, total int) {
	const body = smb2HeaderSize
	w, found := p.book.take(h.message, h.command)
	if !found && h.command == smb2Negotiate { // the answer to a negotiation in SMB 1
		w, found = p.book.take(0, smb1Negotiate)
	}
	if w.tx != nil {
		p.answer(w.tx, h)
	}
	switch h.command {
	case smb2Negotiate:
		p.smb2Negotiated(w.tx, r)
	case smb2SessionSetup:
		if blob := r.slice(int(r.u16(body+4)), int(r.u16(body+6))); w.tx != nil && len(blob) > 0 {
			p.challenge(w.tx, blob)
		}
	case smb2TreeConnect:
		if t := w.tx; t != nil && h.status == 0 {
			t.tree = h.tree
			t.connect.kind = r.u8(body + 2)
			t.connect.pipe = t.connect.kind == 2
			p.book.connect(h.tree, t.connect.share, t.connect.pipe)
		}
	case smb2Create:
		p.smb2Created(w.tx, h, r)
	case smb2Read:
		p.smb2ReadResponse(w, h, r, total)
	case smb2Ioctl:
		p.smb2IoctlResponse(w, h, r)
	}
}

// answer takes the outcome of a request. A call is answered by what comes
// through the pipe.
func (p *parser) answer(t *Tx, h head) {
	t.answered, t.status = true, h.status
	if h.session != 0 {
		t.session = h.session
	}
	switch t.kind {
	case kindCall:
	case kindFile:
		t.tree = h.tree
	default:
		t.raise(packet.ToClient, protocol.StageDone)
	}
}

func (p *parser) smb2Negotiated(t *Tx, r record) {
	const body = smb2HeaderSize
	p.dialect, p.negotiated = dialect(r.u16(body+4)), p.dialect != 0x02ff
	if t == nil {
		return
	}
	n := &t.negotiation
	t.dialect, t.tree = p.dialect, 0
	n.server, n.hasServer = r.id(body+8), true
	n.maxRead, n.maxWrite, n.hasSizes = r.u32(body+32), r.u32(body+36), true
	if p.cfg.maxRead > 0 && uint64(n.maxRead) > p.cfg.maxRead {
		t.event(eventMaxReadSize)
	}
	if p.cfg.maxWrite > 0 && uint64(n.maxWrite) > p.cfg.maxWrite {
		t.event(eventMaxWriteSize)
	}
}

// challenge looks at the server's part of an NTLM login.
func (p *parser) challenge(t *Tx, blob []byte) {
	var a auth
	message, ok := a.security(blob)
	if !ok {
		t.event(eventNTLMResponse)
		return
	}
	if message == ntlmNegotiate || message == ntlmAuthenticate {
		t.event(eventNTLMOrder)
	}
}

func (p *parser) smb2Created(t *Tx, h head, r record) {
	const body = smb2HeaderSize
	if t == nil || h.status != 0 || len(r) < body+80 {
		return
	}
	c := &t.create
	for i := range c.times {
		c.times[i] = r.u64(body + 8 + 8*i)
	}
	c.times[2], c.times[3] = r.u64(body+24), r.u64(body+32)
	c.size = r.u64(body + 48)
	c.id, c.hasID = r.id(body+64), true
	p.lastID = c.id
	p.book.open(c.id, t.tree, c.name, p.book.isPipe(t.tree))
}

func (p *parser) smb2ReadResponse(w pending, h head, r record, total int) {
	const body = smb2HeaderSize
	if h.status != 0 && h.status != statusBufferOverflow {
		return
	}
	size := uint64(r.u32(body + 4))
	if max := p.cfg.maxRead; max > 0 && size > max {
		p.event(eventReadResponse)
	}
	at := int(r.u8(body + 2))
	if room := uint64(max(total-at, 0)); size > room {
		p.event(eventMalformed)
		size = room
	}
	id := w.file
	if id == related || id == [16]byte{} {
		id = p.lastID
	}
	file := p.handleOf(id, w.tree)
	data := r.slice(at, int(min(size, uint64(len(r)))))
	p.wasRead(file, w.offset, h, data, size)
}

func (p *parser) smb2IoctlResponse(w pending, h head, r record) {
	const body = smb2HeaderSize
	if h.status != 0 && h.status != statusBufferOverflow || r.u32(body+4) != fsctlPipeTransceive {
		return
	}
	data := r.slice(int(r.u32(body+32)), int(r.u32(body+36)))
	if file := p.book.handle(w.file); file != nil && len(data) > 0 {
		p.rpc(file, packet.ToClient, data, h.version, h.command)
	}
}
