package engine_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// only finds the one flow of a protocol.
func only(t *testing.T, s *found, id protocol.ID) {
	t.Helper()
	for _, f := range s.flows {
		if f.App == id {
			return
		}
	}
	t.Errorf("no flow of %v among %d", id, len(s.flows))
}

// TestProtocolByContent finds protocols on ports that are not theirs, a byte
// at a time as well, and picked up in the middle.
func TestProtocolByContent(t *testing.T) {
	for _, c := range []struct {
		name string
		up   []byte
		want protocol.ID
	}{
		{"http", get, protocol.HTTP1},
		{"ssh", []byte("SSH-2.0-OpenSSH_9.2\r\n"), protocol.SSH},
		{"unknown", []byte("\x01\x02\x03\x04 nothing that is known \x05\x06\x07\x08"), protocol.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, bytewise := range []bool{false, true} {
				var s found
				e := open(t, ordinary, &s, nil)
				k := begin(e, 40000, 7777)
				if !bytewise {
					k.say(packet.ToServer, c.up)
				}
				for i := range c.up {
					if bytewise {
						k.say(packet.ToServer, c.up[i:i+1])
					}
				}
				k.end()
				e.Close()
				only(t, &s, c.want)
			}
		})
	}
}

func TestSwitchAfterConnect(t *testing.T) {
	var s found
	e := open(t, `alert http any any -> any any (flow:to_server; http.uri; content:"/a.html"; sid:1;)`, &s, nil)
	k := begin(e, 40000, 8080)
	k.say(packet.ToServer, []byte("CONNECT inner:22 HTTP/1.1\r\nHost: inner:22\r\n\r\n"))
	k.say(packet.ToClient, []byte("HTTP/1.1 200 OK\r\n\r\n"))
	k.say(packet.ToClient, []byte("SSH-2.0-OpenSSH_9.2\r\n"))
	k.say(packet.ToServer, []byte("SSH-2.0-test\r\n"))
	k.end()
	e.Close()
	only(t, &s, protocol.SSH)
	if len(s.flows) != 1 || s.flows[0].AppOriginal != protocol.HTTP1 {
		t.Errorf("the protocol before the switch is lost: %+v", s.flows)
	}
}

func TestExpectedDataFlow(t *testing.T) {
	var s found
	e := open(t, `alert ftp-data any any -> any any (content:"secret"; sid:1;)`, &s, nil)
	k := begin(e, 40000, 21)
	k.say(packet.ToClient, []byte("220 ready\r\n"))
	k.say(packet.ToServer, []byte("PASV\r\n"))
	k.say(packet.ToClient, []byte("227 Entering Passive Mode (10,0,0,2,200,1)\r\n"))
	k.say(packet.ToServer, []byte("RETR file\r\n"))
	data := begin(e, 40001, 200<<8|1)
	data.say(packet.ToClient, []byte("the secret text"))
	data.end()
	e.Close()
	only(t, &s, protocol.FTPData)
	if !slices.Contains(s.alerts, 1) {
		t.Error("no alert on the announced flow")
	}
}

func TestPassAndDrop(t *testing.T) {
	const text = `pass tcp any any -> any any (flow:established,to_server; content:"let me pass"; sid:1;)
drop tcp any any -> any any (flow:established,to_server; content:"forbidden"; sid:2;)
`
	t.Run("drop", func(t *testing.T) {
		e := open(t, text, nil, engine.Settings{"ips": "yes"})
		k := begin(e, 40000, 9999)
		if k.send(packet.ToServer, psh|ack, []byte("something forbidden")); !k.last.Drop {
			t.Error("passes")
		}
		if k.send(packet.ToServer, psh|ack, []byte("harmless")); !k.last.Drop {
			t.Error("the rest of the flow passes")
		}
	})
	t.Run("pass", func(t *testing.T) {
		e := open(t, text, nil, engine.Settings{"ips": "yes"})
		k := begin(e, 40000, 9999)
		k.send(packet.ToServer, psh|ack, []byte("let me pass"))
		if k.send(packet.ToServer, psh|ack, []byte("something forbidden")); k.last.Drop {
			t.Error("dropped behind a pass rule")
		}
	})
}

func TestSwapUnderWay(t *testing.T) {
	var s found
	e := open(t, `alert http any any -> any any (http.uri; content:"/a.html"; sid:1;)`, &s, nil)
	k := begin(e, 40000, 80)
	k.say(packet.ToServer, get)
	k.say(packet.ToClient, page)
	e.Swap(compile(t, `alert http any any -> any any (http.uri; content:"/a.html"; sid:2;)`))
	k.say(packet.ToServer, get)
	k.say(packet.ToClient, page)
	k.end()
	e.Close()
	// The first transaction was still open: the new rules see it as well.
	if !slices.Equal(s.alerts, []uint32{1, 2, 2}) {
		t.Errorf("alerts %v, want the old rule once, then the new one on both transactions", s.alerts)
	}
}

// TestFlowEndInspects has a rule match bytes that no one acknowledged.
func TestFlowEndInspects(t *testing.T) {
	var s found
	e := open(t, `alert http any any -> any any (http.uri; content:"/a.html"; sid:1;)`, &s, nil)
	begin(e, 40000, 80).send(packet.ToServer, psh|ack, get)
	e.Close()
	if !slices.Equal(s.alerts, []uint32{1}) {
		t.Errorf("alerts %v, want 1", s.alerts)
	}
}

func TestTunnelsAndFragments(t *testing.T) {
	const text = `alert udp any any -> any 99 (content:"needle"; sid:1;)`
	inner := udp(3, 4, 5, 99, []byte("a needle in a haystack, long enough to be cut in parts"))
	big := ip(4, 1, 2, ip(4, 5, 6, inner))
	first, second := ip(4, 1, 2, big[20:60]), ip(4, 1, 2, big[60:])
	binary.BigEndian.PutUint16(first[6:], 0x2000)
	binary.BigEndian.PutUint16(second[6:], 40/8)
	for name, frames := range map[string][][]byte{"tunnel in tunnel": {big}, "fragments": {first, second}, "late first": {second, first}} {
		t.Run(name, func(t *testing.T) {
			var s found
			e := open(t, text, &s, nil)
			for i, b := range frames {
				e.Frame(rawIP, b, int64(1e18), uint64(i+1))
			}
			e.Close()
			if !slices.Equal(s.alerts, []uint32{1}) {
				t.Errorf("alerts %v, want 1", s.alerts)
			}
		})
	}
}

// TestDatagramsBothWays sees an answer before its question.
func TestDatagramsBothWays(t *testing.T) {
	var s found
	e := open(t, `alert dns any any -> any any (dns.query; content:"example"; sid:1;)`, &s, nil)
	e.Frame(rawIP, udp(2, 1, 53, 4000, answer), int64(1e18), 1)
	e.Frame(rawIP, udp(1, 2, 4000, 53, query), int64(1e18)+1, 2)
	e.Close()
	only(t, &s, protocol.DNS)
	if len(s.flows) != 1 || s.flows[0].ServerPort != 53 {
		t.Errorf("the flow is the wrong way round: %+v", s.flows)
	}
	if !slices.Contains(s.alerts, 1) {
		t.Error("no alert on the question")
	}
}

// TestSwapReopensBypassedFlows: what former rules were done with is inspected
// by new ones, encrypted sessions included, and then left alone again.
func TestSwapReopensBypassedFlows(t *testing.T) {
	random := strings.Repeat("r", 32)
	clientHello := []byte("\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + random + "\x00\x00\x02\x13\x01\x01\x00")
	serverHello := []byte("\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03" + random + "\x00\x13\x01\x00\x14\x03\x03\x00\x01\x01")
	record := []byte("\x17\x03\x03\x00\x08encrypts")
	bypassed := func(a engine.Action) bool { return a.Flow != nil && a.Flow.Flags&flow.FlagBypassed != 0 }
	settings := engine.Settings{"ips": "yes", "stream.bypass": "yes", "app-layer.protocols.tls.encryption-handling": "bypass"}
	tlsTalk := func(t *testing.T, text string) *talk {
		k := begin(open(t, text, nil, settings), 40000, 443)
		k.say(packet.ToServer, clientHello)
		k.say(packet.ToClient, serverHello)
		for range 3 {
			k.say(packet.ToServer, record)
			k.say(packet.ToClient, record)
		}
		if !bypassed(k.last) {
			t.Fatal("an encrypted session is not bypassed")
		}
		return k
	}
	const nothing = `alert http any any -> any any (http.uri; content:"/a.html"; sid:1;)`
	t.Run("stopped by a new rule", func(t *testing.T) {
		k := tlsTalk(t, nothing)
		k.e.Swap(compile(t, `drop ip any any -> 10.0.0.2 any (sid:2;)`))
		if k.send(packet.ToServer, psh|ack, record); !k.last.Drop {
			t.Errorf("passes: %+v, flow %+v", k.last, k.last.Flow)
		}
	})
	t.Run("stopped on its way back", func(t *testing.T) {
		k := tlsTalk(t, nothing)
		k.e.Swap(compile(t, `drop tls 10.0.0.2 any -> any any (flow:to_client; flags:PA; sid:2;)`))
		if k.send(packet.ToServer, psh|ack, record); k.last.Drop {
			t.Error("the request is stopped")
		}
		if k.send(packet.ToClient, psh|ack, record); !k.last.Drop {
			t.Error("the answer passes")
		}
	})
	t.Run("left alone", func(t *testing.T) {
		k := tlsTalk(t, nothing)
		k.e.Swap(compile(t, nothing))
		k.send(packet.ToServer, psh|ack, record)
		if bypassed(k.last) || k.last.Drop || k.last.Rewrite != nil {
			t.Errorf("the first packet after it: %+v", k.last)
		}
		if k.send(packet.ToClient, psh|ack, record); k.last.Drop || !bypassed(k.last) {
			t.Errorf("after both directions: %+v", k.last)
		}
	})
	t.Run("its end passes", func(t *testing.T) {
		k := tlsTalk(t, nothing)
		k.e.Swap(compile(t, `alert tcp any any -> any any (content:"never"; sid:2;)`))
		if k.send(packet.ToServer, rst|ack, nil); k.last.Drop {
			t.Error("a reset is dropped")
		}
	})
	t.Run("read anew", func(t *testing.T) {
		var s found
		k := begin(open(t, `alert http any any -> any any (http.uri; content:"/a.html"; bypass; sid:1;)`, &s, settings), 40000, 80)
		k.say(packet.ToServer, get)
		if !bypassed(k.last) {
			t.Fatal("the rule's bypass is not obeyed")
		}
		k.say(packet.ToClient, page)
		k.e.Swap(compile(t, `alert http any any -> any any (http.uri; content:"/a.html"; sid:2;)`))
		k.say(packet.ToServer, get)
		k.say(packet.ToClient, page)
		if !slices.Equal(s.alerts, []uint32{1, 2}) {
			t.Errorf("alerts %v", s.alerts)
		}
	})
}

// TestRejectTellsWhomTheRuleNames holds the action to the rule's word.
func TestRejectTellsWhomTheRuleNames(t *testing.T) {
	for action, want := range map[string]engine.Tell{
		"drop": 0, "reject": engine.TellSender, "rejectsrc": engine.TellSender, "rejectdst": engine.TellReceiver,
		"rejectboth": engine.TellSender | engine.TellReceiver,
	} {
		e := open(t, action+` udp any any -> any any (content:"x"; sid:1;)`, nil, engine.Settings{"ips": "yes"})
		if a := e.Frame(rawIP, udp(1, 2, 4000, 4001, []byte("x")), 1e18, 1); !a.Drop || a.Tell != want {
			t.Errorf("%s: %+v, want %b told", action, a, want)
		}
	}
	e := open(t, `reject udp any any -> any any (content:"x"; sid:1;)
rejectdst udp any any -> any any (content:"x"; sid:2;)`, nil, engine.Settings{"ips": "yes"})
	if a := e.Frame(rawIP, udp(1, 2, 4000, 4001, []byte("x")), 1e18, 1); a.Tell != engine.TellSender|engine.TellReceiver {
		t.Errorf("two rules: %+v", a)
	}
}

// TestDNSOverHTTP2: rules about DNS, about HTTP/2 and about both fire on one
// request, and the flow gets its name.
func TestDNSOverHTTP2(t *testing.T) {
	var s found
	e := open(t, `alert dns any any -> any any (dns.query; content:"cam.example"; sid:1;)
alert http2 any any -> any any (http2.frametype:HEADERS; sid:2;)
alert doh2 any any -> any any (dns.query; content:"cam"; http.uri; content:"/dns-query"; sid:3;)
alert http1 any any -> any any (http.uri; content:"/"; sid:4;)
`, &s, nil)
	k := begin(e, 4000, 80)
	path := "/dns-query?dns=EjQBAAABAAAAAAAAA2NhbQdleGFtcGxlAAABAAE"
	block := "\x82\x04" + string(rune(len(path))) + path // GET, :path as a literal that is not indexed
	k.say(packet.ToServer, []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00"+string(rune(len(block)))+"\x01\x05\x00\x00\x00\x01"+block))
	e.Close()
	only(t, &s, protocol.DOH2)
	slices.Sort(s.alerts)
	if got := slices.Compact(s.alerts); !slices.Equal(got, []uint32{1, 2, 3}) {
		t.Errorf("alerts %v, want 1, 2 and 3", got)
	}
}
