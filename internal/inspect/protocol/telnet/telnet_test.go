package telnet

import (
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const begin = "\xff\xfd\x18\xff\xfa\x18\x00xterm\xff\xf0login: "

func TestFrames(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToServer, []byte(begin))
	var got []string
	for _, fr := range f.Env.Frames {
		got = append(got, fr.Name+"="+string(fr.Data))
	}
	if s := strings.Join(got, "|"); s != "pdu="+begin+"|ctl=\xff\xfd\x18|ctl=\xff\xfa\x18\x00xterm\xff\xf0|data=login: " {
		t.Errorf("%q", s)
	}
	if Spec().Probe(packet.ToClient, []byte(begin), 23, 1) != protocol.Yes || Spec().Probe(packet.ToClient, []byte("SSH"), 22, 1) != protocol.No {
		t.Error("probe")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x05"+begin), false)
	parsetest.Fuzz(f, Spec(), nil)
}
