package rfb

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

func handshake() []parsetest.Step {
	return []parsetest.Step{
		{Dir: down, Data: []byte("RFB 003.008\n")}, {Dir: up, Data: []byte("RFB 003.008\n")}, {Dir: down, Data: []byte("\x02\x01\x02")},
		{Dir: up, Data: []byte("\x02")}, {Dir: down, Data: []byte("0123456789abcdef")}, {Dir: up, Data: []byte("fedcba9876543210")},
		{Dir: down, Data: []byte("\x00\x00\x00\x00")}, {Dir: up, Data: []byte("\x01")},
		{Dir: down, Data: []byte("\x05\x00\x03\x20\x20\x18\x00\x01\x00\xff\x00\xff\x00\xff\x10\x08\x00\x00\x00\x00\x00\x00\x00\x04desk")},
		{Dir: up, Data: []byte("whatever follows")}, {Dir: down, Data: []byte("whatever follows")},
	}
}

func TestHandshake(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for _, s := range handshake() {
		for _, b := range s.Data {
			f.Send(s.Dir, []byte{b})
		}
	}
	if f.Text(0, protocol.RFBName, down, 0) != "desk" || f.Number(0, protocol.RFBSecurityType, up, 0) != 2 || f.Tx(0).Stage(up) != protocol.StageDone || !f.Tx(0).Inspection().Events.Empty() {
		t.Error("fields", f.Tx(0).Inspection().Events)
	}
	want := `{"server_protocol_version":{"major":"003","minor":"008"},"client_protocol_version":{"major":"003","minor":"008"},"authentication":{"security_type":2,"vnc":{"challenge":"30313233343536373839616263646566","response":"66656463626139383736353433323130"},"security_result":"OK"},"screen_shared":true,"framebuffer":{"width":1280,"height":800,"name":"desk","pixel_format":{"bits_per_pixel":32,"depth":24,"big_endian":false,"true_color":true,"red_max":255,"green_max":255,"blue_max":255,"red_shift":16,"green_shift":8,"blue_shift":0}}}`
	if got := f.Eve(0, down); got != want {
		t.Error(got)
	}
	for arg, want := range map[string]bool{"ok": true, "fail": false, "unknown": false} {
		test, err := resultKeyword().Compile(arg)
		if err != nil || test(f.Tx(0), down) != want {
			t.Error(arg, err)
		}
	}
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		at    int
		data  string
		event uint8
	}{{1, "RFB 003.x08\n", eventMalformed}, {3, "\x13", eventUnimplementedSecurity}, {6, "\x00\x00\x00\x09", eventUnknownResult}} {
		f := parsetest.Open(t, Spec(), nil)
		steps := handshake()
		for _, s := range steps[:c.at] {
			f.Send(s.Dir, s.Data)
		}
		f.Send(steps[c.at].Dir, []byte(c.data))
		if !f.Tx(0).Inspection().Events.Has(c.event) {
			t.Errorf("%q: %v", c.data, f.Tx(0).Inspection().Events)
		}
	}
}

func TestSteady(t *testing.T) { parsetest.Steady(t, Spec(), false, handshake()...) }

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x03RFB 003.008\n"), false)
	f.Add([]byte("\x0fRFB 003.008\nRFB 003.003\n\x00\x00\x00\x02"), false)
	parsetest.Fuzz(f, Spec(), nil)
}
