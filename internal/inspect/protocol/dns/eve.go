package dns

import (
	"encoding/binary"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

// AppendEve appends the record of the message in its own direction.
func (t *Tx) AppendEve(dst []byte, d packet.Direction) []byte {
	if d != t.dir {
		return dst
	}
	o := eve.Object{B: dst}
	o.Begin()
	switch {
	case t.version == 3:
		t.eve3(&o)
	case t.head.response():
		t.eveAnswer(&o)
	default:
		t.eveQuery(&o)
	}
	o.End()
	return o.B
}

// AppendAlertEve appends the message as alerts carry it: in version 2 under
// "query" or "answer".
func (t *Tx) AppendAlertEve(dst []byte, d packet.Direction) []byte {
	if t.version == 3 {
		return t.AppendEve(dst, d)
	}
	o := eve.Object{B: dst}
	o.Begin()
	o.Uint("version", 2)
	if t.head.response() {
		o.BeginObject("answer")
		t.eveAnswer(&o)
		o.End()
	} else if q := t.section(questions); len(q) > 0 {
		o.BeginArray("query")
		for i := range q {
			o.Begin()
			o.Str("type", "query")
			o.Uint("id", uint64(t.head.id))
			t.eveName(&o, &q[i])
			o.Uint("tx_id", t.inspection.Number)
			t.eveFlag(&o, "z", 0x40)
			o.Uint("opcode", uint64(t.head.opcode()))
			o.End()
		}
		o.EndArray()
	}
	o.End()
	return o.B
}

func (t *Tx) eveQuery(o *eve.Object) {
	o.Uint("version", 2)
	o.Str("type", "query")
	o.Uint("id", uint64(t.head.id))
	if q := t.section(questions); len(q) > 0 {
		t.eveName(o, &q[0])
	}
	o.Uint("tx_id", t.inspection.Number)
	t.eveFlag(o, "z", 0x40)
	o.Uint("opcode", uint64(t.head.opcode()))
}

func (t *Tx) eveAnswer(o *eve.Object) {
	o.Uint("version", 2)
	o.Str("type", "answer")
	o.Uint("id", uint64(t.head.id))
	t.eveFlags(o)
	o.Uint("opcode", uint64(t.head.opcode()))
	if q := t.section(questions); len(q) > 0 {
		t.eveName(o, &q[0])
	}
	t.eveRcode(o)
	t.eveSection(o, "answers", answers)
	t.eveGrouped(o)
	t.eveSection(o, "authorities", authorities)
}

func (t *Tx) eve3(o *eve.Object) {
	o.Uint("version", 3)
	if t.head.response() {
		o.Str("type", "response")
	} else {
		o.Str("type", "request")
	}
	o.Uint("tx_id", t.inspection.Number)
	o.Uint("id", uint64(t.head.id))
	t.eveFlags(o)
	o.Uint("opcode", uint64(t.head.opcode()))
	t.eveRcode(o)
	if q := t.section(questions); len(q) > 0 {
		o.BeginArray("queries")
		for i := range q {
			o.Begin()
			t.eveName(o, &q[i])
			o.End()
		}
		o.EndArray()
	}
	t.eveSection(o, "answers", answers)
	t.eveSection(o, "authorities", authorities)
	t.eveSection(o, "additionals", additionals)
	t.eveGrouped(o)
}

func (t *Tx) eveFlags(o *eve.Object) {
	var b [8]byte
	o.Text("flags", strconv.AppendUint(b[:0], uint64(t.head.flags), 16))
	t.eveFlag(o, "qr", 0x8000)
	t.eveFlag(o, "aa", 0x400)
	t.eveFlag(o, "tc", 0x200)
	t.eveFlag(o, "rd", 0x100)
	t.eveFlag(o, "ra", 0x80)
	t.eveFlag(o, "z", 0x40)
}

func (t *Tx) eveFlag(o *eve.Object, key string, bit uint16) {
	if t.head.flags&bit != 0 {
		o.Bool(key, true)
	}
}

func (t *Tx) eveRcode(o *eve.Object) {
	code := t.head.flags & 15
	if int(code) < len(rcodeNames) {
		o.Str("rcode", rcodeNames[code])
		return
	}
	var b [4]byte
	o.Text("rcode", strconv.AppendUint(b[:0], uint64(code), 10))
}

func (t *Tx) eveName(o *eve.Object, r *record) {
	o.Text("rrname", t.text(r.name))
	if name := typeName(r.kind); name != "" {
		o.Str("rrtype", name)
		return
	}
	var b [8]byte
	o.Text("rrtype", strconv.AppendUint(b[:0], uint64(r.kind), 10))
}

func (t *Tx) eveSection(o *eve.Object, key string, section int) {
	records := t.section(section)
	if len(records) == 0 {
		return
	}
	o.BeginArray(key)
	for i := range records {
		r := &records[i]
		o.Begin()
		t.eveName(o, r)
		o.Uint("ttl", uint64(r.ttl))
		t.eveData(o, r)
		o.End()
	}
	o.EndArray()
}

// eveData writes the data of a record as a field.
func (t *Tx) eveData(o *eve.Object, r *record) {
	switch r.kind {
	case typeSOA:
		if r.data.n == 20 {
			o.BeginObject("soa")
			t.eveSOA(o, r)
			o.End()
		}
	case typeSRV:
		if r.data.n > 6 {
			o.BeginObject("srv")
			t.eveSRV(o, r)
			o.End()
		}
	case typeSSHFP:
		if r.data.n >= 2 {
			o.BeginObject("sshfp")
			t.eveSSHFP(o, r)
			o.End()
		}
	default:
		var b [64]byte
		if text, ok := t.dataText(b[:0], r); ok {
			o.Text("rdata", text)
		}
	}
}

// dataText is the data of a record that has a textual form.
func (t *Tx) dataText(b []byte, r *record) ([]byte, bool) {
	data := t.raw(r.data)
	switch r.kind {
	case typeA, typeAAAA:
		return appendAddr(b, data), true
	case typeCNAME, typeNS, typePTR, typeMX:
		return t.text(r.target), true
	case typeTXT, typeNULL:
		return data, true
	}
	return nil, false
}

// appendAddr writes an address; IPv6 in full, without abbreviation.
func appendAddr(b, addr []byte) []byte {
	const hex = "0123456789abcdef"
	switch len(addr) {
	case 4:
		for i, c := range addr {
			if i > 0 {
				b = append(b, '.')
			}
			b = strconv.AppendUint(b, uint64(c), 10)
		}
	case 16:
		for i, c := range addr {
			if i > 0 && i%2 == 0 {
				b = append(b, ':')
			}
			b = append(b, hex[c>>4], hex[c&15])
		}
	}
	return b
}

func (t *Tx) eveSOA(o *eve.Object, r *record) {
	o.Text("mname", t.text(r.target))
	o.Text("rname", t.text(r.second))
	for i, key := range [...]string{"serial", "refresh", "retry", "expire", "minimum"} {
		o.Uint(key, uint64(binary.BigEndian.Uint32(t.raw(r.data)[4*i:])))
	}
}

func (t *Tx) eveSRV(o *eve.Object, r *record) {
	for i, key := range [...]string{"priority", "weight", "port"} {
		o.Uint(key, uint64(binary.BigEndian.Uint16(t.raw(r.data)[2*i:])))
	}
	o.Text("name", t.text(r.target))
}

func (t *Tx) eveSSHFP(o *eve.Object, r *record) {
	const hex = "0123456789abcdef"
	data := t.raw(r.data)
	var b [3 * 64]byte
	print := b[:0]
	for i, c := range data[2:min(len(data), 66)] {
		if i > 0 {
			print = append(print, ':')
		}
		print = append(print, hex[c>>4], hex[c&15])
	}
	o.Text("fingerprint", print)
	o.Uint("algo", uint64(data[0]))
	o.Uint("type", uint64(data[1]))
}

// eveGrouped writes the data of the answers by record type.
func (t *Tx) eveGrouped(o *eve.Object) {
	records := t.section(answers)
	if len(records) == 0 {
		return
	}
	o.BeginObject("grouped")
	var seen [32]uint16
	kinds := 0
	for i := range records {
		if kind := records[i].kind; kinds < len(seen) && !has(seen[:kinds], kind) {
			seen[kinds] = kind
			kinds++
			t.eveGroup(o, kind, records[i:])
		}
	}
	o.End()
}

func has(list []uint16, n uint16) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

func (t *Tx) eveGroup(o *eve.Object, kind uint16, records []record) {
	switch kind {
	case typeA, typeAAAA, typeCNAME, typeNS, typePTR, typeMX, typeTXT, typeNULL, typeSOA, typeSRV, typeSSHFP:
	default:
		return
	}
	o.BeginArray(typeName(kind))
	for i := range records {
		if r := &records[i]; r.kind == kind {
			t.eveItem(o, r)
		}
	}
	o.EndArray()
}

func (t *Tx) eveItem(o *eve.Object, r *record) {
	var b [64]byte
	if text, ok := t.dataText(b[:0], r); ok {
		o.ItemText(text)
		return
	}
	if r.data.n < 2 {
		return
	}
	o.Begin()
	switch {
	case r.kind == typeSOA && r.data.n == 20:
		t.eveSOA(o, r)
	case r.kind == typeSRV && r.data.n > 6:
		t.eveSRV(o, r)
	case r.kind == typeSSHFP:
		t.eveSSHFP(o, r)
	}
	o.End()
}
