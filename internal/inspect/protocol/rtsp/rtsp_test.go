package rtsp

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	describe = "DESCRIBE rtsp://10.0.0.2/live RTSP/1.0\r\nCSeq: 2\r\nUser-Agent: viewer\r\n\r\n"
	reply    = "RTSP/1.0 200 OK\r\nCSeq: 2\r\nServer: cam\r\nContent-Length: 5\r\n\r\nv=0\r\n$\x00\x00\x04data"
)

func TestMessages(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for _, b := range []byte(describe) {
		f.Send(packet.ToServer, []byte{b})
	}
	for _, b := range []byte(reply + reply) {
		f.Send(packet.ToClient, []byte{b})
	}
	if got := f.Eve(0, 0); got != `{"method":"DESCRIBE","uri":"rtsp://10.0.0.2/live","version":"RTSP/1.0","user_agent":"viewer"}` {
		t.Error(got)
	}
	if got := f.Eve(2, 0); got != `{"version":"RTSP/1.0","code":"200","reason":"OK","server":"cam"}` {
		t.Error(got)
	}
	for data, want := range map[string]protocol.Verdict{describe: protocol.Yes, reply: protocol.Yes, "DESC": protocol.More, "GET / HTTP/1.1\r\n": protocol.No} {
		if got := Spec().Probe(packet.ToServer, []byte(data), 1, 554); got != want {
			t.Errorf("%q %v", data, got)
		}
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), false, parsetest.Step{Data: []byte(describe)}, parsetest.Step{Dir: 1, Data: []byte(reply)})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\xf0"+describe), false)
	f.Add([]byte("\xf1"+reply), false)
	parsetest.Fuzz(f, Spec(), nil)
}
