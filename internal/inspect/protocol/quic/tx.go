package quic

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
	"github.com/masugata/masugata/internal/inspect/protocol/tls"
)

// Tx is one packet with a long header.
type Tx struct {
	single.Message
	cfg     *config
	version [4]byte
	sni     []byte // of a Google hello
	agent   []byte
	cyu     []byte
	cyuHash []byte

	raw      []byte // the TLS hello, which hello points into
	hello    tls.Hello
	has      bool
	ja3      []byte
	ja3Hash  []byte
	ja4      []byte
	computed bool
}

// Clear makes the transaction ready for the next packet.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	m := t.Message
	raw := t.raw[:0]
	if cap(raw) > 16<<10 {
		raw = nil
	}
	*t = Tx{
		Message: m, sni: t.sni[:0], agent: t.agent[:0], cyu: t.cyu[:0], cyuHash: t.cyuHash[:0],
		raw: raw, ja3: t.ja3[:0], ja3Hash: t.ja3Hash[:0], ja4: t.ja4[:0],
	}
}

// setHello keeps a TLS hello.
func (t *Tx) setHello(body []byte) {
	t.raw = append(t.raw[:0], body...)
	if t.Dir == packet.ToServer {
		t.hello.ParseClient(t.raw)
		t.agent = append(t.agent[:0], userAgent(t.hello.Transport)...)
	} else {
		t.hello.ParseServer(t.raw)
	}
	t.has = true
}

// paramUserAgent is Google's transport parameter with the user agent.
const paramUserAgent = 0x3129

// userAgent looks for it among transport parameters (RFC 9000 section 18).
func userAgent(b []byte) []byte {
	for c := (reader{b: b}); len(c.b) > 0 && !c.bad; {
		id := c.varint()
		v := c.takeLong(c.varint())
		if id == paramUserAgent {
			return v
		}
	}
	return nil
}

func (t *Tx) fingerprint() {
	if t.computed || !t.has {
		return
	}
	t.computed = true
	if !t.cfg.noJA3 {
		if t.Dir == packet.ToServer {
			t.ja3 = tls.AppendJA3(t.ja3, &t.hello)
		} else {
			t.ja3 = tls.AppendJA3S(t.ja3, &t.hello)
		}
		t.ja3Hash = tls.AppendMD5(t.ja3Hash, t.ja3)
	}
	if t.Dir == packet.ToServer && !t.cfg.noJA4 {
		t.ja4 = tls.AppendJA4(t.ja4, &t.hello, true)
	}
}

// Uint is never there.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// Bytes answers the fields of QUIC.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if i != 0 || d != t.Dir {
		return nil, false
	}
	var v []byte
	switch f {
	case protocol.QUICVersion:
		v = t.version[:]
	case protocol.QUICSNI:
		v = t.serverName()
	case protocol.QUICUserAgent:
		v = t.agent
	case protocol.QUICCYUHash:
		v = t.cyuHash
	case protocol.QUICCYUString:
		v = t.cyu
	case protocol.JA3Hash, protocol.JA3String, protocol.JA3SHash, protocol.JA3SString, protocol.JA4Hash:
		v = t.print(f)
	}
	return v, len(v) > 0
}

func (t *Tx) print(f protocol.Field) []byte {
	t.fingerprint()
	server := f == protocol.JA3SHash || f == protocol.JA3SString
	if server != (t.Dir == packet.ToClient) {
		return nil
	}
	switch f {
	case protocol.JA3Hash, protocol.JA3SHash:
		return t.ja3Hash
	case protocol.JA4Hash:
		return t.ja4
	}
	return t.ja3
}

func (t *Tx) serverName() []byte {
	if len(t.sni) > 0 {
		return t.sni
	}
	return t.hello.ServerName
}

func (t *Tx) number() uint32 { return binary.BigEndian.Uint32(t.version[:]) }
