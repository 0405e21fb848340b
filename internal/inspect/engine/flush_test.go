package engine_test

import (
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// record is an SSH record of a message type, with the least padding.
func record(message byte, rest string) []byte {
	n := len(rest) + 2
	return append([]byte{0, 0, 0, byte(n), 0, message}, rest...)
}

// TestFlushAtEndOfReading: when SSH becomes encrypted, a made packet in each
// direction is inspected; payloads of packets after it are left out.
func TestFlushAtEndOfReading(t *testing.T) {
	var s found
	e := open(t, `alert tcp any any -> any 22 (ipv4.hdr; content:"|00 00 00 00|"; offset:4; depth:4; sid:1;)
alert tcp any any -> any any (content:"secret"; flow:no_stream; sid:2;)
alert tcp any any -> any any (content:"secret"; flow:only_stream; sid:3;)
alert tcp any any -> any any (content:"OpenSSH"; flow:only_stream; sid:4;)
alert tcp any any -> any any (dsize:6; sid:5;)
`, &s, nil)
	k := begin(e, 40000, 22)
	both := func(b []byte) {
		k.say(packet.ToServer, b)
		k.say(packet.ToClient, b)
	}
	both([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
	both(record(21, ""))
	k.send(packet.ToServer, ack, nil)
	for range 3 {
		both([]byte("secret"))
	}
	k.end()
	e.Close()
	for sid, want := range map[uint32]int{2: 0, 3: 0, 4: 2} {
		if n := count(&s, sid); n != want {
			t.Errorf("rule %d fired %d times, want %d", sid, n, want)
		}
	}
	if n := count(&s, 5); n != 2 {
		t.Errorf("sizes of %d packets were looked at, want those of the 2 before encryption", n)
	}
	if n := count(&s, 1); n == 0 {
		t.Error("the made packet has no header")
	}
}

// TestFlushAtSwitch: between a CONNECT that was granted and the first bytes
// of what is tunnelled, rules about packets see a made packet in each direction.
func TestFlushAtSwitch(t *testing.T) {
	const rules = `alert http any any -> any any (flow:to_server,established; sid:1;)
alert http any any -> any any (flow:to_client,established; sid:2;)
alert http any any -> any any (flow:to_server; flags:+A; sid:3;)
`
	run := func(status string) (n [4]int) {
		var s found
		e := open(t, rules, &s, nil)
		k := begin(e, 40000, 8080)
		k.say(packet.ToServer, []byte("CONNECT inner:22 HTTP/1.1\r\nHost: inner:22\r\n\r\n"))
		k.say(packet.ToClient, []byte("HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n"))
		k.send(packet.ToServer, ack, nil)
		for _, sid := range s.alerts {
			n[sid]++
		}
		e.Close()
		return n
	}
	granted, refused := run("200 OK"), run("403 No")
	if granted[1] != refused[1]+2 || granted[2] != refused[2]+2 {
		t.Errorf("granted %v, refused %v: want two alerts more in each direction: with the packet that acknowledges the answer and the next one", granted, refused)
	}
	if granted[3] != refused[3] {
		t.Errorf("granted %v, refused %v: flags are of real packets", granted, refused)
	}
}

// TestUpgradeCountsWithItsBytes: a flow is of the protocol it was upgraded to
// from the first bytes of that protocol on.
func TestUpgradeCountsWithItsBytes(t *testing.T) {
	var s found
	e := open(t, `alert http1 any any -> any any (flow:to_server; dsize:0; flags:A; sid:1;)
alert websocket any any -> any any (flow:to_server; dsize:>0; sid:2;)
`, &s, nil)
	k := begin(e, 40000, 80)
	k.say(packet.ToServer, []byte("GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "+strings.Repeat("A", 24)+"\r\n\r\n"))
	k.say(packet.ToClient, []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
	before := count(&s, 1)
	k.send(packet.ToServer, ack, nil)
	if count(&s, 1) != before+1 {
		t.Error("the packet that acknowledges the upgrade is HTTP's")
	}
	k.say(packet.ToServer, []byte("\x81\x82abcd\x09\x0b"))
	k.say(packet.ToClient, []byte("\x81\x02hi"))
	k.say(packet.ToServer, []byte("\x81\x82abcd\x09\x0b"))
	e.Close()
	if count(&s, 2) == 0 {
		t.Error("the bytes behind the upgrade are not WebSocket's")
	}
}

// TestClientSideFirst: what is wrong with the server's last bytes, which nobody
// acknowledged, is an event to the client alone.
func TestClientSideFirst(t *testing.T) {
	var s found
	e := open(t, `alert tls any any -> any any (flow:to_server; app-layer-event:tls.invalid_handshake_message; sid:1;)
alert tls any any -> any any (flow:to_client; app-layer-event:tls.invalid_handshake_message; sid:2;)
`, &s, nil)
	k := begin(e, 40000, 443)
	k.say(packet.ToServer, []byte("\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03"+strings.Repeat("r", 32)+"\x00\x00\x02\x13\x01\x01\x00"))
	k.send(packet.ToClient, psh|ack, []byte("\x16\x03\x03\x00\x04\xee\x00\x00\x00"))
	e.Close()
	if count(&s, 1) != 0 || count(&s, 2) != 1 {
		t.Errorf("alerts %v, want rule 2 once", s.alerts)
	}
}
