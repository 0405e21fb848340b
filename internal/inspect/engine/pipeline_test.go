package engine_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
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
