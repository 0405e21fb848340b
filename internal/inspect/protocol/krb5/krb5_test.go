package krb5

import (
	"encoding/binary"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	up   = packet.ToServer
	down = packet.ToClient
)

// der makes an element out of members.
func der(tag byte, members ...[]byte) []byte {
	var body []byte
	for _, m := range members {
		body = append(body, m...)
	}
	if len(body) < 0x80 {
		return append([]byte{tag, byte(len(body))}, body...)
	}
	return append([]byte{tag, 0x82, byte(len(body) >> 8), byte(len(body))}, body...)
}

func ctx(n byte, members ...[]byte) []byte { return der(tagContext+n, members...) }
func num(v byte) []byte                    { return []byte{tagInteger, 1, v} }
func str(s string) []byte                  { return der(0x1b, []byte(s)) }

func principal(parts ...string) []byte {
	var all [][]byte
	for _, p := range parts {
		all = append(all, str(p))
	}
	return der(tagSequence, ctx(0, num(1)), ctx(1, der(tagSequence, all...)))
}

func request() []byte {
	body := der(tagSequence, ctx(1, principal("robin")), ctx(2, str("LAB")), ctx(3, principal("krbtgt", "LAB")))
	return der(0x6a, der(tagSequence, ctx(1, num(5)), ctx(2, num(10)), ctx(4, body)))
}

func ticket(cipher byte) []byte {
	return der(tagTicket, der(tagSequence, ctx(0, num(5)), ctx(1, str("LAB")), ctx(2, principal("krbtgt", "LAB")), ctx(3, der(tagSequence, ctx(0, num(cipher))))))
}

func reply(cipher, ticketCipher byte) []byte {
	return der(0x6b, der(tagSequence, ctx(0, num(5)), ctx(1, num(11)), ctx(3, str("LAB")), ctx(4, principal("robin")), ctx(5, ticket(ticketCipher)), ctx(6, der(tagSequence, ctx(0, num(cipher)), ctx(2, make([]byte, 200))))))
}

func failure() []byte {
	return der(0x7e, der(tagSequence, ctx(0, num(5)), ctx(1, num(30)), ctx(6, num(25)), ctx(10, principal("krbtgt", "LAB"))))
}

func framed(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }

func TestMessagesInAnyPieces(t *testing.T) {
	for _, n := range []int{1, 3, 50, 10000} {
		f := parsetest.Open(t, Spec(), nil)
		for _, s := range []parsetest.Step{{Dir: up, Data: framed(request())}, {Dir: down, Data: append(framed(failure()), framed(reply(18, 23))...)}} {
			for data := s.Data; len(data) > 0; {
				k := min(n, len(data))
				f.Send(s.Dir, data[:k])
				data = data[k:]
			}
		}
		for i, want := range []string{
			`{"msg_type":"KRB_AS_REQ","cname":"robin","realm":"LAB","sname":"krbtgt/LAB","encryption":"<none>","weak_encryption":false}`,
			`{"msg_type":"KRB_ERROR","failed_request":"KRB_AS_REQ","error_code":"KDC_ERR_PREAUTH_REQUIRED","cname":"<empty>","realm":"<empty>","sname":"krbtgt/LAB","encryption":"<none>","weak_encryption":false}`,
			`{"msg_type":"KRB_AS_REP","cname":"robin","realm":"LAB","sname":"krbtgt/LAB","encryption":"aes256-cts-hmac-sha1-96","weak_encryption":false,"ticket_encryption":"rc4-hmac","ticket_weak_encryption":true}`,
		} {
			if got := f.Eve(i, up); got != want {
				t.Errorf("pieces of %d: record %d is\n%s, want\n%s", n, i, got, want)
			}
		}
		if f.Number(1, protocol.KRB5ErrCode, down, 0) != 25 || f.Text(2, protocol.KRB5SName, down, 1) != "LAB" || f.Number(0, protocol.KRB5MsgType, up, 0) != 10 {
			t.Error("fields")
		}
	}
}

func TestDatagramsAndWeakness(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = true
	f.Send(down, reply(23, 18))
	if !f.Tx(0).Inspection().Events.Has(eventWeak) {
		t.Error("weak encryption is not told")
	}
	for arg, want := range map[string]bool{"weak": false, "!weak": true, "18": true, "rc4-hmac,aes256-cts-hmac-sha1-96": true, "23 24": false} {
		test, err := compileTicket(arg)
		if err != nil || test(f.Tx(0), down) != want {
			t.Errorf("krb5.ticket_encryption:%s: %v", arg, err)
		}
	}
	for _, arg := range []string{"", "x", "!23"} {
		if _, err := compileTicket(arg); err == nil {
			t.Errorf("krb5.ticket_encryption takes %q", arg)
		}
	}
	f.Send(up, []byte{0x6a, 2, 0x30})
	if !f.Tx(1).Inspection().Events.Has(eventMalformed) {
		t.Error("malformed data is not told")
	}
}

func TestTicket(t *testing.T) {
	token := append(append([]byte{0x60, 0x40, 6, 9}, apRequest[:11]...), der(0x6e, der(tagSequence, ctx(0, num(5)), ctx(1, num(14)), ctx(3, ticket(18))))...)
	var found Ticket
	if !found.Find(token) || string(found.Realm) != "LAB" {
		t.Fatal("no ticket")
	}
	if name, _ := found.Name(0); string(name) != "krbtgt" {
		t.Errorf("name %q", name)
	}
}

func TestProbe(t *testing.T) {
	for _, b := range [][]byte{request(), framed(request()), reply(1, 1), framed(failure())} {
		if probe(up, b, 0, 0) != protocol.Yes {
			t.Errorf("% x", b[:8])
		}
	}
	if probe(up, []byte("GET / HTTP/1.1\r\n\r\n"), 0, 0) != protocol.No || probe(up, []byte("john was here and did nothing"), 0, 0) != protocol.No {
		t.Error("text is taken for Kerberos")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), true, parsetest.Step{Dir: up, Data: request()}, parsetest.Step{Dir: down, Data: reply(18, 23)})
}

func FuzzParse(f *testing.F) {
	f.Add(append([]byte{100}, framed(request())...), false)
	f.Add(append([]byte{100}, reply(18, 23)...), true)
	f.Add(append([]byte{100}, framed(failure())...), false)
	parsetest.Fuzz(f, Spec(), nil)
}
