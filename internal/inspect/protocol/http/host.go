package http

import (
	"bytes"
	"net/netip"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// splitHostPort splits a host with an optional port. portOK is false for a
// port that is no number from 1 to 65535; port is -1 when there is none.
func splitHostPort(b []byte) (host []byte, port int32, valid bool) {
	b = trimSpace(b)
	host, rest := b, []byte(nil)
	if len(b) > 0 && b[0] == '[' {
		if end := bytes.IndexByte(b, ']'); end >= 0 {
			host, rest = b[:end+1], b[end+1:]
		}
	} else if colon := bytes.IndexByte(b, ':'); colon >= 0 {
		host, rest = b[:colon], b[colon:]
	}
	host = trimSpace(host)
	valid = validHost(host)
	if len(rest) == 0 {
		return host, -1, valid
	}
	if rest[0] != ':' {
		return host, -1, false
	}
	port = parsePort(rest[1:])
	return host, port, valid && port > 0
}

// parsePort reads a port, -1 when it is none.
func parsePort(b []byte) int32 {
	b = trimSpace(b)
	n := int32(0)
	if len(b) == 0 || len(b) > 8 {
		return -1
	}
	for _, c := range b {
		if c-'0' > 9 {
			return -1
		}
		n = n*10 + int32(c-'0')
	}
	if n < 1 || n > 65535 {
		return -1
	}
	return n
}

// validHost says whether b is a host name or an address in brackets.
func validHost(b []byte) bool {
	if len(b) == 0 || len(b) > 255 {
		return false
	}
	if b[0] == '[' {
		if b[len(b)-1] != ']' || len(b) > 48 {
			return false
		}
		_, err := netip.ParseAddr(string(b[1 : len(b)-1]))
		return err == nil
	}
	label := 0
	for i, c := range b {
		switch {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
		case c-'0' < 10, lower(c)-'a' < 26, c == '-', c == '_':
			if label++; label > 63 {
				return false
			}
		default:
			return false
		}
		if i == len(b)-1 && c == '.' && i == 0 {
			return false
		}
	}
	return true
}

// appendHost appends a host name in lower case.
func appendHost(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, lower(c))
	}
	return dst
}

// resolveHost finds the host that is asked for, from the target or from Host.
func (t *transaction) resolveHost() {
	m := &t.msg[packet.ToServer]
	if t.target.host != nil {
		t.host = appendHost(t.host[:0], t.target.host)
	}
	t.hostPort = t.target.portNumber
	v, ok := m.headers.get(knownHost)
	if !ok {
		if m.version >= version11 {
			t.insp.Events.Set(evMissingHost)
		}
		return
	}
	host, port, valid := splitHostPort(v)
	if !valid {
		t.insp.Events.Set(evHeaderHostInvalid)
	}
	if len(t.host) == 0 {
		t.host = appendHost(t.host[:0], host)
		t.hostPort = port
		return
	}
	if !bytes.EqualFold(t.host, host) || t.hostPort > 0 && port > 0 && t.hostPort != port {
		t.insp.Events.Set(evHostAmbiguous)
	}
}

// checkAuthorization looks at the kind of an Authorization field.
func (t *transaction) checkAuthorization() {
	v, ok := t.msg[packet.ToServer].headers.get(knownAuthorization)
	if !ok {
		return
	}
	for _, kind := range [...]string{"basic", "digest", "bearer"} {
		if len(v) >= len(kind) && equalFold(v[:len(kind)], kind) {
			return
		}
	}
	t.insp.Events.Set(evAuthUnrecognized)
}
