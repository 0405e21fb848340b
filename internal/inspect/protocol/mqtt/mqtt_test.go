package mqtt

import (
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

// pkt is a control packet of less than 128 bytes.
func pkt(first byte, body string) []byte {
	return append([]byte{first, byte(len(body))}, body...)
}

func connect5() []byte {
	return pkt(0x10, "\x00\x04MQTT\x05\xee\x00\x3c"+"\x03\x21\x00\x14"+"\x00\x02me"+"\x05\x18\x00\x00\x00\x01"+"\x00\x01t\x00\x01w"+"\x00\x04user\x00\x04pass")
}

func connack5() []byte { return pkt(0x20, "\x01\x00\x03\x22\x00\x0a") }

func TestConnect(t *testing.T) {
	f := parsetest.Open(t, Spec(), parsetest.Config{"eve.passwords": "yes"})
	f.Send(up, connect5())
	if f.Tx(0).Stage(up) == protocol.StageDone || f.Tx(0).Stage(down) != protocol.StageDone {
		t.Error("stages before the answer")
	}
	f.Send(down, connack5())
	if f.Tx(0).Stage(up) != protocol.StageDone || len(f.Parser.Txs()) != 1 {
		t.Error("stage after the answer")
	}
	for field, want := range map[protocol.Field]string{
		protocol.MQTTClientID: "me", protocol.MQTTUsername: "user", protocol.MQTTPassword: "pass",
		protocol.MQTTWillTopic: "t", protocol.MQTTWillMessage: "w", protocol.MQTTProtocolString: "MQTT",
	} {
		if got := f.Text(0, field, up, 0); got != want {
			t.Errorf("field %d: %q", field, got)
		}
	}
	want := `{"connect":{"qos":0,"retain":false,"dup":false,"protocol_string":"MQTT","protocol_version":5,"client_id":"me","flags":{"username":true,"password":true,"will_retain":true,"will":true,"clean_session":true},"username":"user","password":"pass","will":{"topic":"t","message":"w","properties":{"will_delay_interval":1}},"properties":{"receive_maximum":20}},"connack":{"qos":0,"retain":false,"dup":false,"session_present":true,"return_code":0,"properties":{"topic_alias_maximum":10}}}`
	if got := f.Eve(0, up); got != want {
		t.Errorf("eve\n%s\n%s", got, want)
	}
}

func TestSubscribe(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(up, connect5())
	f.Send(down, connack5())
	stream := append(pkt(0x82, "\x00\x01\x00\x00\x01x\x00\x00\x01y\x01"), pkt(0xa2, "\x00\x02\x00\x00\x01z")...)
	for _, b := range stream {
		f.Send(up, []byte{b})
	}
	f.Send(down, append(pkt(0x90, "\x00\x01\x00\x00\x01"), pkt(0xb0, "\x00\x02\x00\x11")...))
	if n := len(f.Parser.Txs()); n != 3 {
		t.Fatalf("%d transactions", n)
	}
	if f.Text(1, protocol.MQTTSubscribeTopic, up, 1) != "y" || f.Text(2, protocol.MQTTUnsubscribeTopic, up, 0) != "z" {
		t.Error("topics")
	}
	if f.Number(1, protocol.MQTTReasonCode, up, 1) != 1 || f.Number(2, protocol.MQTTReasonCode, up, 0) != 17 {
		t.Error("reason codes")
	}
	if f.Number(1, protocol.MQTTType, up, 1) != typeSuback || f.Number(1, protocol.MQTTType, down, 0) != -1 {
		t.Error("types")
	}
	if got := f.Eve(1, up); !strings.Contains(got, `"topics":[{"topic":"x","qos":0},{"topic":"y","qos":1}]},"suback"`) {
		t.Error(got)
	}
	for kw, want := range map[string]bool{"SUBACK": true, "!suback,all": false, "connect": false, "9,-1": true} {
		test, err := keywords()[0].Compile(kw)
		if err != nil || test(f.Tx(1), up) != want {
			t.Errorf("mqtt.type:%s %v", kw, err)
		}
	}
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name  string
		send  []parsetest.Step
		event uint8
	}{
		{"no connect", []parsetest.Step{{Dir: down, Data: connack5()}}, eventMissingConnect},
		{"unintroduced", []parsetest.Step{{Dir: up, Data: pkt(0x30, "\x00\x01tmsg")}}, eventUnintroduced},
		{"puback", []parsetest.Step{{Dir: down, Data: pkt(0x40, "\x00\x01")}}, eventMissingPublish},
		{"suback", []parsetest.Step{{Dir: down, Data: pkt(0x90, "\x00\x01\x00")}}, eventMissingSubscribe},
		{"unsuback", []parsetest.Step{{Dir: down, Data: pkt(0xb0, "\x00\x01")}}, eventMissingUnsubscribe},
		{"qos", []parsetest.Step{{Dir: up, Data: pkt(0x36, "\x00\x01t\x00\x01m")}}, eventInvalidQoS},
		{"unassigned", []parsetest.Step{{Dir: up, Data: pkt(0x00, "")}}, eventUnassignedType},
		{"malformed", []parsetest.Step{{Dir: up, Data: pkt(0x30, "\x01\x00")}}, eventMalformed},
		{"properties", []parsetest.Step{{Dir: up, Data: pkt(0x10, "\x00\x04MQTT\x05\x02\x00\x3c\xff\x7f")}}, eventMalformed},
	} {
		f := parsetest.Open(t, Spec(), nil)
		for _, s := range c.send {
			f.Send(s.Dir, s.Data)
		}
		if !f.Tx(0).Inspection().Events.Has(c.event) {
			t.Errorf("%s: %v", c.name, f.Tx(0).Inspection().Events)
		}
	}
}

func TestLimits(t *testing.T) {
	f := parsetest.Open(t, Spec(), parsetest.Config{"max-msg-length": "20", "max-tx": "2"})
	long := pkt(0x30, "\x00\x01t"+strings.Repeat("m", 40))
	f.Send(up, long[:10])
	f.Send(up, long[10:30])
	f.Send(up, append(long[30:], pkt(0xc0, "")...))
	if got := f.Eve(0, up); got != `{"publish":{"qos":0,"retain":false,"dup":false,"truncated":true,"skipped_length":43}}` {
		t.Error(got)
	}
	if f.Number(1, protocol.MQTTType, up, 0) != typePingreq {
		t.Error("the message after a long one is lost")
	}
	for i := range 4 {
		f.Send(up, pkt(0x32, "\x00\x01t\x00"+string(rune('1'+i))+"m"))
	}
	if !f.Tx(2).Inspection().Events.Has(eventTooManyTransactions) {
		t.Error("no end to the transactions")
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		data string
		port uint16
		want protocol.Verdict
	}{
		{string(connect5()), 80, protocol.Yes}, {"\x10", 80, protocol.More}, {"\x10\x2e\x00\x04MQ", 80, protocol.More},
		{string(connack5()), 1883, protocol.Yes}, {"\x21\x02\x00\x00", 1883, protocol.Maybe}, {"GET / HTTP/1.1", 1883, protocol.No}, {"\x30\x02ab", 80, protocol.No},
	} {
		if got := Spec().Probe(up, []byte(c.data), 1024, c.port); got != c.want {
			t.Errorf("%q: %v", c.data, got)
		}
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), false, parsetest.Step{Dir: up, Data: connect5()}, parsetest.Step{Dir: down, Data: connack5()},
		parsetest.Step{Dir: up, Data: pkt(0x32, "\x00\x01t\x00\x01\x07\x26\x00\x01a\x00\x01bm")}, parsetest.Step{Dir: down, Data: pkt(0x40, "\x00\x01")})
}

func FuzzParse(f *testing.F) {
	f.Add(append([]byte{0xf0}, connect5()...), false)
	f.Add(append([]byte{0x08}, append(connect5(), connack5()...)...), false)
	f.Add(append([]byte{0xf0}, append(pkt(0x82, "\x00\x01\x00\x01x\x00"), pkt(0x90, "\x00\x01\x00")...)...), false)
	parsetest.Fuzz(f, Spec(), parsetest.Config{"max-msg-length": "200"})
}
