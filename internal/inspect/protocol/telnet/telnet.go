// Package telnet knows Telnet (RFC 854): it tells it by its commands and shows
// rules where commands and text begin, as frames. It makes no transactions.
// protocol/all lists it for the inspection engine.
package telnet

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

const (
	iac = 255
	sb  = 250 // subnegotiation begins
	se  = 240 // and ends
)

// parser keeps only whether a subnegotiation goes on.
type parser struct{ sub [2]bool }

// Reset forgets the connection.
func (p *parser) Reset() { p.sub = [2]bool{} }

// Parse notes frames.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if !env.WantFrames {
		return protocol.Status{}
	}
	env.Frames = append(env.Frames, protocol.Frame{Name: "pdu", Dir: d, Data: data})
	for len(data) > 0 {
		n := p.command(d, data)
		name := "ctl"
		if n == 0 {
			name = "data"
			for n < len(data) && data[n] != iac {
				n++
			}
		}
		env.Frames = append(env.Frames, protocol.Frame{Name: name, Dir: d, Data: data[:n]})
		data = data[n:]
	}
	return protocol.Status{}
}

// command is the length of the command that b begins with, 0 for text.
func (p *parser) command(d packet.Direction, b []byte) int {
	if p.sub[d] {
		return p.until(d, b, 0)
	}
	if b[0] != iac {
		return 0
	}
	switch {
	case len(b) == 1:
		return 1
	case b[1] == sb:
		p.sub[d] = true
		return p.until(d, b, 2)
	case b[1] > sb && b[1] != iac:
		return min(3, len(b))
	}
	return 2
}

// until is the length up to the end of a subnegotiation.
func (p *parser) until(d packet.Direction, b []byte, from int) int {
	for i := from; i+1 < len(b); i++ {
		if b[i] == iac && b[i+1] == se {
			p.sub[d] = false
			return i + 2
		}
	}
	return len(b)
}

// Gap has nothing to lose.
func (p *parser) Gap(d packet.Direction, _ uint64, _ *protocol.Env) protocol.Status {
	p.sub[d] = false
	return protocol.Status{}
}

// End has nothing to do.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Txs are none.
func (p *parser) Txs() []protocol.Tx { return nil }

// Sweep has nothing to do.
func (p *parser) Sweep() {}

// probe tells Telnet by the option commands with which sessions begin.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	onPort := srcPort == 23 || dstPort == 23
	if len(data) == 0 || data[0] != iac {
		if onPort && len(data) > 0 {
			return protocol.Maybe
		}
		return protocol.No
	}
	if len(data) < 3 {
		return protocol.More
	}
	if data[1] < sb || data[1] == iac || data[2] > 49 && data[2] != 255 {
		return protocol.No
	}
	if onPort || len(data) >= 6 && data[3] == iac && data[4] >= sb {
		return protocol.Yes
	}
	return protocol.Maybe
}

// Spec describes Telnet.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.Telnet, Transport: protocol.OverTCP, Ports: []uint16{23}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &parser{} }, nil
		},
	}
}
