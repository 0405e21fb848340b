package modbus

import "encoding/binary"

// Function codes.
const (
	readCoils          = 1
	readDiscretes      = 2
	readHolding        = 3
	readInput          = 4
	writeCoil          = 5
	writeRegister      = 6
	diagnostic         = 8
	writeCoils         = 15
	writeRegisters     = 16
	maskWrite          = 22
	readWriteRegisters = 23
	encapsulated       = 43
	exceptionBit       = 0x80
)

// access is what a function does with which table.
type access uint8

const (
	accessRead access = 1 << iota
	accessWrite
	accessDiscretes
	accessCoils
	accessInput
	accessHolding
	accessSingle
	accessMultiple
)

const accessTables = accessDiscretes | accessCoils | accessInput | accessHolding

func accessOf(function uint8) access {
	switch function {
	case readCoils:
		return accessRead | accessCoils
	case readDiscretes:
		return accessRead | accessDiscretes
	case readHolding:
		return accessRead | accessHolding
	case readInput:
		return accessRead | accessInput
	case writeCoil:
		return accessWrite | accessCoils | accessSingle
	case writeRegister, maskWrite:
		return accessWrite | accessHolding | accessSingle
	case writeCoils:
		return accessWrite | accessCoils | accessMultiple
	case writeRegisters:
		return accessWrite | accessHolding | accessMultiple
	case readWriteRegisters:
		return accessRead | accessWrite | accessHolding | accessMultiple
	}
	return 0
}

// category is a group of function codes.
type category uint8

const (
	categoryAssigned category = 1 << iota
	categoryUnassigned
	categoryUser
	categoryReserved

	categoryAll = categoryAssigned | categoryUnassigned | categoryUser | categoryReserved
)

// categoryOf is the group of a function with its sub-function.
func categoryOf(function uint8, sub uint16, hasSub bool) category {
	switch {
	case function == 0 || function >= exceptionBit:
		return 0
	case function == diagnostic && hasSub:
		if sub <= 4 || sub >= 10 && sub <= 18 || sub == 20 {
			return categoryAssigned
		}
		return categoryReserved
	case function == encapsulated && hasSub:
		if sub == 13 || sub == 14 {
			return categoryAssigned
		}
		return categoryReserved
	case function <= 8 || function == 11 || function == 12 || function >= 15 && function <= 17 || function >= 20 && function <= 24 || function == encapsulated:
		return categoryAssigned
	case function >= 65 && function <= 72 || function >= 100 && function <= 110:
		return categoryUser
	case function == 9 || function == 10 || function == 13 || function == 14 || function == 41 || function == 42 ||
		function == 90 || function == 91 || function >= 125:
		return categoryReserved
	}
	return categoryUnassigned
}

// fault is what a message does wrong.
type fault uint8

const (
	faultLength fault = 1 << iota
	faultValue
	faultFunction
	faultException
	faultProtocol
)

// message is a request or a response.
type message struct {
	there     bool
	id        uint16
	protocol  uint16
	unit      uint8
	function  uint8
	exception uint8 // responses with the exception bit
	faults    fault
	hasSub    bool
	sub       uint16 // diagnostic, encapsulated
	address   uint16 // of the read or, for functions that only write, the write
	quantity  uint16
	write     uint16 // readWriteRegisters: address of the write
	writes    uint16 // and its quantity
	andMask   uint16
	orMask    uint16
	data      []byte // a piece of the transaction's copy
}

func (m *message) access() access     { return accessOf(m.function &^ exceptionBit) }
func (m *message) category() category { return categoryOf(m.function, m.sub, m.hasSub) }

const headerLen = 7 // up to the unit

// readHeader reads what precedes the function code.
func readHeader(b []byte) (id, proto uint16, length int) {
	return binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), int(binary.BigEndian.Uint16(b[4:]))
}

// body walks over what follows the function code.
type body struct {
	b []byte
	m *message
}

func (r *body) uint16() uint16 {
	if len(r.b) < 2 {
		r.m.faults |= faultLength
		r.b = nil
		return 0
	}
	v := binary.BigEndian.Uint16(r.b)
	r.b = r.b[2:]
	return v
}

func (r *body) uint8() uint8 {
	if len(r.b) < 1 {
		r.m.faults |= faultLength
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// rest takes all that is left, which must be n bytes.
func (r *body) rest(n int) {
	if n >= 0 && len(r.b) != n {
		r.m.faults |= faultLength
	}
	r.m.data, r.b = r.b, nil
}

// within notes a quantity out of its bounds.
func (r *body) within(v, most uint16) {
	if v == 0 || v > most {
		r.m.faults |= faultValue
	}
}

// readRequest reads a request after its function code.
func (m *message) readRequest(b []byte) {
	r := body{b, m}
	switch m.function {
	case readCoils, readDiscretes:
		m.address, m.quantity = r.uint16(), r.uint16()
		r.within(m.quantity, 2000)
		r.rest(0)
	case readHolding, readInput:
		m.address, m.quantity = r.uint16(), r.uint16()
		r.within(m.quantity, 125)
		r.rest(0)
	case writeCoil, writeRegister:
		m.address, m.quantity = r.uint16(), 1
		m.single(&r)
	case writeCoils, writeRegisters:
		m.multiple(&r)
	case maskWrite:
		m.address, m.quantity, m.andMask, m.orMask = r.uint16(), 1, r.uint16(), r.uint16()
		r.rest(0)
	case readWriteRegisters:
		m.address, m.quantity, m.write, m.writes = r.uint16(), r.uint16(), r.uint16(), r.uint16()
		r.within(m.quantity, 125)
		r.within(m.writes, 121)
		m.counted(&r, 2*int(m.writes))
	case diagnostic:
		m.sub, m.hasSub = r.uint16(), true
		m.diagnose(&r)
	case encapsulated:
		m.sub, m.hasSub = uint16(r.uint8()), true
		r.rest(-1)
	case 7, 11, 12, 17:
		r.rest(0)
	default:
		if m.function == 0 || m.function >= exceptionBit {
			m.faults |= faultFunction
		}
		r.rest(-1)
	}
}

func (m *message) single(r *body) {
	if len(r.b) == 2 && m.function == writeCoil && (r.b[1] != 0 || r.b[0] != 0 && r.b[0] != 0xff) {
		m.faults |= faultValue
	}
	r.rest(2)
}

func (m *message) multiple(r *body) {
	m.address, m.quantity = r.uint16(), r.uint16()
	most, bytes := uint16(123), 2*int(m.quantity)
	if m.function == writeCoils {
		most, bytes = 1968, (int(m.quantity)+7)/8
	}
	r.within(m.quantity, most)
	m.counted(r, bytes)
}

// counted reads a byte count, which must be n, and as many bytes.
func (m *message) counted(r *body, n int) {
	count := int(r.uint8())
	if count != n {
		m.faults |= faultValue
	}
	r.rest(count)
}

// diagnose checks the data of the sub-functions that allow only some.
func (m *message) diagnose(r *body) {
	b := r.b
	r.rest(-1)
	switch {
	case m.sub == 0:
	case len(b) != 2:
		m.faults |= faultLength
	case m.sub == 1 && (b[1] != 0 || b[0] != 0 && b[0] != 0xff), m.sub == 3 && b[1] != 0,
		m.sub != 1 && m.sub != 3 && m.category() == categoryAssigned && (b[0] != 0 || b[1] != 0):
		m.faults |= faultValue
	}
}

// readResponse reads a response after its function code and compares it with
// its request, when that is known.
func (m *message) readResponse(b []byte, req *message) {
	r := body{b, m}
	if m.function&exceptionBit != 0 {
		m.exception = r.uint8()
		if e := m.exception; e == 0 || e == 9 || e > 11 {
			m.faults |= faultException
		}
		r.rest(0)
		return
	}
	switch m.function {
	case readCoils, readDiscretes, readHolding, readInput, readWriteRegisters:
		m.readBack(&r, req)
	case writeCoil, writeRegister:
		m.address, m.quantity = r.uint16(), 1
		m.single(&r)
		m.echo(req, m.address, m.data)
	case writeCoils, writeRegisters:
		m.address, m.quantity = r.uint16(), r.uint16()
		if req != nil && (req.address != m.address || req.quantity != m.quantity) {
			m.faults |= faultValue
		}
		r.rest(0)
	case maskWrite:
		m.address, m.quantity, m.andMask, m.orMask = r.uint16(), 1, r.uint16(), r.uint16()
		if req != nil && (req.address != m.address || req.andMask != m.andMask || req.orMask != m.orMask) {
			m.faults |= faultValue
		}
		r.rest(0)
	case diagnostic:
		m.sub, m.hasSub = r.uint16(), true
		r.rest(-1)
	case encapsulated:
		m.sub, m.hasSub = uint16(r.uint8()), true
		r.rest(-1)
	default:
		r.rest(-1)
	}
}

func (m *message) echo(req *message, address uint16, data []byte) {
	if req != nil && (req.address != address || string(req.data) != string(data)) {
		m.faults |= faultValue
	}
}

// readBack reads counted data, which must be as long as was asked for.
func (m *message) readBack(r *body, req *message) {
	count := int(r.uint8())
	if req != nil {
		n := 2 * int(req.quantity)
		if m.function == readCoils || m.function == readDiscretes {
			n = (int(req.quantity) + 7) / 8
		}
		if n != count {
			m.faults |= faultValue
		}
	}
	r.rest(count)
}
