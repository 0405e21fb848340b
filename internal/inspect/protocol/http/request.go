package http

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// firstLine collects the first line of a message and reads it once its end has
// come, or at the end of the stream (final).
func (p *Parser) firstLine(s *side, d packet.Direction, data []byte, final bool) int {
	m := s.m
	lf := bytes.IndexByte(data, '\n')
	take := lf + 1
	if lf < 0 {
		take = len(data)
	}
	m.line = append(m.line, data[:take]...)
	n := lineEnd(m.line, d, final)
	if n == 0 && final {
		n = len(m.line)
	}
	if n == 0 {
		if len(m.line) > p.cfg.fieldLimit {
			m.event(evReqFieldTooLong, evRespFieldTooLong)
			s.failed = true
		}
		return take
	}
	take -= len(m.line) - n
	m.line = m.line[:n]
	if take < 0 {
		take = 0
	}
	if ignorable(m.line) {
		m.line = m.line[:0]
		return take
	}
	if d == packet.ToServer {
		p.requestLine(s)
	} else {
		p.statusLine(s, data[take:], final)
	}
	return take
}

// ignorable says whether a line before the first line is passed over.
func ignorable(line []byte) bool { return len(chomp(line)) == 0 }

// requestLine reads the request line.
func (p *Parser) requestLine(s *side) {
	m, t := s.m, s.m.tx
	line := chomp(m.line)
	rest := trimLeft(line)
	if len(rest) != len(line) {
		t.insp.Events.Set(evLeadingSpace)
	}
	n := wordEnd(rest)
	t.method, rest = rest[:n], rest[n:]
	t.methodID = methodOf(t.method)
	target := trimLeft(rest)
	if bytes.IndexFunc(rest[:len(rest)-len(target)], func(r rune) bool { return r != ' ' }) >= 0 {
		t.insp.Events.Set(evMethodDelim)
	}
	t.uri, t.protocol = p.splitTarget(t, target)
	m.version = versionUnknown
	if len(t.protocol) > 0 {
		m.version = parseVersion(t.protocol)
	}
	t.http09 = len(t.protocol) == 0
	t.normalise(&p.cfg.uri)
	m.advance(protocol.StageLine)
	if t.methodID == methodUnknown && (t.http09 || m.version == versionInvalid) {
		t.insp.Events.Set(evReqLineInvalid)
	}
	s.state = stateHeaders
	if t.http09 {
		s.state = stateVersion09
		m.version = version09
	}
}

// splitTarget splits what follows the method into target and version.
func (p *Parser) splitTarget(t *transaction, b []byte) (target, version []byte) {
	end := bytes.IndexByte(b, ' ')
	if p.cfg.uri.allowSpace {
		end = bytes.LastIndexByte(b, ' ')
	}
	if end < 0 {
		end = len(b)
	}
	for _, c := range b[:end] {
		if c != ' ' && isSpace(c) {
			t.insp.Events.Set(evURIDelim)
			if end == len(b) {
				end = wordEnd(b)
			}
			break
		}
	}
	return b[:end], trimLeft(b[end:])
}

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

// wordEnd is the length of the word that b begins with.
func wordEnd(b []byte) int {
	for i, c := range b {
		if isSpace(c) {
			return i
		}
	}
	return len(b)
}

// maxJunk09 is how much white space may follow an HTTP/0.9 request.
const maxJunk09 = 16

// version09 looks at what follows a request line without a version: when there
// is more than a little white space it is no HTTP/0.9 request.
func (p *Parser) version09(s *side, data []byte) int {
	rest := trimLeft(data)
	if len(rest) > 0 || len(data) > maxJunk09 {
		s.m.tx.http09 = false
		s.m.tx.insp.Events.Set(evReqLineNoProtocol)
		s.state = stateHeaders
		return 0
	}
	p.complete(packet.ToServer)
	p.side[packet.ToServer].state = stateIgnore
	return len(data)
}

// requestHeaders decides what follows the header block of a request.
func (p *Parser) requestHeaders(s *side) {
	m, t := s.m, s.m.tx
	te, hasTE := m.headers.get(knownTransferEncoding)
	cl, hasCL := m.headers.get(knownContentLength)
	t.resolveHost()
	t.checkAuthorization()
	s.decoder.begin(m)
	s.state = stateFinalize
	switch {
	case hasTE && containsFold(te, "chunked"):
		if m.version < version11 {
			t.insp.Events.Set(evReqTransferEncoding)
		}
		m.coding = codingChunked
		s.state = stateChunked
	case hasTE:
		t.insp.Events.Set(evReqTransferEncoding)
		m.coding = codingInvalid
		s.failed = true
	case hasCL:
		n, ok := contentLength(cl)
		if !ok {
			t.insp.Events.Set(evReqContentLength)
			m.coding = codingInvalid
			s.failed = true
			return
		}
		m.coding = codingIdentity
		if s.left = n; n > 0 {
			s.state = stateKnown
		}
	default:
		m.coding = codingNone
	}
	if t.methodID == methodConnect {
		s.state = stateFinalize
		p.waiting = t.msg[packet.ToClient].stage == protocol.StageNone
	}
}

// afterMessage looks at what follows a complete message in the same piece of
// data: another message, or more of the body than was announced.
func (p *Parser) afterMessage(s *side, d packet.Direction, data []byte) int {
	if d == packet.ToServer && p.waiting {
		p.early = append(p.early[:0], data[:min(len(data), maxEarly)]...)
		return len(data)
	}
	line := data
	if lf := bytes.IndexByte(line, '\n'); lf >= 0 {
		line = line[:lf+1]
	}
	more := !likeStatusLine(line)
	if d == packet.ToServer {
		rest := trimLeft(data)
		word := rest[:wordEnd(rest)]
		more = methodOf(word) == methodUnknown
	}
	if !more {
		p.complete(d)
		return 0
	}
	if len(chomp(line)) > 0 {
		s.m.event(evReqBodyUnexpected, evRespBodyUnexpected)
	}
	s.decoder.write(line)
	return len(line)
}
