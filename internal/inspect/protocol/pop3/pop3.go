// Package pop3 tells POP3 sessions (RFC 1939) by their content and follows them
// as far as STLS (RFC 2595), from where on TLS is spoken. It makes no
// transactions: rules see the stream. The inspection engine calls it through
// Spec.
package pop3

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

// maxLine is the longest line that is looked at; what is behind it is not.
const maxLine = 512

// Spec describes the parser.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.POP3,
		Transport: protocol.OverTCP,
		Ports:     []uint16{110},
		Probe:     probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return new(parser) }, nil
		},
	}
}

// probe looks for the server's greeting, or a command that only POP3 has.
func probe(d packet.Direction, data []byte, _, dstPort uint16) protocol.Verdict {
	if d == packet.ToClient {
		switch {
		case bytes.HasPrefix(data, []byte("+OK")):
			return protocol.Yes
		case len(data) < 3 && bytes.HasPrefix([]byte("+OK"), data):
			return protocol.More
		}
		return protocol.No
	}
	for _, word := range [...]string{"CAPA\r", "APOP ", "STLS\r", "UIDL\r"} {
		if len(data) >= len(word) && bytes.EqualFold(data[:len(word)], []byte(word)) {
			return protocol.Yes
		}
	}
	if dstPort == 110 && len(data) >= 5 && (bytes.EqualFold(data[:5], []byte("USER ")) || bytes.EqualFold(data[:5], []byte("QUIT\r")) || bytes.EqualFold(data[:5], []byte("AUTH "))) {
		return protocol.Maybe
	}
	return protocol.No
}

// parser follows one session up to STLS.
type parser struct {
	lines line.Session
	asked bool // STLS waits for its reply
}

// Reset makes the parser ready for another session.
func (p *parser) Reset() {
	p.lines.Reset()
	p.asked = false
}

// Txs are none.
func (p *parser) Txs() []protocol.Tx { return nil }

// Sweep has nothing to free.
func (p *parser) Sweep() {}

// Parse takes bytes of the session.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	for rest := data; ; {
		text, after, ok := p.lines.Next(d, rest, maxLine)
		if !ok {
			return protocol.Status{}
		}
		rest = after
		if d == packet.ToServer {
			p.asked = bytes.EqualFold(bytes.TrimSpace(text), []byte("STLS"))
			continue
		}
		if p.asked && bytes.HasPrefix(text, []byte("+OK")) {
			env.Consumed = len(data) - len(rest)
			return protocol.Status{Code: protocol.StatusSwitch, Next: protocol.TLS}
		}
		p.asked = false
	}
}

// Gap says that bytes are missing: the line they belong to is not looked at.
func (p *parser) Gap(d packet.Direction, _ uint64, _ *protocol.Env) protocol.Status {
	p.lines.Gap(d)
	return protocol.Status{}
}

// End says that a side has ended.
func (p *parser) End(packet.Direction, *protocol.Env) {}
