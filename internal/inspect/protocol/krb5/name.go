package krb5

import "bytes"

// maxParts bounds the parts kept of a name.
const maxParts = 16

// name is a principal's name: its parts, one after another.
type name struct {
	data []byte
	ends [maxParts]int
	n    int
}

func (p *name) reset() { p.data, p.n = p.data[:0], 0 }

// read takes the PrincipalName in a context tag of a sequence.
func (p *name) read(sequence []byte, number byte) {
	p.reset()
	b, ok := field(sequence, number)
	if !ok {
		return
	}
	if b, ok = inside(b, tagSequence); !ok {
		return
	}
	if b, ok = field(b, 1); !ok {
		return
	}
	if b, ok = inside(b, tagSequence); !ok {
		return
	}
	for len(b) > 0 && p.n < maxParts {
		_, part, rest, ok := element(b)
		if !ok {
			return
		}
		p.data = append(p.data, part...)
		p.ends[p.n] = len(p.data)
		p.n++
		b = rest
	}
}

// part is the i-th part.
func (p *name) part(i int) ([]byte, bool) {
	if i < 0 || i >= p.n {
		return nil, false
	}
	start := 0
	if i > 0 {
		start = p.ends[i-1]
	}
	return p.data[start:p.ends[i]], true
}

// append writes the parts divided by slashes, "<empty>" for none.
func (p *name) append(dst []byte) []byte {
	if p.n == 0 {
		return append(dst, "<empty>"...)
	}
	for i := range p.n {
		if i > 0 {
			dst = append(dst, '/')
		}
		part, _ := p.part(i)
		dst = append(dst, part...)
	}
	return dst
}

// Ticket is what a ticket within another protocol says in the clear.
type Ticket struct {
	Realm []byte
	sname name
}

// Reset forgets the ticket.
func (t *Ticket) Reset() {
	t.Realm = t.Realm[:0]
	t.sname.reset()
}

// Name is the i-th part of the name of the service.
func (t *Ticket) Name(i int) ([]byte, bool) { return t.sname.part(i) }

// apRequest is the Kerberos mechanism (1.2.840.113554.1.2.2) with the
// identifier of an AP-REQ behind it (RFC 4121 section 4.1).
var apRequest = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02, 0x01, 0x00, 0x6e}

// Find looks for an AP-REQ in a GSS-API token and reads its ticket.
func (t *Ticket) Find(token []byte) bool {
	i := bytes.Index(token, apRequest)
	if i < 0 {
		return false
	}
	_, body, _, ok := element(token[i+len(apRequest)-1:])
	if !ok {
		return false
	}
	if body, ok = inside(body, tagSequence); !ok {
		return false
	}
	if body, ok = field(body, 3); !ok {
		return false
	}
	ticket, ok := openTicket(body)
	if !ok {
		return false
	}
	realm, _ := text(ticket, 1)
	t.Realm = append(t.Realm[:0], realm...)
	t.sname.read(ticket, 2)
	return true
}

// openTicket is the sequence within a Ticket.
func openTicket(b []byte) ([]byte, bool) {
	b, ok := inside(b, tagTicket)
	if !ok {
		return nil, false
	}
	return inside(b, tagSequence)
}
