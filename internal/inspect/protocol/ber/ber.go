// Package ber reads the basic encoding rules of ASN.1 (X.690) in place: tags,
// lengths, integers, object identifiers. It knows no message; the parsers of
// SNMP and LDAP use it.
package ber

import "strconv"

// Universal tags, as the first byte of an element has them.
const (
	Boolean     = 0x01
	Integer     = 0x02
	OctetString = 0x04
	Null        = 0x05
	OID         = 0x06
	Enumerated  = 0x0a
	Sequence    = 0x30
	Set         = 0x31
)

// Element is one element: its tag byte and its contents.
type Element struct {
	Tag  byte
	Data []byte
	Size int // bytes of the whole element
}

// Outcome says whether an element could be read.
type Outcome uint8

// The outcomes.
const (
	OK   Outcome = iota
	Bad          // it is none: a length of no definite form or a long tag
	Long         // its header is whole, its contents are not
	More         // its header is not whole
)

// Read takes the first element off b. Tags of more than one byte and lengths of
// more than four bytes are refused. With Long, Size is set all the same.
func Read(b []byte) (e Element, o Outcome) {
	if len(b) < 2 {
		return e, More
	}
	if b[0]&0x1f == 0x1f || b[1] == 0x80 {
		return e, Bad
	}
	head, n := 2, int(b[1])
	if n > 0x80 {
		if n > 0x84 {
			return e, Bad
		}
		head, n = 2+n&0x7f, 0
		if len(b) < head {
			return e, More
		}
		for _, c := range b[2:head] {
			n = n<<8 | int(c)
		}
		if n > 1<<30 {
			return e, Bad
		}
	}
	e = Element{Tag: b[0], Size: head + n}
	if len(b) < e.Size {
		return e, Long
	}
	e.Data = b[head:e.Size:e.Size]
	return e, OK
}

// Reader walks over the elements within another. Once Bad, it stays so.
type Reader struct {
	Rest []byte
	Bad  bool
}

// Next is the next element whatever its tag; false at the end or when it is bad.
func (r *Reader) Next() (Element, bool) {
	if r.Bad || len(r.Rest) == 0 {
		return Element{}, false
	}
	e, o := Read(r.Rest)
	if o != OK {
		r.Bad = true
		return Element{}, false
	}
	r.Rest = r.Rest[e.Size:]
	return e, true
}

// Want is the contents of the next element, which must have the tag given.
func (r *Reader) Want(tag byte) []byte {
	e, ok := r.Next()
	if !ok || e.Tag != tag {
		r.Bad = true
		return nil
	}
	return e.Data
}

// Uint is the value of the next element, an INTEGER from 0 to 2³²-1.
func (r *Reader) Uint() uint32 {
	v, ok := Uint(r.Want(Integer))
	r.Bad = r.Bad || !ok
	return v
}

// Uint reads the contents of an INTEGER or ENUMERATED from 0 to 2³²-1.
func Uint(b []byte) (v uint32, ok bool) {
	if len(b) == 5 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 4 {
		return 0, false
	}
	for _, c := range b {
		v = v<<8 | uint32(c)
	}
	return v, true
}

// AppendOID appends an object identifier as numbers and dots.
func AppendOID(dst, oid []byte) []byte {
	var v uint64
	for i, first := 0, true; i < len(oid); i++ {
		v = v<<7 | uint64(oid[i]&0x7f)
		if oid[i]&0x80 != 0 {
			continue
		}
		if first {
			top := min(v/40, 2)
			dst = strconv.AppendUint(dst, top, 10)
			v, first = v-40*top, false
		}
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, v, 10)
		v = 0
	}
	return dst
}
