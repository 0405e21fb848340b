package http2

import (
	"bytes"
	"encoding/base64"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Upgrade takes over the HTTP/1 request that asked for HTTP/2: it becomes
// stream 1, and its HTTP2-Settings those of the client (RFC 7540 section 3.2).
func (p *parser) Upgrade(by protocol.Tx, _ *protocol.Env) {
	t := p.streamTx(1)
	h := &t.sides[packet.ToServer].headers
	for _, f := range [...]struct {
		name  string
		field protocol.Field
	}{{":method", protocol.HTTPMethod}, {":path", protocol.HTTPURIRaw}, {":authority", protocol.HTTPHostRaw}} {
		if v, ok := by.Bytes(f.field, packet.ToServer, 0); ok {
			h.fields = append(h.fields, field{name: h.text([]byte(f.name)), value: h.text(v)})
		}
	}
	for i := 0; !h.full(); i++ {
		line, ok := by.Bytes(protocol.HTTPRequestHeader, packet.ToServer, i)
		if !ok {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case equalFold(name, "host"):
		case equalFold(name, "http2-settings"):
			p.http1Settings(t, value)
		default:
			h.fields = append(h.fields, field{name: h.text(name), value: h.text(value)})
		}
	}
	t.finish(packet.ToServer)
}

func (p *parser) http1Settings(t *Tx, value []byte) {
	raw := make([]byte, base64.RawURLEncoding.DecodedLen(len(value)))
	n, err := base64.RawURLEncoding.Decode(raw, bytes.TrimRight(value, "="))
	if err != nil || n%6 != 0 {
		t.event(eventHTTP1Settings)
		return
	}
	g := p.global()
	p.mark(g, packet.ToServer, frameSettings)
	p.applySettings(g, packet.ToServer, raw[:n])
}
