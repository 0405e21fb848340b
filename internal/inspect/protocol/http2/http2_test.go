package http2

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

func frame(kind, flags byte, stream uint32, body string) string {
	b := []byte{byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body)), kind, flags}
	return string(binary.BigEndian.AppendUint32(b, stream)) + body
}

// packer makes header blocks with another implementation.
type packer struct {
	buf bytes.Buffer
	enc *hpack.Encoder
}

func newPacker() *packer {
	p := &packer{}
	p.enc = hpack.NewEncoder(&p.buf)
	return p
}

func (p *packer) block(pairs ...string) string {
	p.buf.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = p.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return p.buf.String()
}

func session() []parsetest.Step {
	q, r := newPacker(), newPacker()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte("hello, body"))
	_ = z.Close()
	first := q.block(":method", "GET", ":path", "/a?b", ":scheme", "http", ":authority", "U@Cam.Example:8080", "user-agent", "test/1", "cookie", "a=1", "cookie", "b=2")
	second := q.block(":method", "POST", ":path", "/post", ":scheme", "http", ":authority", "cam", "user-agent", "test/1")
	answer := r.block(":status", "200", "server", "x", "content-encoding", "gzip", "content-length", "11")
	return []parsetest.Step{
		{Dir: packet.ToServer, Data: []byte(magic + frame(frameSettings, 0, 0, "\x00\x03\x00\x00\x00\x64"))},
		{Dir: packet.ToServer, Data: []byte(frame(frameHeaders, flagEndStream|flagPriority, 1, "\x00\x00\x00\x00\x0f"+first[:10]) + frame(frameContinuation, flagEndHeaders, 1, first[10:]))},
		{Dir: packet.ToServer, Data: []byte(frame(frameHeaders, flagEndHeaders, 3, second) + frame(frameData, flagPadded|flagEndStream, 3, "\x02body\x00\x00"))},
		{Dir: packet.ToClient, Data: []byte(frame(frameSettings, 0, 0, "") + frame(frameHeaders, flagEndHeaders, 1, answer) + frame(frameData, flagEndStream, 1, zipped.String()) + frame(frameGoAway, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x00"))},
	}
}

func send(f *parsetest.Flow, steps []parsetest.Step, chunk int) {
	for _, s := range steps {
		for b := s.Data; len(b) > 0; {
			n := min(chunk, len(b))
			f.Send(s.Dir, b[:n])
			b = b[n:]
		}
	}
}

func TestSession(t *testing.T) {
	for _, chunk := range []int{1, 7, 1 << 20} {
		f := parsetest.Open(t, Spec(), nil)
		send(f, session(), chunk)
		for field, want := range map[protocol.Field]string{
			protocol.HTTPURI: "/a?b", protocol.HTTPMethod: "GET", protocol.HTTPHost: "cam.example", protocol.HTTPHostRaw: "U@Cam.Example:8080",
			protocol.HTTPCookie: "a=1; b=2", protocol.HTTPRequestLine: "GET /a?b HTTP/2\r\n", protocol.HTTPProtocol: "HTTP/2",
			protocol.HTTPRequestHeader: ":method: GET", protocol.HTTP2HeaderName: ":method",
			protocol.HTTPHeaderNames: "\r\n:method\r\n:path\r\n:scheme\r\n:authority\r\nuser-agent\r\ncookie\r\ncookie\r\n\r\n",
		} {
			if v := f.Text(1, field, packet.ToServer, 0); v != want {
				t.Errorf("field %d is %q, want %q", field, v, want)
			}
		}
		if v := f.Text(1, protocol.HTTPResponseLine, packet.ToClient, 0); v != "HTTP/2 200\r\n" {
			t.Errorf("response line %q", v)
		}
		if w, _ := f.Tx(1).Window(protocol.HTTPResponseBody, packet.ToClient, 0); string(w.Data) != "hello, body" || !w.Final {
			t.Errorf("response body %q", w.Data)
		}
		if w, _ := f.Tx(2).Window(protocol.HTTPRequestBody, packet.ToServer, 0); string(w.Data) != "body" {
			t.Errorf("request body %q", w.Data)
		}
		if v := f.Number(1, protocol.HTTP2Priority, packet.ToServer, 0); v != 15 {
			t.Errorf("priority %d", v)
		}
		if e := f.Tx(1).Inspection().Events; !e.Has(eventUserInfo) {
			t.Errorf("events %x", e)
		}
		if eve := f.Eve(1, 0); !strings.Contains(eve, `"url":"/a?b"`) || !strings.Contains(eve, `"status":200,"length":11,"http2":{"stream_id":1,"request":{"priority":15},"response":{}}`) {
			t.Errorf("record %s", eve)
		}
		if eve := f.Eve(0, 0); !strings.Contains(eve, `{"settings_id":"SETTINGSMAXCONCURRENTSTREAMS","settings_value":100}`) {
			t.Errorf("record %s", eve)
		}
	}
}

func TestKeywords(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	send(f, session(), 1000)
	for _, c := range []struct {
		name, arg string
		tx        int
		d         packet.Direction
		want      bool
	}{
		{"http2.settings", "SETTINGS_MAX_CONCURRENT_STREAMS>50", 0, 0, true}, {"http2.settings", "SETTINGS_ENABLE_PUSH=0", 0, 0, false},
		{"http2.frametype", "GOAWAY", 4, 1, true}, {"http2.errorcode", "NO_ERROR", 4, 1, true}, {"http2.priority", ">14", 1, 0, true},
	} {
		for _, k := range keywords() {
			if k.Name != c.name {
				continue
			}
			test, err := k.Compile(c.arg)
			if err != nil {
				t.Fatal(err)
			}
			if got := test(f.Tx(c.tx), c.d); got != c.want {
				t.Errorf("%s:%s is %v", c.name, c.arg, got)
			}
		}
	}
}

func TestEvents(t *testing.T) {
	for text, want := range map[string]uint8{
		"GET / HTTP/1.1\r\n" + strings.Repeat("x", 20):                                         eventClientMagic,
		magic + frame(frameWindow, 0, 0, "\x00"):                                               eventFrameLength,
		magic + frame(frameHeaders, flagEndHeaders, 1, "\xff\xff\xff"):                         eventHeader,
		magic + frame(frameHeaders, flagEndHeaders, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"): eventIntegerOverflow,
		magic + frame(frameHeaders, flagPadded, 1, "\x09a"):                                    eventFrameData,
		magic + frame(44, 0, 1, ""):                                                            eventFrameHeader,
	} {
		f := parsetest.Open(t, Spec(), nil)
		f.Send(packet.ToServer, []byte(text))
		if e := f.Tx(0).Inspection().Events; !e.Has(want) {
			t.Errorf("%q: events %x, want %d", text, e, want)
		}
	}
}

func TestHuffman(t *testing.T) {
	for i := range 256 {
		text := string([]byte{byte(i), 'a', byte(255 - i)})
		got, ok := appendHuffman(nil, hpack.AppendHuffmanString(nil, text), 100)
		if !ok || string(got) != text {
			t.Errorf("%q became %q, %v", text, got, ok)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	if parsetest.Race {
		t.Skip("the race detector allocates by itself")
	}
	f := parsetest.Open(t, Spec(), nil)
	steps := session()
	fields := parsetest.Fields(protocol.HTTP2)
	run := func() {
		f.Parser.Reset()
		send(f, steps, 1000)
		f.Finish(fields)
	}
	run()
	run()
	if n := testing.AllocsPerRun(50, run); n > 0 {
		t.Errorf("%v allocations a session", n)
	}
}

func FuzzParse(f *testing.F) {
	var a, b []byte
	for _, s := range session() {
		if s.Dir == packet.ToServer {
			a = append(a, s.Data...)
		} else {
			b = append(b, s.Data...)
		}
	}
	f.Add(a, b, byte(9))
	f.Add([]byte(magic+frame(frameData, 0, 5, "abc")), []byte(frame(framePush, 4, 1, "\x00\x00\x00\x02\x82")), byte(255))
	fields := parsetest.Fields(protocol.HTTP2)
	f.Fuzz(func(t *testing.T, a, b []byte, chunk byte) {
		fl := parsetest.Open(t, Spec(), nil)
		send(fl, []parsetest.Step{{Dir: packet.ToServer, Data: a}, {Dir: packet.ToClient, Data: b}}, int(chunk)+1)
		fl.Finish(fields)
	})
}
