package websocket

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

func frame(first byte, mask uint32, payload string) string {
	b := []byte{first}
	length := byte(min(len(payload), 126))
	if mask != 0 {
		length |= 0x80
	}
	b = append(b, length)
	if len(payload) >= 126 {
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	body := []byte(payload)
	if mask != 0 {
		b = binary.BigEndian.AppendUint32(b, mask)
		unmask(body, mask, 0)
	}
	return string(append(b, body...))
}

func send(f *parsetest.Flow, d packet.Direction, text string, chunk int) {
	for len(text) > 0 {
		n := min(chunk, len(text))
		f.Send(d, []byte(text[:n]))
		text = text[n:]
	}
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("long", 100)
	for _, chunk := range []int{1, 6, 1000} {
		f := parsetest.Open(t, Spec(), nil)
		send(f, packet.ToServer, frame(0x81, 0x12345678, "swordfish")+frame(0x01, 7, "one ")+frame(0x89, 9, "!")+frame(0x80, 8, "two")+frame(0x82, 3, long), chunk)
		for i, want := range []string{"swordfish", "one ", "!", "one two", long} {
			if v := f.Text(i, protocol.WebSocketPayload, packet.ToServer, 0); v != want {
				t.Errorf("frame %d is %q, want %q", i, v, want)
			}
		}
		if v := f.Number(0, protocol.WebSocketMask, packet.ToServer, 0); v != 0x12345678 {
			t.Errorf("mask %x", v)
		}
		if eve := f.Eve(2, packet.ToServer); eve != `{"fin":true,"mask":9,"opcode":"ping"}` {
			t.Errorf("record %s", eve)
		}
	}
}

func TestCompressed(t *testing.T) {
	var buf bytes.Buffer
	w, _ := flate.NewWriter(&buf, 9)
	var frames string
	for range 3 { // messages after the first point back into it
		buf.Reset()
		_, _ = w.Write([]byte("hello hello websocket"))
		_ = w.Flush()
		frames += frame(0xc1, 0, strings.TrimSuffix(buf.String(), "\x00\x00\xff\xff"))
	}
	f := parsetest.Open(t, Spec(), nil)
	send(f, packet.ToClient, frames, 5)
	for i := range 3 {
		if v := f.Text(i, protocol.WebSocketPayload, packet.ToClient, 0); v != "hello hello websocket" {
			t.Errorf("message %d is %q", i, v)
		}
	}
}

func TestLimits(t *testing.T) {
	f := parsetest.Open(t, Spec(), parsetest.Config{"max-payload-size": "8"})
	send(f, packet.ToServer, frame(0x81, 1, "0123456789")+frame(0x01, 1, "01234")+frame(0x80, 1, "56789"), 3)
	if !f.Tx(0).Inspection().Events.Has(eventSkipEnd) || !f.Tx(2).Inspection().Events.Has(eventReassembly) {
		t.Error("events are missing")
	}
	if v := f.Text(2, protocol.WebSocketPayload, packet.ToServer, 0); v != "01234567" {
		t.Errorf("payload %q", v)
	}
}

func TestKeywords(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	send(f, packet.ToServer, frame(0x89, 1, "x"), 100)
	for _, k := range keywords() {
		for arg, want := range map[string]map[string]bool{
			"websocket.flags": {"fin,!comp": true, "128": true, "&0x40=0x40": false}, "websocket.opcode": {"ping": true, ">8": true, "1": false},
		}[k.Name] {
			test, err := k.Compile(arg)
			if err != nil {
				t.Fatal(err)
			}
			if got := test(f.Tx(0), packet.ToServer); got != want {
				t.Errorf("%s:%s is %v", k.Name, arg, got)
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	if parsetest.Race {
		t.Skip("the race detector allocates by itself")
	}
	f := parsetest.Open(t, Spec(), nil)
	text := []byte(frame(0x81, 5, "payload") + frame(0x01, 5, "a") + frame(0x80, 5, "b"))
	fields := parsetest.Fields(protocol.WebSocket)
	run := func() {
		f.Parser.Reset()
		f.Send(packet.ToServer, text)
		f.Finish(fields)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(frame(0x81, 5, "payload")+frame(0xc1, 0, "\x01\x02\x03")), []byte(frame(0x01, 0, "a")+frame(0x80, 0, "b")), byte(4))
	fields := parsetest.Fields(protocol.WebSocket)
	f.Fuzz(func(t *testing.T, a, b []byte, chunk byte) {
		fl := parsetest.Open(t, Spec(), nil)
		send(fl, packet.ToServer, string(a), int(chunk)+1)
		send(fl, packet.ToClient, string(b), int(chunk)+1)
		fl.Finish(fields)
	})
}
