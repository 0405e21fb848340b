package pop3

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

func TestTLSBegins(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToClient, []byte("+OK ready\r\n"))
	f.Send(packet.ToServer, []byte("ST"))
	f.Send(packet.ToServer, []byte("LS\r\n"))
	st := f.Send(packet.ToClient, []byte("+OK go\r\n\x16"))
	if st.Code != protocol.StatusSwitch || st.Next != protocol.TLS || f.Env.Consumed != 8 {
		t.Errorf("status %+v, consumed %d", st, f.Env.Consumed)
	}
}

func TestProbe(t *testing.T) {
	if probe(packet.ToClient, []byte("+OK hello\r\n"), 110, 0) != protocol.Yes || probe(packet.ToServer, []byte("CAPA\r\n"), 0, 110) != protocol.Yes || probe(packet.ToServer, []byte("GET / HTTP/1.0\r\n"), 0, 110) != protocol.No {
		t.Error("probe")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x05STLS\r\n+OK\r\n"), false)
	parsetest.Fuzz(f, Spec(), nil)
}
