package http

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

// settings are given by name.
type settings map[string]string

func (s settings) Lookup(name string) (string, bool) { v, ok := s[name]; return v, ok }

// talk is a conversation with a parser.
type talk struct {
	t   testing.TB
	p   *Parser
	env protocol.Env
}

func begin(t testing.TB, set settings) *talk {
	t.Helper()
	open, err := Spec().Open(set)
	if err != nil {
		t.Fatal(err)
	}
	return &talk{t: t, p: open().(*Parser), env: protocol.Env{ServerPort: 80, ClientPort: 40000}}
}

func (c *talk) request(s string) protocol.Status {
	return c.p.Parse(packet.ToServer, []byte(s), &c.env)
}
func (c *talk) response(s string) protocol.Status {
	return c.p.Parse(packet.ToClient, []byte(s), &c.env)
}

func (c *talk) close() {
	c.p.End(packet.ToServer, &c.env)
	c.p.End(packet.ToClient, &c.env)
}

func (c *talk) tx(i int) *transaction {
	c.t.Helper()
	txs := c.p.Txs()
	if i >= len(txs) {
		c.t.Fatalf("%d transactions, wanted more than %d", len(txs), i)
	}
	return txs[i].(*transaction)
}

func (c *talk) want(i int, f protocol.Field, d packet.Direction, want string) {
	c.t.Helper()
	v, ok := c.tx(i).Bytes(f, d, 0)
	if string(v) != want || ok != (want != "") {
		c.t.Errorf("field %d of transaction %d: %q %v, want %q", f, i, v, ok, want)
	}
}

// body is the response body of transaction i.
func (c *talk) body(i int) string {
	c.t.Helper()
	w, _ := c.tx(i).Window(protocol.HTTPResponseBody, packet.ToClient, 0)
	return string(w.Data)
}

func (c *talk) events(i int) string {
	var names []string
	for n, name := range eventNames {
		if c.tx(i).insp.Events.Has(uint8(n)) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

const getRequest = "GET /a/./b/../c%20d?x=%41 HTTP/1.1\r\nHost: Example.COM:80\r\nUser-Agent: test/1\r\nCookie: a=b\r\nAccept: */*\r\nX: 1\r\nx: 2\r\n\r\n"

func TestRequestFields(t *testing.T) {
	for _, size := range []int{1, 7, 1000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c := begin(t, nil)
			for s := getRequest; s != ""; s = s[min(size, len(s)):] {
				c.request(s[:min(size, len(s))])
			}
			for f, want := range map[protocol.Field]string{
				protocol.HTTPURI: "/a/c d?x=A", protocol.HTTPURIRaw: "/a/./b/../c%20d?x=%41", protocol.HTTPMethod: "GET",
				protocol.HTTPProtocol: "HTTP/1.1", protocol.HTTPHost: "example.com", protocol.HTTPHostRaw: "Example.COM:80",
				protocol.HTTPUserAgent: "test/1", protocol.HTTPCookie: "a=b", protocol.HTTPAccept: "*/*", protocol.HTTPReferer: "",
				protocol.HTTPHeader:      "Host: Example.COM:80\r\nUser-Agent: test/1\r\nAccept: */*\r\nX: 1, 2\r\n",
				protocol.HTTPHeaderNames: "\r\nHost\r\nUser-Agent\r\nCookie\r\nAccept\r\nX\r\n\r\n",
				protocol.HTTPHeaderRaw:   getRequest[strings.Index(getRequest, "Host"):],
				protocol.HTTPRequestLine: getRequest[:strings.Index(getRequest, "\r\n")],
			} {
				c.want(0, f, packet.ToServer, want)
			}
			if v, ok := c.tx(0).Bytes(protocol.HTTPRequestHeader, packet.ToServer, 4); !ok || string(v) != "X: 1, 2" {
				t.Errorf("fifth field %q", v)
			}
			if got := c.events(0); got != "" {
				t.Errorf("events %s", got)
			}
			if got := c.tx(0).Stage(packet.ToServer); got != protocol.StageDone {
				t.Errorf("stage %d", got)
			}
		})
	}
}

func TestResponseFields(t *testing.T) {
	c := begin(t, nil)
	c.request("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("HTTP/1.1 200 All right\r\nServer: s\r\nContent-Length: 5\r\nSet-Cookie: k=v\r\nContent-Type: text/plain; charset=x\r\n\r\nhelloHTTP/1.0 404 No\r\n\r\ngone")
	c.want(0, protocol.HTTPStatusCode, packet.ToClient, "200")
	c.want(0, protocol.HTTPStatusMessage, packet.ToClient, "All right")
	c.want(0, protocol.HTTPCookie, packet.ToClient, "k=v")
	c.want(0, protocol.HTTPServer, packet.ToClient, "s")
	c.want(0, protocol.HTTPResponseLine, packet.ToClient, "HTTP/1.1 200 All right")
	c.want(1, protocol.HTTPStatusCode, packet.ToClient, "404")
	c.close()
	if c.body(0) != "hello" || c.body(1) != "gone" {
		t.Errorf("bodies %q %q", c.body(0), c.body(1))
	}
	f := c.tx(0).Files(packet.ToClient)
	if len(f) != 1 || string(f[0].Name) != "/" || f[0].State != protocol.FileClosed || f[0].Size != 5 {
		t.Errorf("file %+v", f)
	}
	want := `{"hostname":"a","url":"/","http_content_type":"text/plain","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":5}`
	if got := string(c.tx(0).AppendEve(nil, 0)); got != want {
		t.Errorf("record %s", got)
	}
}

func TestManyFlows(t *testing.T) {
	c := begin(t, nil)
	run := func() {
		c.p.Reset()
		c.request(getRequest)
		c.response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		tx := c.tx(0)
		for f := protocol.HTTPURI; f <= protocol.HTTPStatusMessage; f++ {
			tx.Bytes(f, 0, 0)
			tx.Bytes(f, 1, 0)
		}
		tx.insp.Done = true
		c.p.Sweep()
	}
	req := []byte(getRequest)
	resp := []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	run()
	if n := testing.AllocsPerRun(100, func() {
		c.p.Reset()
		c.p.Parse(packet.ToServer, req, &c.env)
		c.p.Parse(packet.ToClient, resp, &c.env)
		c.p.Txs()[0].Inspection().Done = true
		c.p.Sweep()
	}); n != 0 {
		t.Errorf("%v allocations a transaction", n)
	}
}

func BenchmarkTransaction(b *testing.B) {
	c := begin(b, nil)
	req := []byte("GET /index.html?id=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nCookie: session=0123456789\r\n\r\n")
	resp := []byte("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: keep-alive\r\nVary: Accept-Encoding\r\n\r\nhello")
	b.ReportAllocs()
	for b.Loop() {
		c.p.Parse(packet.ToServer, req, &c.env)
		c.p.Parse(packet.ToClient, resp, &c.env)
		c.p.Txs()[0].Inspection().Done = true
		c.p.Sweep()
	}
}

func BenchmarkBody(b *testing.B) {
	c := begin(b, settings{"libhtp.default-config.response-body-limit": "0"})
	c.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n\r\n")
	tx := c.tx(0)
	data := bytes.Repeat([]byte("0123456789abcdef"), 90)
	tx.insp.Scanned[1] = append(tx.insp.Scanned[1], protocol.StreamProgress{Field: protocol.FileData})
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		c.p.Parse(packet.ToClient, data, &c.env)
		tx.insp.Scanned[1][0].Upto += uint64(len(data))
	}
}

func BenchmarkGzip(b *testing.B) {
	c := begin(b, settings{"libhtp.default-config.response-body-limit": "0"})
	page := strings.Repeat("<div class=\"row\"><span>The quick brown fox</span> jumps 0123456789 over</div>\n", 40) + strings.Repeat("lazy dogs and cats ", 60)
	packed := pack(b, gz, page)
	req := []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(packed), packed))
	b.ReportAllocs()
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		c.p.Parse(packet.ToServer, req, &c.env)
		c.p.Parse(packet.ToClient, resp, &c.env)
		c.p.Txs()[0].Inspection().Done = true
		c.p.Sweep()
	}
}

func TestProbe(t *testing.T) {
	for in, want := range map[string]protocol.Verdict{
		"GET / HTTP/1.1\r\n": protocol.Yes, "GET /": protocol.Yes, "GE": protocol.More, "get / HTTP/1.0\r\n": protocol.Yes, "\r\nPOST ": protocol.Yes,
		"OPTIONS rtsp://a RTSP/1.0\r\n": protocol.No, "OPTIONS sip:a SIP/2.0\r\n": protocol.No, "OPTIONS * HT": protocol.More, "OPTIONS * HTTP/1.1\r\n": protocol.Yes,
		"PRI * HTTP/2.0\r\n\r\n": protocol.No, "FOO bar\r\n": protocol.No, "EHLO a\r\n": protocol.No, "\x16\x03\x01": protocol.No, "SSH-2.0-x\r\n": protocol.No,
	} {
		if got := probe(packet.ToServer, []byte(in), 0, 80); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
	if !reversed(packet.ToServer, []byte("HTTP/1.1 200 OK\r\n"), false) || reversed(packet.ToServer, []byte("GET / HTTP/1.1\r\n"), false) || !reversed(packet.ToClient, []byte("GET / HTTP/1.1\r\n"), false) {
		t.Error("which side sent it")
	}
	for in, want := range map[string]protocol.Verdict{"HTTP/1.1 200 OK\r\n": protocol.Yes, "HTT": protocol.More, "220 hello\r\n": protocol.No} {
		if got := probe(packet.ToClient, []byte(in), 80, 0); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

func TestSteady(t *testing.T) {
	up, down := packet.ToServer, packet.ToClient
	form := "--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\ndata\r\n--X--\r\n"
	parsetest.Steady(t, Spec(), true,
		parsetest.Step{Dir: up, Data: []byte(getRequest)},
		parsetest.Step{Dir: down, Data: []byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(pack(t, gz, strings.Repeat("text ", 900))))},
		parsetest.Step{Dir: up, Data: []byte(fmt.Sprintf("POST /p HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: %d\r\n\r\n%s", len(form), form))},
		parsetest.Step{Dir: down, Data: []byte("HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nabc")})
}
