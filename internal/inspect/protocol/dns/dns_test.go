package dns

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	up   = packet.ToServer
	down = packet.ToClient
)

// message puts a header with counts before a body.
func message(flags uint16, counts [4]uint16, body string) []byte {
	b := binary.BigEndian.AppendUint16(nil, 0x1234)
	b = binary.BigEndian.AppendUint16(b, flags)
	for _, n := range counts {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return append(b, body...)
}

const question = "\x04mAil\x06google\x03com\x00\x00\x01\x00\x01"

func request() []byte { return message(0x0100, [4]uint16{1}, question) }

func response() []byte {
	return message(0x8183, [4]uint16{1, 3, 1, 1}, question+
		"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x01w\xc0\x11\x00\x00"[:18]+
		"\xc0\x11\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01"+
		"\xc0\x11\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x06\x02ab\x02c\"\xc0\x11"[:18]+
		"\xc0\x11\x00\x06\x00\x01\x00\x00\x00\x3c\x00\x1d\x02ns\xc0\x11\x01h\xc0\x11\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05"+
		"\x00\x00\x29\x02\x00\x00\x00\x00\x00\x00\x00")
}

func TestRequest(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = true
	f.Send(up, request())
	if got := f.Text(0, protocol.DNSQuery, up, 0); got != "mAil.google.com" {
		t.Errorf("query %q", got)
	}
	if got := f.Text(0, protocol.DNSQuery, down, 0); got != "<none>" {
		t.Errorf("seen in the other direction: %q", got)
	}
	if f.Number(0, protocol.DNSOpcode, up, 0) != 0 || f.Number(0, protocol.DNSRrtype, up, 0) != 1 {
		t.Error("opcode or type")
	}
	want := `{"version":2,"type":"query","id":4660,"rrname":"mAil.google.com","rrtype":"A","tx_id":0,"opcode":0}`
	if got := f.Eve(0, up); got != want {
		t.Errorf("eve %s", got)
	}
	if len(f.Env.Frames) != 1 || f.Env.Frames[0].Name != "pdu" {
		t.Errorf("frames %v", f.Env.Frames)
	}
}

func TestResponse(t *testing.T) {
	f := parsetest.Open(t, Spec(), parsetest.Config{"eve.version": "3"})
	f.Env.UDP = true
	f.Send(down, response())
	var names []string
	for i := 0; ; i++ {
		s := f.Text(0, protocol.DNSResponseName, down, i)
		if s == "<none>" {
			break
		}
		names = append(names, s)
	}
	want := "mAil.google.com mAil.google.com w.google.com google.com google.com google.com google.com ns.google.com "
	if got := strings.Join(names, " "); got != want {
		t.Errorf("names %q", got)
	}
	if f.Text(0, protocol.DNSAuthoritiesName, down, 0) != "google.com" || f.Number(0, protocol.DNSRcode, down, 0) != 3 {
		t.Error("authorities or rcode")
	}
	eve := f.Eve(0, down)
	for _, part := range []string{`"rcode":"NXDOMAIN"`, `"CNAME":["w.google.com"]`, `"A":["127.0.0.1"]`, `"TXT":["ab","c\""]`, `"mname":"ns.google.com","rname":"h.google.com","serial":1`, `"rrtype":"OPT"`} {
		if !strings.Contains(eve, part) {
			t.Errorf("%s is missing in %s", part, eve)
		}
	}
}

func TestStreamInPieces(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = false
	msg := request()
	stream := append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
	stream = append(stream, stream...)
	for _, b := range stream {
		f.Send(up, []byte{b})
	}
	if n := len(f.Parser.Txs()); n != 2 || f.Text(1, protocol.DNSQuery, up, 0) != "mAil.google.com" {
		t.Errorf("%d transactions", n)
	}
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name  string
		msg   []byte
		event uint8
	}{
		{"z", message(0x0040, [4]uint16{1}, question), eventZFlag},
		{"opcode", message(0x4800, [4]uint16{1}, question), eventInvalidOpcode},
		{"additionals", message(0, [4]uint16{1, 0, 0, 3}, question+"\x3f"), eventInvalidAdditionals},
		{"loop", message(0, [4]uint16{1}, "\xc0\x12\x00\x01\x00\x01\xc0\x12"), eventInfiniteLoop},
		{"long", message(0, [4]uint16{1}, strings.Repeat("\x3f"+strings.Repeat("a", 63), 20)+"\x00\x00\x01\x00\x01"), eventNameTooLong},
		{"labels", message(0, [4]uint16{1}, "\xc0\x12\x00\x01\x00\x01"+strings.Repeat("\x01a", 300)+"\x00"), eventTooManyLabels},
	} {
		f := parsetest.Open(t, Spec(), nil)
		f.Env.UDP = true
		f.Send(up, c.msg)
		if !f.Tx(0).Inspection().Events.Has(c.event) {
			t.Errorf("%s: events %v", c.name, f.Tx(0).Inspection().Events)
		}
	}
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = true
	f.Send(up, request())
	f.Send(up, message(0, [4]uint16{2}, question))
	f.Send(up, response())
	e := &f.Tx(0).Inspection().Events
	if !e.Has(eventMalformed) || !e.Has(eventNotRequest) {
		t.Errorf("events of bad messages: %v", *e)
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		data string
		want protocol.Verdict
	}{
		{string(request()), protocol.Yes},
		{string(response()), protocol.Yes},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", protocol.No},
		{"\x00\x00\x00\x00", protocol.No},
	} {
		if got := Spec().Probe(up, []byte(c.data), 1024, 53); got != c.want {
			t.Errorf("%q: %v", c.data, got)
		}
	}
}

func TestReversed(t *testing.T) {
	if Spec().Reversed(up, request(), true) || !Spec().Reversed(up, response(), true) || Spec().Reversed(down, append([]byte{0, 90}, response()...), false) {
		t.Error("which side sent it")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), true, parsetest.Step{Dir: up, Data: request()}, parsetest.Step{Dir: down, Data: response()})
}

func FuzzParse(f *testing.F) {
	f.Add(append([]byte{255}, request()...), true)
	f.Add(append([]byte{254}, response()...), true)
	f.Add(append([]byte{9, 0, byte(len(request()))}, request()...), false)
	parsetest.Fuzz(f, Spec(), nil)
}

func FuzzMulticast(f *testing.F) {
	f.Add(append([]byte{255}, response()...), true)
	parsetest.Fuzz(f, MDNSSpec(), nil)
}

func TestAddresses(t *testing.T) {
	list := func(msg []byte) (out []string) {
		tx := &Tx{}
		tx.Clear(0)
		if !tx.fill(msg) {
			t.Fatal("the message cannot be read")
		}
		tx.Addresses(func(name []byte, a netip.Addr) bool {
			out = append(out, string(name)+" "+a.String())
			return true
		})
		return out
	}
	answer := message(0x8180, [4]uint16{1, 4}, question+
		"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x01w\xc0\x11"+
		"\xc0\x11\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xcb\x00\x71\x07"+
		"\xc0\x11\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"+
		"\xc0\x11\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x03\xcb\x00\x71")
	if got := strings.Join(list(answer), ", "); got != "mAil.google.com 203.0.113.7, mAil.google.com 2001:db8::1" {
		t.Errorf("addresses %s", got)
	}
	if got := list(request()); got != nil {
		t.Errorf("a request has addresses: %v", got)
	}
}
