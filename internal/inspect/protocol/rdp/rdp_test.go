package rdp

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

func unit(kind byte, body string) []byte {
	x := string([]byte{kind, 0, 0, 0, 0, 0}) + body
	if kind == unitData {
		x = "\xf0\x80" + body
	}
	n := 5 + len(x)
	length := byte(n - 5)
	if kind == unitData {
		length = 2
	}
	return append(append(binary.BigEndian.AppendUint16([]byte{3, 0}, uint16(n)), length), x...)
}

var (
	request  = unit(unitRequest, "Cookie: mstshash=admin\r\n\x01\x01\x08\x00\x03\x00\x00\x00")
	response = unit(unitConfirm, "\x02\x1f\x08\x00\x08\x00\x00\x00")
	refusal  = unit(unitConfirm, "\x03\x00\x08\x00\x05\x00\x00\x00")
)

func connect() []byte {
	core := make([]byte, 212)
	copy(core, "\x04\x00\x08\x00\x00\x05\x00\x04")
	copy(core[12:], "\x09\x04\x00\x00\x28\x0a\x00\x00P\x00C\x00")
	core[52], core[60], core[130], core[136], core[140] = 4, 12, 1, 16, 1
	block := func(kind uint16, b string) string {
		return string(binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, kind), uint16(len(b)+4))) + b
	}
	return unit(unitData, "\x7f\x65\x82\x01\x90Duca\x81\x00"+block(blockCore, string(core))+block(blockNetwork, "\x01\x00\x00\x00rdpdr\x00\x00\x00\x00\x00\x80\x80"))
}

func TestSession(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for _, b := range request {
		f.Send(up, []byte{b})
	}
	f.Send(down, response)
	f.Send(up, connect())
	f.Send(up, []byte("\x16\x03\x01\x00\x10"))
	for i, want := range []string{
		`{"tx_id":1,"event_type":"initial_request","cookie":"admin","flags":["restricted_admin_mode_required"]}`,
		`{"tx_id":2,"event_type":"initial_response","server_supports":["extended_client_data","dynvc_gfx","restricted_admin","redirected_authentication"],"protocol":"hybrid_ex"}`,
		`{"tx_id":3,"event_type":"connect_request","client":{"version":"v5","desktop_width":1280,"desktop_height":1024,"color_depth":16,"keyboard_layout":"en-US","build":"Windows XP","client_name":"PC","keyboard_type":"enhanced","function_keys":12,"product_id":1,"capabilities":["support_errinfo_pdf"]},"channels":["rdpdr"]}`,
		`{"tx_id":4,"event_type":"tls_handshake"}`,
	} {
		if got := f.Eve(i, 0); got != want {
			t.Error(got)
		}
	}
	f = parsetest.Open(t, Spec(), nil)
	f.Send(down, refusal)
	if got := f.Eve(0, 0); !strings.Contains(got, `"error_code":5,"reason":"hybrid required by server"`) {
		t.Error(got)
	}
	if Spec().Probe(up, request, 1, 99) != protocol.Yes || Spec().Probe(down, response, 99, 1) != protocol.Yes || Spec().Probe(up, []byte("GET /"), 1, 3389) != protocol.No {
		t.Error("probe")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), false, parsetest.Step{Dir: up, Data: request}, parsetest.Step{Dir: down, Data: response}, parsetest.Step{Dir: up, Data: connect()})
}

func FuzzParse(f *testing.F) {
	f.Add(append([]byte{0xf0}, request...), false)
	f.Add(append([]byte{0xf1}, response...), false)
	f.Add(append([]byte{0xf0}, connect()...), false)
	parsetest.Fuzz(f, Spec(), nil)
}
