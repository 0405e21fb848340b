package tls

import "encoding/binary"

// Hello is a client or server hello taken apart in place: its slices point
// into the message. The zero value is an empty hello.
type Hello struct {
	Version       uint16 // legacy version field
	Random        []byte // 32 bytes
	SessionID     []byte
	Ciphers       []byte // client: list of 16 bit numbers
	Cipher        uint16 // server: the chosen one
	Extensions    []byte // all of them, as sent
	ServerName    []byte
	Groups        []byte // list of 16 bit numbers, without its length
	PointFormats  []byte
	SignatureAlgs []byte // list of 16 bit numbers, without its length
	Protocols     []byte // ALPN: list of names, each after a length byte
	Versions      []byte // supported versions of a client, without their length
	Selected      uint16 // supported version that a server chose, 0 for none
	Transport     []byte // QUIC transport parameters (RFC 9001 section 8.2)
	HasServerName bool
	HasHeartbeat  bool
	HasEarlyData  bool
	HasTicket     bool // a session ticket that is not empty
	Problems      Problems
}

// Problems are what is wrong with a hello.
type Problems uint8

// The problems.
const (
	Short      Problems = 1 << iota // it ends too early or its lengths disagree
	ManyNames                       // more than one server name extension
	NameType                        // a server name of an unknown type
	NameLength                      // lengths of the server name extension disagree
)

// Extension numbers (IANA registry "TLS ExtensionType Values").
const (
	extServerName     = 0
	extGroups         = 10
	extPointFormats   = 11
	extSignatureAlgs  = 13
	extHeartbeat      = 15
	extALPN           = 16
	extTicket         = 35
	extEarlyData      = 42
	extVersions       = 43
	extQUICTransport  = 57
	extQUICTransport0 = 0xffa5 // the number of the drafts
)

// cursor takes lengths and values off a message.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.bad = true
		c.b = nil
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) u8() int {
	if v := c.take(1); v != nil {
		return int(v[0])
	}
	return 0
}

func (c *cursor) u16() int {
	if v := c.take(2); v != nil {
		return int(binary.BigEndian.Uint16(v))
	}
	return 0
}

// ParseClient takes a ClientHello apart (RFC 8446 section 4.1.2); body is the
// message without its type and length. What can be read of a broken one is set.
func (h *Hello) ParseClient(body []byte) {
	*h = Hello{}
	c := cursor{b: body}
	h.Version = uint16(c.u16())
	h.Random = c.take(32)
	h.SessionID = c.take(c.u8())
	h.Ciphers = c.take(c.u16())
	c.take(c.u8())
	h.finish(&c, true)
}

// ParseServer takes a ServerHello apart (RFC 8446 section 4.1.3).
func (h *Hello) ParseServer(body []byte) {
	*h = Hello{}
	c := cursor{b: body}
	h.Version = uint16(c.u16())
	h.Random = c.take(32)
	if !draftWithoutSession(h.Version) {
		h.SessionID = c.take(c.u8())
	}
	h.Cipher = uint16(c.u16())
	if !draftWithoutSession(h.Version) {
		c.u8()
	}
	h.finish(&c, false)
}

// draftWithoutSession says whether a server hello of this version has neither
// session nor compression: drafts of TLS 1.3 before 22 wrote their number there.
func draftWithoutSession(v uint16) bool { return v>>8 == 0x7f && v <= 0x7f15 }

func (h *Hello) finish(c *cursor, client bool) {
	if len(c.b) > 0 && !c.bad {
		h.Extensions = c.take(c.u16())
	}
	if c.bad {
		h.Problems |= Short
		return
	}
	h.extensions(client)
}

func (h *Hello) extensions(client bool) {
	c := cursor{b: h.Extensions}
	for len(c.b) > 0 {
		kind := c.u16()
		v := c.take(c.u16())
		if c.bad {
			h.Problems |= Short
			return
		}
		h.extension(kind, v, client)
	}
}

func (h *Hello) extension(kind int, v []byte, client bool) {
	c := cursor{b: v}
	switch kind {
	case extServerName:
		h.serverName(v)
	case extGroups:
		h.Groups = c.take(c.u16())
	case extPointFormats:
		h.PointFormats = c.take(c.u8())
	case extSignatureAlgs:
		h.SignatureAlgs = c.take(c.u16())
	case extHeartbeat:
		h.HasHeartbeat = true
	case extALPN:
		h.alpn(v)
	case extTicket:
		h.HasTicket = len(v) > 0
	case extEarlyData:
		h.HasEarlyData = true
	case extVersions:
		if client {
			h.Versions = c.take(c.u8())
		} else {
			h.Selected = uint16(c.u16())
		}
	case extQUICTransport, extQUICTransport0:
		h.Transport = v
	}
	if c.bad {
		h.Problems |= Short
	}
}

// serverName reads RFC 6066 section 3. The first name counts; the length of the
// list is not looked at.
func (h *Hello) serverName(v []byte) {
	if h.HasServerName {
		h.Problems |= ManyNames
		return
	}
	h.HasServerName = true
	if len(v) == 0 {
		return
	}
	c := cursor{b: v}
	c.u16()
	kind := c.u8()
	n := c.u16()
	if c.bad {
		h.Problems |= Short
		return
	}
	if kind != 0 {
		h.Problems |= NameType
		return
	}
	name := c.take(n)
	if n == 0 || c.bad {
		h.Problems |= NameLength
		return
	}
	h.ServerName = name
}

// alpn reads RFC 7301 section 3.1 and keeps the names before one that is broken.
func (h *Hello) alpn(v []byte) {
	c := cursor{b: v}
	list := c.take(c.u16())
	if c.bad {
		h.Problems |= Short
		return
	}
	whole := 0
	for whole < len(list) {
		n := int(list[whole])
		if n == 0 || whole+1+n > len(list) {
			break
		}
		whole += 1 + n
	}
	h.Protocols = list[:whole]
}

// Protocol is the i-th name of the ALPN extension.
func (h *Hello) Protocol(i int) ([]byte, bool) {
	for b := h.Protocols; len(b) > 0; i-- {
		n := int(b[0])
		if i == 0 {
			return b[1 : 1+n], true
		}
		b = b[1+n:]
	}
	return nil, false
}

// Negotiated is the version that a server hello chose.
func (h *Hello) Negotiated() uint16 {
	if h.Selected != 0 {
		return h.Selected
	}
	return h.Version
}

// preferred is the version that a client hello names first.
func (h *Hello) preferred() uint16 {
	for l := h.Versions; len(l) >= 2; l = l[2:] {
		if v := binary.BigEndian.Uint16(l); !IsGREASE(v) {
			return v
		}
	}
	return h.Version
}

// IsGREASE says whether v is one of the values of RFC 8701.
func IsGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }
