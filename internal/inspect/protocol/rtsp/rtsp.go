// Package rtsp parses RTSP over TCP (RFC 7826, RFC 2326): first lines and
// headers of requests and responses; interleaved media it passes over. Every
// message is a transaction of its own. protocol/all lists it for the inspection
// engine.
package rtsp

import (
	"bytes"
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

const (
	maxHead = 1 << 14
	maxBody = 1 << 20
)

// Tx is one message.
type Tx struct {
	single.Message
	response bool
	line     []byte
	a, b, c  span // parts of the line: method, URI, version; or version, code, reason
	agent    []byte
}

// span is a piece of Tx.line.
type span struct{ from, to int }

// Clear makes it ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Message: t.Message, line: t.line[:0], agent: t.agent[:0]}
}

// Bytes has nothing: there are no keywords for RTSP.
func (t *Tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Uint has nothing.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

func (t *Tx) part(s span) []byte { return t.line[s.from:s.to] }

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	if t.response {
		o.Text("version", t.part(t.a))
		o.Text("code", t.part(t.b))
		o.Text("reason", t.part(t.c))
	} else {
		o.Text("method", t.part(t.a))
		o.Text("uri", t.part(t.b))
		o.Text("version", t.part(t.c))
	}
	if len(t.agent) > 0 {
		if t.response {
			o.Text("server", t.agent)
		} else {
			o.Text("user_agent", t.agent)
		}
	}
	o.End()
	return o.B
}

// split cuts a first line into its three parts.
func split(line []byte) (a, b, c span, response, ok bool) {
	i := bytes.IndexByte(line, ' ')
	if i <= 0 {
		return a, b, c, false, false
	}
	if response = bytes.HasPrefix(line, []byte("RTSP/")); response {
		n := bytes.IndexByte(line[i+1:], ' ')
		end := len(line)
		if n >= 0 {
			end = i + 1 + n
		}
		return span{0, i}, span{i + 1, end}, span{min(end+1, len(line)), len(line)}, true, end-i == 4
	}
	j := bytes.LastIndexByte(line, ' ')
	for _, ch := range line[:i] {
		if (ch < 'A' || ch > 'Z') && ch != '_' {
			return a, b, c, false, false
		}
	}
	return span{0, i}, span{min(i+1, j), j}, span{j + 1, len(line)}, false, j > i && bytes.HasPrefix(line[j+1:], []byte("RTSP/"))
}

// parser follows one connection.
type parser struct {
	list single.List[Tx, *Tx]
	held exchange.Held
	skip [2]int
}

// Reset forgets the connection.
func (p *parser) Reset() {
	p.list.Reset()
	p.held.Reset()
	p.skip = [2]int{}
}

// Txs are the live messages.
func (p *parser) Txs() []protocol.Tx { return p.list.Txs() }

// Sweep frees what the engine is done with.
func (p *parser) Sweep() { p.list.Sweep() }

// End has nothing to do.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Gap goes on when the bytes belong to a body.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	if n <= uint64(p.skip[d]) {
		p.skip[d] -= int(n)
		return protocol.Status{}
	}
	p.held.Drop(d)
	return protocol.Status{Code: protocol.StatusFailed}
}

// Parse takes the next bytes of the stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	n := min(p.skip[d], len(data))
	p.skip[d] -= n
	data = p.held.Join(d, data[n:])
	for len(data) > 0 {
		if data[0] == '\r' || data[0] == '\n' {
			data = data[1:]
			continue
		}
		if data[0] == '$' { // interleaved media (RFC 7826, 14)
			if len(data) < 4 {
				break
			}
			n = 4 + int(binary.BigEndian.Uint16(data[2:]))
		} else {
			head := bytes.Index(data, []byte("\r\n\r\n"))
			if head < 0 {
				if len(data) > maxHead {
					p.held.Drop(d)
					return protocol.Status{Code: protocol.StatusFailed}
				}
				break
			}
			body, ok := p.message(d, data[:head], env)
			if !ok {
				p.held.Drop(d)
				return protocol.Status{Code: protocol.StatusFailed}
			}
			n = head + 4 + body
		}
		p.skip[d] = max(0, n-len(data))
		data = data[min(n, len(data)):]
	}
	p.held.Keep(d, data)
	return protocol.Status{}
}

// message parses first line and headers, and gives the length of the body.
func (p *parser) message(d packet.Direction, head []byte, env *protocol.Env) (body int, ok bool) {
	line, headers, _ := bytes.Cut(head, []byte("\r\n"))
	a, b, c, response, ok := split(line)
	if !ok {
		return 0, false
	}
	env.Frame(d, "pdu", head)
	tx := p.list.Open(d)
	if tx != nil {
		tx.line, tx.a, tx.b, tx.c, tx.response = append(tx.line, line...), a, b, c, response
	}
	for len(headers) > 0 {
		var one []byte
		one, headers, _ = bytes.Cut(headers, []byte("\r\n"))
		name, value, _ := bytes.Cut(one, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			for body = 0; len(value) > 0 && value[0] >= '0' && value[0] <= '9' && body < maxBody; value = value[1:] {
				body = 10*body + int(value[0]-'0')
			}
		case tx != nil && bytes.EqualFold(name, []byte(agentHeader(response))):
			tx.agent = append(tx.agent[:0], value...)
		}
	}
	return body, true
}

func agentHeader(response bool) string {
	if response {
		return "Server"
	}
	return "User-Agent"
}

// probe tells RTSP by its first line.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	line, _, whole := bytes.Cut(data, []byte("\r\n"))
	if whole {
		if _, _, _, _, ok := split(line); ok {
			return protocol.Yes
		}
		return protocol.No
	}
	for _, method := range [...]string{"RTSP/", "OPTIONS rtsp:", "DESCRIBE ", "ANNOUNCE ", "SETUP ", "PLAY ", "RECORD ", "PAUSE ", "TEARDOWN ", "GET_PARAMETER ", "SET_PARAMETER "} {
		n := min(len(method), len(line))
		if string(line[:n]) == method[:n] && len(line) < 512 {
			return protocol.More
		}
	}
	return protocol.No
}

// Spec describes RTSP.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.RTSP, Transport: protocol.OverTCP, Ports: []uint16{554, 8554}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &parser{} }, nil
		},
		Record: "rtsp",
	}
}
