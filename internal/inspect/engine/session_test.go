package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/all"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// everyBuffer has a rule for each buffer and number that transactions answer,
// and some for what else holds state.
func everyBuffer(t testing.TB) *rule.Set {
	t.Helper()
	var text strings.Builder
	text.WriteString(ordinary)
	text.WriteString(`alert tcp any any -> any any (msg:"file"; filemd5:"x"; sid:20;)
alert tcp any any -> any any (flow:established; content:"a"; pcre:"/^(a|b)+c/R"; xbits:set,x,track ip_src; sid:21;)
alert ip any any -> any any (content:"|00|"; byte_jump:2,0,relative,from_beginning; byte_extract:1,0,n; byte_test:1,=,n,1; isdataat:!n,relative; sid:22;)
`)
	for i, f := range protocol.Fields() {
		fmt.Fprintf(&text, "alert ip any any -> any any (%s; content:\"a\"; nocase; sid:%d;)\n", f.Keyword, 1000+i)
	}
	set, _, err := rule.Compile([]rule.Source{{Name: "test.rules", Text: []byte(text.String())}}, rule.Options{Specs: all.Specs(), Fields: protocol.Fields()})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// replay sends data as a session with a server's port, cut into pieces whose
// direction, size, order and loss the bits of how decide.
func replay(e *engine.Engine, data []byte, port uint16, datagrams bool, how uint16) {
	size, turn := int(how&0xff)+1, how&0x100 != 0
	d := packet.Direction(how >> 9 & 1)
	if datagrams {
		for now := int64(1e18); len(data) > 0; now += 1e9 {
			n := min(size, len(data))
			b := udp(1, 2, 40000, port, data[:n])
			if d == packet.ToClient {
				b = udp(2, 1, port, 40000, data[:n])
			}
			e.Frame(rawIP, b[:len(b):len(b)], now, 1)
			if data = data[n:]; turn {
				d = d.Other()
			}
		}
		return
	}
	s := begin(e, 40000, port)
	for i := 1; len(data) > 0; i++ {
		n := min(size, len(data))
		switch {
		case how&0x400 != 0 && i%5 == 0: // lost, but acknowledged
			s.seq[d] += uint32(n)
			s.send(d.Other(), ack, nil)
		case how&0x800 != 0 && n > 1: // the second half first
			at := s.seq[d]
			s.seq[d] += uint32(n / 2)
			s.send(d, psh|ack, data[n/2:n])
			s.seq[d] = at
			s.send(d, psh|ack, data[:n/2])
			s.seq[d] = at + uint32(n)
			s.send(d.Other(), ack, nil)
		default:
			s.say(d, data[:n])
		}
		if data = data[n:]; turn {
			d = d.Other()
		}
	}
	if how&0x1000 != 0 {
		s.end()
	}
}

// servers are ports that a protocol is looked for on.
func servers() (ports []uint16) {
	for _, s := range all.Specs() {
		ports = append(ports, s.Ports...)
	}
	return append(ports, 9999)
}

// FuzzSession inspects one session of any bytes with a rule for every buffer,
// and checks that each record is one line of JSON.
func FuzzSession(f *testing.F) {
	ports, set := servers(), everyBuffer(f)
	both := append(append([]byte{}, get...), page...)
	for i, port := range ports {
		if port == 80 {
			f.Add(both, uint8(i), false, uint16(0x1100|(len(get)-1)))
		}
		if port == 53 {
			f.Add(append(append([]byte{}, query...), answer...), uint8(i), true, uint16(0x100|(len(query)-1)))
		}
	}
	f.Add([]byte("220 x ESMTP\r\nEHLO a\r\n250 ok\r\n"), uint8(0), false, uint16(0x312))
	f.Fuzz(func(t *testing.T, data []byte, port uint8, datagrams bool, how uint16) {
		var out bytes.Buffer
		records := engine.NewRecords(&out, engine.RecordOptions{Payload: true, Printable: true, Packet: true, Decode: true, Stream: true, Header: true, Magic: true})
		e := start(t, set, records, engine.Settings{})
		replay(e, data[:min(len(data), 1<<14)], ports[int(port)%len(ports)], datagrams, how)
		e.Close()
		for line := range bytes.Lines(out.Bytes()) {
			if !json.Valid(line) {
				t.Fatalf("not JSON: %s", line)
			}
		}
	})
}
