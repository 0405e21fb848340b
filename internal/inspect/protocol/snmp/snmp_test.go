package snmp

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

// tlv is one element.
func tlv(tag byte, parts ...string) string {
	body := ""
	for _, p := range parts {
		body += p
	}
	return string([]byte{tag, byte(len(body))}) + body
}

var (
	oid     = tlv(6, "\x2b\x06\x01\x02\x01\x01\x05\x00")
	binding = tlv(0x30, tlv(0x30, oid, "\x05\x00"))
	get     = tlv(0xa1, tlv(2, "\x01"), tlv(2, "\x00"), tlv(2, "\x00"), binding)
	v1      = tlv(0x30, tlv(2, "\x00"), tlv(4, "public"), get)
	trap    = tlv(0x30, tlv(2, "\x00"), tlv(4, "public"), tlv(0xa4, oid, tlv(0x40, "\x0a\x00\x00\x01"), tlv(2, "\x03"), tlv(2, "\x00"), tlv(0x43, "\x05"), binding))
	usm     = tlv(4, tlv(0x30, tlv(4, "engine"), tlv(2, "\x01"), tlv(2, "\x05"), tlv(4, "admin"), tlv(4, ""), tlv(4, "")))
	v3      = tlv(0x30, tlv(2, "\x03"), tlv(0x30, tlv(2, "\x01"), tlv(2, "\x05\xdc"), tlv(4, "\x00"), tlv(2, "\x03")), usm, tlv(0x30, tlv(4, "e"), tlv(4, ""), get))
	secret  = tlv(0x30, tlv(2, "\x03"), tlv(0x30, tlv(2, "\x01"), tlv(2, "\x05\xdc"), tlv(4, "\x03"), tlv(2, "\x03")), usm, tlv(4, "xxxx"))
)

func TestMessages(t *testing.T) {
	up := packet.ToServer
	f := parsetest.Open(t, Spec(), nil)
	for i, c := range []struct{ msg, eve string }{
		{v1, `{"version":1,"pdu_type":"get_next_request","vars":["1.3.6.1.2.1.1.5.0"],"community":"public"}`},
		{trap, `{"version":1,"pdu_type":"trap_v1","trap_type":"linkUp","trap_oid":"1.3.6.1.2.1.1.5.0","trap_address":"10.0.0.1","vars":["1.3.6.1.2.1.1.5.0"],"community":"public"}`},
		{v3, `{"version":3,"pdu_type":"get_next_request","vars":["1.3.6.1.2.1.1.5.0"],"usm":"admin"}`},
		{secret, `{"version":3,"pdu_type":"encrypted"}`},
	} {
		f.Send(up, []byte(c.msg))
		if got := f.Eve(i, up); got != c.eve {
			t.Errorf("%s", got)
		}
		if Spec().Probe(up, []byte(c.msg), 1, 2) != protocol.Yes {
			t.Errorf("message %d is not known", i)
		}
	}
	if f.Text(0, protocol.SNMPCommunity, up, 0) != "public" || f.Text(2, protocol.SNMPUser, up, 0) != "admin" || f.Number(3, protocol.SNMPPduType, up, 0) != -1 {
		t.Error("fields")
	}
	if f.Number(1, protocol.SNMPTrapType, up, 0) != 3 || f.Number(0, protocol.SNMPTrapType, up, 0) != -1 {
		t.Error("traps")
	}
	if !f.Tx(2).Inspection().Events.Has(eventVersionMismatch) {
		t.Error("the change of version")
	}
	f.Send(up, []byte(v1[:20]))
	if !f.Tx(3).Inspection().Events.Has(eventMalformed) {
		t.Error("a short message")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), true, parsetest.Step{Data: []byte(v1)}, parsetest.Step{Data: []byte(trap)}, parsetest.Step{Data: []byte(v3)})
}

func FuzzParse(f *testing.F) {
	for _, m := range []string{v1, trap, v3, secret} {
		f.Add([]byte("\xff"+m), true)
	}
	parsetest.Fuzz(f, Spec(), nil)
}
