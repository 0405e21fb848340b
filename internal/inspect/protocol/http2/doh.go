package http2

import (
	"bytes"
	"encoding/base64"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/dns"
)

// message is a DNS message that one direction of a stream carries (RFC 8484).
type message struct {
	wanted bool // the body is to be one
	whole  bool // it is read
	body   []byte
	tx     *dns.Tx // made when first needed, kept for the next stream
}

func (m *message) reset() { m.wanted, m.whole, m.body = false, false, m.body[:0] }

// expectDNS looks in the header fields of d for a DNS message: in the path of
// a GET, or announced as the body.
func (p *parser) expectDNS(t *Tx, d packet.Direction) {
	s := &t.sides[d]
	if s.dns.wanted || s.dns.whole {
		return
	}
	if kind, ok := s.headers.find("content-type", 0); ok && equalFold(kind, mediaType) {
		s.dns.wanted, p.doh = true, true
		return
	}
	if d != packet.ToServer {
		return
	}
	path, _ := s.headers.find(":path", 0)
	value, known := bytes.CutPrefix(path, []byte("/dns-query?dns="))
	if accept, ok := s.headers.find("accept", 0); !known && ok && equalFold(accept, mediaType) {
		_, query, _ := bytes.Cut(path, []byte("?"))
		value, known = parameter(query, "dns")
	}
	if !known {
		return
	}
	value, _, _ = bytes.Cut(value, []byte("&"))
	value = bytes.TrimRight(value[:min(len(value), maxDNS)], "=")
	b, err := base64.RawURLEncoding.AppendDecode(s.dns.body[:0], value)
	if s.dns.body = b; err == nil {
		t.readDNS(d)
		p.doh = p.doh || s.dns.whole
	}
}

const mediaType = "application/dns-message"

// parameter is the value of a parameter of a query, up to its end.
func parameter(query []byte, name string) ([]byte, bool) {
	for len(query) > 0 {
		var one []byte
		one, query, _ = bytes.Cut(query, []byte("&"))
		if key, value, ok := bytes.Cut(one, []byte("=")); ok && string(key) == name {
			return value, true
		}
	}
	return nil, false
}

// gatherDNS keeps bytes of a body that is to be a DNS message.
func (s *side) gatherDNS(data []byte) {
	if s.dns.wanted && len(s.dns.body)+len(data) <= maxDNS {
		s.dns.body = append(s.dns.body, data...)
	}
}

// readDNS reads the message in d.
func (t *Tx) readDNS(d packet.Direction) {
	m := &t.sides[d].dns
	if m.tx == nil {
		m.tx = new(dns.Tx)
	}
	m.whole, m.wanted = m.tx.Read(d, m.body), false
}

// Carried is the DNS message in d.
func (t *Tx) Carried(d packet.Direction) (string, protocol.Recorder) {
	if m := &t.sides[d].dns; m.whole {
		return "dns", m.tx
	}
	return "", nil
}

// AppendBeside appends the DNS message, which stands beside "http".
func (t *Tx) AppendBeside(dst []byte, d packet.Direction) []byte {
	m := &t.sides[d].dns
	if !m.whole {
		if d = d.Other(); !t.sides[d].dns.whole {
			return dst
		}
		m = &t.sides[d].dns
	}
	return m.tx.AppendAlertEve(append(dst, `"dns":`...), d)
}

// DNSSpec describes DNS over HTTP/2: the parser of HTTP/2 under the name that a
// flow gets once it carries DNS.
func DNSSpec() protocol.Spec {
	s := Spec()
	s.ID = protocol.DOH2
	s.Probe = func(packet.Direction, []byte, uint16, uint16) protocol.Verdict { return protocol.No }
	s.Keywords = nil // those of HTTP/2 apply
	return s
}
