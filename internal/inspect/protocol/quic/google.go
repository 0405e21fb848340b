package quic

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// isGoogle says whether a version is one of Google's that begin with Q0: those
// whose client hello is in the clear, up to Q046.
func isGoogle(version uint32) bool {
	tens, ones := byte(version>>8), byte(version)
	return version>>16 == 'Q'<<8|'0' && tens >= '0' && tens <= '4' && ones >= '0' && ones <= '9'
}

// isGoogleSecret says whether a version is one of Google's whose client hello is
// encrypted: Q050 and T050 on.
func isGoogleSecret(version uint32) bool {
	first := version >> 16
	return (first == 'Q'<<8|'0' || first == 'T'<<8|'0') && version>>8&0xff == '5' && byte(version) >= '0' && byte(version) <= '9'
}

// publicVersion is the version in a public header of Google's QUIC.
func publicVersion(data []byte) (uint32, bool) {
	at := 1
	if data[0]&0x08 != 0 {
		at += 8
	}
	if data[0]&0x01 == 0 || len(data) < at+4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(data[at:]), true
}

const googleHash = 12 // bytes of the hash before the frames of a packet in the clear

// public takes a packet with a public header: the client's first ones have a
// version, others show nothing.
func (p *parser) public(d packet.Direction, data []byte) {
	version, ok := publicVersion(data)
	if !ok || !isGoogle(version) || d != packet.ToServer {
		return
	}
	t := p.newTx(d, version)
	if t == nil {
		return
	}
	c := reader{b: data}
	c.u8()
	if data[0]&0x08 != 0 {
		c.take(8)
	}
	c.take(4)
	c.take([...]int{1, 2, 4, 6}[data[0]>>4&3])
	c.take(googleHash)
	p.googleFrames(t, c.b, version)
}

// google46 takes a packet with a long header of Q044 to Q046.
func (p *parser) google46(d packet.Direction, data []byte, version uint32) bool {
	t := p.newTx(d, version)
	if t == nil || d != packet.ToServer {
		return false
	}
	c := reader{b: data[5:]}
	lengths := c.u8()
	for _, n := range [...]int{lengths >> 4, lengths & 15} {
		if n > 0 {
			n += 3
		}
		c.take(n)
	}
	c.take(int(data[0]&3) + 1)
	c.take(googleHash)
	if !c.bad {
		p.googleFrames(t, c.b, version)
	}
	return false
}

// googleFrames looks for the client hello in a STREAM frame.
func (p *parser) googleFrames(t *Tx, b []byte, version uint32) {
	c := reader{b: b}
	for len(c.b) > 0 && !c.bad {
		switch first := c.u8(); {
		case first == 0, first == 7: // PADDING, PING
		case first&0x80 != 0: // 1fdooossB
			id := first&3 + 1
			c.take(id)
			if n := first >> 2 & 7; n > 0 {
				c.take(n + 1)
			}
			data := c.b
			if first&0x20 != 0 {
				v := c.take(2)
				if v == nil {
					return
				}
				data = c.take(int(binary.BigEndian.Uint16(v)))
			} else {
				c.b = nil
			}
			if bytes.HasPrefix(data, []byte("CHLO")) {
				t.clientHello(data, version)
				return
			}
		default:
			return // the frames of an encrypted packet
		}
	}
}

const maxTags = 128

// clientHello reads a CHLO message: a list of tags with the ends of their
// values, then the values.
func (t *Tx) clientHello(b []byte, version uint32) {
	if len(b) < 8 {
		return
	}
	count := int(binary.LittleEndian.Uint16(b[4:]))
	if count > maxTags || len(b) < 8+8*count {
		t.Event(eventErrorOnData)
		return
	}
	values := b[8+8*count:]
	t.cyu = append(t.cyu[:0], byte(version>>8), byte(version), ',')
	from := uint32(0)
	for i := range count {
		tag := b[8+8*i : 12+8*i]
		end := binary.LittleEndian.Uint32(b[12+8*i:])
		if i > 0 {
			t.cyu = append(t.cyu, '-')
		}
		t.cyu = append(t.cyu, bytes.TrimRight(tag, "\x00")...)
		if end < from || uint64(end) > uint64(len(values)) {
			from = end
			continue
		}
		switch string(tag) {
		case "SNI\x00":
			t.sni = append(t.sni[:0], values[from:end]...)
		case "UAID":
			t.agent = append(t.agent[:0], values[from:end]...)
		}
		from = end
	}
	sum := md5.Sum(t.cyu)
	t.cyuHash = hex.AppendEncode(t.cyuHash[:0], sum[:])
}
