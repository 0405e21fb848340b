package snmp

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/ber"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Events, by their number in Spec.Events.
const (
	eventMalformed = iota
	eventUnknownSecurityModel
	eventVersionMismatch
)

const (
	pduTrap1     = 4
	modelUSM     = 3
	maxVariables = 256
)

// Tx is one message. It holds a copy of what is shown of it.
type Tx struct {
	single.Message
	version   uint32 // 1, 2 (for 2c) or 3
	pdu       uint8
	hasPDU    bool // in clear
	encrypted bool
	isTrap    bool
	trap      uint32
	failure   uint32 // error-status
	address   [4]byte
	hasAddr   bool
	msg       []byte // copy of the datagram; the rest are pieces of it
	community []byte
	user      []byte
	trapOID   []byte
	vars      [][]byte
	hasUser   bool
	hasName   bool // community
}

// Clear makes it ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	clear(t.vars[:cap(t.vars)])
	*t = Tx{Message: t.Message, msg: t.msg[:0], vars: t.vars[:0]}
}

// Bytes answers community and user.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if d != t.Dir || i > 0 {
		return nil, false
	}
	switch f {
	case protocol.SNMPCommunity:
		return t.community, t.hasName
	case protocol.SNMPUser:
		return t.user, t.hasUser
	}
	return nil, false
}

// Uint answers version, kind of message and generic trap.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	if d != t.Dir || i > 0 {
		return 0, false
	}
	switch f {
	case protocol.SNMPVersion:
		return uint64(t.version), true
	case protocol.SNMPPduType:
		return uint64(t.pdu), t.hasPDU
	case protocol.SNMPTrapType:
		return uint64(t.trap), t.isTrap
	}
	return 0, false
}

// fill parses a message.
func (t *Tx) fill(data []byte) bool {
	t.msg = append(t.msg[:0], data...)
	outer, o := ber.Read(t.msg)
	if o != ber.OK || outer.Tag != ber.Sequence {
		return false
	}
	r := ber.Reader{Rest: outer.Data}
	switch v := r.Uint(); {
	case r.Bad:
		return false
	case v == 0 || v == 1:
		t.version = v + 1
		t.community, t.hasName = r.Want(ber.OctetString), true
		return !r.Bad && t.readPDU(&r)
	case v == 3:
		t.version = 3
		return t.read3(&r)
	}
	return false
}

// read3 parses a message of version 3 after its version.
func (t *Tx) read3(r *ber.Reader) bool {
	global := ber.Reader{Rest: r.Want(ber.Sequence)}
	global.Uint() // message identifier
	global.Uint() // maximum size
	flags := global.Want(ber.OctetString)
	model := global.Uint()
	security := r.Want(ber.OctetString)
	if r.Bad || global.Bad || len(flags) != 1 {
		return false
	}
	if model != modelUSM {
		t.Event(eventUnknownSecurityModel)
	} else if !t.readUser(security) {
		return false
	}
	if flags[0]&2 != 0 {
		t.encrypted = true
		r.Want(ber.OctetString)
		return !r.Bad
	}
	scoped := ber.Reader{Rest: r.Want(ber.Sequence)}
	scoped.Want(ber.OctetString) // context engine
	scoped.Want(ber.OctetString) // context name
	return !r.Bad && !scoped.Bad && t.readPDU(&scoped)
}

// readUser takes the user name out of the parameters of the user-based
// security model.
func (t *Tx) readUser(security []byte) bool {
	outer, o := ber.Read(security)
	if o != ber.OK || outer.Tag != ber.Sequence {
		return false
	}
	r := ber.Reader{Rest: outer.Data}
	r.Want(ber.OctetString) // engine
	r.Uint()                // boots
	r.Uint()                // time
	t.user = r.Want(ber.OctetString)
	t.hasUser = !r.Bad
	return t.hasUser
}

func (t *Tx) readPDU(r *ber.Reader) bool {
	e, ok := r.Next()
	if !ok || e.Tag&0xe0 != 0xa0 || e.Tag&0x1f > 8 {
		return false
	}
	t.pdu, t.hasPDU = e.Tag&0x1f, true
	in := ber.Reader{Rest: e.Data}
	if t.pdu == pduTrap1 {
		t.readTrap(&in)
	} else {
		in.Want(ber.Integer) // request
		t.failure = in.Uint()
		in.Uint() // error index
	}
	vars := ber.Reader{Rest: in.Want(ber.Sequence)}
	if in.Bad {
		return false
	}
	for len(t.vars) < maxVariables {
		one, ok := vars.Next()
		if !ok {
			break
		}
		pair := ber.Reader{Rest: one.Data}
		oid := pair.Want(ber.OID)
		if one.Tag != ber.Sequence || pair.Bad {
			return false
		}
		t.vars = append(t.vars, oid)
	}
	return !vars.Bad
}

// readTrap reads the fields of a trap of version 1 (RFC 1157, 4.1.6).
func (t *Tx) readTrap(in *ber.Reader) {
	t.trapOID = in.Want(ber.OID)
	if addr := in.Want(0x40); len(addr) == 4 {
		t.address, t.hasAddr = [4]byte(addr), true
	}
	t.trap, t.isTrap = in.Uint(), true
	in.Want(ber.Integer) // specific trap
	in.Want(0x43)        // time stamp
}
