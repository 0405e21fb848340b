package tftp

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const read = "\x00\x01rfc1350.txt\x00Octet\x00"

func TestRequest(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToServer, []byte(read))
	f.Send(packet.ToServer, []byte("\x00\x03\x00\x01data"))
	if got := f.Eve(0, packet.ToServer); got != `{"packet":"read","file":"rfc1350.txt","mode":"octet"}` || len(f.Parser.Txs()) != 1 {
		t.Error(got)
	}
	if Spec().Probe(packet.ToServer, []byte(read), 1, 69) != protocol.Yes {
		t.Error("probe")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), true, parsetest.Step{Dir: packet.ToServer, Data: []byte(read)})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\xff"+read), true)
	parsetest.Fuzz(f, Spec(), nil)
}
