package dns

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Tx is one message. It holds a copy of the message and its names as text.
type Tx struct {
	inspection protocol.Inspection
	dir        packet.Direction
	odd        oddity
	version    uint8 // of the eve record: 2 or 3
	head       header
	upto       [4]int // records of a section end here
	msg        []byte
	arena      []byte // names as text
	records    []record
	names      []span // names of a response, for dns.response.rrname
}

// maxKeptMemory is how much memory a swept Tx keeps for its next use.
const maxKeptMemory = 1 << 14

// Clear makes the transaction ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.inspection.Reset(number)
	if cap(t.msg) > maxKeptMemory || cap(t.arena) > maxKeptMemory || cap(t.records) > maxKeptMemory/32 {
		t.msg, t.arena, t.records, t.names = nil, nil, nil, nil
	}
	*t = Tx{inspection: t.inspection, msg: t.msg[:0], arena: t.arena[:0], records: t.records[:0], names: t.names[:0]}
}

// Stage is StageDone in both directions: a message is whole or it is not there.
func (t *Tx) Stage(packet.Direction) protocol.Stage { return protocol.StageDone }

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Window has nothing: no field of DNS grows.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Files has nothing: DNS carries no files.
func (t *Tx) Files(packet.Direction) []*protocol.File { return nil }

func (t *Tx) text(s span) []byte { return t.arena[s.at : s.at+s.n : s.at+s.n] }
func (t *Tx) raw(s span) []byte  { return t.msg[s.at : s.at+s.n : s.at+s.n] }

// section is the records of a section.
func (t *Tx) section(n int) []record {
	from := 0
	if n > 0 {
		from = t.upto[n-1]
	}
	return t.records[from:max(from, t.upto[n])]
}

// Bytes answers the names.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if d != t.dir {
		return nil, false
	}
	section := questions
	switch f {
	case protocol.DNSQuery, protocol.DNSQueriesName, protocol.MDNSQueriesName:
	case protocol.DNSAnswersName, protocol.MDNSAnswersName:
		section = answers
	case protocol.DNSAuthoritiesName, protocol.MDNSAuthoritiesName:
		section = authorities
	case protocol.DNSAdditionalsName, protocol.MDNSAdditionalsName:
		section = additionals
	case protocol.DNSResponseName, protocol.MDNSResponseName:
		if i >= len(t.names) {
			return nil, false
		}
		return t.text(t.names[i]), true
	default:
		return nil, false
	}
	records := t.section(section)
	if i >= len(records) {
		return nil, false
	}
	return t.text(records[i].name), true
}

// Uint answers the codes of the header and the record types: of the questions
// of a request, of the answers of a response.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	if d != t.dir {
		return 0, false
	}
	switch {
	case f == protocol.DNSOpcode && i == 0:
		return uint64(t.head.opcode()), true
	case f == protocol.DNSRcode && i == 0:
		return uint64(t.head.flags & 15), true
	case f == protocol.DNSRrtype:
		section := questions
		if t.head.response() {
			section = answers
		}
		if records := t.section(section); i < len(records) {
			return uint64(records[i].kind), true
		}
	}
	return 0, false
}
