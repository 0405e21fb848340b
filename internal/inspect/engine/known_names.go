package engine

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// named asks about the name of who is spoken with, unless it is the same as
// before, and remembers it.
func (e *Engine) named(f *flow.Flow, a *app, name []byte, port uint16, where string) {
	m := &a.met
	if bytes.Equal(name, m.name) && port == m.port {
		return
	}
	m.allowed = false // whatever was allowed had another name
	if len(name) > maxNamed {
		name = nil
	}
	m.name, m.port, m.where = append(m.name[:0], name...), port, where
	if len(name) == 0 {
		return
	}
	e.known.subject = subjectOf(name, port)
	if e.known.subject.Kind == SubjectAddress && e.known.subject.Addr == netip.AddrFrom16(f.Server).Unmap() {
		m.name = m.name[:0] // asked about when the flow began, and again with it
		return
	}
	s := e.ask(where)
	m.allowed = s.Allowed
	e.condemn(f, s, e.bothEnds(f))
}

// subjectOf is what a host in a request stands for: a name, or an address
// however it is written.
func subjectOf(host []byte, port uint16) Subject {
	if addr, ok := literal(host); ok {
		return Subject{Kind: SubjectAddress, Addr: addr, Port: port}
	}
	return Subject{Kind: SubjectName, Text: host, Port: port}
}

// literal reads a host that is an address: IPv6 in brackets (RFC 3986, section
// 3.2.2) and IPv4 in all forms that inet_aton takes, of one to four numbers,
// decimal, octal ("0") or hexadecimal ("0x").
func literal(host []byte) (netip.Addr, bool) {
	host = bytes.TrimSuffix(host, []byte{'.'})
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		a, err := netip.ParseAddr(string(host[1 : n-1]))
		return a.Unmap().WithZone(""), err == nil
	}
	if len(host) == 0 || host[0]-'0' > 9 {
		return netip.Addr{}, false
	}
	var all uint64
	for part := 0; ; part++ {
		text, rest, more := bytes.Cut(host, []byte{'.'})
		n, ok := number(text)
		left := 8 * (4 - part) // bits that the rest of the address has
		if more {
			left = 8
		}
		if !ok || part > 3 || more && part == 3 || n>>left != 0 {
			return netip.Addr{}, false
		}
		if !more {
			all = all<<(8*(4-part)) | n
			return netip.AddrFrom4([4]byte{byte(all >> 24), byte(all >> 16), byte(all >> 8), byte(all)}), true
		}
		all, host = all<<8|n, rest
	}
}

// number reads a number below 2^32 in C's notation.
func number(text []byte) (n uint64, ok bool) {
	base := uint64(10)
	switch {
	case len(text) > 2 && text[0] == '0' && text[1]|0x20 == 'x':
		base, text = 16, text[2:]
	case len(text) > 1 && text[0] == '0':
		base, text = 8, text[1:]
	}
	for _, c := range text {
		d := uint64(c - '0')
		if low := c | 0x20; d > 9 && 'a' <= low && low <= 'f' {
			d = uint64(low-'a') + 10
		}
		if n = n*base + d; d >= base || n >= 1<<32 {
			return 0, false
		}
	}
	return n, len(text) > 0
}

// portOfTarget is the port that an HTTP request is for: what stands in a target
// that names its host, as proxies are asked, else the server's.
func portOfTarget(f *flow.Flow, target []byte) uint16 {
	if len(target) == 0 || target[0] == '/' {
		return portOf(f, true)
	}
	usual := uint16(0)
	if scheme, rest, ok := bytes.Cut(target, []byte("://")); ok {
		target, usual = rest, 80
		if len(scheme) == 5 { // https; there are no others of that length
			usual = 443
		}
		if end := bytes.IndexAny(target, "/?#"); end >= 0 {
			target = target[:end]
		}
	}
	colon := bytes.LastIndexByte(target, ':')
	if colon < 0 || bytes.IndexByte(target[colon:], ']') >= 0 || len(target)-colon > len(":65535") {
		return usual
	}
	n, err := strconv.ParseUint(string(target[colon+1:]), 10, 16)
	if err != nil {
		return usual
	}
	return uint16(n)
}

// aliases is a message of DNS that may give names behind the one asked for.
type aliases interface {
	Asked() ([]byte, bool)
	Alias(n int) (name []byte, next int)
}

// consultAnswer asks about the names that an answer says stand behind the one
// that was asked for, unless the operator lets that one pass. Where that one is
// listed it was told with the query.
func (e *Engine) consultAnswer(f *flow.Flow, tx protocol.Tx) {
	answer, ok := tx.(aliases)
	if !ok || !e.known.want(SubjectName) {
		return
	}
	name, next := answer.Alias(0)
	if next < 0 {
		return
	}
	k := &e.known
	if asked, ok := answer.Asked(); ok {
		k.subject = Subject{Kind: SubjectName, Text: asked}
		if s := k.of.Ask(&k.subject); s.Allowed || s.Listed {
			return
		}
	}
	for ; next >= 0; name, next = answer.Alias(next) {
		k.subject = Subject{Kind: SubjectName, Text: name}
		s := e.ask("dns.answer")
		switch {
		case !s.Stop && !s.Listed:
			continue
		case !s.Stop:
		case f.Proto == 17:
			k.stop, k.answer = true, true
		default:
			e.condemn(f, s, e.bothEnds(f))
		}
		return // one says enough
	}
}
