package mqtt

import "encoding/binary"

// Types of control packets.
const (
	typeUnassigned = iota
	typeConnect
	typeConnack
	typePublish
	typePuback
	typePubrec
	typePubrel
	typePubcomp
	typeSubscribe
	typeSuback
	typeUnsubscribe
	typeUnsuback
	typePingreq
	typePingresp
	typeDisconnect
	typeAuth
)

var typeNames = [16]string{
	"unassigned", "connect", "connack", "publish", "puback", "pubrec", "pubrel", "pubcomp", "subscribe", "suback",
	"unsubscribe", "unsuback", "pingreq", "pingresp", "disconnect", "auth",
}

// Bits of the flags of CONNECT.
const (
	connectUser       = 0x80
	connectPassword   = 0x40
	connectWillRetain = 0x20
	connectWill       = 0x04
	connectClean      = 0x02
)

// span is a piece of Tx.buf.
type span struct{ at, n uint32 }

// message is one control packet, in pieces of Tx.buf.
type message struct {
	kind, flags  uint8 // of the fixed header
	version      uint8 // CONNECT
	connect      uint8 // CONNECT: its flags
	reason       uint8
	hasReason    bool
	hasID        bool
	hasProps     bool
	hasWillProps bool
	present      bool // CONNACK: session present
	truncated    bool // longer than the bound: only the header was read
	id           uint16
	skipped      uint32 // bytes of a truncated message
	protocol     span
	client       span
	willTopic    span
	willMessage  span
	user         span
	password     span
	topic        span
	payload      span
	props        span
	willProps    span
	codes        span // SUBACK, UNSUBACK
	topics, upto int  // SUBSCRIBE, UNSUBSCRIBE: Tx.topics[topics:upto]
}

func (m *message) qos() uint8   { return m.flags >> 1 & 3 }
func (m *message) retain() bool { return m.flags&1 != 0 }
func (m *message) dup() bool    { return m.flags&8 != 0 }

// fixedHeader reads type, flags and remaining length (MQTT 5, 2.1).
func fixedHeader(b []byte) (first byte, length, size int, state headerState) {
	if len(b) < 2 {
		return 0, 0, 0, headerMore
	}
	length, n, state := varint(b[1:])
	return b[0], length, 1 + n, state
}

// headerState says whether a header or a number is whole.
type headerState uint8

const (
	headerOK headerState = iota
	headerMore
	headerBad
)

// varint reads a variable byte integer (MQTT 5, 1.5.5).
func varint(b []byte) (v, n int, state headerState) {
	for n < 4 {
		if n >= len(b) {
			return 0, 0, headerMore
		}
		c := b[n]
		v |= int(c&127) << (7 * n)
		n++
		if c < 128 {
			return v, n, headerOK
		}
	}
	return 0, 0, headerBad
}

// reader walks over the body of a message in Tx.buf. Once bad, it stays so.
type reader struct {
	buf      []byte
	pos, end int
	bad      bool
}

func (r *reader) left() int { return r.end - r.pos }

func (r *reader) take(n int) span {
	if r.bad || n < 0 || r.left() < n {
		r.bad = true
		return span{}
	}
	s := span{uint32(r.pos), uint32(n)}
	r.pos += n
	return s
}

func (r *reader) byte() uint8 {
	s := r.take(1)
	if r.bad {
		return 0
	}
	return r.buf[s.at]
}

func (r *reader) uint16() uint16 {
	s := r.take(2)
	if r.bad {
		return 0
	}
	return binary.BigEndian.Uint16(r.buf[s.at:])
}

// text is a string or binary data with its length before it.
func (r *reader) text() span { return r.take(int(r.uint16())) }

func (r *reader) varint() int {
	v, n, state := varint(r.buf[r.pos:r.end])
	if state != headerOK {
		r.bad = true
		return 0
	}
	r.pos += n
	return v
}

// properties reads a property list and checks that each can be read.
func (r *reader) properties() (s span, ok bool) {
	n := r.varint()
	if r.bad || n == 0 {
		return span{}, false
	}
	s = r.take(n)
	if r.bad {
		return s, false
	}
	in := reader{buf: r.buf, pos: int(s.at), end: int(s.at + s.n)}
	for in.left() > 0 && !in.bad {
		in.property()
	}
	r.bad = in.bad
	return s, !r.bad
}

// read parses the body of a message. False means it is malformed.
func (t *Tx) read(m *message, pos, end int, version uint8) bool {
	r := reader{buf: t.buf, pos: pos, end: end}
	v5 := version == 5
	switch m.kind {
	case typeConnect:
		r.connect(m)
	case typeConnack:
		m.present = r.byte()&1 != 0
		m.reason, m.hasReason = r.byte(), true
		r.props(m, v5)
	case typePublish:
		m.topic = r.text()
		if m.hasID = m.qos() > 0; m.hasID {
			m.id = r.uint16()
		}
		r.props(m, v5)
		m.payload = r.take(r.left())
	case typePuback, typePubrec, typePubrel, typePubcomp:
		r.acknowledgement(m, v5)
	case typeSubscribe, typeUnsubscribe:
		m.id, m.hasID = r.uint16(), true
		r.props(m, v5)
		t.readTopics(m, &r)
	case typeSuback, typeUnsuback:
		m.id, m.hasID = r.uint16(), true
		r.props(m, v5)
		m.codes = r.take(r.left())
	case typeDisconnect:
		r.disconnect(m, v5)
	case typeAuth:
		m.reason, m.hasReason = r.byte(), true
		r.props(m, true)
	}
	return !r.bad
}

func (r *reader) props(m *message, wanted bool) {
	if wanted && !r.bad {
		m.props, m.hasProps = r.properties()
	}
}

func (r *reader) connect(m *message) {
	m.protocol = r.text()
	m.version, m.connect = r.byte(), r.byte()
	r.uint16() // keep alive
	r.props(m, m.version == 5)
	m.client = r.text()
	if m.connect&connectWill != 0 {
		if m.version == 5 && !r.bad {
			m.willProps, m.hasWillProps = r.properties()
		}
		m.willTopic, m.willMessage = r.text(), r.text()
	}
	if m.connect&connectUser != 0 {
		m.user = r.text()
	}
	if m.connect&connectPassword != 0 {
		m.password = r.text()
	}
}

// acknowledgement reads PUBACK, PUBREC, PUBREL and PUBCOMP: reason code and
// properties may be left out (MQTT 5, 3.4.2).
func (r *reader) acknowledgement(m *message, v5 bool) {
	m.id, m.hasID = r.uint16(), true
	if !v5 {
		return
	}
	m.hasReason = true
	if r.left() > 0 {
		m.reason = r.byte()
	}
	r.props(m, r.left() > 0)
}

func (r *reader) disconnect(m *message, v5 bool) {
	if !v5 {
		return
	}
	m.hasReason = true
	if r.left() > 0 {
		m.reason = r.byte()
	}
	r.props(m, r.left() > 0)
}

// readTopics reads the topic filters; bytes that are no whole filter are left.
func (t *Tx) readTopics(m *message, r *reader) {
	m.topics, m.upto = len(t.topics), len(t.topics)
	for r.left() > 2 {
		one := topic{name: r.text()}
		if m.kind == typeSubscribe {
			one.qos = r.byte()
		}
		if r.bad {
			r.bad = m.kind == typeSubscribe && m.upto == m.topics
			return
		}
		t.topics = append(t.topics, one)
		m.upto = len(t.topics)
	}
	if m.kind == typeSubscribe && m.upto == m.topics {
		r.bad = true
	}
}
