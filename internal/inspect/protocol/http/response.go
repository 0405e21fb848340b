package http

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// likeStatusLine says whether browsers take a line for a status line.
func likeStatusLine(line []byte) bool {
	for len(line) > 0 && (isSpace(line[0]) || line[0] == 0) {
		line = line[1:]
	}
	return len(line) >= 4 && equalFold(line[:4], "http")
}

// statusLine reads the first line of a response. What does not look like a
// status line is passed over when one may follow, else it is a body.
func (p *Parser) statusLine(s *side, rest []byte, final bool) {
	m, t := s.m, s.m.tx
	if !likeStatusLine(m.line) {
		if len(rest) > 0 && (lower(rest[0]) == 'h' || len(chomp(m.line)) <= 2) {
			m.line = m.line[:0]
			return
		}
		line := m.line
		m.coding = codingIdentity
		m.advance(protocol.StageHeaders)
		s.decoder.m, s.decoder.used, s.decoder.stop = m, 0, false
		s.decoder.write(line)
		m.line = m.line[:0]
		if len(rest) == 0 && !final {
			s.state = stateFinalize
		}
		return
	}
	p.parseStatus(m, t)
	if !final {
		t.checkStatus()
	}
	m.advance(protocol.StageLine)
	s.state = stateHeaders
}

func (p *Parser) parseStatus(m *message, t *transaction) {
	b := trimLeft(chomp(m.line))
	n := wordEnd(b)
	t.respProt = b[:n]
	b = trimLeft(b[n:])
	n = wordEnd(b)
	t.status, t.reason = b[:n], trimLeft(b[n:])
	t.code = parseStatus(t.status)
	m.version = parseVersion(t.respProt)
}

// checkStatus looks whether the status line is a good one.
func (t *transaction) checkStatus() {
	if t.msg[packet.ToClient].version == versionInvalid {
		t.insp.Events.Set(evRespProtocol)
	}
	if t.code == 0 {
		t.insp.Events.Set(evRespStatus)
	}
}

// responseHeaders decides what follows the header block of a response
// (RFC 9112 section 6.3, as browsers read it).
func (p *Parser) responseHeaders(s *side) {
	m, t := s.m, s.m.tx
	te, hasTE := m.headers.get(knownTransferEncoding)
	_, hasCL := m.headers.get(knownContentLength)
	if t.methodID == methodConnect && p.connectAnswer(s, t) {
		return
	}
	switch {
	case t.code == 101 && !hasTE && !hasCL:
		p.upgrade(s, t)
		return
	case t.code == 101:
		t.insp.Events.Set(evSwitchWithLength)
	case t.code == 100 && !hasTE && p.interim(s, t):
		return
	case t.code >= 400 && t.code < 500:
		p.refusedBody(t)
	}
	s.decoder.begin(m)
	s.state = stateFinalize
	m.coding = codingNone
	if t.methodID == methodHead {
		return
	}
	if t.code < 200 && t.code > 0 || t.code == 204 || t.code == 304 {
		if !hasTE && !hasCL {
			return
		}
		t.insp.Events.Set(evRespBodyUnexpected)
	}
	p.responseBody(s, m, te)
}

// responseBody finds how the body of a response is delimited.
func (p *Parser) responseBody(s *side, m *message, te []byte) {
	t := m.tx
	if containsFold(te, "chunked") {
		if !equalFold(te, "chunked") {
			t.insp.Events.Set(evAbnormalTE)
		}
		if m.version < version11 {
			t.insp.Events.Set(evChunkedOldProto)
		}
		m.coding = codingChunked
		s.state, s.chunk = stateChunked, chunkLine
		return
	}
	m.coding = codingIdentity
	if cl, ok := m.headers.get(knownContentLength); ok {
		n, ok := contentLength(cl)
		if !ok {
			t.insp.Events.Set(evRespContentLength)
			s.failed = true
			return
		}
		if s.left = n; n > 0 {
			s.state = stateKnown
		}
		return
	}
	if ct, ok := m.headers.get(knownContentType); ok && containsFold(ct, "multipart/byteranges") {
		t.insp.Events.Set(evByteRanges)
	}
	s.state = stateUntilClose
}

// connectAnswer meets the answer to CONNECT; true when the connection is now a
// tunnel.
func (p *Parser) connectAnswer(s *side, t *transaction) bool {
	p.waiting = false
	if t.code < 200 || t.code > 299 {
		return false
	}
	p.tunnel(s, protocol.Unknown)
	return true
}

// tunnel ends HTTP on this connection: next is spoken from here on.
func (p *Parser) tunnel(s *side, next protocol.ID) {
	s.state = stateFinalize
	p.complete(packet.ToClient)
	for d := range p.side {
		p.side[d].state = stateIgnore
	}
	p.status = protocol.Status{Code: protocol.StatusSwitch, Next: next}
}

// upgrade meets 101 Switching Protocols.
func (p *Parser) upgrade(s *side, t *transaction) {
	next := protocol.Unknown
	v, ok := t.msg[packet.ToClient].headers.get(knownUpgrade)
	switch {
	case ok && containsFold(v, "h2c"):
		next = protocol.HTTP2
	case ok && containsFold(v, "websocket"):
		next = protocol.WebSocket
	}
	p.tunnel(s, next)
}

// interim passes over 100 Continue; the response proper follows.
func (p *Parser) interim(s *side, t *transaction) bool {
	m := s.m
	if cl, ok := m.headers.get(knownContentLength); ok {
		if n, ok := contentLength(cl); ok && n > 0 {
			return false
		}
	}
	if t.continued {
		t.insp.Events.Set(evContinueSeen)
	}
	t.continued = true
	m.line = m.line[:0]
	m.headers.again()
	m.block = block{start: len(m.headers.raw)}
	m.built.reset()
	m.stage = protocol.StageStart
	s.state = stateLine
	return true
}

// refusedBody ends a request whose body waits for 100 Continue in vain.
func (p *Parser) refusedBody(t *transaction) {
	s := &p.side[packet.ToServer]
	req := &t.msg[packet.ToServer]
	if s.m != req || s.state != stateKnown || req.taken > 0 {
		return
	}
	if v, ok := req.headers.get(knownExpect); ok && equalFold(bytes.TrimSpace(v), "100-continue") {
		p.complete(packet.ToServer)
	}
}
