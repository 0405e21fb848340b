// Package single is what protocols share whose every message is a transaction
// of its own, seen in its own direction only (SIP, SNMP, DHCP, NTP …). It knows
// the contract of internal/inspect/protocol and no message. Their parsers use it.
package single

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// Message is embedded in a transaction that is one message: it answers
// everything but Bytes and Uint.
type Message struct {
	inspection protocol.Inspection
	Dir        packet.Direction
}

// Begin makes it ready for the next message.
func (m *Message) Begin(number uint64) { m.inspection.Reset(number) }

// Head is the Message itself, for Parser.
func (m *Message) Head() *Message { return m }

// Stage is StageDone in both directions.
func (m *Message) Stage(packet.Direction) protocol.Stage { return protocol.StageDone }

// Inspection is the engine's state.
func (m *Message) Inspection() *protocol.Inspection { return &m.inspection }

// Window has nothing: no field grows.
func (m *Message) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Files has nothing.
func (m *Message) Files(packet.Direction) []*protocol.File { return nil }

// Event sets an event.
func (m *Message) Event(n uint8) { m.inspection.Events.Set(n) }

// Transaction is a txlist.Transaction with a Message in it.
type Transaction[T any] interface {
	txlist.Transaction[T]
	Head() *Message
}

// NoEvent is given where a fault raises no event.
const NoEvent = 255

// maxLive bounds the transactions that wait for the engine.
const maxLive = 256

// List keeps the messages of a flow. The zero value is ready.
type List[T any, P Transaction[T]] struct {
	txlist.List[T, P]
}

// Open begins a message in d; nil when too many wait for the engine.
func (l *List[T, P]) Open(d packet.Direction) P {
	if len(l.Live()) >= maxLive {
		return nil
	}
	tx := l.New()
	m := tx.Head()
	m.Dir = d
	m.inspection.OneSided(d)
	return tx
}

// Drop takes back the message that was opened last: it was none.
func (l *List[T, P]) Drop(tx P) {
	tx.Head().inspection.Done = true
	l.Sweep()
}

// Blame sets an event on the latest message, if there is one.
func (l *List[T, P]) Blame(event uint8) {
	if live := l.Live(); len(live) > 0 && event != NoEvent {
		live[len(live)-1].Head().Event(event)
	}
}

// Datagrams is a Parser of datagrams that are each one message.
type Datagrams[T any, P Transaction[T]] struct {
	List[T, P]
	// Fill parses a datagram into tx, which is in the list already. False means
	// that it is no message: tx is dropped and the one before it is blamed.
	Fill      func(tx P, data []byte, env *protocol.Env) bool
	Malformed uint8  // the event of datagrams that are no message, or NoEvent
	Forget    func() // called by Reset, nil for nothing
}

// Reset forgets the flow.
func (p *Datagrams[T, P]) Reset() {
	p.List.Reset()
	if p.Forget != nil {
		p.Forget()
	}
}

// Parse takes a datagram.
func (p *Datagrams[T, P]) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if len(data) == 0 {
		return protocol.Status{}
	}
	env.Frame(d, "pdu", data)
	tx := p.Open(d)
	if tx != nil && !p.Fill(tx, data, env) {
		p.Drop(tx)
		p.Blame(p.Malformed)
	}
	return protocol.Status{}
}

// Gap has no meaning for datagrams.
func (p *Datagrams[T, P]) Gap(packet.Direction, uint64, *protocol.Env) protocol.Status {
	return protocol.Status{}
}

// End has nothing to do.
func (p *Datagrams[T, P]) End(packet.Direction, *protocol.Env) {}

// Txs are the live messages.
func (p *Datagrams[T, P]) Txs() []protocol.Tx { return p.List.Txs() }
