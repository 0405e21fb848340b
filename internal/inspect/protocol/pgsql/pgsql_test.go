package pgsql

import (
	"encoding/binary"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	up   = packet.ToServer
	down = packet.ToClient
)

func msg(kind byte, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}

func session() []parsetest.Step {
	start := "\x00\x03\x00\x00user\x00u\x00database\x00d\x00\x00"
	join := func(parts ...[]byte) (out []byte) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	return []parsetest.Step{
		{Dir: up, Data: []byte("\x00\x00\x00\x08\x04\xd2\x16\x2f")}, {Dir: down, Data: []byte("N")},
		{Dir: up, Data: append(binary.BigEndian.AppendUint32(nil, uint32(len(start)+4)), start...)},
		{Dir: down, Data: msg('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00")},
		{Dir: up, Data: msg('p', "SCRAM-SHA-256\x00\x00\x00\x00\x03n,,")}, {Dir: down, Data: msg('R', "\x00\x00\x00\x0br=x")},
		{Dir: up, Data: msg('p', "c=y")},
		{Dir: down, Data: join(msg('R', "\x00\x00\x00\x0cv=z"), msg('R', "\x00\x00\x00\x00"), msg('S', "DateStyle\x00ISO\x00"), msg('S', "TimeZone\x00UTC\x00"), msg('K', "\x00\x00\x00\x01\x00\x00\x00\x02"), msg('Z', "I"))},
		{Dir: up, Data: msg('Q', "select 1;\x00")},
		{Dir: down, Data: join(msg('T', "\x00\x01xx"), msg('D', "\x00\x01\x00\x00\x00\x011"), msg('D', "\x00\x01\x00\x00\x00\x011"), msg('C', "SELECT 2\x00"), msg('Z', "I"))},
		{Dir: up, Data: msg('Q', "bad\x00")}, {Dir: down, Data: join(msg('E', "SERROR\x00C42601\x00Moops\x00\x00"), msg('Z', "I"))},
		{Dir: up, Data: msg('X', "")},
	}
}

func TestSession(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for _, s := range session() {
		for _, b := range s.Data {
			f.Send(s.Dir, []byte{b})
		}
	}
	for i, want := range []string{
		`{"tx_id":1,"request":{"message":"SSL Request"},"response":{"ssl_accepted":false}}`,
		`{"tx_id":2,"request":{"protocol_version":"3.0","startup_parameters":{"user":"u","optional_parameters":[{"database":"d"}]}},"response":{"message":"authentication_sasl"}}`,
		`{"tx_id":3,"request":{"sasl_authentication_mechanism":"scram_SHA256","sasl_param":"n,,"},"response":{"message":"authentication_sasl_continue"}}`,
		`{"tx_id":4,"request":{"sasl_response":"c=y"},"response":{"authentication_sasl_final":"v=z","message":"authentication_ok","parameter_status":[{"date_style":"ISO"},{"time_zone":"UTC"}],"process_id":1,"secret_key":2}}`,
		`{"tx_id":5,"request":{"simple_query":"select 1;"},"response":{"field_count":1,"data_rows":2,"data_size":2,"command_completed":"SELECT 2"}}`,
		`{"tx_id":6,"request":{"simple_query":"bad"},"response":{"severity_localizable":"ERROR","code":"42601","message":"oops"}}`,
		`{"tx_id":7,"request":{"message":"termination_message"}}`,
	} {
		if got := f.Eve(i, up); got != want {
			t.Errorf("%s", got)
		}
		if f.Tx(i).Stage(up) != protocol.StageDone || f.Tx(i).Stage(down) != protocol.StageDone {
			t.Errorf("transaction %d is not done", i)
		}
	}
	if f.Text(4, protocol.PGSQLQuery, up, 0) != "select 1;" {
		t.Error("query")
	}
}

func TestSwitch(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(up, session()[0].Data)
	if st := f.Send(down, []byte("S\x16\x03")); st.Code != protocol.StatusSwitch || st.Next != protocol.TLS || f.Env.Consumed != 1 {
		t.Errorf("%+v", st)
	}
}

func TestProbe(t *testing.T) {
	for i, s := range session()[:4] {
		want := protocol.Yes
		if s.Dir == down {
			want = protocol.Maybe
		}
		if got := Spec().Probe(s.Dir, s.Data, 5432, 5432); got != want {
			t.Errorf("%d: %v", i, got)
		}
	}
	if Spec().Probe(up, []byte("GET / HTTP/1.1"), 1, 80) != protocol.No {
		t.Error("HTTP")
	}
}

func TestSteady(t *testing.T) { parsetest.Steady(t, Spec(), false, session()...) }

func FuzzParse(f *testing.F) {
	for _, s := range session() {
		f.Add(append([]byte{0xf0 | byte(s.Dir)}, s.Data...), false)
	}
	parsetest.Fuzz(f, Spec(), nil)
}
