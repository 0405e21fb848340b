package smb

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// smb3HeaderSize is the size of an SMB 3 transform header ([MS-SMB2] 2.2.41).
const smb3HeaderSize = 52

// maxChained bounds the requests of one message that are noted as frames.
const maxChained = 32

// session notes the frames of a session packet of length n, of which data may
// be the beginning only (RFC 1002 section 4.3.1).
func (p *parser) session(d packet.Direction, data []byte, n int) {
	if !p.env.WantFrames {
		return
	}
	data = data[:min(len(data), nbssSize+n)]
	p.frame("nbss.pdu", d, data)
	p.frame("nbss.hdr", d, data[:nbssSize])
	p.frame("nbss.data", d, data[nbssSize:])
}

func (p *parser) frame(name string, d packet.Direction, b []byte) {
	if len(b) > 0 {
		p.env.Frames = append(p.env.Frames, protocol.Frame{Name: name, Dir: d, Data: b})
	}
}

// frames notes the frames of a message: those of SMB 2 may hold several
// requests one behind the other, each with a header of its own.
func (p *parser) frames(d packet.Direction, r record) {
	if !p.env.WantFrames {
		return
	}
	switch r[0] {
	case 0xff:
		p.parts(d, r, [3]string{"smb1.pdu", "smb1.hdr", "smb1.data"}, smb1HeaderSize)
	case 0xfd:
		p.parts(d, r, [3]string{"smb3.pdu", "smb3.hdr", "smb3.data"}, smb3HeaderSize)
	case 0xfe:
		for range maxChained {
			next := 0
			if len(r) >= smb2HeaderSize {
				next = int(binary.LittleEndian.Uint32(r[20:]))
			}
			one := r
			if next >= smb2HeaderSize && next < len(r) {
				one = r[:next]
			}
			p.parts(d, one, [3]string{"smb2.pdu", "smb2.hdr", "smb2.data"}, smb2HeaderSize)
			if len(one) == len(r) {
				return
			}
			r = r[next:]
		}
	}
}

func (p *parser) parts(d packet.Direction, r record, names [3]string, size int) {
	p.frame(names[0], d, r)
	if len(r) >= size {
		p.frame(names[1], d, r[:size])
		p.frame(names[2], d, r[size:])
	}
}
