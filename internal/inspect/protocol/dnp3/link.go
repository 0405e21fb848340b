package dnp3

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

const (
	linkHeaderLen = 10 // start, length, control, destination, source, checksum
	minLength     = 5  // what the length counts before user data
	blockLen      = 16 // user data between checksums
	maxFragment   = 1 << 16

	linkConfirmed   = 3 // functions of the link layer that carry user data
	linkUnconfirmed = 4
)

// frameLen is the length on the wire of a frame whose length field says n.
func frameLen(n int) int {
	user := n - minLength
	return linkHeaderLen + user + 2*((user+blockLen-1)/blockLen)
}

// crc is the checksum of the link layer (IEEE 1815, 9.2.4.3).
func crc(b []byte) uint16 {
	v := uint16(0)
	for _, c := range b {
		v ^= uint16(c)
		for range 8 {
			if v&1 != 0 {
				v = v>>1 ^ 0xa6bc
			} else {
				v >>= 1
			}
		}
	}
	return ^v
}

func sealed(b []byte, n int) bool { return crc(b[:n]) == binary.LittleEndian.Uint16(b[n:]) }

// assembly puts an application fragment together from frames of one direction.
type assembly struct {
	buf     []byte
	open    bool
	next    uint8 // sequence of the next segment
	control uint8 // link control, source and destination of the first frame
	src     uint16
	dst     uint16
}

// frame handles one whole frame.
func (p *parser) frame(d packet.Direction, b []byte, env *protocol.Env) {
	env.Frame(d, "pdu", b)
	user, function := int(b[2])-minLength, b[3]&15
	if user < 1 || function != linkConfirmed && function != linkUnconfirmed {
		return // a frame of the link layer alone
	}
	a := &p.parts[d]
	segment := a.start(b)
	if segment == nil {
		return
	}
	rest := b[linkHeaderLen:]
	for len(rest) > 2 {
		n := min(blockLen, len(rest)-2)
		if !sealed(rest, n) {
			p.fault(d, eventBadTransportCRC)
			a.open = false
			return
		}
		block := rest[:n]
		if len(rest) == len(b)-linkHeaderLen {
			block = block[1:] // the transport header
		}
		if len(a.buf)+len(block) > maxFragment {
			a.open = false
			return
		}
		a.buf = append(a.buf, block...)
		rest = rest[n+2:]
	}
	if segment[0]&transportFinal != 0 {
		a.open = false
		p.fragment(d, a)
	}
}

const (
	transportFinal = 0x80
	transportFirst = 0x40
)

// start looks at the transport header and opens or continues a fragment; nil
// when the segment belongs to none.
func (a *assembly) start(b []byte) []byte {
	th := b[linkHeaderLen : linkHeaderLen+1]
	seq := th[0] & 0x3f
	switch {
	case th[0]&transportFirst != 0:
		a.buf, a.open = a.buf[:0], true
		a.control, a.dst, a.src = b[3], binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
	case !a.open || seq != a.next:
		a.open = false
		return nil
	}
	a.next = (seq + 1) & 0x3f
	return th
}
