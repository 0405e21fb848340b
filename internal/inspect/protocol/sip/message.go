package sip

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// headerNames are the headers that rules see, with their short forms
// (RFC 3261, 7.3.3).
var headerNames = [...]struct {
	field       protocol.Field
	long, short string
}{
	{protocol.SIPFrom, "From", "f"},
	{protocol.SIPTo, "To", "t"},
	{protocol.SIPVia, "Via", "v"},
	{protocol.SIPUserAgent, "User-Agent", ""},
	{protocol.SIPContentType, "Content-Type", "c"},
	{protocol.SIPContentLength, "Content-Length", "l"},
}

const (
	maxHeaders = 256
	maxMessage = 1 << 16
)

// value is one value of a field, a piece of Tx.msg.
type value struct {
	field protocol.Field
	text  []byte
}

// head cuts the first line and the headers off a message. It is false when the
// empty line after them is missing.
func head(b []byte) (line, headers, body []byte, ok bool) {
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, nil, nil, false
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	for at := 0; at < len(rest); {
		n := bytes.IndexByte(rest[at:], '\n')
		if n < 0 {
			break
		}
		if n == 0 || n == 1 && rest[at] == '\r' {
			return line, rest[:at], rest[at+n+1:], true
		}
		at += n + 1
	}
	return line, nil, nil, false
}

// nextHeader cuts the first header with its continuation lines off.
func nextHeader(b []byte) (name, text, rest []byte) {
	end := 0
	for {
		n := bytes.IndexByte(b[end:], '\n')
		if n < 0 {
			end = len(b)
			break
		}
		end += n + 1
		if end >= len(b) || b[end] != ' ' && b[end] != '\t' {
			break
		}
	}
	one := bytes.TrimRight(b[:end], " \t\r\n")
	rest = b[end:]
	i := bytes.IndexByte(one, ':')
	if i < 0 {
		return nil, nil, rest
	}
	return bytes.TrimRight(one[:i], " \t"), bytes.TrimLeft(one[i+1:], " \t"), rest
}

func headerField(name []byte) protocol.Field {
	for i := range headerNames {
		h := &headerNames[i]
		if equalFold(name, h.long) || h.short != "" && equalFold(name, h.short) {
			return h.field
		}
	}
	return 0
}

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if b[i] != s[i] && (b[i]|0x20 != s[i]|0x20 || b[i]|0x20 < 'a') {
			return false
		}
	}
	return true
}

// fill parses a message in t.msg. The direction says whether it must be a
// request or a response.
func (t *Tx) fill(msg []byte) bool {
	t.msg = append(t.msg[:0], msg[:min(len(msg), maxMessage)]...)
	line, headers, body, ok := head(t.msg)
	if !ok {
		return false
	}
	t.line = line
	if t.Dir == packet.ToClient {
		ok = t.response(line)
	} else {
		ok = t.request(line)
	}
	if !ok {
		return false
	}
	for n := 0; len(headers) > 0 && n < maxHeaders; n++ {
		var name, text []byte
		name, text, headers = nextHeader(headers)
		if f := headerField(name); f != 0 {
			t.values = append(t.values, value{f, text})
		}
	}
	if text, ok := t.value(protocol.SIPContentType, 0); ok && len(text) >= 15 && equalFold(text[:15], "application/sdp") {
		t.describe(body)
	}
	return true
}

// request reads METHOD URI VERSION.
func (t *Tx) request(line []byte) bool {
	method, uri, version, ok := splitRequest(line)
	if ok {
		t.method, t.uri, t.version = method, uri, version
	}
	return ok
}

func splitRequest(line []byte) (method, uri, version []byte, ok bool) {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(method) == 0 || len(method) > 32 {
		return nil, nil, nil, false
	}
	for _, c := range method {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return nil, nil, nil, false
		}
	}
	i := bytes.LastIndexByte(rest, ' ')
	if i <= 0 {
		return nil, nil, nil, false
	}
	uri, version = rest[:i], rest[i+1:]
	return method, uri, version, isVersion(version)
}

// response reads VERSION CODE REASON.
func (t *Tx) response(line []byte) bool {
	version, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || !isVersion(version) || !isCode(rest) {
		return false
	}
	t.version, t.code, t.reason = version, rest[:3], rest[min(4, len(rest)):]
	return true
}

func isCode(b []byte) bool {
	return len(b) >= 3 && b[0] >= '1' && b[0] <= '9' && digit(b[1]) && digit(b[2]) && (len(b) == 3 || b[3] == ' ')
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func isVersion(b []byte) bool {
	return len(b) >= 5 && len(b) <= 16 && equalFold(b[:4], "SIP/")
}
