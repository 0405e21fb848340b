package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet"
)

// tlsSession says hello in both directions, ends the handshake and sends
// application data that holds a word.
func tlsSession(k *talk, word string) {
	random := strings.Repeat("r", 32)
	k.say(packet.ToServer, []byte("\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03"+random+"\x00\x00\x02\x13\x01\x01\x00"))
	k.say(packet.ToClient, []byte("\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03"+random+"\x00\x13\x01\x00"))
	for _, d := range []packet.Direction{packet.ToServer, packet.ToClient} {
		k.say(d, []byte("\x14\x03\x03\x00\x01\x01"))
	}
	for range 4 {
		for _, d := range []packet.Direction{packet.ToServer, packet.ToClient} {
			k.say(d, append([]byte("\x17\x03\x03\x00"+string(rune(len(word)))), word...))
		}
	}
	k.end()
}

// TestEncryptedPayload: what comes after the first application data was
// acknowledged is not looked at by rules about payloads or the stream, unless
// the settings ask for it; rules about packets go on.
func TestEncryptedPayload(t *testing.T) {
	rules := `
alert tcp any any -> any any (msg:"packet"; content:"secret"; flow:no_stream; sid:1;)
alert tcp any any -> any any (msg:"stream"; content:"secret"; flow:only_stream; sid:2;)
alert tcp any any -> any any (msg:"either"; content:"secret"; sid:3;)
alert tcp any any -> any any (msg:"long"; dsize:>5; flow:to_server; sid:4;)
alert tcp any any -> any any (msg:"short"; dsize:<100; flags:PA; flow:to_server; sid:5;)
alert tcp any any -> any any (msg:"empty"; dsize:0; flags:FA; sid:6;)
`
	count := func(handling string) (n [7]int) {
		var s found
		e := open(t, rules, &s, engine.Settings{"app-layer.protocols.tls.encryption-handling": handling})
		tlsSession(begin(e, 40000, 443), "secret")
		e.Close()
		for _, sid := range s.alerts {
			n[sid]++
		}
		return n
	}
	hidden := count("default")
	if hidden[1] != 1 || hidden[4] != 3 {
		t.Errorf("packets are looked at until the first data is acknowledged: %v", hidden)
	}
	if hidden[2] > 1 || hidden[3] > 1 {
		t.Errorf("the stream is inspected at most once more when it becomes opaque: %v", hidden)
	}
	if hidden[5] != 6 || hidden[6] != 2 {
		t.Errorf("rules that need no payload go on: %v", hidden)
	}
	full := count("full")
	if full[1] != 8 || full[4] != 6 || full[2] < 2 || full[3] < 2 {
		t.Errorf("encryption-handling full inspects everything: %v", full)
	}
}

// TestPlacesInStream: offset, depth and ^ count from the begin of the part of
// the stream that is inspected, which after a request is the next one.
func TestPlacesInStream(t *testing.T) {
	var s found
	e := open(t, `
alert tcp any any -> any any (content:"GET "; depth:4; flow:only_stream,to_server; sid:1;)
alert tcp any any -> any any (pcre:"/^GET/"; flow:only_stream,to_server; sid:2;)
alert tcp any any -> any any (byte_test:1,=,0x47,0; flow:only_stream,to_server; sid:3;)
`, &s, nil)
	k := begin(e, 40000, 80)
	const requests = 3
	for range requests {
		k.say(packet.ToServer, get)
		k.say(packet.ToClient, []byte("HTTP/1.1 204 No Content\r\n\r\n"))
	}
	k.end()
	e.Close()
	slices.Sort(s.alerts)
	if want := []uint32{1, 1, 1, 2, 2, 2, 3, 3, 3}; !slices.Equal(s.alerts, want) {
		t.Errorf("alerts %v, want %v", s.alerts, want)
	}
}

// TestFragmentHasNoPayload: a fragment by itself is no segment of anything.
func TestFragmentHasNoPayload(t *testing.T) {
	var s found
	e := open(t, `
alert ip any any -> any any (content:"secret"; sid:1;)
alert ip any any -> any any (fragbits:M; sid:2;)
`, &s, nil)
	b := ip(17, 1, 2, append(make([]byte, 8), "a secret of a fragment  "...))
	b[6] = 0x20
	e.Frame(rawIP, b, 1e18, 1)
	e.Close()
	if !slices.Equal(s.alerts, []uint32{2}) {
		t.Errorf("alerts %v, want [2]", s.alerts)
	}
}
