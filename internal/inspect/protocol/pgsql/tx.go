package pgsql

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
)

// kind is what a request is.
type kind uint8

const (
	kindUnknown kind = iota
	kindStartup
	kindSSL
	kindCancel
	kindPassword
	kindSASLInitial
	kindSASLResponse
	kindQuery
	kindTerminate
)

// Tx is a request with what answers it.
type Tx struct {
	exchange.Base
	kind      kind
	passwords bool
	rows      uint64
	rowBytes  uint64
	request   []byte // the message
	answers   []byte // messages of the backend one after the other, without rows
}

// Clear makes it ready for the next request.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{Base: t.Base, request: t.request[:0], answers: t.answers[:0]}
}

// body is the request after type and length, without the zero at its end.
func (t *Tx) body() []byte {
	if len(t.request) < 5 {
		return nil
	}
	return bytes.TrimSuffix(t.request[5:], []byte{0})
}

// Bytes answers the text of a simple query.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if f != protocol.PGSQLQuery || d != packet.ToServer || i > 0 || t.kind != kindQuery {
		return nil, false
	}
	return t.body(), true
}

// Uint has nothing.
func (t *Tx) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Uint("tx_id", t.Inspection().Number+1)
	if t.kind != kindUnknown {
		o.BeginObject("request")
		t.eveRequest(&o)
		o.End()
	}
	if len(t.answers) > 0 || t.rows > 0 {
		o.BeginObject("response")
		t.eveResponse(&o)
		o.End()
	}
	o.End()
	return o.B
}

func (t *Tx) eveRequest(o *eve.Object) {
	switch t.kind {
	case kindSSL:
		o.Str("message", "SSL Request")
	case kindStartup:
		t.eveStartup(o)
	case kindCancel:
		o.Str("message", "cancel_request")
		o.Uint("process_id", uint64(binary.BigEndian.Uint32(t.request[8:])))
		o.Uint("secret_key", uint64(binary.BigEndian.Uint32(t.request[12:])))
	case kindPassword:
		if t.passwords {
			o.Text("password", t.body())
		}
	case kindSASLInitial:
		name, rest, _ := bytes.Cut(t.request[min(5, len(t.request)):], []byte{0})
		mechanism := "unknown_mechanism"
		switch string(name) {
		case "SCRAM-SHA-256":
			mechanism = "scram_SHA256"
		case "SCRAM-SHA-256-PLUS":
			mechanism = "scram_SHA256_plus"
		}
		o.Str("sasl_authentication_mechanism", mechanism)
		if len(rest) > 4 {
			o.Text("sasl_param", rest[4:])
		}
	case kindSASLResponse:
		o.Text("sasl_response", t.request[min(5, len(t.request)):])
	case kindQuery:
		o.Text("simple_query", t.body())
	case kindTerminate:
		o.Str("message", "termination_message")
	}
}

func (t *Tx) eveStartup(o *eve.Object) {
	var b [16]byte
	v := strconv.AppendUint(b[:0], uint64(binary.BigEndian.Uint16(t.request[4:])), 10)
	v = strconv.AppendUint(append(v, '.'), uint64(binary.BigEndian.Uint16(t.request[6:])), 10)
	o.Text("protocol_version", v)
	o.BeginObject("startup_parameters")
	if user, ok := t.parameter("user"); ok {
		o.Text("user", user)
	}
	o.BeginArray("optional_parameters")
	for rest := t.request[8:]; ; {
		name, value, after, ok := pair(rest)
		if !ok {
			break
		}
		if string(name) != "user" {
			eveParameter(o, name, value)
		}
		rest = after
	}
	o.EndArray()
	o.End()
}

func (t *Tx) parameter(want string) ([]byte, bool) {
	for rest := t.request[8:]; ; {
		name, value, after, ok := pair(rest)
		if !ok {
			return nil, false
		}
		if string(name) == want {
			return value, true
		}
		rest = after
	}
}

// pair cuts a name and a value off, each ended by a zero.
func pair(b []byte) (name, value, rest []byte, ok bool) {
	name, rest, ok = bytes.Cut(b, []byte{0})
	if !ok || len(name) == 0 {
		return nil, nil, nil, false
	}
	value, rest, ok = bytes.Cut(rest, []byte{0})
	return name, value, rest, ok
}

var parameterNames = [...][2]string{
	{"application_name", "application_name"}, {"client_encoding", "client_encoding"}, {"DateStyle", "date_style"},
	{"database", "database"}, {"default_transaction_read_only", "default_transaction_read_only"}, {"in_hot_standby", "in_hot_standby"},
	{"integer_datetimes", "integer_datetimes"}, {"IntervalStyle", "interval_style"}, {"is_superuser", "is_superuser"},
	{"options", "options"}, {"replication", "replication"}, {"server_encoding", "server_encoding"}, {"server_version", "server_version"},
	{"session_authorization", "session_authorization"}, {"standard_conforming_strings", "standard_conforming_strings"},
	{"TimeZone", "time_zone"}, {"user", "user"},
}

func eveParameter(o *eve.Object, name, value []byte) {
	key := "unknown_parameter_type"
	for i := range parameterNames {
		if string(name) == parameterNames[i][0] {
			key = parameterNames[i][1]
		}
	}
	o.Begin()
	o.Text(key, value)
	o.End()
}

// eveResponse writes the messages of the backend in order; parameters that
// follow each other stand in one list.
func (t *Tx) eveResponse(o *eve.Object) {
	b := t.answers
	if len(b) > 0 && t.kind == kindSSL {
		o.Bool("ssl_accepted", b[0] == 'S')
		b = b[1:]
	}
	open, rows := false, t.rows > 0
	for len(b) >= 5 {
		n := 1 + int(binary.BigEndian.Uint32(b[1:]))
		if n < 5 || n > len(b) {
			break
		}
		if b[0] == 'S' {
			if name, value, _, ok := pair(b[5:n]); ok {
				if !open {
					o.BeginArray("parameter_status")
					open = true
				}
				eveParameter(o, name, value)
			}
		} else {
			if open {
				o.EndArray()
				open = false
			}
			if b[0] == 'C' && rows {
				t.eveRows(o)
				rows = false
			}
			eveAnswer(o, b[0], b[5:n])
		}
		b = b[n:]
	}
	if open {
		o.EndArray()
	}
	if rows {
		t.eveRows(o)
	}
}

func (t *Tx) eveRows(o *eve.Object) {
	o.Uint("data_rows", t.rows)
	o.Uint("data_size", t.rowBytes)
}

func eveAnswer(o *eve.Object, kind byte, b []byte) {
	switch kind {
	case 'R':
		if len(b) >= 4 {
			eveLogin(o, binary.BigEndian.Uint32(b), b[4:])
		}
	case 'K':
		if len(b) >= 8 {
			o.Uint("process_id", uint64(binary.BigEndian.Uint32(b)))
			o.Uint("secret_key", uint64(binary.BigEndian.Uint32(b[4:])))
		}
	case 'T':
		if len(b) >= 2 {
			o.Uint("field_count", uint64(binary.BigEndian.Uint16(b)))
		}
	case 'C':
		o.Text("command_completed", bytes.TrimSuffix(b, []byte{0}))
	case 'A':
		if len(b) >= 4 {
			o.Uint("pid", uint64(binary.BigEndian.Uint32(b)))
			if channel, payload, _, ok := pair(b[4:]); ok {
				o.Text("channel_name", channel)
				o.Text("payload", payload)
			}
		}
	case 'E', 'N':
		eveNotice(o, b)
	}
}

func eveLogin(o *eve.Object, code uint32, b []byte) {
	switch code {
	case 0:
		o.Str("message", "authentication_ok")
	case 3:
		o.Str("message", "authentication_cleartext_password")
	case 5:
		o.Text("authentication_md5_password", b)
	case 9:
		o.Text("authentication_sspi", b)
	case 10:
		o.Str("message", "authentication_sasl")
	case 11:
		o.Str("message", "authentication_sasl_continue")
	case 12:
		o.Text("authentication_sasl_final", b)
	}
}

// noticeFields are the fields of errors and notices by their letter.
var noticeFields = [...]struct {
	code byte
	name string
}{
	{'S', "severity_localizable"}, {'V', "severity_non_localizable"}, {'C', "code"}, {'M', "message"}, {'D', "detail"}, {'H', "hint"},
	{'P', "position"}, {'p', "internal_position"}, {'q', "internal_query"}, {'W', "where"}, {'s', "schema_name"}, {'t', "table_name"},
	{'c', "column_name"}, {'d', "data_type_name"}, {'n', "constraint_name"}, {'F', "file"}, {'L', "line"}, {'R', "routine"},
}

func eveNotice(o *eve.Object, b []byte) {
	for len(b) > 1 && b[0] != 0 {
		value, rest, ok := bytes.Cut(b[1:], []byte{0})
		if !ok {
			return
		}
		for i := range noticeFields {
			if noticeFields[i].code == b[0] {
				o.Text(noticeFields[i].name, value)
			}
		}
		b = rest
	}
}
