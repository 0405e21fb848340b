package sip

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

const sdp = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=call\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=sendrecv\r\nm=audio 30000 RTP/AVP 0 8\r\ni=voice\r\na=rtpmap:0 PCMU/8000\r\nm=video 30002 RTP/AVP 31\r\nc=IN IP4 10.0.0.2\r\n"

const invite = "INVITE sip:b@example.org SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.1\r\nVia: SIP/2.0/UDP 10.0.0.9\r\nf: <sip:a@example.org>\r\n ;tag=1\r\nTo: <sip:b@example.org>\r\nUser-Agent: Phone  \r\nc: application/sdp\r\nl: 179\r\n\r\n" + sdp

const ok200 = "SIP/2.0 200 OK\r\nTo: x\r\nTo: y\r\nContent-Length: 0\r\n\r\n"

func TestMessages(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = true
	f.Send(up, []byte(invite))
	f.Send(down, []byte(ok200))
	for _, c := range []struct {
		field protocol.Field
		i     int
		want  string
	}{
		{protocol.SIPMethod, 0, "INVITE"}, {protocol.SIPURI, 0, "sip:b@example.org"}, {protocol.SIPProtocol, 0, "SIP/2.0"},
		{protocol.SIPRequestLine, 0, "INVITE sip:b@example.org SIP/2.0"}, {protocol.SIPResponseLine, 0, "<none>"},
		{protocol.SIPVia, 1, "SIP/2.0/UDP 10.0.0.9"}, {protocol.SIPFrom, 0, "<sip:a@example.org>\r\n ;tag=1"},
		{protocol.SIPUserAgent, 0, "Phone"}, {protocol.SIPContentType, 0, "application/sdp"}, {protocol.SDPOrigin, 0, "- 1 2 IN IP4 10.0.0.1"},
		{protocol.SDPMedia, 1, "video 30002 RTP/AVP 31"}, {protocol.SDPMediaInfo, 0, "voice"}, {protocol.SDPMediaConnection, 0, "IN IP4 10.0.0.2"},
		{protocol.SDPAttribute, 0, "sendrecv"}, {protocol.SDPAttribute, 1, "<none>"}, {protocol.SDPTime, 0, "0 0"},
	} {
		if got := f.Text(0, c.field, up, c.i); got != c.want {
			t.Errorf("field %d: %q, not %q", c.field, got, c.want)
		}
	}
	want := `{"method":"INVITE","uri":"sip:b@example.org","version":"SIP/2.0","request_line":"INVITE sip:b@example.org SIP/2.0","sdp":{"version":0,"origin":"- 1 2 IN IP4 10.0.0.1","session_name":"call","connection_data":"IN IP4 10.0.0.1","time":"0 0","attributes":["sendrecv"],"media_descriptions":[{"media":"audio 30000 RTP/AVP 0 8","session_info":"voice","attributes":["rtpmap:0 PCMU/8000"]},{"media":"video 30002 RTP/AVP 31","connection_data":"IN IP4 10.0.0.2"}]}}`
	if got := f.Eve(0, up); got != want {
		t.Error(got)
	}
	if f.Text(1, protocol.SIPStatCode, down, 0) != "200" || f.Text(1, protocol.SIPStatMsg, down, 0) != "OK" || f.Text(1, protocol.SIPTo, down, 1) != "y" {
		t.Error("response")
	}
	if got := f.Eve(1, down); got != `{"version":"SIP/2.0","code":"200","reason":"OK","response_line":"SIP/2.0 200 OK"}` {
		t.Error(got)
	}
}

func TestStream(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for _, c := range []byte(invite + "\r\n\r\n" + invite) {
		f.Send(up, []byte{c})
	}
	f.Send(up, []byte("x"))
	if n := len(f.Parser.Txs()); n != 2 {
		t.Errorf("%d messages", n)
	}
}

func TestEvents(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = true
	f.Send(up, []byte(invite))
	f.Send(up, []byte("INVITE sip:x SIP/2.0\r\n"))
	f.Send(down, []byte(invite))
	e := &f.Tx(0).Inspection().Events
	if !e.Has(eventIncomplete) || !e.Has(eventInvalid) || len(f.Parser.Txs()) != 1 {
		t.Errorf("%v", *e)
	}
}

func TestProbe(t *testing.T) {
	for data, want := range map[string]protocol.Verdict{
		invite: protocol.Yes, ok200: protocol.Yes, "SIP/": protocol.More, "INVI": protocol.More, "INVITE sip:x": protocol.More,
		"GET / HTTP/1.1\r\n": protocol.No, "HTTP/1.1 200 OK\r\n": protocol.No, "GET /": protocol.No, "SIP/2.0 abc OK\r\n": protocol.No,
	} {
		if got := Spec().Probe(up, []byte(data), 1, 5060); got != want {
			t.Errorf("%q: %v", data, got)
		}
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), true, parsetest.Step{Dir: up, Data: []byte(invite)}, parsetest.Step{Dir: down, Data: []byte(ok200)})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\xff"+invite), true)
	f.Add([]byte("\x11"+ok200+ok200), false)
	parsetest.Fuzz(f, Spec(), nil)
}
