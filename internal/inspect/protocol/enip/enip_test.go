package enip

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	up   = packet.ToServer
	down = packet.ToClient
)

func msg(command uint16, body string) []byte {
	b := binary.LittleEndian.AppendUint16(nil, command)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(body)))
	return append(append(b, make([]byte, 20)...), body...)
}

// connected wraps a CIP message in connected items with sequence 7.
func connected(cip string) []byte {
	return msg(cmdSendUnitData, "\x00\x00\x00\x00\x00\x00\x02\x00\xa1\x00\x04\x00\x01\x02\x03\x04\xb1\x00"+string(rune(len(cip)+2))+"\x00\x07\x00"+cip)
}

const (
	get      = "\x0e\x03\x20\x04\x24\x65\x30\x03"
	getReply = "\x8e\x00\x05\x01\x34\x12"
	multiple = "\x0a\x02\x20\x02\x24\x01\x02\x00\x06\x00\x0e\x00" + get + "\x03\x02\x20\xf5\x24\x01\x01\x00\x02\x00"
	identify = "\x01\x00\x0c\x00\x25\x00\x01\x00\x00\x02\xaf\x12\x0a\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00" + "\x4d\x00\x0c\x00\x41\x00\x01\x05\x34\x00\x78\x56\x34\x12\x03PLC\x03"
)

func TestExchange(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for _, b := range append(msg(cmdRegister, "\x01\x00\x00\x00"), connected(get)...) {
		f.Send(up, []byte{b})
	}
	f.Send(down, connected(getReply))
	if len(f.Parser.Txs()) != 2 || f.Number(0, protocol.ENIPVersion, up, 0) != 1 || f.Tx(1).Stage(up) != protocol.StageDone {
		t.Error("exchanges")
	}
	for field, want := range map[protocol.Field]int64{protocol.CIPClass: 4, protocol.CIPInstance: 0x65, protocol.CIPAttribute: 3, protocol.ENIPCommand: cmdSendUnitData} {
		if got := f.Number(1, field, up, 0); got != want {
			t.Errorf("field %d: %d", field, got)
		}
	}
	if f.Number(1, protocol.CIPStatus, down, 0) != 5 || f.Number(1, protocol.CIPExtendedStatus, down, 0) != 0x1234 {
		t.Error("status")
	}
	if got := f.Eve(1, up); !strings.Contains(got, `"response":{"command":"send_unit_data","status":"success","cip":{"service":14,"status":5,"status_extended":4660}}`) {
		t.Error(got)
	}
}

func TestServices(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(up, connected(multiple))
	for arg, want := range map[string]bool{
		"10": true, "14": true, "14,4": true, "14,4,3": true, "14,4,4": false, "14,5": false, "3,245,2": true, "3, 245, !9": true, "75": false, "10,2": true,
	} {
		test, err := serviceKeyword().Compile(arg)
		if err != nil || test(f.Tx(0), up) != want || test(f.Tx(0), down) {
			t.Errorf("%s: %v", arg, err)
		}
	}
	for _, bad := range []string{"", "128", "1,2,3,4", "x"} {
		if _, err := serviceKeyword().Compile(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestIdentity(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = true
	f.Send(down, msg(cmdListIdentity, identify))
	if f.Text(0, protocol.ENIPProductName, down, 0) != "PLC" {
		t.Error("name")
	}
	for field, want := range map[protocol.Field]int64{
		protocol.ENIPVendor: 0x4d, protocol.ENIPDeviceType: 12, protocol.ENIPProductCode: 0x41, protocol.ENIPRevision: 0x105,
		protocol.ENIPIdentityStatus: 0x34, protocol.ENIPSerial: 0x12345678, protocol.ENIPState: 3, protocol.ENIPVersion: 1,
	} {
		if got := f.Number(0, field, down, 0); got != want {
			t.Errorf("field %d: %d", field, got)
		}
	}
	f.Send(up, msg(cmdSendRRData, "\x00\x00"))
	if !f.Tx(1).Inspection().Events.Has(eventInvalidPdu) {
		t.Error("an invalid message")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), false, parsetest.Step{Dir: up, Data: connected(multiple)}, parsetest.Step{Dir: down, Data: connected(getReply)})
}

func FuzzParse(f *testing.F) {
	f.Add(append([]byte{0xf0}, connected(multiple)...), false)
	f.Add(append([]byte{0xf1}, msg(cmdListIdentity, identify)...), true)
	parsetest.Fuzz(f, Spec(), nil)
}
