package ike

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
)

const (
	headerLen     = 28
	maxPayloads   = 64
	maxTransforms = 64
	maxAttributes = 32
	maxVendors    = 32
)

// Payloads of version 1.
const (
	payload1SA        = 1
	payload1Proposal  = 2
	payload1Transform = 3
	payload1KE        = 4
	payload1Nonce     = 10
	payload1Vendor    = 13
)

// Payloads of version 2.
const (
	payload2SA     = 33
	payload2KE     = 34
	payload2Notify = 41
	payload2SK     = 46
)

// attribute is one attribute of a version 1 transform.
type attribute struct {
	kind  uint16
	value uint64
	short bool // the value is a number of at most 8 bytes
}

// transform is a version 1 transform with its attributes, or a version 2
// transform with its type and identifier.
type transform struct {
	kind       uint8
	id         uint16
	attributes []attribute
}

// header is the fixed header (RFC 7296, 3.1).
type header struct {
	next, major, minor, exchange, flags uint8
	id, length                          uint32
}

func readHeader(b []byte) (h header, ok bool) {
	if len(b) < headerLen {
		return h, false
	}
	return header{
		next: b[16], major: b[17] >> 4, minor: b[17] & 15, exchange: b[18], flags: b[19],
		id: binary.BigEndian.Uint32(b[20:]), length: binary.BigEndian.Uint32(b[24:]),
	}, true
}

// payload cuts the first payload off: its next type, body and what follows.
func payload(b []byte) (next uint8, body, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < 4 || n > len(b) {
		return 0, nil, nil, false
	}
	return b[0], b[4:n], b[n:], true
}

// fill parses a message. False means that it is none.
func (t *Tx) fill(b []byte) bool {
	h, ok := readHeader(b)
	if !ok || h.major != 1 && h.major != 2 {
		return false
	}
	t.head = h
	t.msg = append(t.msg[:0], b...)
	hexInto(t.spi[0][:], b[:8])
	hexInto(t.spi[1][:], b[8:16])
	rest := t.msg[headerLen:]
	if h.major == 1 {
		t.note(h.next)
		return h.flags&1 != 0 || t.read1(h.next, rest)
	}
	t.read2(h.next, rest)
	return true
}

// read1 reads the payloads of version 1.
func (t *Tx) read1(kind uint8, b []byte) bool {
	for n := 0; kind != 0 && len(b) > 0 && n < maxPayloads; n++ {
		next, body, rest, ok := payload(b)
		if !ok {
			return false
		}
		t.note(next)
		switch kind {
		case payload1SA:
			if !t.readSA1(body) {
				return false
			}
		case payload1KE:
			t.key = body
		case payload1Nonce:
			t.nonce = body
		case payload1Vendor:
			t.vendor(body)
		}
		kind, b = next, rest
	}
	if len(b) > 0 {
		t.Event(eventExtraData)
	}
	return true
}

// vendor keeps a vendor identifier as text.
func (t *Tx) vendor(id []byte) {
	if len(t.vendors) >= maxVendors || len(id) == 0 || len(id) > 256 {
		return
	}
	at := len(t.text)
	for range 2 * len(id) {
		t.text = append(t.text, 0)
	}
	hexInto(t.text[at:], id)
	t.vendors = append(t.vendors, span{at, len(t.text)})
}

// readSA1 reads the proposals of a security association (RFC 2408, 3.4 to 3.6).
func (t *Tx) readSA1(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	t.doi, t.hasDOI = binary.BigEndian.Uint32(b), true
	b = b[8:]
	t.note(payload1Proposal)
	for n := 0; len(b) > 0 && n < maxPayloads; n++ {
		_, body, rest, ok := payload(b)
		if !ok || len(body) < 4 || len(body) < 4+int(body[2]) {
			return false
		}
		if !t.readTransforms1(body[4+int(body[2]):]) {
			return false
		}
		b = rest
	}
	return true
}

func (t *Tx) readTransforms1(b []byte) bool {
	for len(b) > 0 && len(t.transforms) < maxTransforms {
		_, body, rest, ok := payload(b)
		if !ok || len(body) < 4 {
			return false
		}
		t.note(payload1Transform)
		x := t.grow()
		x.id = uint16(body[1])
		x.readAttributes(body[4:])
		b = rest
	}
	return true
}

// grow appends an empty transform, with the memory of an earlier one.
func (t *Tx) grow() *transform {
	n := len(t.transforms)
	if n < cap(t.transforms) {
		t.transforms = t.transforms[:n+1]
	} else {
		t.transforms = append(t.transforms, transform{})
	}
	x := &t.transforms[n]
	*x = transform{attributes: x.attributes[:0]}
	return x
}

// readAttributes reads data attributes (RFC 2408, 3.3).
func (x *transform) readAttributes(b []byte) {
	for len(b) >= 4 && len(x.attributes) < maxAttributes {
		kind, v := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		if kind&0x8000 != 0 {
			x.attributes = append(x.attributes, attribute{kind & 0x7fff, uint64(v), true})
			b = b[4:]
			continue
		}
		if int(v) > len(b)-4 {
			return
		}
		a := attribute{kind: kind, short: v <= 8}
		for _, c := range b[4 : 4+min(v, 8)] {
			a.value = a.value<<8 | uint64(c)
		}
		x.attributes = append(x.attributes, a)
		b = b[4+v:]
	}
}

// read2 reads the payloads of version 2 up to the encrypted one.
func (t *Tx) read2(kind uint8, b []byte) {
	for n := 0; kind != 0 && n < maxPayloads; n++ {
		next, body, rest, ok := payload(b)
		if !ok {
			return
		}
		t.payloads = append(t.payloads, kind)
		switch kind {
		case payload2SA:
			t.readSA2(body)
		case payload2Notify:
			if len(body) >= 4 {
				t.notify(binary.BigEndian.Uint16(body[2:]))
			}
		case payload2SK:
			return
		}
		kind, b = next, rest
	}
	t.payloads = append(t.payloads, kind)
}

func (t *Tx) notify(kind uint16) {
	if kind < 16384 {
		t.failures++
	}
	if len(t.notices) < maxPayloads {
		t.notices = append(t.notices, kind)
	}
}

// readSA2 reads the proposals of a security association (RFC 7296, 3.3) and
// judges each.
func (t *Tx) readSA2(b []byte) {
	for n := 0; len(b) > 0 && n < maxPayloads; n++ {
		_, body, rest, ok := payload(b)
		if !ok || len(body) < 4 || len(body) < 4+int(body[2]) {
			return
		}
		from := len(t.transforms)
		in := body[4+int(body[2]):]
		for len(in) > 0 && len(t.transforms) < maxTransforms {
			_, one, after, ok := payload(in)
			if !ok || len(one) < 4 {
				break
			}
			x := t.grow()
			x.kind, x.id = one[0], binary.BigEndian.Uint16(one[2:])
			in = after
		}
		t.judge(body[1], t.transforms[from:])
		b = rest
	}
}

// Kinds of version 2 transforms.
const (
	kindEncryption = 1
	kindPRF        = 2
	kindIntegrity  = 3
	kindDH         = 4
	kindESN        = 5
)

const protocolAH = 2

// judge raises the events of a proposal: weak or missing algorithms.
func (t *Tx) judge(proto uint8, transforms []transform) {
	dh, integrity, sealed := false, false, false
	for i := range transforms {
		x := &transforms[i]
		switch x.kind {
		case kindEncryption:
			sealed = sealed || x.id >= 14 && x.id <= 20 || x.id == 21 || x.id >= 25 && x.id <= 28
			if x.id >= 1 && x.id <= 9 || x.id == 11 {
				t.Event(eventWeakEnc)
			}
		case kindPRF:
			switch x.id {
			case 0:
				t.Event(eventInvalidProposal)
			case 1, 2:
				t.Event(eventWeakPRF)
			}
		case kindIntegrity:
			integrity = integrity || x.id != 0
			if x.id >= 1 && x.id <= 7 {
				t.Event(eventWeakAuth)
			}
		case kindDH:
			dh = true
			switch x.id {
			case 0:
				t.Event(eventInvalidProposal)
			case 1, 2, 5, 22:
				t.Event(eventWeakDH)
			}
		case kindESN:
		default:
			t.Event(eventUnknownProposal)
		}
	}
	if !dh {
		t.Event(eventWeakNoDH)
	}
	if proto == protocolAH {
		t.Event(eventNoEncryption)
	}
	if !integrity && !sealed {
		t.Event(eventWeakNoAuth)
	}
}

// note lists a kind of payload once.
func (t *Tx) note(kind uint8) {
	for _, k := range t.payloads {
		if k == kind {
			return
		}
	}
	t.payloads = append(t.payloads, kind)
}

func hexInto(dst, src []byte) {
	const digits = "0123456789abcdef"
	for i, c := range src {
		dst[2*i], dst[2*i+1] = digits[c>>4], digits[c&15]
	}
}

// chosen is the value of an attribute that the responder chose, by its name in
// rules.
func (t *Tx) chosen(name *attributeName) (uint64, bool) {
	if t.Dir != packet.ToClient || len(t.transforms) == 0 {
		return 0, false
	}
	if t.head.major == 1 {
		for _, a := range t.transforms[0].attributes {
			if a.kind == name.kind1 && a.short {
				return a.value, true
			}
		}
		return 0, false
	}
	for i := range t.transforms {
		if x := &t.transforms[i]; name.kind2 != 0 && x.kind == name.kind2 {
			return uint64(x.id), true
		}
	}
	return 0, false
}
