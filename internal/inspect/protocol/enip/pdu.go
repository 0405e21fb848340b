package enip

import "encoding/binary"

// Encapsulation commands.
const (
	cmdNop            = 0
	cmdListServices   = 4
	cmdListIdentity   = 0x63
	cmdListInterfaces = 0x64
	cmdRegister       = 0x65
	cmdUnregister     = 0x66
	cmdSendRRData     = 0x6f
	cmdSendUnitData   = 0x70
	cmdStatus         = 0x72
	cmdCancel         = 0x73
)

const (
	headerLen       = 24
	itemIdentity    = 0x0c
	itemServices    = 0x100
	itemConnected   = 0xb1
	itemUnconnected = 0xb2

	serviceSetAttributeList = 4
	serviceGetAttributeList = 3
	serviceMultiple         = 10

	maxServices = 256
	maxSegments = 1024
)

// segment is one logical part of a request path.
type segment struct {
	kind  uint8 // segClass …
	value uint32
}

// Kinds of logical segments, as the format bits have them.
const (
	segClass     = 0x20
	segInstance  = 0x24
	segAttribute = 0x30
	segOther     = 0
)

// service is one CIP message.
type service struct {
	code     uint8
	response bool
	status   uint8
	extended uint16
	hasExt   bool
	from, to int // pdu.segments; attributes of lists are among them
}

// pdu is one encapsulated message.
type pdu struct {
	there    bool
	invalid  bool
	command  uint16
	session  uint32
	status   uint32
	options  uint32
	version  uint16
	hasVer   bool
	sequence uint16
	hasSeq   bool
	cip      bool // it carries CIP
	identity identity
	services []service // the first holds the others when it is a multiple service
	segments []segment
	listed   struct {
		there        bool
		capabilities uint16
		name         []byte
	}
}

type identity struct {
	there                                         bool
	vendor, device, product, revision, statusWord uint16
	serial                                        uint32
	state                                         uint8
	name                                          []byte
}

func (p *pdu) reset() {
	*p = pdu{services: p.services[:0], segments: p.segments[:0]}
}

// length is the whole length of the message that b begins with.
func length(b []byte) int { return headerLen + int(binary.LittleEndian.Uint16(b[2:])) }

// fill parses a whole message.
func (p *pdu) fill(b []byte) {
	p.there = true
	p.command = binary.LittleEndian.Uint16(b)
	p.session, p.status = binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	p.options = binary.LittleEndian.Uint32(b[20:])
	r := cursor{b: b[headerLen:]}
	switch p.command {
	case cmdRegister:
		p.version, p.hasVer = r.uint16(), true
		r.uint16()
	case cmdListServices, cmdListIdentity:
		if len(r.b) > 0 {
			p.list(&r)
		}
	case cmdSendRRData, cmdSendUnitData:
		p.cip = true
		r.take(6) // interface handle, time-out
		p.items(&r)
	}
	p.invalid = r.bad
	if r.bad {
		p.cip = false
	}
}

// cursor walks over bytes. Once bad, it stays so.
type cursor struct {
	b   []byte
	bad bool
}

func (r *cursor) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *cursor) uint8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *cursor) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *cursor) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// list reads the first identity or the first service of a list.
func (p *pdu) list(r *cursor) {
	for range r.uint16() {
		kind := r.uint16()
		in := cursor{b: r.take(int(r.uint16()))}
		if r.bad {
			return
		}
		switch {
		case kind == itemIdentity && !p.identity.there:
			p.readIdentity(&in)
		case kind == itemServices && !p.listed.there:
			p.version, p.hasVer = in.uint16(), true
			p.listed.there = true
			p.listed.capabilities = in.uint16()
			p.listed.name = upToZero(in.take(min(16, len(in.b))))
		}
		r.bad = r.bad || in.bad
	}
}

func upToZero(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}

func (p *pdu) readIdentity(r *cursor) {
	id := &p.identity
	id.there = true
	p.version, p.hasVer = r.uint16(), true
	r.take(16) // socket address
	id.vendor, id.device, id.product = r.uint16(), r.uint16(), r.uint16()
	if b := r.take(2); b != nil {
		id.revision = binary.BigEndian.Uint16(b)
	}
	id.statusWord, id.serial = r.uint16(), r.uint32()
	id.name = r.take(int(r.uint8()))
	id.state = r.uint8()
}

// items reads the items of a common packet format and the CIP message in the
// first data item.
func (p *pdu) items(r *cursor) {
	for range r.uint16() {
		kind := r.uint16()
		in := cursor{b: r.take(int(r.uint16()))}
		if r.bad {
			return
		}
		switch kind {
		case itemConnected:
			p.sequence, p.hasSeq = in.uint16(), true
		case itemUnconnected:
		default:
			continue
		}
		if len(p.services) == 0 {
			in.bad = in.bad || !p.service(in.b, true)
		}
		r.bad = r.bad || in.bad
	}
}

// service reads one CIP message; those within a multiple service are read one
// level deep. False means that it is malformed.
func (p *pdu) service(b []byte, multiple bool) bool {
	if len(b) == 0 {
		return false
	}
	if len(p.services) >= maxServices {
		return true
	}
	r, code := &cursor{b: b[1:]}, b[0]
	s := service{code: code & 0x7f, response: code&0x80 != 0, from: len(p.segments), to: len(p.segments)}
	at := len(p.services)
	p.services = append(p.services, s)
	if s.response {
		r.uint8()
		s.status = r.uint8()
		ext := r.take(2 * int(r.uint8()))
		if len(ext) == 2 {
			s.extended, s.hasExt = binary.LittleEndian.Uint16(ext), true
		}
	} else {
		path := cursor{b: r.take(2 * int(r.uint8()))}
		for len(path.b) > 0 && !path.bad {
			p.segment(&path)
		}
		p.attributes(s.code, r)
	}
	s.to = len(p.segments)
	p.services[at] = s
	if s.code == serviceMultiple && multiple && !r.bad {
		return p.multiple(r.b)
	}
	return !r.bad
}

// multiple reads the messages of a multiple service, which stand at offsets.
func (p *pdu) multiple(whole []byte) bool {
	r := cursor{b: whole}
	for range r.uint16() {
		offset := int(r.uint16())
		if r.bad {
			return false
		}
		if offset < len(whole) {
			p.service(whole[offset:], false)
		}
	}
	return !r.bad
}

// segment reads one segment of a path (volume 1, C-1.4). What is not logical
// ends the path.
func (p *pdu) segment(r *cursor) {
	kind := r.uint8()
	var value uint32
	switch {
	case kind&0xe0 == 0x20 && kind&3 == 0:
		value = uint32(r.uint8())
	case kind&0xe0 == 0x20 && kind&3 == 1:
		r.uint8()
		value = uint32(r.uint16())
	case kind&0xe0 == 0x20 && kind&3 == 2:
		r.uint8()
		value = r.uint32()
	case kind == 0x91: // a name
		n := int(r.uint8())
		r.take(n + n&1)
		return
	default:
		r.b = nil
		return
	}
	if r.bad || len(p.segments) >= maxSegments {
		return
	}
	p.segments = append(p.segments, segment{kind & 0xfc, value})
}

// attributes reads the attributes that a list service names.
func (p *pdu) attributes(code uint8, r *cursor) {
	n := 0
	switch code {
	case serviceGetAttributeList:
		n = int(r.uint16())
	case serviceSetAttributeList:
		if r.uint16() > 0 {
			n = 1
		}
	}
	for range n {
		v := r.uint16()
		if r.bad || len(p.segments) >= maxSegments {
			return
		}
		p.segments = append(p.segments, segment{segAttribute, uint32(v)})
	}
}

// known says whether a header may begin EtherNet/IP.
func known(b []byte) bool {
	n := int(binary.LittleEndian.Uint16(b[2:]))
	switch binary.LittleEndian.Uint32(b[8:]) {
	case 0, 1, 2, 3, 0x64, 0x65, 0x69, 0x6a:
	default:
		return false
	}
	switch binary.LittleEndian.Uint16(b) {
	case cmdNop:
		return binary.LittleEndian.Uint32(b[20:]) == 0
	case cmdRegister:
		return n == 4
	case cmdUnregister:
		return n == 4 || n == 0
	case cmdListInterfaces:
		return n == 0 || len(b) >= headerLen+2
	case cmdListServices, cmdListIdentity, cmdSendRRData, cmdSendUnitData, cmdStatus, cmdCancel:
		return true
	}
	return false
}
