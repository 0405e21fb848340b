package http2

import (
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// AppendEve appends the stream's record, which stands under "http". Frames of
// the connection have one when they carry settings or an error code.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	if !t.worthRecord() {
		return dst
	}
	o := eve.Object{B: dst}
	o.Begin()
	o.Str("version", "2")
	q, r := &t.sides[packet.ToServer], &t.sides[packet.ToClient]
	appendHeaders(&o, "request_headers", &q.headers)
	appendHeaders(&o, "response_headers", &r.headers)
	appendUsual(&o, &q.headers, "http_method", ":method")
	appendUsual(&o, &q.headers, "url", ":path")
	appendUsual(&o, &q.headers, "hostname", "host")
	appendUsual(&o, &q.headers, "http_user_agent", "user-agent")
	appendNumber(&o, "status", &r.headers, ":status")
	appendNumber(&o, "length", &r.headers, "content-length")
	o.BeginObject("http2")
	o.Uint("stream_id", uint64(t.stream))
	q.appendFrames(&o, "request")
	r.appendFrames(&o, "response")
	o.End()
	o.End()
	return o.B
}

func (t *Tx) worthRecord() bool {
	for i := range t.sides {
		s := &t.sides[i]
		if len(s.headers.fields) > 0 || len(s.errors) > 0 || len(s.setting) > 0 || len(s.weights) > 0 {
			return true
		}
	}
	return false
}

func appendHeaders(o *eve.Object, key string, h *headers) {
	if len(h.fields) == 0 {
		return
	}
	o.BeginArray(key)
	for k := range h.fields {
		f := &h.fields[k]
		o.Begin()
		if f.isSize {
			o.Uint("table_size_update", uint64(f.size))
		} else {
			o.Text("name", f.name.of(h.arena))
			o.Text("value", f.value.of(h.arena))
		}
		o.End()
	}
	o.EndArray()
}

func appendUsual(o *eve.Object, h *headers, key, name string) {
	if v, ok := h.find(name, 0); ok {
		o.Text(key, v)
	}
}

// appendNumber writes a header field that is a number.
func appendNumber(o *eve.Object, key string, h *headers, name string) {
	v, ok := h.find(name, 0)
	if !ok {
		return
	}
	if n, err := strconv.ParseUint(string(v), 10, 63); err == nil {
		o.Uint(key, n)
	}
}

func (s *side) appendFrames(o *eve.Object, key string) {
	o.BeginObject(key)
	if len(s.setting) > 0 {
		o.BeginArray("settings")
		for _, v := range s.setting {
			o.Begin()
			o.Str("settings_id", settingText(v>>32))
			o.Uint("settings_value", v&0xffffffff)
			o.End()
		}
		o.EndArray()
	}
	if len(s.weights) > 0 {
		o.Uint("priority", uint64(s.weights[0]))
	}
	if len(s.errors) > 0 {
		o.Str("error_code", s.errorText(s.errors[0]))
	}
	switch {
	case len(s.errors) > 1:
		o.Str("has_multiple", "error_code")
	case len(s.weights) > 1:
		o.Str("has_multiple", "priority")
	}
	o.End()
}

// Names of settings and error codes as eve.json writes them: error codes in
// capitals for GOAWAY, in mixed case for RST_STREAM.
var (
	settingTexts = [...]string{
		1: "SETTINGSHEADERTABLESIZE", 2: "SETTINGSENABLEPUSH", 3: "SETTINGSMAXCONCURRENTSTREAMS",
		4: "SETTINGSINITIALWINDOWSIZE", 5: "SETTINGSMAXFRAMESIZE", 6: "SETTINGSMAXHEADERLISTSIZE",
	}
	goAwayTexts = [...]string{
		"NOERROR", "PROTOCOLERROR", "INTERNALERROR", "FLOWCONTROLERROR", "SETTINGSTIMEOUT", "STREAMCLOSED", "FRAMESIZEERROR",
		"REFUSEDSTREAM", "CANCEL", "COMPRESSIONERROR", "CONNECTERROR", "ENHANCEYOURCALM", "INADEQUATESECURITY", "HTTP11REQUIRED",
	}
	resetTexts = [...]string{
		"NoError", "ProtocolError", "InternalError", "FlowControlError", "SettingsTimeout", "StreamClosed", "FrameSizeError",
		"RefusedStream", "Cancel", "CompressionError", "ConnectError", "EnhanceYourCalm", "InadequateSecurity", "Http11Required",
	}
)

func settingText(id uint64) string {
	if id < uint64(len(settingTexts)) && id > 0 {
		return settingTexts[id]
	}
	return "SETTINGS_UNKNOWN(" + strconv.FormatUint(id, 10) + ")"
}

func (s *side) errorText(code uint32) string {
	switch {
	case int(code) >= len(goAwayTexts):
		return strconv.FormatUint(uint64(code), 10)
	case s.reset:
		return resetTexts[code]
	}
	return goAwayTexts[code]
}

var _ protocol.Recorder = (*Tx)(nil)
