package tls

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// SSL 2.0 message types.
const (
	v2Error        = 0
	v2ClientHello  = 1
	v2ClientMaster = 2
	v2ServerHello  = 4
)

// isV2 says whether the three bytes of the head begin a record of SSL 2.0: with
// a length of two bytes and a hello, or in a session of SSL 2.0.
func (p *parser) isV2(d packet.Direction) bool {
	s := &p.sides[d]
	if p.tx.ends[0].version == 0x0002 && (s.v2 || s.records == 0) {
		return true
	}
	if s.records > 0 || s.head[0]&0x80 == 0 {
		return false
	}
	return d == packet.ToServer && s.head[2] == v2ClientHello || d == packet.ToClient && (s.head[2] == v2ServerHello || s.head[2] == v2Error)
}

// beginV2 begins a record of SSL 2.0; the head holds its first three bytes.
func (p *parser) beginV2(d packet.Direction) bool {
	s := &p.sides[d]
	s.records++
	s.headLen, s.v2 = 0, true
	s.message = s.message[:0]
	if s.head[0]&0x80 != 0 {
		s.left = int(binary.BigEndian.Uint16(s.head[:])&0x7fff) - 1
		s.message = append(s.message, s.head[2])
	} else { // three bytes of head, the third is padding
		s.left = int(binary.BigEndian.Uint16(s.head[:]) & 0x3fff)
	}
	s.length = s.left
	if s.left < 0 {
		p.tx.event(eventSSLRecord)
		s.left = 0
		return false
	}
	if s.left == 0 {
		ok := p.messageV2(d, s.message)
		s.message = s.message[:0]
		return ok
	}
	return true
}

// bodyV2 collects a hello; other messages are encrypted and skipped.
func (p *parser) bodyV2(d packet.Direction, data []byte) bool {
	s := &p.sides[d]
	if len(s.message) == 0 || s.encrypted {
		return true
	}
	if len(s.message)+len(data) <= maxMessage {
		s.message = append(s.message, data...)
	}
	if s.left > 0 {
		return true
	}
	ok := p.messageV2(d, s.message)
	s.message = s.message[:0]
	return ok
}

func (p *parser) messageV2(d packet.Direction, m []byte) bool {
	t := &p.tx
	switch {
	case len(m) == 0:
	case m[0] == v2Error:
		t.event(eventErrorMessage)
	case m[0] == v2ClientHello && d == packet.ToServer:
		return p.helloV2(d, m)
	case m[0] == v2ClientMaster && d == packet.ToServer:
		t.latest = sawClientKeys
		p.sides[d].encrypted = true
		t.reach(d, protocol.StageDone)
	case m[0] == v2ServerHello && d == packet.ToClient:
		p.serverHelloV2(d, m)
	}
	return true
}

// helloV2 reads a CLIENT-HELLO; its version may be one of SSL 3.0 or TLS (RFC
// 5246 appendix E.2).
func (p *parser) helloV2(d packet.Direction, m []byte) bool {
	t := &p.tx
	e := &t.ends[d]
	if len(m) < 9 {
		t.event(eventSSLv2Header)
		return false
	}
	version := binary.BigEndian.Uint16(m[1:])
	ciphers := int(binary.BigEndian.Uint16(m[3:]))
	if !validVersion(version) || ciphers%3 != 0 || 9+ciphers > len(m) {
		t.event(eventSSLv2Header)
		return false
	}
	e.version = version
	t.latest = sawClientHello
	t.reach(d, protocol.StageLine)
	if version != 0x0002 {
		p.sides[d].v2 = false
	}
	return true
}

// serverHelloV2 reads a SERVER-HELLO with its one certificate.
func (p *parser) serverHelloV2(d packet.Direction, m []byte) {
	t := &p.tx
	e := &t.ends[d]
	t.latest = sawServerHello
	e.version = 0x0002
	if len(m) >= 11 {
		n := int(binary.BigEndian.Uint16(m[5:]))
		if m[2] == 1 && n > 0 && n <= len(m)-11 {
			t.event(e.cert.read(m[11 : 11+n]))
			e.chained = 1
			e.chain = append(e.chain, m[11:11+n]...)
			e.certs = append(e.certs, span{0, n})
		}
	}
	p.sides[d].encrypted = true
	t.reach(d, protocol.StageDone)
}
