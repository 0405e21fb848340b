package tls

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Handshake message types.
const (
	msgHelloRequest       = 0
	msgClientHello        = 1
	msgServerHello        = 2
	msgNewSessionTicket   = 4
	msgCertificate        = 11
	msgServerKeyExchange  = 12
	msgCertificateRequest = 13
	msgServerHelloDone    = 14
	msgCertificateVerify  = 15
	msgClientKeyExchange  = 16
	msgFinished           = 20
	msgCertificateURL     = 21
	msgCertificateStatus  = 22
)

// handshake takes bytes of handshake records and hands on whole messages.
func (p *parser) handshake(d packet.Direction, data []byte, env *protocol.Env) bool {
	s := &p.sides[d]
	for len(data) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(data))
			s.skip -= n
			data = data[n:]
			continue
		}
		if len(s.message) == 0 && len(data) >= 4 {
			if n := 4 + messageLen(data); n <= len(data) {
				if !p.messageWhole(d, data[0], data[4:n], env) {
					return false
				}
				data = data[n:]
				continue
			}
		}
		var ok bool
		if data, ok = p.collect(d, data, env); !ok {
			return false
		}
	}
	return true
}

func messageLen(b []byte) int { return int(b[1])<<16 | int(b[2])<<8 | int(b[3]) }

// collect adds to the message begun and hands it on when it is whole.
func (p *parser) collect(d packet.Direction, data []byte, env *protocol.Env) ([]byte, bool) {
	s := &p.sides[d]
	if need := 4 - len(s.message); need > 0 {
		n := min(need, len(data))
		s.message = append(s.message, data[:n]...)
		data = data[n:]
		if len(s.message) < 4 {
			return data, true
		}
		if !knownMessage(s.message[0]) {
			p.tx.event(eventHandshakeMessage)
			return nil, false
		}
	}
	size := messageLen(s.message)
	if size > maxMessage {
		s.skip, s.message = size, s.message[:0]
		return data, true
	}
	n := min(4+size-len(s.message), len(data))
	s.message = append(s.message, data[:n]...)
	if len(s.message) < 4+size {
		return nil, true
	}
	ok := p.messageWhole(d, s.message[0], s.message[4:], env)
	s.message = s.message[:0]
	return data[n:], ok
}

func knownMessage(kind byte) bool {
	switch kind {
	case msgHelloRequest, msgClientHello, msgServerHello, msgNewSessionTicket, msgCertificate, msgServerKeyExchange, msgCertificateRequest,
		msgServerHelloDone, msgCertificateVerify, msgClientKeyExchange, msgFinished, msgCertificateURL, msgCertificateStatus:
		return true
	}
	return false
}

func (p *parser) messageWhole(d packet.Direction, kind byte, body []byte, env *protocol.Env) bool {
	t := &p.tx
	e := &t.ends[d]
	if p.sides[d].encrypted {
		return true
	}
	env.TriggerRawStream = true
	switch kind {
	case msgClientHello:
		return p.clientHello(d, body)
	case msgServerHello:
		return p.serverHello(d, body)
	case msgCertificate:
		p.certificates(e, body)
		t.reach(d, protocol.StageHeaders)
	case msgServerKeyExchange:
		t.latest = sawServerKeys
		t.reach(d, protocol.StageBody)
	case msgCertificateRequest:
		t.asks = true
	case msgServerHelloDone:
		t.reach(d, protocol.StageBody)
	case msgClientKeyExchange:
		t.latest = sawClientKeys
		t.reach(d, protocol.StageHeaders)
	default:
		if !knownMessage(kind) {
			t.event(eventHandshakeMessage)
			return false
		}
	}
	return true
}

func (p *parser) clientHello(d packet.Direction, body []byte) bool {
	t := &p.tx
	e := &t.ends[d]
	if d != packet.ToServer {
		return true
	}
	t.latest = sawClientHello
	if e.has { // a second one, after a retry request: the first counts
		var again Hello
		if again.ParseClient(body); !p.sides[d].changed && again.HasServerName && e.hello.HasServerName {
			t.event(eventManyNames)
		}
		return true
	}
	if !t.keep(e, body, (*Hello).ParseClient) {
		return false
	}
	e.version = e.hello.preferred()
	t.reach(d, protocol.StageLine)
	return true
}

// retryRandom marks a server hello that is a HelloRetryRequest (RFC 8446
// section 4.1.3).
var retryRandom = []byte("\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c")

func (p *parser) serverHello(d packet.Direction, body []byte) bool {
	t := &p.tx
	e := &t.ends[d]
	if d != packet.ToClient {
		return true
	}
	t.latest = sawServerHello
	if e.has {
		return true
	}
	if !t.keep(e, body, (*Hello).ParseServer) {
		return false
	}
	e.version = e.hello.Negotiated()
	t.v13 = e.version >= 0x0304
	t.reach(d, protocol.StageLine)
	if t.v13 && !bytes.Equal(e.hello.Random, retryRandom) {
		t.reach(d, protocol.StageHeaders)
		t.reach(packet.ToServer, protocol.StageHeaders)
	}
	if e.hello.HasHeartbeat && t.ends[0].hello.HasHeartbeat && !t.v13 {
		p.asked = true
	}
	return true
}

// keep copies a hello, takes it apart and raises its events.
func (t *Tx) keep(e *end, body []byte, parse func(*Hello, []byte)) bool {
	e.raw = append(e.raw[:0], body[:min(len(body), maxHello)]...)
	parse(&e.hello, e.raw)
	e.has = true
	for _, w := range helloEvents {
		if e.hello.Problems&w.problem != 0 {
			t.event(w.event)
		}
	}
	if e.hello.Problems&Short != 0 {
		t.event(eventHandshakeLength)
		return len(e.hello.Random) == 32
	}
	return true
}

var helloEvents = [...]struct {
	problem Problems
	event   uint8
}{
	{ManyNames, eventManyNames}, {NameType, eventNameType}, {NameLength, eventNameLength},
}

// certificates reads a chain (RFC 5246 section 7.4.2). The first chain counts.
func (p *parser) certificates(e *end, body []byte) {
	if e.chained > 0 {
		return
	}
	c := cursor{b: body}
	n := c.u8()<<16 | c.u16()
	list := cursor{b: c.take(n)}
	for len(list.b) > 0 {
		n := list.u8()<<16 | list.u16()
		der := list.take(n)
		if list.bad {
			p.tx.event(eventCertificate)
			return
		}
		if n == 0 {
			p.tx.event(eventCertLength)
			return
		}
		if e.chained == 0 {
			p.tx.event(e.cert.read(der))
		}
		e.chained++
		if len(e.certs) < maxCerts && len(e.chain)+len(der) <= maxChain {
			from := len(e.chain)
			e.chain = append(e.chain, der...)
			e.certs = append(e.certs, span{from, len(e.chain)})
		}
	}
}
