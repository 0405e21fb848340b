package dnp3

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Events, by their number in Spec.Events.
const (
	eventFlooded = iota
	eventLenTooSmall
	eventBadLinkCRC
	eventBadTransportCRC
	eventUnknownObject
)

// parser follows one flow.
type parser struct {
	list  single.List[Tx, *Tx]
	held  exchange.Held
	parts [2]assembly
}

// Reset forgets the flow.
func (p *parser) Reset() {
	p.list.Reset()
	p.held.Reset()
	for d := range p.parts {
		p.parts[d] = assembly{buf: p.parts[d].buf[:0]}
	}
}

// Txs are the live fragments.
func (p *parser) Txs() []protocol.Tx { return p.list.Txs() }

// Sweep frees what the engine is done with.
func (p *parser) Sweep() { p.list.Sweep() }

// End has nothing to do.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Gap drops the frame and the fragment in hand.
func (p *parser) Gap(d packet.Direction, _ uint64, _ *protocol.Env) protocol.Status {
	p.held.Drop(d)
	p.parts[d].open = false
	return protocol.Status{}
}

// Parse takes a datagram or the next bytes of a stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if !env.UDP {
		data = p.held.Join(d, data)
	}
	for len(data) >= linkHeaderLen {
		if data[0] != 0x05 || data[1] != 0x64 { // out of step: look for the next frame
			i := bytes.Index(data[1:], []byte{0x05, 0x64})
			if i < 0 {
				data = data[len(data)-1:]
				break
			}
			data = data[1+i:]
			continue
		}
		if data[2] < minLength {
			p.fault(d, eventLenTooSmall)
			data = data[2:]
			continue
		}
		n := frameLen(int(data[2]))
		if len(data) < n {
			break
		}
		if !sealed(data, 8) {
			p.fault(d, eventBadLinkCRC)
		} else {
			p.frame(d, data[:n], env)
		}
		data = data[n:]
	}
	if !env.UDP {
		p.held.Keep(d, data)
	}
	return protocol.Status{}
}

// fault tells of a frame that cannot be read, in a transaction of its own when
// there is none to blame.
func (p *parser) fault(d packet.Direction, event uint8) {
	if live := p.list.Live(); len(live) > 0 {
		live[len(live)-1].Event(event)
		return
	}
	if tx := p.list.Open(d); tx != nil {
		tx.Event(event)
	}
}

// fragment handles a whole fragment. Confirmations are not shown.
func (p *parser) fragment(d packet.Direction, a *assembly) {
	if len(a.buf) >= 2 && a.buf[1] == functionConfirm {
		return
	}
	tx := p.list.Open(d)
	if tx == nil { // too many wait for the engine
		p.list.Blame(eventFlooded)
		return
	}
	if !tx.fill(a) {
		tx.hasFunction = false
		tx.Event(eventLenTooSmall)
	}
}

func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	if len(data) == 0 || data[0] != 0x05 || len(data) > 1 && data[1] != 0x64 {
		return protocol.No
	}
	if len(data) < linkHeaderLen {
		return protocol.More
	}
	if data[2] < minLength {
		return protocol.No
	}
	if sealed(data, 8) {
		return protocol.Yes
	}
	return protocol.Maybe
}

// Spec describes DNP3.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.DNP3, Transport: protocol.OverTCP | protocol.OverUDP, Ports: []uint16{20000}, Probe: probe,
		Open: func(protocol.Settings) (func() protocol.Parser, error) {
			return func() protocol.Parser { return &parser{} }, nil
		},
		Keywords: keywords(),
		Events:   []string{"flooded", "len_too_small", "bad_link_crc", "bad_transport_crc", "unknown_object"},
		Record:   "dnp3",
	}
}
