// Package exchange is what transactions share that have both a request and a
// response (Modbus, EtherNet/IP, LDAP, PostgreSQL, RFB …): how far each
// direction has come, and the engine's state. It knows no message. Their
// parsers embed it.
package exchange

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Base is embedded in a transaction: it answers everything but Bytes and Uint.
type Base struct {
	inspection protocol.Inspection
	stage      [2]protocol.Stage
}

// Begin makes it ready for the next transaction.
func (b *Base) Begin(number uint64) {
	b.inspection.Reset(number)
	b.stage = [2]protocol.Stage{}
}

// Reach notes that d has come to a stage; it never goes back.
func (b *Base) Reach(d packet.Direction, s protocol.Stage) { b.stage[d] = max(b.stage[d], s) }

// Close ends both directions.
func (b *Base) Close() { b.stage = [2]protocol.Stage{protocol.StageDone, protocol.StageDone} }

// Only makes the transaction one of d alone.
func (b *Base) Only(d packet.Direction) {
	b.stage[d.Other()] = protocol.StageDone
	b.inspection.OneSided(d)
}

// Closed says whether both directions have ended.
func (b *Base) Closed() bool {
	return b.stage[0] == protocol.StageDone && b.stage[1] == protocol.StageDone
}

// Stage is how far d has come.
func (b *Base) Stage(d packet.Direction) protocol.Stage { return b.stage[d] }

// Inspection is the engine's state.
func (b *Base) Inspection() *protocol.Inspection { return &b.inspection }

// Event sets an event.
func (b *Base) Event(n uint8) { b.inspection.Events.Set(n) }

// Window has nothing: no field grows.
func (b *Base) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Files has nothing.
func (b *Base) Files(packet.Direction) []*protocol.File { return nil }
