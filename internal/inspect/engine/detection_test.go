package engine_test

import (
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// TestDetectionByDirection: a greeting that tells nothing by itself, an unknown
// method beside a known response, and unknown datagrams are marked as such.
func TestDetectionByDirection(t *testing.T) {
	const text = `alert tcp any any -> any any (app-layer-event:applayer_detect_protocol_only_one_direction; sid:1;)`
	type part struct {
		d    packet.Direction
		text string
	}
	up, down := packet.ToServer, packet.ToClient
	for _, c := range []struct {
		name  string
		port  uint16
		parts []part
		app   [3]protocol.ID // of the flow, to the server, to the client
		event bool
	}{
		{"mail", 25, []part{{down, "220 mail.example.org ESMTP ready\r\n"}, {up, "EHLO a.example.org\r\n"}, {down, "250 mail.example.org\r\n"}},
			[3]protocol.ID{protocol.SMTP, protocol.SMTP, protocol.Failed}, true},
		{"files", 21, []part{{down, "220 (a server of files)\r\n"}, {up, "USER anonymous\r\n"}, {down, "331 password\r\n"}},
			[3]protocol.ID{protocol.FTP, protocol.FTP, protocol.FTP}, false},
		{"method", 80, []part{{up, "STRANGE /a HTTP/1.1\r\nHost: a.example.org\r\n\r\n"}, {down, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}},
			[3]protocol.ID{protocol.HTTP1, protocol.Failed, protocol.HTTP1}, true},
		{"plain", 80, []part{{up, "GET /a HTTP/1.1\r\nHost: a.example.org\r\n\r\n"}, {down, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}},
			[3]protocol.ID{protocol.HTTP1, protocol.HTTP1, protocol.HTTP1}, false},
	} {
		s := &found{}
		k := begin(open(t, text, s, nil), 40000, c.port)
		for _, p := range c.parts {
			k.say(p.d, []byte(p.text))
		}
		k.end()
		k.e.Close()
		if len(s.flows) != 1 {
			t.Fatalf("%s: %d flows", c.name, len(s.flows))
		}
		f := &s.flows[0]
		if got := [3]protocol.ID{f.App, f.AppDir[0], f.AppDir[1]}; got != c.app {
			t.Errorf("%s: protocols %v, want %v", c.name, got, c.app)
		}
		if slices.Contains(s.alerts, 1) != c.event {
			t.Errorf("%s: alerts %v, want the event: %v", c.name, s.alerts, c.event)
		}
	}
}

// TestUnknownDatagramCountsAtOnce: the first datagram that no protocol takes
// makes the flow one of an unknown protocol. Checksums that the decoder was not
// asked to verify are compared for a rule that names them.
func TestUnknownDatagramCountsAtOnce(t *testing.T) {
	s := &found{}
	e := open(t, `alert udp any any -> any any (app-layer-protocol:failed; sid:1;)
alert ip any any -> any any (ipv4-csum:invalid; sid:2;)`, s, nil)
	e.Frame(packet.LinkRaw, udp(1, 2, 40000, 40001, []byte("\x01nothing that is known")), 1e18, 1)
	e.Close()
	if len(s.flows) != 1 || s.flows[0].App != protocol.Failed || !slices.Contains(s.alerts, 1) || !slices.Contains(s.alerts, 2) {
		t.Errorf("flows %+v, alerts %v", s.flows, s.alerts)
	}
}
