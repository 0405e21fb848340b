package ldap

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
)

// attribute is a type named in a request or a response.
type attribute struct {
	name   span
	change uint8 // of a modification: 0 add, 1 delete, 2 replace
}

// Tx is a request with its responses.
type Tx struct {
	exchange.Base
	request   message
	responses []message
	count     uint64 // of all responses, also those not kept
	arena     []byte
	types     []attribute
	pairs     []pair
}

const maxKeptMemory = 1 << 15

// Clear makes it ready for the next exchange.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	if cap(t.arena) > maxKeptMemory || cap(t.responses) > 64 || cap(t.pairs) > 256 {
		t.arena, t.responses, t.types, t.pairs = nil, nil, nil, nil
	}
	*t = Tx{Base: t.Base, responses: t.responses[:0], arena: t.arena[:0], types: t.types[:0], pairs: t.pairs[:0]}
}

func (t *Tx) text(s span) []byte { return t.arena[s.at : s.at+s.n : s.at+s.n] }

// Bytes answers names, messages and attributes.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if d == packet.ToServer {
		return t.requestBytes(f, i)
	}
	switch f {
	case protocol.LDAPResponsesDN:
		if i < len(t.responses) {
			return t.text(t.responses[i].dn), true
		}
	case protocol.LDAPResponsesMessage:
		if i < len(t.responses) {
			if m := &t.responses[i]; m.isResult {
				return t.text(m.text), true
			}
			return t.arena[:0], true
		}
	case protocol.LDAPResponsesAttributeType, protocol.LDAPResponsesAttributes:
		from, at := t.request.types[1], t.request.pairs[1]
		if f == protocol.LDAPResponsesAttributeType {
			return t.typeAt(int(from)+i, len(t.types))
		}
		return t.pairAt(int(at)+i, len(t.pairs))
	}
	return nil, false
}

func (t *Tx) requestBytes(f protocol.Field, i int) ([]byte, bool) {
	m := &t.request
	if !m.there {
		return nil, false
	}
	switch f {
	case protocol.LDAPRequestDN:
		switch m.op {
		case opBindRequest, opSearch, opModify, opAdd, opDelete, opModDN, opCompare:
			return t.text(m.dn), i == 0
		}
	case protocol.LDAPAttributeType:
		return t.typeAt(int(m.types[0])+i, int(m.types[1]))
	case protocol.LDAPRequestAttributes:
		return t.pairAt(int(m.pairs[0])+i, int(m.pairs[1]))
	}
	return nil, false
}

func (t *Tx) typeAt(i, end int) ([]byte, bool) {
	if i >= end {
		return nil, false
	}
	return t.text(t.types[i].name), true
}

func (t *Tx) pairAt(i, end int) ([]byte, bool) {
	if i >= end {
		return nil, false
	}
	return t.text(t.pairs[i].text), true
}

// Uint answers operations, results and the number of responses.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	if d == packet.ToServer {
		return uint64(t.request.op), f == protocol.LDAPRequestOperation && i == 0 && t.request.there
	}
	switch f {
	case protocol.LDAPResponsesCount:
		return t.count, i == 0
	case protocol.LDAPResponsesOperation:
		if i < len(t.responses) {
			return uint64(t.responses[i].op), true
		}
	case protocol.LDAPResponsesResultCode:
		for n := range t.responses {
			if !t.responses[n].hasCode {
				continue
			}
			if i == 0 {
				return uint64(t.responses[n].code), true
			}
			i--
		}
	}
	return 0, false
}
