package mqtt

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/eve"
)

// sort is how the value of a property is written (MQTT 5, 2.2.2.2).
type sort uint8

const (
	sortNone sort = iota
	sortByte
	sortUint16
	sortUint32
	sortVarint
	sortText
	sortPair
)

var properties = [...]struct {
	name string
	sort sort
}{
	1: {"payload_format_indicator", sortByte}, 2: {"message_expiry_interval", sortUint32}, 3: {"content_type", sortText},
	8: {"response_topic", sortText}, 9: {"correlation_data", sortText}, 11: {"subscription_identifier", sortVarint},
	17: {"session_expiry_interval", sortUint32}, 18: {"assigned_client_identifier", sortText}, 19: {"server_keep_alive", sortUint16},
	21: {"authentication_method", sortText}, 22: {"authentication_data", sortText}, 23: {"request_problem_information", sortByte},
	24: {"will_delay_interval", sortUint32}, 25: {"request_response_information", sortByte}, 26: {"response_information", sortText},
	28: {"server_reference", sortText}, 31: {"reason_string", sortText}, 33: {"receive_maximum", sortUint16},
	34: {"topic_alias_maximum", sortUint16}, 35: {"topic_alias", sortUint16}, 36: {"maximum_qos", sortByte},
	37: {"retain_available", sortByte}, 38: {"", sortPair}, 39: {"maximum_packet_size", sortUint32},
	40: {"wildcard_subscription_available", sortByte}, 41: {"subscription_identifiers_available", sortByte},
	42: {"shared_subscription_available", sortByte},
}

// property is one property: a number, or one or two texts.
type property struct {
	name  string
	sort  sort
	value uint64
	key   span
	text  span
}

func (r *reader) property() (p property) {
	id := r.varint()
	if r.bad || id >= len(properties) {
		return p
	}
	p.name, p.sort = properties[id].name, properties[id].sort
	switch p.sort {
	case sortByte:
		p.value = uint64(r.byte())
	case sortUint16:
		p.value = uint64(r.uint16())
	case sortUint32:
		if s := r.take(4); !r.bad {
			p.value = uint64(binary.BigEndian.Uint32(r.buf[s.at:]))
		}
	case sortVarint:
		p.value = uint64(r.varint())
	case sortText:
		p.text = r.text()
	case sortPair:
		p.key, p.text = r.text(), r.text()
	}
	return p
}

// eveProperties writes a property list that was checked before.
func (t *Tx) eveProperties(o *eve.Object, s span, ok bool) {
	if !ok {
		return
	}
	o.BeginObject("properties")
	r := reader{buf: t.buf, pos: int(s.at), end: int(s.at + s.n)}
	for r.left() > 0 && !r.bad {
		switch p := r.property(); p.sort {
		case sortNone:
		case sortText:
			o.Text(p.name, t.text(p.text))
		case sortPair:
			t.evePair(o, p)
		default:
			o.Uint(p.name, p.value)
		}
	}
	o.End()
}

// evePair writes a user property, whose name is free text.
func (t *Tx) evePair(o *eve.Object, p property) {
	key := eve.AppendString(t.scratch[:0], t.text(p.key))
	t.scratch = key[:0]
	o.RawKey(key)
	o.B = eve.AppendString(o.B, t.text(p.text))
}
