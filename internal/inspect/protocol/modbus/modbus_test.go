package modbus

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	up   = packet.ToServer
	down = packet.ToClient
)

// pdu puts a header with transaction 1 and unit 10 before function and data.
func pdu(body string) []byte {
	return append([]byte{0, 1, 0, 0, 0, byte(len(body) + 1), 10}, body...)
}

func TestExchange(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for _, b := range pdu("\x01\x00\x00\x00\x0a") {
		f.Send(up, []byte{b})
	}
	if f.Tx(0).Stage(up) != protocol.StageStart {
		t.Error("stage of the request")
	}
	f.Send(down, pdu("\x01\x02\x01\x02"))
	if !f.Tx(0).Inspection().Events.Empty() || f.Tx(0).Stage(up) != protocol.StageDone {
		t.Error("events", f.Tx(0).Inspection().Events)
	}
	want := `{"id":1,"request":{"transaction_id":1,"protocol_id":0,"unit_id":10,"function_raw":1,"function_code":"RdCoils","access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"address":0,"quantity":10}},"response":{"transaction_id":1,"protocol_id":0,"unit_id":10,"function_raw":1,"function_code":"RdCoils","access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"NONE","read":{"data":"\u0001\u0002"}}}`
	if got := f.Eve(0, up); got != want {
		t.Error(got)
	}
}

func TestKeyword(t *testing.T) {
	read := "\x03\x00\x63\x00\x0a"                             // holding registers 100 to 109
	write := "\x10\x01\xf3\x00\x02\x04\x00\xc9\x00\x05"        // registers 500 and 501
	coils := "\x0f\x00\x00\x00\x0a\x02\x02\x01"                // coils 1 to 10
	both := "\x17\x00\x00\x00\x01\x00\x09\x00\x01\x02\x00\x07" // read 1, write 10
	for _, c := range []struct {
		body, arg string
		want      bool
	}{
		{read, "function 3", true}, {read, "function 4", false}, {read, "unit 10", true}, {read, "unit >9, function 3", true},
		{read, "unit <10", false}, {read, "access read", true}, {read, "access write", false}, {read, "access read holding, address 100", true},
		{read, "access read holding, address 110", false}, {read, "access read holding, address 99<>101", true}, {read, "access read coils", false},
		{read, "function public", true}, {read, "function !assigned", false}, {"\x41", "function user", true}, {"\x5a", "function reserved", true}, {"\x1f", "function unassigned", true},
		{"\x08\x00\x04\x00\x00", "function 8, subfunction 4", true}, {"\x08\x00\x04\x00\x00", "function 8, subfunction 3", false},
		{write, "access write holding, address 500, value >200", true}, {write, "access write holding, address 501, value 5", true},
		{write, "access write holding, address 501, value <5", false}, {coils, "access write coils, address 2, value 1", true},
		{coils, "access write coils, address 3, value 1", false}, {both, "access write holding, address 1", true}, {both, "unit 10, access read holding, address <2", true},
	} {
		f := parsetest.Open(t, Spec(), nil)
		f.Send(up, pdu(c.body))
		test, err := keyword().Compile(c.arg)
		if err != nil || test(f.Tx(0), up) != c.want || test(f.Tx(0), down) {
			t.Errorf("%x %q: %v", c.body, c.arg, err)
		}
	}
	for _, bad := range []string{"", "function 0", "function x", "subfunction 1", "access", "access write input", "access read coils, address 1<>5, value 3", "access read coils, value 3", "unit x"} {
		if _, err := keyword().Compile(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name     string
		up, down string
		event    uint8
	}{
		{"unsolicited", "", "\x01\x01\x00", eventUnsolicited}, {"function", "\x00\x01", "", eventInvalidFunction},
		{"length", "\x01\x00\x00\x00", "", eventInvalidLength}, {"value", "\x03\x00\x00\x00\x7e", "", eventInvalidValue},
		{"coil", "\x05\x00\x00\x12\x34", "", eventInvalidValue}, {"exception", "\x03\x00\x00\x00\x01", "\x83\x20", eventInvalidException},
		{"mismatch", "\x03\x00\x00\x00\x01", "\x03\x04\x00\x00\x00\x00", eventMismatch}, {"echo", "\x06\x00\x00\x00\x01", "\x06\x00\x00\x00\x02", eventMismatch},
	} {
		f := parsetest.Open(t, Spec(), nil)
		if c.up != "" {
			f.Send(up, pdu(c.up))
		}
		if c.down != "" {
			f.Send(down, pdu(c.down))
		}
		if !f.Tx(0).Inspection().Events.Has(c.event) {
			t.Errorf("%s: %v", c.name, f.Tx(0).Inspection().Events)
		}
	}
	f := parsetest.Open(t, Spec(), parsetest.Config{"request-flood": "2"})
	other := pdu("\x01\x00\x00\x00\x01")
	other[3] = 7
	f.Send(up, other)
	if !f.Tx(0).Inspection().Events.Has(eventInvalidProtocol) {
		t.Error("protocol")
	}
	for range 4 {
		f.Send(up, pdu("\x01\x00\x00\x00\x01"))
	}
	if len(f.Parser.Txs()) != 3 || !f.Tx(2).Inspection().Events.Has(eventFlooded) {
		t.Error("flood")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), false, parsetest.Step{Dir: up, Data: pdu("\x10\x01\xf3\x00\x02\x04\x00\xc9\x00\x05")}, parsetest.Step{Dir: down, Data: pdu("\x10\x01\xf3\x00\x02")})
}

func FuzzParse(f *testing.F) {
	f.Add(append([]byte{0xf0}, pdu("\x01\x00\x00\x00\x0a")...), false)
	f.Add(append([]byte{0xfa}, pdu("\x17\x00\x00\x00\x01\x00\x09\x00\x01\x02\x00\x07")...), false)
	parsetest.Fuzz(f, Spec(), nil)
}
