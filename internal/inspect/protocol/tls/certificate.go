package tls

import (
	"bytes"
	"crypto/sha1"
	"unicode/utf8"
)

const maxNames = 64 // subject alternative names that are kept of a certificate

// certificate is what is kept of the first certificate of a chain. Its memory
// is reused.
type certificate struct {
	text        []byte // subject, issuer, serial, fingerprint and names, one after the other
	subject     span
	issuer      span
	serial      span
	fingerprint span
	names       []span
	before      int64 // seconds since 1970
	after       int64
	known       bool // subject, issuer and times are valid
}

// span is a piece of a buffer.
type span struct{ from, to int }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }
func (s span) empty() bool        { return s.from == s.to }

func (c *certificate) clear() {
	*c = certificate{text: c.text[:0], names: c.names[:0]}
}

// read takes a DER certificate apart (RFC 5280 section 4.1). It returns the
// event that says what is wrong, or eventNone.
func (c *certificate) read(der []byte) uint8 {
	c.clear()
	outer, _, ok := expect(der, tagSequence)
	if !ok {
		return broken(der, eventCertificate)
	}
	tbs, _, ok := expect(outer.body, tagSequence)
	if !ok {
		return broken(outer.body, eventCertDER)
	}
	c.hash(der)
	b, ok := skipVersion(tbs.body)
	if !ok {
		return eventCertVersion
	}
	serial, b, ok := expect(b, tagInteger)
	if !ok || len(serial.body) == 0 {
		return eventCertSerial
	}
	from := len(c.text)
	c.text = appendColons(c.text, serial.body, true)
	c.serial = span{from, len(c.text)}
	if _, b, ok = expect(b, tagSequence); !ok {
		return eventCertAlgorithm
	}
	return c.readNames(b)
}

// broken is the event of an element that cannot be taken off b: its head is cut
// short, or what it announces is not there; else it is otherwise.
func broken(b []byte, otherwise uint8) uint8 {
	if len(b) < 2 || b[1]&0x80 != 0 && len(b) < 2+int(b[1]&0x7f) {
		return eventCertLength
	}
	if _, _, ok := next(b); !ok {
		return eventCertificate
	}
	return otherwise
}

func (c *certificate) readNames(b []byte) uint8 {
	issuer, b, ok := expect(b, tagSequence)
	if !ok {
		return eventCertIssuer
	}
	validity, b, ok := expect(b, tagSequence)
	if !ok {
		return eventCertValidity
	}
	subject, b, ok := expect(b, tagSequence)
	if !ok {
		return eventCertSubject
	}
	before, rest, _ := next(validity.body)
	after, _, _ := next(rest)
	var ok1, ok2 bool
	c.before, ok1 = derTime(before)
	c.after, ok2 = derTime(after)
	if !ok1 || !ok2 {
		return eventCertDate
	}
	if !c.name(&c.issuer, issuer.body) || !c.name(&c.subject, subject.body) {
		return eventCertName
	}
	c.known = true
	if _, b, ok = expect(b, tagSequence); !ok {
		return eventCertDER
	}
	return c.extensions(b)
}

func skipVersion(b []byte) ([]byte, bool) {
	e, rest, ok := next(b)
	if !ok || e.tag != tagContext0 {
		return b, ok
	}
	v, _, ok := expect(e.body, tagInteger)
	return rest, ok && len(v.body) == 1 && v.body[0] <= 2
}

func (c *certificate) hash(der []byte) {
	sum := sha1.Sum(der)
	from := len(c.text)
	c.text = appendColons(c.text, sum[:], false)
	c.fingerprint = span{from, len(c.text)}
}

// appendColons appends bytes in hexadecimal with colons between.
func appendColons(dst, b []byte, upper bool) []byte {
	digits := "0123456789abcdef"
	if upper {
		digits = "0123456789ABCDEF"
	}
	for i, v := range b {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, digits[v>>4], digits[v&15])
	}
	return dst
}

// name writes a distinguished name: its parts in order, divided by ", ", those
// of one set by " + ".
func (c *certificate) name(s *span, b []byte) bool {
	from, first := len(c.text), true
	for len(b) > 0 {
		set, rest, ok := expect(b, tagSet)
		if !ok {
			return false
		}
		b = rest
		joint := ", "
		for in := set.body; len(in) > 0; joint = " + " {
			pair, rest, ok := expect(in, tagSequence)
			if !ok {
				return false
			}
			in = rest
			kind, value, ok := expect(pair.body, tagOID)
			if !ok {
				return false
			}
			v, _, ok := next(value)
			if !ok {
				return false
			}
			if !first {
				c.text = append(c.text, joint...)
			}
			first = false
			c.text = appendAttribute(c.text, kind.body, v)
		}
	}
	*s = span{from, len(c.text)}
	return true
}

// attributeNames are short names of attributes with object identifiers 2.5.4.N
// (RFC 4519, RFC 5280).
var attributeNames = [...]string{
	3: "CN", 4: "SN", 5: "serialNumber", 6: "C", 7: "L", 8: "ST", 9: "streetAddress", 10: "O", 11: "OU", 12: "title", 13: "description",
	15: "businessCategory", 16: "postalAddress", 17: "postalCode", 18: "postOfficeBox", 20: "telephoneNumber", 41: "name", 42: "GN", 43: "initials", 44: "generationQualifier", 46: "dnQualifier", 65: "pseudonym",
}

var otherAttributes = []struct {
	oid  []byte
	name string
}{
	{[]byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, "Email"},
	{[]byte{0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25}, "DC"},
	{[]byte{0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1}, "UID"},
	{[]byte{0x55, 0x1d, 17}, "subjectAltName"},
	{[]byte{0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 1}, "jurisdictionL"},
	{[]byte{0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 2}, "jurisdictionST"},
	{[]byte{0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 3}, "jurisdictionC"},
}

func appendAttribute(dst, oid []byte, v element) []byte {
	dst = appendAttributeName(dst, oid)
	dst = append(dst, '=')
	switch v.tag {
	case 0x0c, 0x12, 0x13, 0x14, 0x15, 0x16, 0x19, 0x1a, 0x1b:
		if utf8.Valid(v.body) {
			return append(dst, v.body...)
		}
	}
	return appendColons(dst, v.body, false)
}

func appendAttributeName(dst, oid []byte) []byte {
	if len(oid) == 3 && oid[0] == 0x55 && oid[1] == 4 && int(oid[2]) < len(attributeNames) && attributeNames[oid[2]] != "" {
		return append(dst, attributeNames[oid[2]]...)
	}
	for _, a := range otherAttributes {
		if bytes.Equal(a.oid, oid) {
			return append(dst, a.name...)
		}
	}
	return appendOID(dst, oid)
}

// extensions looks for the subject alternative name (RFC 5280 section 4.2.1.6).
func (c *certificate) extensions(b []byte) uint8 {
	for len(b) > 0 {
		e, rest, ok := next(b)
		if !ok {
			return eventCertExtensions
		}
		b = rest
		if e.tag != tagContext3 {
			continue
		}
		list, _, ok := expect(e.body, tagSequence)
		if !ok {
			return eventCertExtensions
		}
		for in := list.body; len(in) > 0; {
			var one element
			if one, in, ok = expect(in, tagSequence); !ok {
				return eventCertExtensions
			}
			if ev := c.extension(one.body); ev != eventNone {
				return ev
			}
		}
	}
	return eventNone
}

func (c *certificate) extension(b []byte) uint8 {
	oid, rest, ok := expect(b, tagOID)
	if !ok {
		return eventCertExtensions
	}
	if len(oid.body) != 3 || oid.body[0] != 0x55 || oid.body[1] != 0x1d || oid.body[2] != 17 {
		return eventNone
	}
	value, rest, ok := next(rest)
	if ok && value.tag == tagBoolean {
		value, _, ok = next(rest)
	}
	if !ok || value.tag != tagOctets {
		return eventCertExtensions
	}
	names, _, ok := expect(value.body, tagSequence)
	if !ok {
		return eventCertExtensions
	}
	for in := names.body; len(in) > 0 && len(c.names) < maxNames; {
		var n element
		if n, in, ok = next(in); !ok {
			return eventCertExtensions
		}
		c.altName(n)
	}
	return eventNone
}

// altName keeps mail addresses, DNS names, URIs and IP addresses.
func (c *certificate) altName(n element) {
	from := len(c.text)
	switch n.tag {
	case 0x81, 0x82, 0x86:
		c.text = append(c.text, n.body...)
	case 0x87:
		c.text = appendAddress(c.text, n.body)
	default:
		return
	}
	c.names = append(c.names, span{from, len(c.text)})
}

// appendAddress appends an IPv4 address in dotted form and an IPv6 address in
// groups of hexadecimal digits.
func appendAddress(dst, b []byte) []byte {
	if len(b) == 4 {
		for i, v := range b {
			if i > 0 {
				dst = append(dst, '.')
			}
			dst = appendDecimal(dst, uint64(v))
		}
		return dst
	}
	for i := 0; i+1 < len(b); i += 2 {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = appendHex16(dst, uint16(b[i])<<8|uint16(b[i+1]))
	}
	return dst
}
