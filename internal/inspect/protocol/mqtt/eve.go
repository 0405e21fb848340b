package mqtt

import (
	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

// AppendEve appends the record: one object for each packet.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	for i := range t.messages {
		m := &t.messages[i]
		if m.kind == typeUnassigned && !m.truncated {
			continue
		}
		o.BeginObject(typeNames[m.kind])
		t.eveMessage(&o, m)
		o.End()
	}
	o.End()
	return o.B
}

func (t *Tx) eveMessage(o *eve.Object, m *message) {
	o.Uint("qos", uint64(m.qos()))
	o.Bool("retain", m.retain())
	o.Bool("dup", m.dup())
	if m.truncated {
		o.Bool("truncated", true)
		o.Uint("skipped_length", uint64(m.skipped))
		return
	}
	switch m.kind {
	case typeConnect:
		t.eveConnect(o, m)
	case typeConnack:
		o.Bool("session_present", m.present)
		o.Uint("return_code", uint64(m.reason))
	case typePublish:
		o.Text("topic", t.text(m.topic))
		if m.hasID {
			o.Uint("message_id", uint64(m.id))
		}
		o.Text("message", t.text(m.payload))
	case typeSubscribe, typeUnsubscribe:
		o.Uint("message_id", uint64(m.id))
		t.eveTopics(o, m)
		if m.kind == typeUnsubscribe {
			return
		}
	case typeSuback, typeUnsuback:
		o.Uint("message_id", uint64(m.id))
		t.eveCodes(o, m)
		return
	default:
		if m.hasID {
			o.Uint("message_id", uint64(m.id))
		}
		if m.hasReason {
			o.Uint("reason_code", uint64(m.reason))
		}
	}
	t.eveProperties(o, m.props, m.hasProps)
}

func (t *Tx) eveConnect(o *eve.Object, m *message) {
	o.Text("protocol_string", t.text(m.protocol))
	o.Uint("protocol_version", uint64(m.version))
	o.Text("client_id", t.text(m.client))
	o.BeginObject("flags")
	o.Bool("username", m.connect&connectUser != 0)
	o.Bool("password", m.connect&connectPassword != 0)
	o.Bool("will_retain", m.connect&connectWillRetain != 0)
	o.Bool("will", m.connect&connectWill != 0)
	o.Bool("clean_session", m.connect&connectClean != 0)
	o.End()
	if m.connect&connectUser != 0 {
		o.Text("username", t.text(m.user))
	}
	if t.passwords && m.connect&connectPassword != 0 {
		o.Text("password", t.text(m.password))
	}
	if m.connect&connectWill != 0 {
		o.BeginObject("will")
		o.Text("topic", t.text(m.willTopic))
		o.Text("message", t.text(m.willMessage))
		t.eveProperties(o, m.willProps, m.hasWillProps)
		o.End()
	}
}

func (t *Tx) eveTopics(o *eve.Object, m *message) {
	o.BeginArray("topics")
	for _, one := range t.topics[m.topics:m.upto] {
		if m.kind == typeUnsubscribe {
			o.ItemText(t.text(one.name))
			continue
		}
		o.Begin()
		o.Text("topic", t.text(one.name))
		o.Uint("qos", uint64(one.qos))
		o.End()
	}
	o.EndArray()
}

func (t *Tx) eveCodes(o *eve.Object, m *message) {
	key := "qos_granted"
	if m.kind == typeUnsuback {
		if key = "reason_codes"; m.codes.n == 0 {
			return
		}
	}
	o.BeginArray(key)
	for _, c := range t.text(m.codes) {
		o.ItemUint(uint64(c))
	}
	o.EndArray()
}
