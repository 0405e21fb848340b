package ntp

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

func server() []byte {
	b := make([]byte, headerLen)
	b[0], b[1] = 0x24, 1
	copy(b[12:], "GPS")
	return b
}

func TestMessage(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToClient, server())
	if f.Number(0, protocol.NTPVersion, packet.ToClient, 0) != 4 || f.Number(0, protocol.NTPMode, packet.ToClient, 0) != 4 || f.Number(0, protocol.NTPStratum, packet.ToClient, 0) != 1 {
		t.Error("numbers")
	}
	if got := f.Eve(0, packet.ToClient); got != `{"version":4,"mode":4,"stratum":1,"reference_id":"GPS"}` {
		t.Error(got)
	}
	f.Send(packet.ToClient, server()[:20])
	if len(f.Parser.Txs()) != 1 || !f.Tx(0).Inspection().Events.Has(eventMalformed) {
		t.Error("a short message")
	}
}

func TestProbe(t *testing.T) {
	if Spec().Probe(packet.ToServer, server(), 40000, 123) != protocol.Yes || Spec().Probe(packet.ToServer, server(), 1, 2) != protocol.No {
		t.Error("probe")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(append([]byte{0xff}, server()...), true)
	parsetest.Fuzz(f, Spec(), nil)
}
