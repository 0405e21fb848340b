package sip

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Events, by their number in Spec.Events.
const (
	eventIncomplete = iota
	eventInvalid
)

// parser follows a flow of SIP.
type parser struct {
	list single.List[Tx, *Tx]
	held exchange.Held // TCP: a message that is not whole yet
}

// Reset forgets the flow.
func (p *parser) Reset() {
	p.list.Reset()
	p.held.Reset()
}

// Txs are the live messages.
func (p *parser) Txs() []protocol.Tx { return p.list.Txs() }

// Sweep frees what the engine is done with.
func (p *parser) Sweep() { p.list.Sweep() }

// End has nothing to do: a message that is not whole is not shown.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Gap drops the message in hand and looks for the next first line.
func (p *parser) Gap(d packet.Direction, _ uint64, _ *protocol.Env) protocol.Status {
	p.held.Drop(d)
	return protocol.Status{}
}

// Parse takes a datagram or the next bytes of a stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if env.UDP {
		if data = trim(data); len(data) > 0 {
			p.message(d, data, env)
		}
		return protocol.Status{}
	}
	data = p.held.Join(d, data)
	for {
		if data = trim(data); len(data) == 0 {
			break
		}
		n := whole(data)
		if n == 0 {
			if len(data) > maxMessage {
				p.held.Drop(d)
				p.list.Blame(eventIncomplete)
				return protocol.Status{Code: protocol.StatusFailed}
			}
			break
		}
		p.message(d, data[:n], env)
		data = data[n:]
	}
	p.held.Keep(d, data)
	return protocol.Status{}
}

// trim takes away the line ends and zeros that keep connections alive.
func trim(b []byte) []byte { return bytes.TrimLeft(b, "\r\n\x00 ") }

// whole is the length of the first message of a stream, 0 when it is not
// complete.
func whole(b []byte) int {
	_, headers, body, ok := head(b)
	if !ok {
		return 0
	}
	length := 0
	for len(headers) > 0 {
		var name, text []byte
		name, text, headers = nextHeader(headers)
		if headerField(name) == protocol.SIPContentLength {
			length = 0
			for _, c := range text {
				if !digit(c) || length > maxMessage {
					break
				}
				length = 10*length + int(c-'0')
			}
		}
	}
	if length > len(body) {
		if length > maxMessage {
			return len(b)
		}
		return 0
	}
	return len(b) - len(body) + length
}

func (p *parser) message(d packet.Direction, msg []byte, env *protocol.Env) {
	if env.WantFrames {
		frames(d, msg, env)
	}
	tx := p.list.Open(d)
	if tx == nil || tx.fill(msg) {
		return
	}
	p.list.Drop(tx)
	event := uint8(eventInvalid)
	if _, _, _, ok := head(msg); !ok {
		event = eventIncomplete
	}
	p.list.Blame(event)
}

func frames(d packet.Direction, msg []byte, env *protocol.Env) {
	env.Frames = append(env.Frames, protocol.Frame{Name: "pdu", Dir: d, Data: msg})
	line, headers, body, ok := head(msg)
	if !ok {
		return
	}
	name := "request.line"
	if d == packet.ToClient {
		name = "response.line"
	}
	env.Frames = append(env.Frames, protocol.Frame{Name: name, Dir: d, Data: line})
	name = "request.headers"
	if d == packet.ToClient {
		name = "response.headers"
	}
	env.Frames = append(env.Frames, protocol.Frame{Name: name, Dir: d, Data: headers})
	if len(body) > 0 {
		name = "request.body"
		if d == packet.ToClient {
			name = "response.body"
		}
		env.Frames = append(env.Frames, protocol.Frame{Name: name, Dir: d, Data: body})
	}
}

// probe tells SIP by its first line.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	data = trim(data)
	if len(data) == 0 {
		if srcPort == 5060 || dstPort == 5060 {
			return protocol.More
		}
		return protocol.No
	}
	line, _, ok := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if equalFold(line[:min(4, len(line))], "SIP/"[:min(4, len(line))]) {
		if len(line) >= 11 {
			var t Tx
			return verdict(t.response(line))
		}
		return unfinished(ok)
	}
	if ok {
		_, _, _, is := splitRequest(line)
		return verdict(is)
	}
	method, rest, found := bytes.Cut(line, []byte(" "))
	if !found || !upper(method) {
		if found || len(line) > 12 || !upper(line) {
			return protocol.No
		}
		return protocol.More
	}
	for _, scheme := range [...]string{"sip:", "sips:", "tel:"} {
		n := min(len(scheme), len(rest))
		if string(rest[:n]) == scheme[:n] && len(line) < 1024 {
			return protocol.More
		}
	}
	return protocol.No
}

func upper(b []byte) bool {
	for _, c := range b {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

func verdict(is bool) protocol.Verdict {
	if is {
		return protocol.Yes
	}
	return protocol.No
}

func unfinished(ended bool) protocol.Verdict {
	if ended {
		return protocol.No
	}
	return protocol.More
}

// Spec describes SIP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.SIP, Transport: protocol.OverUDP | protocol.OverTCP, Ports: []uint16{5060, 5061}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &parser{} }, nil
		},
		Events: []string{"incomplete_data", "invalid_data"},
		Record: "sip", Packetwise: true,
	}
}
