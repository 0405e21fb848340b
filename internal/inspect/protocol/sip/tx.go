package sip

import (
	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Tx is one message. It holds a copy of it; everything else are pieces of that.
type Tx struct {
	single.Message
	hasSDP       bool
	msg          []byte
	line         []byte
	method, uri  []byte
	version      []byte
	code, reason []byte
	values       []value
	media        []medium
}

// Clear makes it ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	clear(t.values[:cap(t.values)])
	*t = Tx{Message: t.Message, msg: t.msg[:0], values: t.values[:0], media: t.media[:0]}
}

// value is the i-th value of a field.
func (t *Tx) value(f protocol.Field, i int) ([]byte, bool) {
	for n := range t.values {
		if t.values[n].field == f {
			if i == 0 {
				return t.values[n].text, true
			}
			i--
		}
	}
	return nil, false
}

// Bytes answers the first line and its parts, the headers, and the session
// description.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if d != t.Dir {
		return nil, false
	}
	switch f {
	case protocol.SIPMethod:
		return one(t.method, i)
	case protocol.SIPURI:
		return one(t.uri, i)
	case protocol.SIPProtocol:
		return one(t.version, i)
	case protocol.SIPStatCode:
		return one(t.code, i)
	case protocol.SIPStatMsg:
		return one(t.reason, i)
	case protocol.SIPRequestLine:
		if d == packet.ToServer {
			return one(t.line, i)
		}
		return nil, false
	case protocol.SIPResponseLine:
		if d == packet.ToClient {
			return one(t.line, i)
		}
		return nil, false
	}
	if i > 0 && singular(f) {
		return nil, false
	}
	return t.value(f, i)
}

// singular says whether rules see only the first value of a field.
func singular(f protocol.Field) bool {
	switch f {
	case protocol.SDPOrigin, protocol.SDPSessionName, protocol.SDPSessionInfo, protocol.SDPURI, protocol.SDPEmail, protocol.SDPPhone,
		protocol.SDPConnection, protocol.SDPTimezone, protocol.SDPEncryptionKey:
		return true
	}
	return false
}

func one(b []byte, i int) ([]byte, bool) { return b, i == 0 && len(b) > 0 }

// Uint has nothing: all keywords of SIP are texts.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	if t.Dir == packet.ToServer {
		o.Text("method", t.method)
		o.Text("uri", t.uri)
		o.Text("version", t.version)
		o.Text("request_line", t.line)
	} else {
		o.Text("version", t.version)
		o.Text("code", t.code)
		o.Text("reason", t.reason)
		o.Text("response_line", t.line)
	}
	if t.hasSDP {
		o.BeginObject("sdp")
		t.eveSDP(&o)
		o.End()
	}
	o.End()
	return o.B
}

var sdpTexts = [...]struct {
	field protocol.Field
	key   string
}{
	{protocol.SDPOrigin, "origin"}, {protocol.SDPSessionName, "session_name"}, {protocol.SDPSessionInfo, "session_info"},
	{protocol.SDPURI, "uri"}, {protocol.SDPEmail, "email"}, {protocol.SDPPhone, "phone_number"},
	{protocol.SDPConnection, "connection_data"},
}

func (t *Tx) eveSDP(o *eve.Object) {
	if v, ok := t.value(sdpVersion, 0); ok && len(v) == 1 && digit(v[0]) {
		o.Uint("version", uint64(v[0]-'0'))
	}
	for i := range sdpTexts {
		if v, ok := t.value(sdpTexts[i].field, 0); ok {
			o.Text(sdpTexts[i].key, v)
		}
	}
	t.eveList(o, "bandwidths", protocol.SDPBandwidth, t.values)
	if v, ok := t.value(protocol.SDPTime, 0); ok {
		o.Text("time", v)
	}
	if v, ok := t.value(protocol.SDPRepeatTime, 0); ok {
		o.Text("repeat_time", v)
	}
	if v, ok := t.value(protocol.SDPTimezone, 0); ok {
		o.Text("timezone", v)
	}
	if v, ok := t.value(protocol.SDPEncryptionKey, 0); ok {
		o.Text("encryption_key", v)
	}
	t.eveList(o, "attributes", protocol.SDPAttribute, t.values)
	if len(t.media) == 0 {
		return
	}
	o.BeginArray("media_descriptions")
	for _, m := range t.media {
		o.Begin()
		t.eveMedium(o, t.values[m.from:max(m.from, m.to)])
		o.End()
	}
	o.EndArray()
}

func (t *Tx) eveMedium(o *eve.Object, values []value) {
	for i := range values {
		switch v := &values[i]; v.field {
		case protocol.SDPMedia:
			o.Text("media", v.text)
		case protocol.SDPMediaInfo:
			o.Text("session_info", v.text)
		case protocol.SDPMediaConnection:
			o.Text("connection_data", v.text)
		case protocol.SDPMediaKey:
			o.Text("encryption_key", v.text)
		}
	}
	t.eveList(o, "bandwidths", sdpMediaBandwidth, values)
	t.eveList(o, "attributes", sdpMediaAttribute, values)
}

func (t *Tx) eveList(o *eve.Object, key string, f protocol.Field, values []value) {
	open := false
	for i := range values {
		if values[i].field != f {
			continue
		}
		if !open {
			o.BeginArray(key)
			open = true
		}
		o.ItemText(values[i].text)
	}
	if open {
		o.EndArray()
	}
}
