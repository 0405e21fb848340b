package mqtt

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// connectID stands for the packet identifier that CONNECT and CONNACK lack.
const connectID = 1 << 16

// options are the settings of the parser.
type options struct {
	maxMessage int // bytes; longer messages are skipped
	maxTx      int // live transactions
	limits     limits
	passwords  bool
}

// parser follows one connection.
type parser struct {
	options
	txs       txlist.List[Tx, *Tx]
	held      exchange.Held
	skip      [2]int // bytes of a message too long that are still to come
	version   uint8
	connected bool
	failed    bool // a fault in one direction ends both
}

// Reset forgets the connection.
func (p *parser) Reset() {
	p.txs.Reset()
	p.held.Reset()
	p.skip, p.version, p.connected, p.failed = [2]int{}, 0, false, false
}

// Txs are the live transactions.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees what the engine is done with.
func (p *parser) Sweep() { p.txs.Sweep() }

// End has nothing to do.
func (p *parser) End(packet.Direction, *protocol.Env) {}

// Gap ends parsing unless the bytes belong to a message that is skipped:
// the border of the next message is not known.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	if n <= uint64(p.skip[d]) {
		p.skip[d] -= int(n)
		return protocol.Status{}
	}
	p.held.Drop(d)
	p.failed = true
	return protocol.Status{Code: protocol.StatusFailed}
}

// Parse takes the next bytes of the stream.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if p.failed {
		return protocol.Status{Code: protocol.StatusFailed}
	}
	if n := min(p.skip[d], len(data)); n > 0 {
		p.skip[d] -= n
		data = data[n:]
	}
	data = p.held.Join(d, data)
	for len(data) > 0 {
		first, length, size, state := fixedHeader(data)
		if state == headerMore {
			break
		}
		if state == headerBad {
			return p.malformed(d)
		}
		if length > p.maxMessage {
			p.tooLong(d, first, length)
			p.skip[d] = max(0, size+length-len(data))
			data = data[min(len(data), size+length):]
			continue
		}
		if len(data) < size+length {
			break
		}
		if env.WantFrames {
			p.frames(d, data[:size+length], size, env)
		}
		if !p.message(d, first, data[size:size+length]) {
			return p.malformed(d)
		}
		data = data[size+length:]
	}
	p.held.Keep(d, data)
	return protocol.Status{}
}

func (p *parser) frames(d packet.Direction, msg []byte, size int, env *protocol.Env) {
	env.Frames = append(env.Frames,
		protocol.Frame{Name: "pdu", Dir: d, Data: msg},
		protocol.Frame{Name: "header", Dir: d, Data: msg[:size]},
		protocol.Frame{Name: "data", Dir: d, Data: msg[size:]})
}

// malformed ends parsing with a transaction that carries the event.
func (p *parser) malformed(d packet.Direction) protocol.Status {
	p.held.Drop(d)
	p.failed = true
	tx := p.begin(d)
	tx.complete = true
	tx.inspection.Events.Set(eventMalformed)
	return protocol.Status{Code: protocol.StatusFailed}
}

func (p *parser) tooLong(d packet.Direction, first byte, length int) {
	tx := p.begin(d)
	tx.complete = true
	tx.messages = append(tx.messages, message{kind: first >> 4, flags: first & 15, truncated: true, skipped: uint32(length)})
}

// begin opens a transaction. When there are too many, the oldest that still
// waits is closed with an event.
func (p *parser) begin(d packet.Direction) *Tx {
	if live := p.txs.Live(); len(live) > p.maxTx {
		for _, old := range live {
			if !old.complete {
				old.complete, old.waiting = true, false
				old.inspection.Events.Set(eventTooManyTransactions)
				break
			}
		}
	}
	tx := p.txs.New()
	tx.dir, tx.version, tx.limits, tx.passwords = d, p.version, p.limits, p.passwords
	tx.inspection.OneSided(d)
	return tx
}

// message parses one control packet into its transaction. False means that it
// is malformed.
func (p *parser) message(d packet.Direction, first byte, body []byte) bool {
	m := message{kind: first >> 4, flags: first & 15}
	tx := p.answered(m.kind, body)
	fresh := tx == nil
	if fresh {
		tx = p.begin(d)
	}
	at, topics := len(tx.buf), len(tx.topics)
	tx.buf = append(tx.buf, body...)
	if !tx.read(&m, at, len(tx.buf), p.version) {
		tx.buf, tx.topics = tx.buf[:at], tx.topics[:topics]
		if fresh {
			tx.inspection.Done = true
			p.txs.Sweep()
		}
		return false
	}
	tx.messages = append(tx.messages, m)
	if fresh {
		p.opened(tx, &m)
	} else {
		p.joined(tx, &m)
	}
	return true
}

// answered is the transaction that an acknowledgement belongs to.
func (p *parser) answered(kind uint8, body []byte) *Tx {
	id := uint32(connectID)
	switch kind {
	case typeConnack:
	case typePuback, typePubrec, typePubrel, typePubcomp, typeSuback, typeUnsuback:
		if len(body) < 2 {
			return nil
		}
		id = uint32(body[0])<<8 | uint32(body[1])
	default:
		return nil
	}
	for _, tx := range p.txs.Live() {
		if tx.waiting && tx.id == id {
			return tx
		}
	}
	return nil
}

// joined notes what an acknowledgement means for its transaction.
func (p *parser) joined(tx *Tx, m *message) {
	switch m.kind {
	case typePubrec, typePubrel:
		if len(tx.messages) < maxMessages {
			return
		}
	case typeConnack:
		p.connected = true
	}
	tx.complete, tx.waiting = true, false
}

// opened notes what the first packet of a transaction waits for and what is
// wrong with it.
func (p *parser) opened(tx *Tx, m *message) {
	events := &tx.inspection.Events
	tx.complete = true
	switch m.kind {
	case typeUnassigned:
		events.Set(eventUnassignedType)
		return
	case typeConnect:
		p.version, tx.version = m.version, m.version
		tx.complete, tx.waiting, tx.id = false, true, connectID
		if p.connected {
			events.Set(eventDoubleConnect)
		}
		return
	case typeConnack:
		events.Set(eventMissingConnect)
		return
	case typePublish, typeSubscribe, typeUnsubscribe:
		tx.await(m)
	case typePuback, typePubrec, typePubrel, typePubcomp:
		events.Set(eventMissingPublish)
	case typeSuback:
		events.Set(eventMissingSubscribe)
	case typeUnsuback:
		events.Set(eventMissingUnsubscribe)
	}
	if !p.connected {
		events.Set(eventUnintroduced)
	}
}

// await makes the transaction wait for an acknowledgement where the quality of
// service asks for one.
func (t *Tx) await(m *message) {
	switch m.qos() {
	case 0:
	case 3:
		t.complete = false
		t.inspection.Events.Set(eventInvalidQoS)
	default:
		t.complete, t.waiting, t.id = false, true, uint32(m.id)
	}
}
