package smb

import (
	"github.com/masugata/masugata/internal/inspect/packet"
)

const smb1HeaderSize = 32

// The commands of SMB 1 (MS-CIFS section 2.2.2.1).
const (
	smb1Close          = 0x04
	smb1Rename         = 0x07
	smb1Read           = 0x0a
	smb1Write          = 0x0b
	smb1Trans          = 0x25
	smb1WriteClose     = 0x2c
	smb1OpenAndX       = 0x2d
	smb1ReadAndX       = 0x2e
	smb1WriteAndX      = 0x2f
	smb1Trans2         = 0x32
	smb1TreeDisconnect = 0x71
	smb1Negotiate      = 0x72
	smb1SessionSetup   = 0x73
	smb1TreeConnect    = 0x75
	smb1NTCreate       = 0xa2
)

// block is one request or response of a message: those with AndX have several.
type block struct {
	r     record // the whole message
	words record // parameters
	data  []byte // bytes behind them, as far as they have come
	at    int    // position of data in r
}

// blockAt reads the block at a position, false when it is not there.
func blockAt(r record, at int) (block, bool) {
	if at < smb1HeaderSize || at >= len(r) {
		return block{}, false
	}
	count := 2 * int(r[at])
	end := at + 1 + count
	if end+2 > len(r) {
		return block{r: r, words: record(r.slice(at+1, count)), at: len(r)}, end <= len(r)
	}
	return block{r: r, words: record(r[at+1 : end]), data: r.slice(end+2, int(r.u16(end))), at: end + 2}, true
}

// hasNext says whether a command's blocks begin with the command that follows.
func hasNext(command uint8) bool {
	switch command {
	case 0x24, smb1OpenAndX, smb1ReadAndX, smb1WriteAndX, smb1SessionSetup, 0x74, smb1TreeConnect, smb1NTCreate:
		return true
	}
	return false
}

// smb1 takes a message of SMB 1.
func (p *parser) smb1(d packet.Direction, r record, total int) {
	if len(r) < smb1HeaderSize+1 {
		p.event(eventMalformed)
		return
	}
	h := head{
		version: 1, command: uint16(r[4]), status: r.u32(5), message: uint64(r.u16(30)) | uint64(r.u16(26))<<16, session: uint64(r.u16(28)),
		tree: uint32(r.u16(24)), unicode: r.u16(10)&0x8000 != 0,
	}
	response := r[9]&0x80 != 0
	switch {
	case response && d == packet.ToServer:
		p.event(eventResponseToServer)
		return
	case !response && d == packet.ToClient:
		p.event(eventRequestToClient)
		return
	}
	command, at := r[4], smb1HeaderSize
	for range 8 {
		b, ok := blockAt(r, at)
		if !ok {
			p.event(eventMalformed)
			return
		}
		h.command = uint16(command)
		if response {
			p.smb1Response(h, b, total)
		} else {
			p.smb1Request(h, b, total)
		}
		if !hasNext(command) || len(b.words) < 4 || b.words[0] == 0xff {
			return
		}
		next := int(b.words.u16(2))
		if next <= at {
			return
		}
		command, at = b.words[0], next
	}
}

// fid is the identity of a file of SMB 1.
func fid(n uint16) (id [16]byte) {
	id[0], id[1] = byte(n), byte(n>>8)
	return id
}

// text takes a string of a block: UTF-16 ones lie at even places.
func (b *block) text(unicode bool) []byte {
	if unicode && b.at&1 == 1 && len(b.data) > 0 {
		b.data, b.at = b.data[1:], b.at+1
	}
	text, rest := cutString(b.data, unicode)
	b.at += len(b.data) - len(rest)
	b.data = rest
	return text
}

// skip drops n bytes of the block's data.
func (b *block) skip(n int) {
	n = min(max(n, 0), len(b.data))
	b.data, b.at = b.data[n:], b.at+n
}
