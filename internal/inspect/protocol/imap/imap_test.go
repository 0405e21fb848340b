package imap

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

func TestTLSBegins(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToClient, []byte("* OK ready\r\n"))
	f.Send(packet.ToServer, []byte("a1 START"))
	f.Send(packet.ToServer, []byte("TLS\r\n"))
	st := f.Send(packet.ToClient, []byte("* CAPABILITY x\r\na1 OK go\r\n\x16"))
	if st.Code != protocol.StatusSwitch || st.Next != protocol.TLS || f.Env.Consumed != 26 {
		t.Errorf("status %+v, consumed %d", st, f.Env.Consumed)
	}
}

func TestRefusedTLS(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToServer, []byte("a1 STARTTLS\r\n"))
	if st := f.Send(packet.ToClient, []byte("a1 NO\r\na1 OK\r\n")); st.Code != protocol.StatusOK {
		t.Errorf("status %+v", st)
	}
}

func TestProbe(t *testing.T) {
	if probe(packet.ToClient, []byte("* OK hello\r\n"), 143, 0) != protocol.Yes || probe(packet.ToServer, []byte("a001 LOGIN a b\r\n"), 0, 143) != protocol.Yes || probe(packet.ToServer, []byte("GET / HTTP/1.0\r\n"), 0, 143) != protocol.No {
		t.Error("probe")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x05a1 STARTTLS\r\na1 OK\r\n"), false)
	parsetest.Fuzz(f, Spec(), nil)
}
