package ldap

import (
	"github.com/masugata/masugata/internal/inspect/protocol/ber"
)

// Operations: the number of the application tag.
const (
	opBindRequest    = 0
	opBindResponse   = 1
	opUnbind         = 2
	opSearch         = 3
	opSearchEntry    = 4
	opSearchDone     = 5
	opModify         = 6
	opModifyResponse = 7
	opAdd            = 8
	opAddResponse    = 9
	opDelete         = 10
	opDelResponse    = 11
	opModDN          = 12
	opModDNResponse  = 13
	opCompare        = 14
	opCompareResp    = 15
	opAbandon        = 16
	opReference      = 19
	opExtended       = 23
	opExtendedResp   = 24
	opIntermediate   = 25
)

const (
	maxMessage   = 1 << 20
	maxArena     = 1 << 18 // bytes of text that a transaction keeps
	maxResponses = 4096    // responses that it keeps; more are counted
)

// span is a piece of Tx.arena.
type span struct{ at, n uint32 }

// pair is an attribute with one of its values, as type=value.
type pair struct {
	attribute int32 // in Tx.types
	typeLen   uint32
	text      span
}

// message is a request or a response.
type message struct {
	there     bool
	op        uint8
	id        uint32
	code      uint32 // result
	hasCode   bool
	isResult  bool // it has a matched name and a diagnostic message
	dn        span
	text      span // diagnostic message; new relative name; name of an extended operation; SASL mechanism
	extra     span // value of an extended operation; new superior
	version   uint32
	numbers   [4]uint32 // search: scope, aliases, size limit, time limit
	flag      bool      // search: types only; change of name: delete the old one
	filter    span      // search: attribute of a presence filter
	hasFilter bool
	changes   bool // its attributes are changes
	types     [2]int32
	pairs     [2]int32
}

// isResponse says whether an operation is one of the server.
func isResponse(op uint8) bool {
	switch op {
	case opBindResponse, opSearchEntry, opSearchDone, opModifyResponse, opAddResponse, opDelResponse, opModDNResponse, opCompareResp,
		opReference, opExtendedResp, opIntermediate:
		return true
	}
	return false
}

func known(op uint8) bool {
	return isResponse(op) || op <= 16
}

// last says whether an operation of the server ends the exchange.
func last(op uint8) bool {
	switch op {
	case opBindResponse, opSearchDone, opModifyResponse, opAddResponse, opDelResponse, opModDNResponse, opCompareResp, opExtendedResp:
		return true
	}
	return false
}

// envelope reads message identifier and operation.
func envelope(b []byte) (id uint32, op ber.Element, ok bool) {
	outer, o := ber.Read(b)
	if o != ber.OK || outer.Tag != ber.Sequence {
		return 0, op, false
	}
	r := ber.Reader{Rest: outer.Data}
	id = r.Uint()
	op, ok = r.Next()
	if !ok || op.Tag&0xc0 != 0x40 || !known(op.Tag&0x1f) && op.Tag&0x1f != opExtended {
		return 0, op, false
	}
	return id, op, true
}

// keep appends a text to the arena.
func (t *Tx) keep(b []byte) span {
	if len(t.arena)+len(b) > maxArena {
		return span{}
	}
	at := len(t.arena)
	t.arena = append(t.arena, b...)
	return span{uint32(at), uint32(len(b))}
}

// fill reads an operation into m. False means that it is malformed.
func (t *Tx) fill(m *message, id uint32, op ber.Element) bool {
	*m = message{there: true, id: id, op: op.Tag & 0x1f}
	m.types[0], m.pairs[0] = int32(len(t.types)), int32(len(t.pairs))
	r := ber.Reader{Rest: op.Data}
	t.read(m, &r, op.Data)
	m.types[1], m.pairs[1] = int32(len(t.types)), int32(len(t.pairs))
	return !r.Bad
}

func (t *Tx) read(m *message, r *ber.Reader, data []byte) {
	switch m.op {
	case opBindRequest:
		m.version = r.Uint()
		m.dn = t.keep(r.Want(ber.OctetString))
		if e, ok := r.Next(); ok && e.Tag == 0xa3 {
			in := ber.Reader{Rest: e.Data}
			m.text, m.flag = t.keep(in.Want(ber.OctetString)), true
		}
	case opSearch:
		t.readSearch(m, r)
	case opModify:
		m.dn, m.changes = t.keep(r.Want(ber.OctetString)), true
		t.readChanges(r.Want(ber.Sequence))
	case opAdd, opSearchEntry:
		m.dn = t.keep(r.Want(ber.OctetString))
		t.readAttributes(r.Want(ber.Sequence))
	case opDelete:
		m.dn = t.keep(data)
	case opModDN:
		m.dn, m.text = t.keep(r.Want(ber.OctetString)), t.keep(r.Want(ber.OctetString))
		m.flag = truth(r.Want(ber.Boolean))
		if e, ok := r.Next(); ok && e.Tag == 0x80 {
			m.extra = t.keep(e.Data)
		}
	case opCompare:
		m.dn = t.keep(r.Want(ber.OctetString))
		in := ber.Reader{Rest: r.Want(ber.Sequence)}
		kind := in.Want(ber.OctetString)
		t.attribute(kind)
		t.value(kind, in.Want(ber.OctetString))
		r.Bad = r.Bad || in.Bad
	case opExtended, opIntermediate:
		t.readExtended(m, r, 0x80, 0x81)
	case opBindResponse, opSearchDone, opModifyResponse, opAddResponse, opDelResponse, opModDNResponse, opCompareResp, opExtendedResp:
		t.readResult(m, r)
	}
}

func truth(b []byte) bool { return len(b) == 1 && b[0] != 0 }

func (t *Tx) readSearch(m *message, r *ber.Reader) {
	m.dn = t.keep(r.Want(ber.OctetString))
	for i, tag := range [...]byte{ber.Enumerated, ber.Enumerated, ber.Integer, ber.Integer} {
		m.numbers[i], _ = ber.Uint(r.Want(tag))
	}
	m.flag = truth(r.Want(ber.Boolean))
	if e, ok := r.Next(); ok && e.Tag == 0x87 {
		m.filter, m.hasFilter = t.keep(e.Data), true
	}
	in := ber.Reader{Rest: r.Want(ber.Sequence)}
	for len(in.Rest) > 0 && !in.Bad {
		t.attribute(in.Want(ber.OctetString))
	}
	r.Bad = r.Bad || in.Bad
}

// readChanges reads the changes of a modification: each an operation and an
// attribute.
func (t *Tx) readChanges(b []byte) {
	r := ber.Reader{Rest: b}
	for {
		e, ok := r.Next()
		if !ok {
			return
		}
		in := ber.Reader{Rest: e.Data}
		kind := in.Want(ber.Enumerated)
		attribute := in.Want(ber.Sequence)
		if in.Bad {
			return
		}
		n := len(t.types)
		t.oneAttribute(attribute)
		if len(t.types) > n && len(kind) == 1 {
			t.types[n].change = kind[0]
		}
	}
}

func (t *Tx) readAttributes(b []byte) {
	r := ber.Reader{Rest: b}
	for {
		e, ok := r.Next()
		if !ok {
			return
		}
		t.oneAttribute(e.Data)
	}
}

func (t *Tx) oneAttribute(b []byte) {
	r := ber.Reader{Rest: b}
	kind := r.Want(ber.OctetString)
	if r.Bad {
		return
	}
	t.attribute(kind)
	values := ber.Reader{Rest: r.Want(ber.Set)}
	for {
		e, ok := values.Next()
		if !ok {
			return
		}
		t.value(kind, e.Data)
	}
}

// attribute notes a type.
func (t *Tx) attribute(kind []byte) {
	if len(t.types) < maxResponses {
		t.types = append(t.types, attribute{name: t.keep(kind)})
	}
}

// value notes a value of the latest type.
func (t *Tx) value(kind, v []byte) {
	if len(t.arena)+len(kind)+1+len(v) > maxArena || len(t.types) == 0 {
		return
	}
	at := len(t.arena)
	t.arena = append(t.arena, kind...)
	t.arena = append(t.arena, '=')
	t.arena = append(t.arena, v...)
	t.pairs = append(t.pairs, pair{int32(len(t.types) - 1), uint32(len(kind)), span{uint32(at), uint32(len(t.arena) - at)}})
}

// readResult reads an LDAPResult (RFC 4511, 4.1.9) and what follows it.
func (t *Tx) readResult(m *message, r *ber.Reader) {
	code, ok := ber.Uint(r.Want(ber.Enumerated))
	m.code, m.hasCode, m.isResult = code, ok && !r.Bad, true
	m.dn, m.text = t.keep(r.Want(ber.OctetString)), t.keep(r.Want(ber.OctetString))
}

// readExtended reads the name and value of an extended operation.
func (t *Tx) readExtended(m *message, r *ber.Reader, nameTag, valueTag byte) {
	for {
		e, ok := r.Next()
		if !ok {
			return
		}
		switch e.Tag {
		case nameTag:
			m.text = t.keep(e.Data)
		case valueTag:
			m.extra = t.keep(e.Data)
		}
	}
}
