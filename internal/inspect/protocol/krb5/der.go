// Package krb5 reads Kerberos 5 messages (RFC 4120) over TCP and UDP: who asks
// for a ticket for which service, how it is encrypted, and errors. It does not
// decrypt. A transaction is one message. The inspection engine calls it through
// Spec; package smb uses Ticket for tickets in session setups.
package krb5

// DER tags that Kerberos uses (X.690).
const (
	tagInteger  = 0x02
	tagSequence = 0x30
	tagContext  = 0xa0 // + number
	tagTicket   = 0x61
)

// element takes one DER element off b, false when it is not whole.
func element(b []byte) (tag byte, content, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, false
	}
	n, at := int(b[1]), 2
	if n >= 0x80 {
		digits := n & 0x7f
		if digits == 0 || digits > 4 || len(b) < 2+digits {
			return 0, nil, nil, false
		}
		n = 0
		for _, c := range b[2 : 2+digits] {
			n = n<<8 | int(c)
		}
		at += digits
	}
	if n > len(b)-at {
		return 0, nil, nil, false
	}
	return b[0], b[at : at+n], b[at+n:], true
}

// inside is the content of an element with the given tag at the beginning of b.
func inside(b []byte, want byte) ([]byte, bool) {
	tag, content, _, ok := element(b)
	return content, ok && tag == want
}

// field is the content of the context tag number among the members of a
// sequence.
func field(sequence []byte, number byte) ([]byte, bool) {
	for len(sequence) > 0 {
		tag, content, rest, ok := element(sequence)
		if !ok {
			return nil, false
		}
		if tag == tagContext+number {
			return content, true
		}
		sequence = rest
	}
	return nil, false
}

// integer is the value of a context tag that holds an INTEGER.
func integer(sequence []byte, number byte) (int32, bool) {
	b, ok := field(sequence, number)
	if !ok {
		return 0, false
	}
	b, ok = inside(b, tagInteger)
	if !ok || len(b) == 0 || len(b) > 5 {
		return 0, false
	}
	v := int64(int8(b[0]))
	for _, c := range b[1:] {
		v = v<<8 | int64(c)
	}
	return int32(v), true
}

// text is the value of a context tag that holds a string.
func text(sequence []byte, number byte) ([]byte, bool) {
	b, ok := field(sequence, number)
	if !ok {
		return nil, false
	}
	_, content, _, ok := element(b)
	return content, ok
}
