package dcerpc

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

const maxTxs = 1024 // calls that wait for answers or for the engine

// side is what is held of one direction: the beginning of a unit.
type side struct {
	held  []byte
	shown []byte // the unit filled up last, which frames may show until the next
	lost  bool   // bytes are missing: whatever comes must begin with a header
}

// parser follows one TCP connection.
type parser struct {
	txs   txlist.List[Tx, *Tx]
	sides [2]side
	binds Bindings
}

// Reset makes the parser ready for another connection.
func (p *parser) Reset() {
	p.txs.Reset()
	p.binds.Reset()
	for d := range p.sides {
		p.sides[d] = side{held: p.sides[d].held[:0], shown: p.sides[d].shown[:0]}
	}
}

// Txs are the calls.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the calls that are done.
func (p *parser) Sweep() { p.txs.Sweep() }

// Parse takes bytes of the connection. A unit is at most 64 KiB long, so that
// is what may be held.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	s := &p.sides[d]
	if len(s.held) > 0 {
		rest, ok := p.complete(d, data, env)
		if !ok {
			return p.fail(d)
		}
		data = rest
	}
	for len(data) > 0 {
		if len(data) < HeaderSize {
			break
		}
		h, ok := ReadHeader(data)
		if !ok {
			if s.lost {
				return protocol.Status{} // not yet a unit's beginning
			}
			return p.fail(d)
		}
		s.lost = false
		if len(data) < int(h.FragLen) {
			break
		}
		p.unit(d, h, data[:h.FragLen], env)
		data = data[h.FragLen:]
	}
	s.held = append(s.held, data...)
	return protocol.Status{}
}

// complete fills up the held unit from data and gives back what is left of it.
func (p *parser) complete(d packet.Direction, data []byte, env *protocol.Env) ([]byte, bool) {
	s := &p.sides[d]
	if n := HeaderSize - len(s.held); n > 0 {
		n = min(n, len(data))
		s.held, data = append(s.held, data[:n]...), data[n:]
		if len(s.held) < HeaderSize {
			return nil, true
		}
	}
	h, ok := ReadHeader(s.held)
	if !ok {
		return nil, false
	}
	n := min(int(h.FragLen)-len(s.held), len(data))
	s.held = append(s.held, data[:n]...)
	if len(s.held) == int(h.FragLen) {
		p.unit(d, h, s.held, env)
		s.held, s.shown = s.shown[:0], s.held
	}
	return data[n:], true
}

func (p *parser) fail(d packet.Direction) protocol.Status {
	p.sides[d].held = p.sides[d].held[:0]
	for _, t := range p.txs.Live() {
		t.call.lost = true
	}
	return protocol.Status{Code: protocol.StatusFailed}
}

// unit takes a whole unit.
func (p *parser) unit(d packet.Direction, h Header, pdu []byte, env *protocol.Env) {
	if env.WantFrames {
		env.Frames = append(env.Frames, protocol.Frame{Name: "pdu", Dir: d, Data: pdu}, protocol.Frame{Name: "hdr", Dir: d, Data: pdu[:HeaderSize]}, protocol.Frame{Name: "data", Dir: d, Data: pdu[HeaderSize:]})
	}
	switch h.Type {
	case Request, Response, Fault, Bind, BindAck, BindNak, AlterContext, AlterContextResp:
	default:
		return
	}
	t := p.find(d, h)
	t.minor, t.call.heads = h.Minor, true
	t.call.Take(d, h, pdu, &p.binds)
	t.inspection.Again(d)
	if t.call.Done[d] {
		env.TriggerRawStream = true
	}
}

// find is the call a unit belongs to, a new one if need be.
func (p *parser) find(d packet.Direction, h Header) *Tx {
	if !Begins(h) {
		for _, t := range p.txs.Live() {
			if t.call.Continues(d, h) {
				return t
			}
		}
	}
	if live := p.txs.Live(); len(live) >= maxTxs {
		for _, t := range live[:maxTxs/2] {
			t.inspection.Done = true
		}
		p.txs.Sweep()
	}
	t := p.txs.New()
	if d == packet.ToClient {
		t.call.Done[packet.ToServer] = true // its request was not seen
	}
	return t
}

// Gap says that bytes are missing.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	s := &p.sides[d]
	s.held, s.lost = s.held[:0], true
	for _, t := range p.txs.Live() {
		if !t.call.Done[d] && t.call.seen[d] {
			t.call.lost = true
		}
	}
	return protocol.Status{}
}

// End says that a side has ended.
func (p *parser) End(d packet.Direction, _ *protocol.Env) {
	for _, t := range p.txs.Live() {
		t.call.Done[d] = true
	}
}
