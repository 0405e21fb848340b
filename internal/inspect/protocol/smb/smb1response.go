package smb

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
)

func (p *parser) smb1Response(h head, b block, total int) {
	message := h.message
	if h.command == smb1Negotiate {
		message = 0
	}
	w, _ := p.book.take(message, h.command)
	if t := w.tx; t != nil && t.kind != kindFile {
		p.answer(t, h)
	}
	switch h.command {
	case smb1Negotiate:
		p.smb1Negotiated(w.tx, b)
	case smb1SessionSetup:
		p.smb1LoginAnswer(w.tx, h, b)
	case smb1TreeConnect:
		if t := w.tx; t != nil && h.status == 0 {
			t.tree = h.tree
			service, _ := cutString(b.data, false)
			t.connect.response = append(t.connect.response, service...)
			t.connect.pipe = bytes.Equal(service, []byte("IPC"))
			p.book.connect(h.tree, t.connect.share, t.connect.pipe)
		}
	case smb1NTCreate:
		p.smb1Created(w.tx, h, b)
	case smb1ReadAndX:
		p.smb1ReadResponse(w, h, b, total)
	case smb1Trans:
		p.smb1TransResponse(w, h, b)
	}
}

func (p *parser) smb1Negotiated(t *Tx, b block) {
	p.negotiated = true
	if t == nil {
		return
	}
	index := int(b.words.u16(0))
	rest := t.negotiation.dialects
	for i := 0; len(rest) > 0; i++ {
		end := bytes.IndexByte(rest, 0)
		if end < 0 {
			break
		}
		if i == index {
			p.dialect = dialectOf(rest[:end])
			break
		}
		rest = rest[end+1:]
	}
	t.dialect, t.tree = p.dialect, 0
	const extendedSecurity = 1 << 31
	if len(b.words) >= 34 && b.words.u32(19)&extendedSecurity != 0 && len(b.data) >= 16 {
		t.negotiation.server, t.negotiation.hasServer = record(b.data).id(0), true
	}
}

func (p *parser) smb1LoginAnswer(t *Tx, h head, b block) {
	if t == nil {
		return
	}
	if len(b.words) >= 8 {
		n := int(b.words.u16(6))
		if blob := b.data[:min(n, len(b.data))]; len(blob) > 0 {
			p.challenge(t, blob)
		}
		b.skip(n)
	}
	t.auth.osAnswer = appendText(t.auth.osAnswer, b.text(h.unicode), h.unicode)
	t.auth.lmAns = appendText(t.auth.lmAns, b.text(h.unicode), h.unicode)
}

func (p *parser) smb1Created(t *Tx, h head, b block) {
	if t == nil || h.status != 0 || len(b.words) < 64 {
		return
	}
	c := &t.create
	for i := range c.times {
		c.times[i] = b.words.u64(11 + 8*i)
	}
	c.size = b.words.u64(55)
	c.id, c.hasID = fid(b.words.u16(5)), true
	p.book.open(c.id, t.tree, c.name, p.book.isPipe(t.tree))
}

func (p *parser) smb1ReadResponse(w pending, h head, b block, total int) {
	if h.status != 0 && h.status != statusBufferOverflow {
		return
	}
	at, size := int(b.words.u16(12)), uint64(b.words.u16(10))|uint64(b.words.u16(14))<<16
	if room := uint64(max(total-at, 0)); size > room {
		p.event(eventMalformed)
		size = room
	}
	data := b.r.slice(at, int(min(size, uint64(len(b.r)))))
	file := p.handleOf(w.file, w.tree)
	p.wasRead(file, w.offset, h, data, size)
}

func (p *parser) smb1TransResponse(w pending, h head, b block) {
	file := p.book.handle(w.file)
	if file == nil || !file.pipe {
		return
	}
	if data := b.r.slice(int(b.words.u16(14)), int(b.words.u16(12))); len(data) > 0 {
		p.rpc(file, packet.ToClient, data, h.version, h.command)
	}
}
