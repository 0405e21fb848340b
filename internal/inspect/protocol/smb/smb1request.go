package smb

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// transactPipe is the function of TRANS that writes to a pipe and reads the
// answer.
const transactPipe = 0x26

func (p *parser) smb1Request(h head, b block, total int) {
	switch h.command {
	case smb1Negotiate:
		p.smb1Negotiate(h, b)
	case smb1SessionSetup:
		p.smb1Login(h, b)
	case smb1TreeConnect:
		p.smb1Connect(h, b)
	case smb1NTCreate:
		p.smb1Create(h, b)
	case smb1Close:
		p.transaction(kindOther, h)
		p.closeHandle(fid(b.words.u16(0)))
	case smb1WriteAndX:
		at, size := int(b.words.u16(22)), uint64(b.words.u16(20))|uint64(b.words.u16(18))<<16
		offset := uint64(b.words.u32(6))
		if len(b.words) >= 28 {
			offset |= uint64(b.words.u32(24)) << 32
		}
		p.smb1Write(h, b, fid(b.words.u16(4)), offset, at, size, total)
	case smb1Write, smb1WriteClose:
		p.smb1Write(h, b, fid(b.words.u16(0)), uint64(b.words.u32(4)), b.at+3, uint64(b.words.u16(2)), total)
	case smb1ReadAndX:
		offset := uint64(b.words.u32(6))
		if len(b.words) >= 24 {
			offset |= uint64(b.words.u32(20)) << 32
		}
		p.book.wait(pending{message: h.message, command: h.command, file: fid(b.words.u16(4)), offset: offset, tree: h.tree})
	case smb1Trans:
		p.smb1Trans(h, b)
	case smb1Rename:
		p.smb1Rename(h, b)
	case smb1Trans2:
		p.smb1Trans2(h, b)
	default:
		p.transaction(kindOther, h)
	}
}

func (p *parser) smb1Negotiate(h head, b block) {
	h.message = 0
	t := p.transaction(kindNegotiate, h)
	for rest := b.data; len(rest) > 0; {
		if rest[0] != 2 {
			t.event(eventDialects)
			break
		}
		end := bytes.IndexByte(rest[1:], 0)
		if end < 0 {
			t.event(eventDialects)
			break
		}
		if len(t.negotiation.dialects)+end < maxName {
			t.negotiation.dialects = append(t.negotiation.dialects, rest[1:end+2]...)
		}
		rest = rest[end+2:]
	}
	if p.negotiated {
		t.event(eventDuplicateNegotiate)
	}
}

func (p *parser) smb1Login(h head, b block) {
	t := p.transaction(kindSession, h)
	switch len(b.words) {
	case 24: // extended security
		n := int(b.words.u16(14))
		p.login(t, b.data[:min(n, len(b.data))])
		b.skip(n)
	case 26: // two passwords, account and domain
		b.skip(int(b.words.u16(14)) + int(b.words.u16(16)))
		b.text(h.unicode)
		b.text(h.unicode)
	}
	t.auth.systems = true
	t.auth.os = appendText(t.auth.os, b.text(h.unicode), h.unicode)
	t.auth.lm = appendText(t.auth.lm, b.text(h.unicode), h.unicode)
}

func (p *parser) smb1Connect(h head, b block) {
	t := p.transaction(kindTree, h)
	b.skip(int(b.words.u16(6)))
	share := appendText(t.connect.share, b.text(h.unicode), h.unicode)
	if len(share) > 1 && share[0] == '\\' && share[1] == '\\' {
		share = share[:copy(share, share[1:])]
	}
	t.connect.share = share
	service, _ := cutString(b.data, false)
	t.connect.request = append(t.connect.request, service...)
}

func (p *parser) smb1Create(h head, b block) {
	t := p.transaction(kindCreate, h)
	t.create.disposition = b.words.u32(35)
	t.create.deletes = b.words.u32(39)&0x1000 != 0
	size := int(b.words.u16(5))
	if h.unicode && b.at&1 == 1 {
		b.skip(1)
	}
	t.create.name = appendText(t.create.name, b.data[:min(size, len(b.data))], h.unicode)
}

func (p *parser) smb1Write(h head, b block, id [16]byte, offset uint64, at int, size uint64, total int) {
	if max := p.cfg.maxWrite; max > 0 && size > max {
		p.event(eventWriteRequest)
	}
	if room := uint64(max(total-at, 0)); size > room {
		p.event(eventMalformed)
		size = room
	}
	data := b.r.slice(at, int(min(size, uint64(len(b.r)))))
	file := p.handleOf(id, h.tree)
	if p.isPipe(file, data) {
		t := p.rpc(file, packet.ToServer, data, h.version, h.command)
		p.callOf(t, h)
		p.book.wait(pending{message: h.message, command: h.command, tx: t, file: id})
		return
	}
	p.data(file, packet.ToServer, h.version, h.command, offset, data, size)
	p.book.wait(pending{message: h.message, command: h.command, tx: file.txs[packet.ToServer], file: id})
	if h.command == smb1WriteClose {
		p.closeHandle(id)
	}
}

func (p *parser) smb1Trans(h head, b block) {
	at, size := int(b.words.u16(24)), int(b.words.u16(22))
	data := b.r.slice(at, size)
	id := fid(b.words.u16(30))
	if b.words.u8(26) < 2 || b.words.u16(28) != transactPipe {
		p.book.wait(pending{message: h.message, command: h.command, file: id, tree: h.tree})
		return
	}
	file := p.handleOf(id, h.tree)
	file.pipe = true
	t := p.rpc(file, packet.ToServer, data, h.version, h.command)
	p.callOf(t, h)
	p.book.wait(pending{message: h.message, command: h.command, tx: t, file: id, tree: h.tree})
}

// smb1Rename reads the two names of a RENAME, each behind a byte 4.
func (p *parser) smb1Rename(h head, b block) {
	t := p.transaction(kindRename, h)
	b.skip(1)
	t.create.name = appendText(t.create.name, b.text(h.unicode), h.unicode)
	b.skip(1)
	t.to = appendText(t.to, b.text(h.unicode), h.unicode)
}

// The parts of TRANS2 that name files.
const (
	trans2SetFileInfo = 8
	infoRename        = 1010
	infoDisposition   = 1013
)

func (p *parser) smb1Trans2(h head, b block) {
	if b.words.u8(26) < 1 || b.words.u16(28) != trans2SetFileInfo {
		return
	}
	params := record(b.r.slice(int(b.words.u16(20)), int(b.words.u16(18))))
	data := record(b.r.slice(int(b.words.u16(24)), int(b.words.u16(22))))
	level := params.u16(2)
	k := kindSetInfo
	switch level {
	case infoRename:
		k = kindRename
	case infoDisposition, 0x102:
	default:
		return
	}
	t := p.transaction(k, h)
	t.class, t.level = classFile, levelDisposition
	if f := p.book.handle(fid(params.u16(0))); f != nil {
		t.create.name = append(t.create.name, f.name...)
	}
	if k == kindRename {
		t.level = levelRename
		t.to = appendText(t.to, data.slice(12, int(data.u32(8))), h.unicode)
		return
	}
	t.create.deletes = data.u8(0) != 0
}
