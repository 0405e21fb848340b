package coap

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const get = "\x42\x01\x12\x34tk\xb4temp\x03now\xd1\x02x\xffpayload"

func TestMessage(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToServer, []byte(get))
	f.Send(packet.ToClient, []byte("\x60\x45\x12\x34"))
	if got := f.Eve(0, 0); got != `{"type":"confirmable","message_id":4660,"method":"GET","path":"/temp/now"}` {
		t.Error(got)
	}
	if got := f.Eve(1, 0); got != `{"type":"acknowledgement","message_id":4660,"code":"2.05"}` {
		t.Error(got)
	}
	if Spec().Probe(packet.ToServer, []byte(get), 1, 5683) != protocol.Yes || Spec().Probe(packet.ToServer, []byte("GET /"), 1, 5683) != protocol.No {
		t.Error("probe")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), true, parsetest.Step{Data: []byte(get)})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\xff"+get), true)
	parsetest.Fuzz(f, Spec(), nil)
}
