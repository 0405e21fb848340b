package engine_test

import (
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// TestContentsBesideFields: contents without a buffer in a rule about
// transactions must occur in the same packet or part of the stream as when the
// rest of the rule holds, whichever literal the search goes by.
func TestContentsBesideFields(t *testing.T) {
	var s found
	e := open(t, `
alert http any any -> any any (flow:to_server; content:"|0d 0a 0d 0a|user=admin"; fast_pattern; http.method; content:"POST"; sid:1;)
alert http any any -> any any (flow:to_server; content:"|0d 0a 0d 0a|user=nobody"; fast_pattern; http.method; content:"POST"; sid:2;)
alert http any any -> any any (flow:to_server; content:!"nobody"; http.method; content:"POST"; sid:3;)
alert http any any -> any any (flow:to_server; content:"user="; content:"&pass="; distance:0; http.uri; content:"/login"; sid:4;)
`, &s, nil)
	k := begin(e, 40000, 80)
	k.say(packet.ToServer, []byte("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nuser=admin&pass=12345"))
	k.say(packet.ToClient, []byte("HTTP/1.1 204 No Content\r\n\r\n"))
	k.end()
	e.Close()
	slices.Sort(s.alerts)
	if want := []uint32{1, 3, 4}; !slices.Equal(slices.Compact(s.alerts), want) {
		t.Errorf("alerts %v, want %v", s.alerts, want)
	}
}
