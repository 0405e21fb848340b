// Package imap tells IMAP sessions (RFC 3501, RFC 9051) by their content and
// follows them as far as STARTTLS, from where on TLS is spoken. It makes no
// transactions: rules see the stream. The inspection engine calls it through
// Spec.
package imap

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
)

const (
	maxLine = 1024 // longest line that is looked at; what is behind it is not
	maxTag  = 32
)

// Spec describes the parser.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID:        protocol.IMAP,
		Transport: protocol.OverTCP,
		Ports:     []uint16{143},
		Probe:     probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return new(parser) }, nil
		},
	}
}

// probe looks for the server's greeting or a client's tagged command.
func probe(d packet.Direction, data []byte, _, _ uint16) protocol.Verdict {
	if d == packet.ToClient {
		for _, word := range [...]string{"* OK ", "* PREAUTH ", "* BYE ", "* OK\r"} {
			n := min(len(word), len(data))
			if !bytes.EqualFold(data[:n], []byte(word[:n])) {
				continue
			}
			if n < len(word) {
				return protocol.More
			}
			return protocol.Yes
		}
		return protocol.No
	}
	_, rest, ok := cutTag(data)
	if !ok {
		return protocol.No
	}
	for _, word := range [...]string{"CAPABILITY\r", "LOGIN ", "STARTTLS\r", "AUTHENTICATE ", "ID (", "SELECT ", "EXAMINE ", "NAMESPACE\r"} {
		if len(rest) >= len(word) && bytes.EqualFold(rest[:len(word)], []byte(word)) {
			return protocol.Yes
		}
	}
	return protocol.No
}

// cutTag takes the tag off a command or reply.
func cutTag(b []byte) (tag, rest []byte, ok bool) {
	i := bytes.IndexByte(b[:min(len(b), maxTag+1)], ' ')
	if i <= 0 {
		return nil, nil, false
	}
	for _, c := range b[:i] {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '.' {
			return nil, nil, false
		}
	}
	return b[:i], b[i+1:], true
}

// parser follows one session up to STARTTLS.
type parser struct {
	lines line.Session
	tag   []byte // of the STARTTLS that waits for its reply
}

// Reset makes the parser ready for another session.
func (p *parser) Reset() {
	p.lines.Reset()
	p.tag = p.tag[:0]
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
		tag, what, ok := cutTag(text)
		if !ok {
			continue
		}
		if d == packet.ToServer {
			if bytes.EqualFold(bytes.TrimSpace(what), []byte("STARTTLS")) {
				p.tag = append(p.tag[:0], tag...)
			}
			continue
		}
		if len(p.tag) == 0 || !bytes.Equal(tag, p.tag) {
			continue
		}
		p.tag = p.tag[:0]
		if len(what) >= 2 && bytes.EqualFold(what[:2], []byte("OK")) {
			env.Consumed = len(data) - len(rest)
			return protocol.Status{Code: protocol.StatusSwitch, Next: protocol.TLS}
		}
	}
}

// Gap says that bytes are missing: the line they belong to is not looked at.
func (p *parser) Gap(d packet.Direction, _ uint64, _ *protocol.Env) protocol.Status {
	p.lines.Gap(d)
	return protocol.Status{}
}

// End says that a side has ended.
func (p *parser) End(packet.Direction, *protocol.Env) {}
