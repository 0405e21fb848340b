package dns

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// parser follows a flow of DNS or multicast DNS.
type parser struct {
	txs       txlist.List[Tx, *Tx]
	held      exchange.Held // TCP: a message that is not whole yet, with its length
	lost      [2]bool       // TCP: bytes are missing; look for the next message
	failed    bool          // TCP: a fault in one direction ends both
	multicast bool
	version   uint8
}

// maxLive bounds the transactions that wait for the engine.
const maxLive = 256

// Reset forgets the flow.
func (p *parser) Reset() {
	p.txs.Reset()
	p.held.Reset()
	p.lost, p.failed = [2]bool{}, false
}

// Txs are the live transactions.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees what the engine is done with.
func (p *parser) Sweep() { p.txs.Sweep() }

// End has nothing to do: messages that are not whole are not shown.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Gap drops the message in hand; the next bytes are probed anew.
func (p *parser) Gap(d packet.Direction, _ uint64, _ *protocol.Env) protocol.Status {
	p.held.Drop(d)
	p.lost[d] = true
	return protocol.Status{}
}

// Parse takes a datagram or the next bytes of a stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if env.UDP {
		p.message(d, data, env)
		return protocol.Status{}
	}
	if p.failed {
		return protocol.Status{Code: protocol.StatusFailed}
	}
	if p.lost[d] {
		if probeStream(data) == protocol.No {
			return protocol.Status{}
		}
		p.lost[d] = false
	}
	return p.stream(d, data, env)
}

// stream cuts messages out of a stream by their length prefix.
func (p *parser) stream(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	data = p.held.Join(d, data)
	for len(data) >= 2 {
		n := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+n {
			break
		}
		if n > 0 && !p.message(d, data[2:2+n], env) {
			p.held.Drop(d)
			p.failed = true
			return protocol.Status{Code: protocol.StatusFailed}
		}
		data = data[2+n:]
	}
	p.held.Keep(d, data)
	return protocol.Status{}
}

// message parses one message. False means that it is not DNS as it should be.
func (p *parser) message(d packet.Direction, msg []byte, env *protocol.Env) bool {
	env.Frame(d, "pdu", msg)
	head, ok := parseHeader(msg)
	if !ok || !head.plausible(len(msg)) {
		return false
	}
	if !p.multicast && head.response() != (d == packet.ToClient) {
		event := uint8(eventNotRequest)
		if d == packet.ToClient {
			event = eventNotResponse
		}
		p.blame(event)
		return false
	}
	if len(p.txs.Live()) >= maxLive {
		p.blame(eventMalformed)
		return false
	}
	tx := p.txs.New()
	tx.dir, tx.version = d, p.version
	tx.inspection.OneSided(d)
	if tx.fill(msg) {
		return true
	}
	tx.inspection.Done = true
	p.txs.Sweep()
	p.blame(eventMalformed)
	return false
}

// blame sets an event on the latest transaction, if there is one.
func (p *parser) blame(event uint8) {
	if live := p.txs.Live(); len(live) > 0 {
		live[len(live)-1].inspection.Events.Set(event)
	}
}
