package ike

import (
	"encoding/binary"
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

// load is a payload with the type of the next.
func load(next byte, body string) string {
	b := binary.BigEndian.AppendUint16([]byte{next, 0}, uint16(len(body)+4))
	return string(b) + body
}

func message(version, exchange, flags, next byte, body string) []byte {
	b := append([]byte("\xe4\x7a\x59\x1f\xd0\x57\x58\x7f\x00\x00\x00\x00\x00\x00\x00\x01"), next, version, exchange, flags, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(headerLen+len(body)))
	return append(b, body...)
}

var (
	attributes = "\x80\x01\x00\x07\x80\x0e\x00\x80\x80\x02\x00\x02\x80\x0b\x00\x01\x00\x0c\x00\x04\x00\x01\x51\x80"
	sa1        = "\x00\x00\x00\x01\x00\x00\x00\x01" + load(0, "\x01\x01\x00\x01"+load(0, "\x01\x01\x00\x00"+attributes))
	offer1     = message(0x10, 2, 0, 1, load(13, sa1)+load(0, "vendor"))
	keys1      = message(0x10, 2, 0, 4, load(10, "publicvalue")+load(0, "nonce"))
	sa2        = load(0, "\x01\x01\x00\x03"+load(3, "\x01\x00\x00\x03")+load(3, "\x02\x00\x00\x02")+load(3, "\x04\x00\x00\x02")+load(0, "\x09\x00\x00\x02"))
	offer2     = message(0x20, 34, 0, 33, load(41, sa2)+load(0, "\x00\x00\x00\x0e"))
)

func TestVersion1(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(up, offer1)
	f.Send(down, offer1)
	f.Send(up, keys1)
	if f.Text(0, protocol.IKEInitSPI, up, 0) != "e47a591fd057587f" || f.Text(1, protocol.IKERespSPI, down, 0) != "0000000000000001" || f.Text(0, protocol.IKEVendor, up, 0) != "76656e646f72" {
		t.Error("texts")
	}
	if f.Text(2, protocol.IKEKeyExchange, up, 0) != "publicvalue" || f.Number(2, protocol.IKENonceLength, up, 0) != 5 || f.Number(0, protocol.IKEExchange, up, 0) != 2 {
		t.Error("key exchange")
	}
	for arg, want := range map[string]bool{"alg_enc=7": true, "alg_hash = 2": true, "sa_life_duration=86400": true, "sa_key_length=256": false, "alg_dh=2": false} {
		test, err := keyword().Compile(arg)
		if err != nil || test(f.Tx(1), down) != want || test(f.Tx(0), up) {
			t.Errorf("%s: %v", arg, err)
		}
	}
	eve := f.Eve(2, up)
	for _, part := range []string{`"alg_enc":"EncAesCbc","alg_enc_raw":7`, `"sa_life_duration_raw":86400`, `"doi":1,"encrypted_payloads":false,"client":{"key_exchange_payload":"7075626c696376616c7565","key_exchange_payload_length":11`, `"payload":["KeyExchange","Nonce"]`} {
		if !strings.Contains(eve, part) {
			t.Errorf("%s is not in %s", part, eve)
		}
	}
	for _, bad := range []string{"alg_enc", "x=1", "alg_enc=x"} {
		if _, err := keyword().Compile(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestVersion2(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(down, offer2)
	e := &f.Tx(0).Inspection().Events
	for _, event := range []uint8{eventWeakEnc, eventWeakPRF, eventWeakDH, eventWeakNoAuth, eventUnknownProposal} {
		if !e.Has(event) {
			t.Errorf("event %d", event)
		}
	}
	if eve := f.Eve(0, down); !strings.Contains(eve, `"role":"responder","alg_enc":"ENCR_3DES"`) || !strings.Contains(eve, `"ikev2":{"errors":1,"notify":[14]}`) {
		t.Error(eve)
	}
	if Spec().Probe(up, offer2, 500, 500) != protocol.Yes || Spec().Probe(up, offer2[:40], 500, 500) != protocol.No {
		t.Error("probe")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), true, parsetest.Step{Dir: up, Data: offer1}, parsetest.Step{Dir: down, Data: offer1}, parsetest.Step{Dir: up, Data: keys1}, parsetest.Step{Dir: down, Data: offer2})
}

func FuzzParse(f *testing.F) {
	for _, m := range [][]byte{offer1, keys1, offer2} {
		f.Add(append([]byte{0xff}, m...), true)
	}
	parsetest.Fuzz(f, Spec(), nil)
}
