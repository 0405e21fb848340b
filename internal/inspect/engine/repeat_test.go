package engine_test

import (
	"fmt"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// count says how often a rule has fired.
func count(s *found, sid uint32) (n int) {
	for _, a := range s.alerts {
		if a == sid {
			n++
		}
	}
	return n
}

// TestNegatedRulesRepeat fires a rule whose strings are all negated with each
// part of a body that follows, and every other rule once.
func TestNegatedRulesRepeat(t *testing.T) {
	var s found
	e := open(t, `alert http any any -> any any (http.uri; content:!"none"; sid:1;)
alert http any any -> any any (http.uri; content:!"none"; content:"/form"; sid:2;)
alert http any any -> any any (http.method; content:"POST"; http.uri; content:!"none"; sid:3;)
alert http any any -> any any (http.uri; content:"/form"; http.user_agent; content:!"none"; fast_pattern; sid:4;)
alert http any any -> any any (http.uri; pcre:"/form/"; sid:5;)
`, &s, nil)
	k := begin(e, 40000, 80)
	const body = 6
	k.say(packet.ToServer, fmt.Appendf(nil, "POST /form HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nContent-Length: %d\r\n\r\n", body))
	for range body {
		k.say(packet.ToServer, []byte("b"))
	}
	k.say(packet.ToClient, []byte("HTTP/1.1 204 No Content\r\n\r\n"))
	k.end()
	e.Close()
	for sid, want := range map[uint32]int{1: body + 1, 2: 1, 3: 1, 4: body + 1, 5: 1} {
		if n := count(&s, sid); n != want {
			t.Errorf("rule %d fired %d times, want %d", sid, n, want)
		}
	}
}
