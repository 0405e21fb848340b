package rtp

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const voice = "\x80\x08\x00\x01\x00\x00\x00\xa0\x12\x34\x56\x78twenty bytes of audio"

func TestFirst(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToServer, []byte(voice))
	f.Send(packet.ToServer, []byte(voice))
	if got := f.Eve(0, 0); got != `{"payload_type":8,"ssrc":305419896}` || len(f.Parser.Txs()) != 1 {
		t.Error(got)
	}
	if Spec().Probe(packet.ToServer, []byte(voice), 30000, 40000) != protocol.Maybe || Spec().Probe(packet.ToServer, []byte(voice), 53, 40000) != protocol.No {
		t.Error("probe")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\xff"+voice), true)
	parsetest.Fuzz(f, Spec(), nil)
}
