package http2

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Views of a direction's header fields.
const (
	viewHeader = iota
	viewRaw
	viewNames
	viewLine
	viewHost
	viewOne // one field as "name: value"
	viewJoined
	viewCount
)

var protocolName = []byte("HTTP/2")

// named are the fields that show one header field.
var named = map[protocol.Field]string{
	protocol.HTTPURI: ":path", protocol.HTTPURIRaw: ":path", protocol.HTTPMethod: ":method", protocol.HTTPStatusCode: ":status",
	protocol.HTTPUserAgent: "user-agent", protocol.HTTPAccept: "accept", protocol.HTTPAcceptEncoding: "accept-encoding",
	protocol.HTTPAcceptLanguage: "accept-language", protocol.HTTPReferer: "referer", protocol.HTTPConnection: "connection",
	protocol.HTTPContentLength: "content-length", protocol.HTTPContentType: "content-type", protocol.HTTPLocation: "location", protocol.HTTPServer: "server",
}

// Bytes answers the fields of HTTP and HTTP/2.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	s := &t.sides[d]
	if s.dns.whole {
		if v, ok := s.dns.tx.Bytes(f, d, i); ok {
			return v, true
		}
	}
	switch f {
	case protocol.HTTP2HeaderName:
		return s.headers.nth(i)
	case protocol.HTTP2Header, protocol.HTTPRequestHeader, protocol.HTTPResponseHeader:
		return s.pair(i)
	}
	if i != 0 {
		return nil, false
	}
	switch f {
	case protocol.HTTPProtocol:
		return protocolName, true
	case protocol.HTTPStatusMessage:
		return protocolName[:0], d == packet.ToClient
	case protocol.HTTPRequestLine, protocol.HTTPResponseLine:
		return s.line(d)
	case protocol.HTTPHeader, protocol.HTTPHeaderRaw, protocol.HTTPHeaderNames:
		return s.block(f)
	case protocol.HTTPHost, protocol.HTTPHostRaw:
		return s.host(f == protocol.HTTPHost)
	case protocol.HTTPCookie:
		if d == packet.ToClient {
			return s.joined("set-cookie", ", ")
		}
		return s.joined("cookie", "; ")
	}
	if name, ok := named[f]; ok {
		return s.joined(name, ", ")
	}
	return nil, false
}

// nth is the name of the i-th field.
func (h *headers) nth(i int) ([]byte, bool) {
	f := h.real(i)
	if f == nil {
		return nil, false
	}
	return f.name.of(h.arena), true
}

// real is the i-th entry that is not a change of size.
func (h *headers) real(i int) *field {
	for k := range h.fields {
		f := &h.fields[k]
		if f.isSize {
			continue
		}
		if i == 0 {
			return f
		}
		i--
	}
	return nil
}

// pair is the i-th field as "name: value".
func (s *side) pair(i int) ([]byte, bool) {
	f := s.headers.real(i)
	if f == nil {
		return nil, false
	}
	v := &s.views[viewOne]
	v.text = append(v.text[:0], f.name.of(s.headers.arena)...)
	v.text = append(v.text, ": "...)
	v.text = append(v.text, f.value.of(s.headers.arena)...)
	return v.text, true
}

// exact is the i-th value of the named field; names are in lower case in HTTP/2,
// so one that is not, after an upgrade from HTTP/1, is not found.
func (h *headers) exact(name string, i int) ([]byte, bool) {
	for k := range h.fields {
		f := &h.fields[k]
		if f.isSize || string(f.name.of(h.arena)) != name {
			continue
		}
		if i == 0 {
			return f.value.of(h.arena), true
		}
		i--
	}
	return nil, false
}

// joined is the value of a field; several are joined.
func (s *side) joined(name, between string) ([]byte, bool) {
	first, ok := s.headers.exact(name, 0)
	if !ok {
		return nil, false
	}
	second, ok := s.headers.exact(name, 1)
	if !ok {
		return first, true
	}
	v := &s.views[viewJoined]
	v.text = append(v.text[:0], first...)
	for i := 2; ok; i++ {
		v.text = append(v.text, between...)
		v.text = append(v.text, second...)
		second, ok = s.headers.exact(name, i)
	}
	return v.text, true
}

// made says whether a view must be built; it is emptied then.
func (s *side) made(kind int) (*view, bool) {
	v := &s.views[kind]
	if v.of == len(s.headers.fields)+1 {
		return v, true
	}
	v.text, v.of = v.text[:0], len(s.headers.fields)+1
	return v, false
}

// line is the request or status line as HTTP/1 would write it; what is missing
// is left out, so that frames of the connection have one too.
func (s *side) line(d packet.Direction) ([]byte, bool) {
	v, ok := s.made(viewLine)
	if ok {
		return v.text, len(v.text) > 0
	}
	if d == packet.ToClient {
		status, _ := s.headers.exact(":status", 0)
		v.text = append(v.text, "HTTP/2 "...)
		v.text = append(append(v.text, status...), "\r\n"...)
		return v.text, true
	}
	method, _ := s.headers.exact(":method", 0)
	path, _ := s.headers.exact(":path", 0)
	v.text = append(append(v.text, method...), ' ')
	v.text = append(append(v.text, path...), " HTTP/2\r\n"...)
	return v.text, true
}

// block is the fields as HTTP/1 would write them.
func (s *side) block(f protocol.Field) ([]byte, bool) {
	kind := viewHeader
	switch f {
	case protocol.HTTPHeaderRaw:
		kind = viewRaw
	case protocol.HTTPHeaderNames:
		kind = viewNames
	}
	v, ok := s.made(kind)
	if ok {
		return v.text, len(v.text) > 0
	}
	h := &s.headers
	for k := range h.fields {
		x := &h.fields[k]
		name := x.name.of(h.arena)
		if x.isSize || kind == viewHeader && (equalFold(name, "cookie") || equalFold(name, "set-cookie")) {
			continue
		}
		if kind == viewNames {
			v.text = append(append(v.text, "\r\n"...), name...)
			continue
		}
		v.text = append(append(v.text, name...), ": "...)
		v.text = append(append(v.text, x.value.of(h.arena)...), "\r\n"...)
	}
	if kind == viewNames && len(v.text) > 0 {
		v.text = append(v.text, "\r\n\r\n"...)
	}
	return v.text, len(v.text) > 0
}

// host is :authority, else the Host field; in lower case without user and port
// when normal.
func (s *side) host(normal bool) ([]byte, bool) {
	b, ok := s.headers.find(":authority", 0)
	if !ok {
		if b, ok = s.headers.find("host", 0); !ok {
			return nil, false
		}
	}
	if !normal {
		return b, true
	}
	v, ok := s.made(viewHost)
	if !ok {
		v.text = appendHost(v.text, b)
	}
	return v.text, len(v.text) > 0
}

func appendHost(dst, b []byte) []byte {
	if i := bytes.LastIndexByte(b, '@'); i >= 0 {
		b = b[i+1:]
	}
	if len(b) > 0 && b[0] == '[' {
		if i := bytes.IndexByte(b, ']'); i >= 0 {
			b = b[:i+1]
		}
	} else if i := bytes.IndexByte(b, ':'); i >= 0 {
		b = b[:i]
	}
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
