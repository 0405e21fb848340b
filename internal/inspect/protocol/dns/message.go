package dns

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
)

const headerLen = 12

// header is the fixed part of a message (RFC 1035, 4.1.1).
type header struct {
	id, flags uint16
	counts    [4]uint16 // questions, answers, authorities, additionals
}

func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerLen {
		return h, false
	}
	h.id, h.flags = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	for i := range h.counts {
		h.counts[i] = binary.BigEndian.Uint16(b[4+2*i:])
	}
	return h, true
}

func (h *header) response() bool { return h.flags&0x8000 != 0 }
func (h *header) opcode() uint8  { return uint8(h.flags >> 11 & 15) }

// plausible says whether a message of n bytes may hold so many records.
func (h *header) plausible(n int) bool {
	return 2*(int(h.counts[0])+int(h.counts[1])+int(h.counts[2])+int(h.counts[3])) <= n
}

// The sections of a message.
const (
	questions = iota
	answers
	authorities
	additionals
)

// record is a question or a resource record; TXT records have one a string.
type record struct {
	name   span
	target span // name in the data: CNAME, NS, PTR, MX, SRV; MNAME of SOA
	second span // RNAME of SOA
	data   span // the data in Tx.msg (of TXT, one string)
	ttl    uint32
	kind   uint16
}

// fill parses a whole message into t. It is false when the message ends early
// or contradicts itself before the end of its answers.
func (t *Tx) fill(msg []byte) bool {
	t.msg = append(t.msg[:0], msg...)
	t.head, _ = parseHeader(msg)
	pos, ok := t.readQuestions(headerLen)
	if ok {
		pos, ok = t.readRecords(answers, pos)
	}
	if !ok {
		return false
	}
	for section := authorities; section <= additionals; section++ {
		if pos, ok = t.readRecords(section, pos); !ok {
			t.Inspection().Events.Set(eventInvalidAuthorities + uint8(section-authorities))
			break
		}
	}
	t.note()
	return true
}

func (t *Tx) readQuestions(pos int) (int, bool) {
	for range t.head.counts[questions] {
		name, next, ok := t.name(pos)
		if !ok || next+4 > len(t.msg) {
			return 0, false
		}
		t.records = append(t.records, record{name: name, kind: binary.BigEndian.Uint16(t.msg[next:])})
		pos = next + 4
	}
	t.upto[questions] = len(t.records)
	return pos, true
}

// readRecords reads one section and gives the position after it. What was read
// before a fault stays.
func (t *Tx) readRecords(section, pos int) (int, bool) {
	ok := true
	for range t.head.counts[section] {
		if pos, ok = t.readRecord(pos); !ok {
			break
		}
	}
	for i := section; i < len(t.upto); i++ {
		t.upto[i] = len(t.records)
	}
	return pos, ok
}

func (t *Tx) readRecord(pos int) (int, bool) {
	name, pos, ok := t.name(pos)
	if !ok || pos+10 > len(t.msg) {
		return 0, false
	}
	r := record{name: name, kind: binary.BigEndian.Uint16(t.msg[pos:]), ttl: binary.BigEndian.Uint32(t.msg[pos+4:])}
	n := int(binary.BigEndian.Uint16(t.msg[pos+8:]))
	pos += 10
	if pos+n > len(t.msg) {
		return 0, false
	}
	return pos + n, t.readData(r, pos, n)
}

// readData appends the record with its data of n bytes at pos.
func (t *Tx) readData(r record, pos, n int) bool {
	r.data = span{uint32(pos), uint32(n)}
	ok := true
	switch {
	case n == 0:
	case r.kind == typeTXT:
		return t.readStrings(r, pos, pos+n)
	case r.kind == typeCNAME || r.kind == typeNS || r.kind == typePTR:
		r.target, _, ok = t.name(pos)
	case r.kind == typeMX:
		if ok = n > 2; ok {
			r.target, _, ok = t.name(pos + 2)
		}
	case r.kind == typeSRV:
		if ok = n > 6; ok {
			r.target, _, ok = t.name(pos + 6)
		}
	case r.kind == typeSOA:
		ok = t.readSOA(&r, pos, pos+n)
	case r.kind == typeSSHFP:
		ok = n >= 2
	}
	if ok {
		t.records = append(t.records, r)
	}
	return ok
}

// readStrings appends one record for each string of a TXT record.
func (t *Tx) readStrings(r record, pos, end int) bool {
	for pos < end {
		n := int(t.msg[pos])
		if pos+1+n > end {
			return r.data.at != uint32(pos)
		}
		one := r
		one.data = span{uint32(pos + 1), uint32(n)}
		t.records = append(t.records, one)
		pos += 1 + n
	}
	return true
}

// readSOA reads the two names; data is left with the five numbers after them.
func (t *Tx) readSOA(r *record, pos, end int) (ok bool) {
	if r.target, pos, ok = t.name(pos); !ok {
		return false
	}
	if r.second, pos, ok = t.name(pos); !ok || pos+20 > end {
		return false
	}
	r.data = span{uint32(pos), 20}
	return true
}

// note raises the events of a message that was read, and lists the names of a
// response.
func (t *Tx) note() {
	events := &t.Inspection().Events
	if t.head.flags&0x40 != 0 {
		events.Set(eventZFlag)
	}
	if t.head.opcode() >= 7 {
		events.Set(eventInvalidOpcode)
	}
	for bit, event := range [...]uint8{eventNameTooLong, eventInfiniteLoop, eventTooManyLabels} {
		if t.odd&(1<<bit) != 0 {
			events.Set(event)
		}
	}
	if t.dir == packet.ToClient || t.head.response() {
		for i := range t.records {
			r := &t.records[i]
			t.names = append(t.names, r.name)
			if r.target.n > 0 && r.kind != typeSRV {
				t.names = append(t.names, r.target)
			}
		}
	}
}
