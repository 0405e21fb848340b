package ldap

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

// tlv is one element of less than 128 bytes.
func tlv(tag byte, parts ...string) string {
	body := ""
	for _, p := range parts {
		body += p
	}
	return string([]byte{tag, byte(len(body))}) + body
}

func msg(id byte, op string) []byte { return []byte(tlv(0x30, tlv(2, string([]byte{id})), op)) }

var (
	bind   = msg(1, tlv(0x60, tlv(2, "\x03"), tlv(4, "cn=u"), tlv(0x80, "pw")))
	bound  = msg(1, tlv(0x61, tlv(10, "\x31"), tlv(4, "dc=x"), tlv(4, "no")))
	search = msg(2, tlv(0x63, tlv(4, "dc=x"), tlv(10, "\x02"), tlv(10, "\x00"), tlv(2, "\x00"), tlv(2, "\x05"), tlv(1, "\x00"), tlv(0x87, "objectClass"), tlv(0x30, tlv(4, "cn"), tlv(4, "sn"))))
	entry  = msg(2, tlv(0x64, tlv(4, "cn=a,dc=x"), tlv(0x30, tlv(0x30, tlv(4, "cn"), tlv(0x31, tlv(4, "a"), tlv(4, "b"))), tlv(0x30, tlv(4, "sn"), tlv(0x31)))))
	done   = msg(2, tlv(0x65, tlv(10, "\x00"), tlv(4), tlv(4)))
	modify = msg(3, tlv(0x66, tlv(4, "cn=a"), tlv(0x30, tlv(0x30, tlv(10, "\x02"), tlv(0x30, tlv(4, "sn"), tlv(0x31, tlv(4, "z")))))))
)

func TestExchanges(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = false
	for _, b := range append(append(append([]byte{}, bind...), search...), modify...) {
		f.Send(up, []byte{b})
	}
	f.Send(down, append(append(append([]byte{}, bound...), entry...), done...))
	for i, want := range []string{
		`{"request":{"message_id":1,"operation":"bind_request","bind_request":{"version":3,"name":"cn=u"}},"responses":[{"operation":"bind_response","bind_response":{"result_code":"invalid_credentials","matched_dn":"dc=x","message":"no"}}]}`,
		`{"request":{"message_id":2,"operation":"search_request","search_request":{"base_object":"dc=x","scope":2,"deref_alias":0,"size_limit":0,"time_limit":5,"types_only":false,"filter":{"type":"present","value":"objectClass"},"attributes":["cn","sn"]}},"responses":[{"operation":"search_result_entry","search_result_entry":{"base_object":"cn=a,dc=x","attributes":[{"type":"cn","values":["a","b"]},{"type":"sn"}]}},{"operation":"search_result_done","search_result_done":{"result_code":"success","matched_dn":"","message":""}}]}`,
		`{"request":{"message_id":3,"operation":"modify_request","modify_request":{"object":"cn=a","changes":[{"operation":"replace","modification":{"attribute_type":"sn","attribute_values":["z"]}}]}}}`,
	} {
		if got := f.Eve(i, up); got != want {
			t.Error(got)
		}
	}
	for _, c := range []struct {
		n     int
		field protocol.Field
		d     packet.Direction
		i     int
		want  string
	}{
		{0, protocol.LDAPRequestDN, up, 0, "cn=u"}, {0, protocol.LDAPResponsesMessage, down, 0, "no"}, {1, protocol.LDAPAttributeType, up, 1, "sn"},
		{1, protocol.LDAPResponsesDN, down, 0, "cn=a,dc=x"}, {1, protocol.LDAPResponsesMessage, down, 0, ""}, {1, protocol.LDAPResponsesAttributes, down, 1, "cn=b"},
		{1, protocol.LDAPResponsesAttributeType, down, 1, "sn"}, {2, protocol.LDAPRequestAttributes, up, 0, "sn=z"}, {1, protocol.LDAPRequestAttributes, up, 0, "<none>"},
	} {
		if got := f.Text(c.n, c.field, c.d, c.i); got != c.want {
			t.Errorf("%d %d: %q", c.n, c.field, got)
		}
	}
	if f.Number(1, protocol.LDAPResponsesCount, down, 0) != 2 || f.Number(0, protocol.LDAPResponsesResultCode, down, 0) != 49 || f.Tx(2).Stage(down) != protocol.StageNone {
		t.Error("numbers")
	}
	test, err := Spec().Keywords[0].Compile("search_result_done,-1")
	if err != nil || !test(f.Tx(1), down) {
		t.Error("keyword", err)
	}
}

func TestEvents(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = true
	f.Send(down, done)
	if !f.Tx(0).Inspection().Events.Has(eventRequestNotFound) {
		t.Error("request not found")
	}
	f.Send(down, done[:6])
	f.Send(down, []byte("\x31\x00"))
	if e := f.Tx(0).Inspection().Events; !e.Has(eventIncompleteData) || !e.Has(eventInvalidData) {
		t.Error(e)
	}
}

func TestStartTLS(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = false
	f.Send(up, msg(1, tlv(0x77, tlv(0x80, startTLS))))
	resp := msg(1, tlv(0x78, tlv(10, "\x00"), tlv(4), tlv(4)))
	st := f.Send(down, append(resp, 0x16, 3))
	if st.Code != protocol.StatusSwitch || st.Next != protocol.TLS || f.Env.Consumed != len(resp) {
		t.Errorf("%+v %d", st, f.Env.Consumed)
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		d    packet.Direction
		data string
		want protocol.Verdict
	}{{up, string(bind), protocol.Yes}, {down, string(bind), protocol.No}, {down, string(done), protocol.Yes}, {up, string(search[:6]), protocol.Yes}, {up, string(search[:4]), protocol.More}, {up, "GET /", protocol.No}} {
		if got := Spec().Probe(c.d, []byte(c.data), 1, 389); got != c.want {
			t.Errorf("%q: %v", c.data, got)
		}
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), false, parsetest.Step{Dir: up, Data: search}, parsetest.Step{Dir: down, Data: entry}, parsetest.Step{Dir: down, Data: done}, parsetest.Step{Dir: up, Data: modify})
}

func FuzzParse(f *testing.F) {
	for i, m := range [][]byte{bind, search, modify, entry, done} {
		f.Add(append([]byte{byte(0xf0 | i/3)}, m...), i%2 == 0)
	}
	parsetest.Fuzz(f, Spec(), nil)
}
