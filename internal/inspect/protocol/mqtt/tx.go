package mqtt

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// topic is one topic filter of SUBSCRIBE or UNSUBSCRIBE.
type topic struct {
	name span
	qos  uint8
}

// Tx is a control packet with those that answer it. It belongs to the
// direction of its first packet.
type Tx struct {
	inspection protocol.Inspection
	dir        packet.Direction
	complete   bool
	waiting    bool   // for an answer with id
	passwords  bool   // the record shows passwords
	version    uint8  // of the connection
	limits     limits // topics that rules see
	id         uint32
	buf        []byte // the packets' bodies
	scratch    []byte
	messages   []message
	topics     []topic
}

// limits are how many topics of a transaction rules see; 0 for all.
type limits struct{ subscribe, unsubscribe int }

// maxKeptMemory is how much memory a swept Tx keeps for its next use.
const maxKeptMemory = 1 << 14

// maxMessages bounds the packets of one transaction; with more it is complete.
const maxMessages = 32

// Clear makes the transaction ready for the next packet.
func (t *Tx) Clear(number uint64) {
	t.inspection.Reset(number)
	if cap(t.buf) > maxKeptMemory {
		t.buf = nil
	}
	if cap(t.topics) > maxKeptMemory/16 {
		t.topics = nil
	}
	*t = Tx{inspection: t.inspection, buf: t.buf[:0], scratch: t.scratch[:0], messages: t.messages[:0], topics: t.topics[:0]}
}

// Stage is StageDone once the transaction is complete, and always in the
// direction that it does not belong to.
func (t *Tx) Stage(d packet.Direction) protocol.Stage {
	if t.complete || d != t.dir {
		return protocol.StageDone
	}
	return protocol.StageStart
}

// Inspection is the engine's state.
func (t *Tx) Inspection() *protocol.Inspection { return &t.inspection }

// Window has nothing: no field of MQTT grows.
func (t *Tx) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}

// Files has nothing: MQTT carries no files.
func (t *Tx) Files(packet.Direction) []*protocol.File { return nil }

func (t *Tx) text(s span) []byte { return t.buf[s.at : s.at+s.n : s.at+s.n] }

// Bytes answers texts of CONNECT, PUBLISH, SUBSCRIBE and UNSUBSCRIBE.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if d != t.dir {
		return nil, false
	}
	switch f {
	case protocol.MQTTSubscribeTopic:
		return t.topicAt(typeSubscribe, i, t.limits.subscribe)
	case protocol.MQTTUnsubscribeTopic:
		return t.topicAt(typeUnsubscribe, i, t.limits.unsubscribe)
	}
	if i > 0 {
		return nil, false
	}
	for n := range t.messages {
		if s := t.messages[n].field(f); s.n > 0 {
			return t.text(s), true
		}
	}
	return nil, false
}

// field is the text of a message for a field, empty when it has none.
func (m *message) field(f protocol.Field) span {
	switch f {
	case protocol.MQTTClientID:
		return m.client
	case protocol.MQTTUsername:
		return m.user
	case protocol.MQTTPassword:
		return m.password
	case protocol.MQTTWillTopic:
		return m.willTopic
	case protocol.MQTTWillMessage:
		return m.willMessage
	case protocol.MQTTProtocolString:
		return m.protocol
	case protocol.MQTTPublishTopic:
		return m.topic
	case protocol.MQTTPublishMessage:
		return m.payload
	}
	return span{}
}

func (t *Tx) topicAt(kind uint8, i, limit int) ([]byte, bool) {
	if limit > 0 && i >= limit {
		return nil, false
	}
	for n := range t.messages {
		m := &t.messages[n]
		if m.kind != kind {
			continue
		}
		if i < m.upto-m.topics {
			return t.text(t.topics[m.topics+i].name), true
		}
		i -= m.upto - m.topics
	}
	return nil, false
}

// Uint answers numbers; type, quality of service and reason code have one
// value for each message that has any.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	if d != t.dir {
		return 0, false
	}
	switch f {
	case protocol.MQTTProtocolVersion:
		return uint64(t.version), i == 0
	case protocol.MQTTType:
		if i < len(t.messages) {
			return uint64(t.messages[i].kind), true
		}
	case protocol.MQTTQoS:
		if i < len(t.messages) {
			return uint64(t.messages[i].qos()), true
		}
	case protocol.MQTTReasonCode:
		return t.reason(i)
	}
	return 0, false
}

// reason is the i-th reason or return code of the transaction.
func (t *Tx) reason(i int) (uint64, bool) {
	for n := range t.messages {
		m := &t.messages[n]
		if m.hasReason {
			if i == 0 {
				return uint64(m.reason), true
			}
			i--
		}
		if i < int(m.codes.n) {
			return uint64(t.text(m.codes)[i]), true
		}
		i -= int(m.codes.n)
	}
	return 0, false
}
