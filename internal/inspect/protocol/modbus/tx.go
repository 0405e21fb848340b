package modbus

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
)

// Tx is a request with its response.
type Tx struct {
	exchange.Base
	request, response message
	requestBytes      []byte
	responseBytes     []byte
}

// Clear makes it ready for the next exchange.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Base: t.Base, requestBytes: t.requestBytes[:0], responseBytes: t.responseBytes[:0]}
}

// Bytes has nothing: the modbus keyword looks at requests itself.
func (t *Tx) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) { return nil, false }

// Uint has nothing.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// addresses are the first and last address that the request is about, counted
// from 1 as rules do.
func (m *message) addresses() (first, last uint32, ok bool) {
	if m.access() == 0 || m.function >= exceptionBit {
		return 0, 0, false
	}
	first = uint32(m.address) + 1
	return first, uint32(m.address) + uint32(max(m.quantity, 1)), true
}

// written is the value that the request writes at an address, counted from 1.
func (m *message) written(address uint32) (uint16, bool) {
	base, n := uint32(m.address)+1, uint32(m.quantity)
	if m.function == readWriteRegisters {
		base, n = uint32(m.write)+1, uint32(m.writes)
	}
	if address < base || address >= base+n {
		return 0, false
	}
	i := int(address - base)
	switch m.function {
	case writeCoil:
		if len(m.data) == 2 {
			return uint16(m.data[0] & 1), true
		}
	case writeCoils:
		if i/8 < len(m.data) {
			return uint16(m.data[i/8] >> (i % 8) & 1), true
		}
	case writeRegister, writeRegisters, readWriteRegisters:
		if 2*i+2 <= len(m.data) {
			return binary.BigEndian.Uint16(m.data[2*i:]), true
		}
	}
	return 0, false
}

// blame sets the events of a message's faults.
func (t *Tx) blame(m *message) {
	for i, event := range [...]uint8{eventInvalidLength, eventInvalidValue, eventInvalidFunction, eventInvalidException, eventInvalidProtocol} {
		if m.faults&(1<<i) != 0 {
			t.Event(event)
		}
	}
}
