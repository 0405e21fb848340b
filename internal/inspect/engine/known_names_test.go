package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet"
)

// TestListedLiterals: an address that a request names is asked about, however
// it is written and whoever carries the request.
func TestListedLiterals(t *testing.T) {
	for _, c := range []struct{ request, want string }{
		{"GET http://192.0.2.7/x HTTP/1.1\r\nHost: 192.0.2.7\r\n\r\n", "192.0.2.7"},
		{"GET http://0xC0000207:8080/x HTTP/1.1\r\nHost: a\r\n\r\n", "192.0.2.7"},
		{"GET http://3221225991/x HTTP/1.1\r\nHost: a\r\n\r\n", "192.0.2.7"},
		{"GET http://192.0.519/x HTTP/1.1\r\nHost: a\r\n\r\n", "192.0.2.7"},
		{"CONNECT 192.0.2.7:443 HTTP/1.1\r\nHost: 192.0.2.7:443\r\n\r\n", "192.0.2.7"},
		{"CONNECT [2001:db8::7]:443 HTTP/1.1\r\nHost: x\r\n\r\n", "2001:db8::7"},
		{"CONNECT [::ffff:192.0.2.7]:443 HTTP/1.1\r\nHost: x\r\n\r\n", "192.0.2.7"},
		{"GET /x HTTP/1.1\r\nHost: 0300.0.2.7.\r\n\r\n", "192.0.2.7"},
		{"GET http://good.example@192.0.2.7/x HTTP/1.1\r\nHost: good.example\r\n\r\n", "192.0.2.7"},
		{"GET http://good.example:80@192.0.2.7:81/x HTTP/1.1\r\nHost: good.example\r\n\r\n", "192.0.2.7"},
		{"GET HTTP://192.0.2.7/x HTTP/1.1\r\nHost: good.example\r\n\r\n", "192.0.2.7"},
		{"GET http://192.0.2.7?x HTTP/1.1\r\nHost: good.example\r\n\r\n", "192.0.2.7"},
		{"GET http:\\\\192.0.2.7\\x HTTP/1.1\r\nHost: good.example\r\n\r\n", ""},
		{"GET ftp://192.0.2.7/x HTTP/1.1\r\nHost: good.example\r\n\r\n", "192.0.2.7"},
		{"connect 192.0.2.7:443 HTTP/1.1\r\n\r\n", ""},
		{"GET /x HTTP/1.1\r\nHost: good.example\r\nHost: 192.0.2.7\r\n\r\n", ""},
		{"GET /x HTTP/1.1\r\nhost:\t192.0.2.7 \r\n\r\n", "192.0.2.7"},
		{"GET /x HTTP/1.1\r\nHost: 192.0.2.8\r\n\r\n", ""},
		{"GET /x HTTP/1.1\r\nHost: 192.0.2.263\r\n\r\n", ""},
		{"GET /x HTTP/1.1\r\nHost: 1.192.0.2.7\r\n\r\n", ""},
		{"GET /x HTTP/1.1\r\nHost: 192.0.2.7.example\r\n\r\n", ""},
		{"CONNECT [::1 HTTP/1.1\r\nHost: [\r\n\r\n", ""},
	} {
		s, k := &told{}, &black{list: map[string]bool{"192.0.2.7": true, "2001:db8::7": true}}
		talk := begin(asking(t, k, s, "", nil), 40000, 3128)
		talk.send(packet.ToServer, psh|ack, []byte(c.request))
		var want []string
		if c.want != "" {
			want = []string{"http.host address " + c.want + " true"}
		}
		if !slices.Equal(s.listed, want) || talk.last.Drop != (want != nil) {
			t.Errorf("%q: told %q, %+v", c.request, s.listed, talk.last)
		}
		talk.e.Close()
	}
}

// ports is a Known that notes the ports of what it is asked about.
type ports struct {
	black
	of map[string]uint16
}

func (k *ports) Ask(s *engine.Subject) engine.Standing {
	k.of[string(s.AppendText(nil))] = s.Port
	return k.black.Ask(s)
}

// TestPortsBehindProxies: what a proxy is asked for has the port of the target,
// not the proxy's.
func TestPortsBehindProxies(t *testing.T) {
	for request, want := range map[string]uint16{
		"CONNECT c2.example:4444 HTTP/1.1\r\nHost: c2.example:4444\r\n\r\n":           4444,
		"GET http://c2.example/x HTTP/1.1\r\nHost: c2.example\r\n\r\n":                80,
		"GET https://c2.example?x:1 HTTP/1.1\r\nHost: c2.example\r\n\r\n":             443,
		"GET http://c2.example:8081/x:9 HTTP/1.1\r\nHost: c2.example\r\n\r\n":         8081,
		"GET /x HTTP/1.1\r\nHost: c2.example:77\r\n\r\n":                              3128,
		"GET http://c2.example:999999999/x:9 HTTP/1.1\r\nHost: c2.example:80\r\n\r\n": 80,
	} {
		k := &ports{of: map[string]uint16{}}
		talk := begin(asking(t, k, &told{}, "", nil), 40000, 3128)
		talk.send(packet.ToServer, psh|ack, []byte(request))
		if got, asked := k.of["c2.example"]; got != want || !asked {
			t.Errorf("%q: %d, want %d", request, got, want)
		}
		talk.e.Close()
	}
}

// alias is an answer for example.com that names others behind it.
func alias(names ...string) []byte {
	b := []byte("\x12\x34\x81\x80\x00\x01\x00" + string(rune(len(names))) + "\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01")
	for _, name := range names {
		var data []byte
		for label := range strings.SplitSeq(name, ".") {
			data = append(append(data, byte(len(label))), label...)
		}
		data = append(data, 0)
		b = append(b, "\xc0\x0c\x00\x05\x00\x01\x00\x00\x0e\x10\x00"...)
		b = append(append(b, byte(len(data))), data...)
	}
	return b
}

// TestListedAlias: a name that an answer of DNS leads to is as bad as one that
// is asked for, unless the operator lets pass what was asked for.
func TestListedAlias(t *testing.T) {
	for _, c := range []struct {
		list map[string]bool
		stop bool
		want []string
	}{
		{map[string]bool{"evil.example": true}, true, []string{"dns.answer domain evil.example true"}},
		{map[string]bool{"evil.example": true, "example.com": false}, false, nil},
		{map[string]bool{"other.example": true}, false, nil},
	} {
		s, k := &told{}, &black{list: c.list}
		e := asking(t, k, s, "", nil)
		e.Frame(rawIP, udp(1, 2, 4000, 53, query), 1e18, 1)
		a := e.Frame(rawIP, udp(2, 1, 53, 4000, alias("cdn.example", "evil.example")), 1e18+1, 1)
		if a.Drop != c.stop || a.Listed != c.stop || a.Answer != c.stop || a.Tell != 0 || !slices.Equal(s.listed, c.want) {
			t.Errorf("%v: %+v, told %q", c.list, a, s.listed)
		}
		if a := e.Frame(rawIP, udp(2, 1, 53, 4000, answer), 1e18+2, 1); a.Drop {
			t.Errorf("another answer of the flow: %+v", a)
		}
		talk := begin(e, 40000, 53)
		talk.send(packet.ToServer, psh|ack, append([]byte{0, byte(len(query))}, query...))
		whole := alias("evil.example")
		if talk.send(packet.ToClient, psh|ack, append([]byte{0, byte(len(whole))}, whole...)); talk.last.Listed != c.stop {
			t.Errorf("over TCP: %+v", talk.last)
		}
		e.Close()
	}
}

// TestAllowedEndsWithItsName: a request without a host is not excused by the
// one before it, and a session stopped for a URL is not let go by another set.
func TestAllowedEndsWithItsName(t *testing.T) {
	s, k := &told{}, &black{list: map[string]bool{"good.example": false, "10.0.0.2/bad": true}}
	talk := begin(asking(t, k, s, "", nil), 40000, 80)
	if talk.send(packet.ToServer, psh|ack, []byte("GET /x HTTP/1.1\r\nHost: good.example\r\n\r\n")); talk.last.Drop {
		t.Fatalf("%+v", talk.last)
	}
	if talk.send(packet.ToServer, psh|ack, []byte("GET /bad HTTP/1.0\r\n\r\n")); !talk.last.Listed {
		t.Errorf("%+v, told %q", talk.last, s.listed)
	}
	talk.e.Renewed()
	if talk.send(packet.ToServer, psh|ack, []byte("more")); !talk.last.Listed || len(s.listed) != 1 {
		t.Errorf("after another set: %+v, told %q", talk.last, s.listed)
	}
}

// TestRubbishHidesNoQuery: a flow to a resolver that begins with datagrams of no
// protocol is looked at all the same.
func TestRubbishHidesNoQuery(t *testing.T) {
	s, k := &told{}, &black{list: map[string]bool{"example.com": true}}
	e := asking(t, k, s, "", nil)
	if a := e.Frame(rawIP, udp(1, 2, 4001, 53, []byte(strings.Replace(string(query), "example", "examplf", 1))), 1e18, 1); a.Drop {
		t.Fatalf("%+v", a)
	}
	for i, b := range []string{"rubbish", string(query[:20]), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", string(query)} {
		if a := e.Frame(rawIP, udp(1, 2, 4001, 53, []byte(b)), int64(1e18+i), 1); a.Answer != (i == 3) {
			t.Errorf("after a query, datagram %d: %+v", i, a)
		}
	}
	for i := range 300 {
		if a := e.Frame(rawIP, udp(1, 2, 4000, 53, []byte("\xff\xff rubbish of no protocol at all")), int64(1e18+i), 1); a.Drop {
			t.Fatalf("%+v", a)
		}
	}
	if a := e.Frame(rawIP, udp(1, 2, 4000, 53, query), 1e18+400, 1); !a.Answer {
		t.Errorf("%+v", a)
	}
}
