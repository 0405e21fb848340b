package http

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

const secret = "the bytes that a browser would see"

func pack(t testing.TB, make func(io.Writer) io.WriteCloser, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := make(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return b.String()
}

func gz(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
func zl(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
func br(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }
func raw(w io.Writer) io.WriteCloser {
	f, _ := flate.NewWriter(w, 6)
	return f
}

func chunked(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(p), p)
	}
	return b.String() + "0\r\n\r\n"
}

// TestEvasions gives responses that browsers understand although they are odd.
// Each is fed whole, and byte by byte.
func TestEvasions(t *testing.T) {
	ok := func(header, body string) string { return "HTTP/1.1 200 OK\r\n" + header + "\r\n\r\n" + body }
	g, z, d, b := pack(t, gz, secret), pack(t, zl, secret), pack(t, raw, secret), pack(t, br, secret)
	named := g[:3] + "\x1f" + g[4:10] + "\x03\x00abcname\x00comment\x00xx" + g[10:]
	half := len(secret) / 2
	two := secret[:half]
	tests := map[string]struct{ response, event string }{
		"length":                  {ok(fmt.Sprintf("Content-Length: %d", len(secret)), secret), ""},
		"until close":             {ok("A: b", secret), ""},
		"line feeds only":         {"HTTP/1.1 200 OK\nA: b\n\n" + secret, ""},
		"returns only":            {"HTTP/1.1 200 OK\rTransfer-Encoding: chunked\r\n\r\n" + chunked(secret), ""},
		"no reason":               {"HTTP/1.1 200\r\n\r\n" + secret, ""},
		"odd version":             {"HTTP/1.9 200 OK\r\n\r\n" + secret, "response_invalid_protocol"},
		"odd status":              {"HTTP/1.1 2k OK\r\n\r\n" + secret, "response_invalid_status"},
		"no status line":          {secret, ""},
		"chunked":                 {ok("Transfer-Encoding: chunked", chunked(two, secret[half:])), ""},
		"chunked, spaces":         {ok("Transfer-Encoding: chunked", fmt.Sprintf(" \t%x \r\n%s\r\n0\r\n\r\n", len(secret), secret)), ""},
		"chunked, zeros":          {ok("Transfer-Encoding: chunked", fmt.Sprintf("000000%x\r\n%s\r\n0\r\n\r\n", len(secret), secret)), ""},
		"chunked, extension":      {ok("Transfer-Encoding: chunked", fmt.Sprintf("%x;a=b\r\n%s\r\n0\r\n\r\n", len(secret), secret)), "response_chunk_extension"},
		"chunked, junk":           {ok("Transfer-Encoding: chunked", fmt.Sprintf("%xh\r\n%s\r\n0\r\n\r\n", len(secret), secret)), ""},
		"chunked, upper case":     {ok("Transfer-Encoding: CHUNKED", chunked(secret)), ""},
		"chunked, in a list":      {ok("Transfer-Encoding: x, chunked", chunked(secret)), "response_abnormal_transfer_encoding"},
		"chunked, HTTP/1.0":       {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(secret), "response_chunked_old_proto"},
		"chunked twice":           {ok("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", chunked(secret)), "response_abnormal_transfer_encoding"},
		"chunked, length too":     {ok("Content-Length: 3\r\nTransfer-Encoding: chunked", chunked(secret)), ""},
		"chunked, blank in name":  {ok("Transfer-Encoding : chunked", chunked(secret)), "response_header_invalid"},
		"chunked, tab in name":    {ok("Transfer-Encoding\v: chunked", chunked(secret)), "response_header_invalid"},
		"chunked, NUL in name":    {ok("Transfer-\x00Encoding: chunked", chunked(secret)), "response_header_invalid"},
		"chunked, NUL in value":   {ok("Transfer-Encoding: chun\x00ked", chunked(secret)), "response_abnormal_transfer_encoding"},
		"chunked, folded":         {ok("Transfer-Encoding:\r\n chunked", chunked(secret)), ""},
		"chunked, first folded":   {ok(" Transfer-Encoding: chunked", chunked(secret)), "invalid_response_field_folding"},
		"not chunked at all":      {ok("Transfer-Encoding: chunked", secret), "invalid_response_chunk_len"},
		"blank line with a blank": {"HTTP/1.1 200 OK\r\nA: b\r\n \n" + secret, ""},
		"LF CR CR LF":             {"HTTP/1.1 200 OK\r\nA: b\n\r\r\n" + secret, ""},
		"100 first":               {"HTTP/1.1 100 Continue\r\n\r\n" + ok("A: b", secret), ""},
		"100 twice":               {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok("A: b", secret), "100_continue_already_seen"},
		"204 with a body":         {fmt.Sprintf("HTTP/1.1 204 No\r\nContent-Length: %d\r\n\r\n%s", len(secret), secret), "response_body_unexpected"},
		"lengths agree":           {ok(fmt.Sprintf("Content-Length: %d\r\nContent-Length: %d", len(secret), len(secret)), secret), ""},
		"lengths differ":          {ok(fmt.Sprintf("Content-Length: %d\r\nContent-Length: 1", len(secret)), secret), "duplicate_content_length_field_in_response"},
		"length with junk":        {ok(fmt.Sprintf("Content-Length: +%d,", len(secret)), secret), ""},
		"gzip":                    {ok("Content-Encoding: gzip", g), ""},
		"gzip, all flags":         {ok("Content-Encoding: gzip", named), "gzip_decompression_failed"},
		"gzip, no trailer":        {ok("Content-Encoding: gzip", g[:len(g)-8]), ""},
		"gzip, broken checksum":   {ok("Content-Encoding: gzip", g[:len(g)-8]+"xxxxxxxx"), "gzip_decompression_failed"},
		"gzip, said deflate":      {ok("Content-Encoding: deflate", g), ""},
		"gzip, odd name":          {ok("Content-Encoding: xgzipx", g), "abnormal_ce_header"},
		"gzip, plain text":        {ok("Content-Encoding: gzip", strings.Repeat("{\"a\": 1}", 90)+secret), "gzip_decompression_failed"},
		"gzip, not packed":        {ok("Content-Encoding: gzip", secret), "gzip_decompression_failed"},
		"deflate":                 {ok("Content-Encoding: deflate", d), ""},
		"deflate with zlib":       {ok("Content-Encoding: deflate", z), ""},
		"brotli":                  {ok("Content-Encoding: br", b), ""},
		"identity":                {ok("Content-Encoding: identity", secret), "abnormal_ce_header"},
		"gzip and chunked":        {ok("Content-Encoding: gzip\r\nTransfer-Encoding: chunked", chunked(g[:5], g[5:])), ""},
		"gzip in gzip":            {ok("Content-Encoding: gzip, gzip", pack(t, gz, g)), ""},
		"gzip in deflate":         {ok("Content-Encoding: gzip, deflate", pack(t, raw, g)), ""},
		"two fields":              {ok("Content-Encoding: gzip\r\nContent-Encoding: deflate", pack(t, zl, g)), ""},
		"byte ranges":             {ok("Content-Type: multipart/byteranges; boundary=x", secret), "response_multipart_byteranges"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, len(test.response)} {
				c := begin(t, nil)
				c.request("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
				for s := test.response; s != ""; s = s[min(size, len(s)):] {
					c.response(s[:min(size, len(s))])
				}
				c.close()
				if size == 1 && name == "no status line" {
					continue // what is no status line is a body only when it is not cut
				}
				if got := c.body(0); !strings.HasSuffix(strings.TrimRight(got, "\r\n"), secret) {
					t.Errorf("in pieces of %d: body %q", size, got)
				}
				if got := c.events(0); got != test.event {
					t.Errorf("in pieces of %d: events %q, want %q", size, got, test.event)
				}
			}
		})
	}
}

func TestRequestBodies(t *testing.T) {
	form := "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nval\r\n--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.bin\"\r\n\r\nfile\r\ndata\r\n--XX--\r\n"
	post := func(header, body string) string {
		return fmt.Sprintf("POST /dir/p?q HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
	}
	for name, test := range map[string]struct{ request, body, file, fileName string }{
		"form":    {post("", "a=b"), "a=b", "a=b", "/dir/p"},
		"upload":  {post("Content-Type: multipart/form-data; boundary=\"XX\"\r\n", form), form, "file\r\ndata", "x.bin"},
		"gzip":    {post("Content-Encoding: gzip\r\n", pack(t, gz, "hello")), "hello", "hello", "/dir/p"},
		"chunked": {"PUT /f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("hel", "lo"), "hello", "hello", "/f"},
		"delete":  {"DELETE /f HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "hi", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 10, len(test.request)} {
				c := begin(t, nil)
				for s := test.request; s != ""; s = s[min(size, len(s)):] {
					c.request(s[:min(size, len(s))])
				}
				w, _ := c.tx(0).Window(protocol.HTTPRequestBody, packet.ToServer, 0)
				if string(w.Data) != test.body || !w.Final {
					t.Errorf("body %q %v", w.Data, w.Final)
				}
				var data, fileName string
				if f := c.tx(0).Files(packet.ToServer); len(f) == 1 {
					data, fileName = string(f[0].Data.Data), string(f[0].Name)
				}
				if data != test.file || fileName != test.fileName {
					t.Errorf("file %q %q", fileName, data)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	c := begin(t, settings{"libhtp.default-config.response-body-limit": "1kb"})
	c.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + pack(t, gz, strings.Repeat("x", 1<<20)))
	c.close()
	f := c.tx(0).Files(packet.ToClient)
	if len(f) != 1 || f[0].Size != 1024 || f[0].State != protocol.FileTruncated {
		t.Errorf("file %+v", f)
	}
	c = begin(t, settings{"libhtp.default-config.compression-bomb-limit": "1kb", "libhtp.default-config.response-body-limit": "0"})
	c.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	inner := pack(t, gz, strings.Repeat("x", 5<<20))
	c.response("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\n\r\n" + pack(t, gz, inner))
	c.close()
	if got := c.events(0); got != "compression_bomb" {
		t.Errorf("events of a bomb: %s", got)
	}
}

func TestInnerBomb(t *testing.T) {
	c := begin(t, nil)
	c.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	empty := pack(t, raw, "")
	c.response("HTTP/1.1 200 OK\r\nContent-Encoding: deflate, gzip\r\n\r\n" + pack(t, gz, empty[:len(empty)-5]+strings.Repeat("\x00\x00\x00\xff\xff", 2<<20)))
	c.close()
	if got := c.events(0); got != "compression_bomb" {
		t.Errorf("events %s", got)
	}
}

func TestTunnels(t *testing.T) {
	c := begin(t, nil)
	c.request("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
	if s := c.response("HTTP/1.1 200 OK\r\n\r\n\x16\x03"); s.Code != protocol.StatusSwitch || s.Next != protocol.Unknown || c.env.Consumed != 19 {
		t.Errorf("%+v after %d bytes", s, c.env.Consumed)
	}
	c = begin(t, nil)
	c.request("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
	c.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if s := c.response("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"); s.Code != protocol.StatusOK {
		t.Errorf("%+v", s)
	}
	c.want(1, protocol.HTTPMethod, packet.ToServer, "GET")
	for upgrade, next := range map[string]protocol.ID{"h2c": protocol.HTTP2, "websocket": protocol.WebSocket} {
		c = begin(t, nil)
		c.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if s := c.response("HTTP/1.1 101 Go\r\nUpgrade: " + upgrade + "\r\n\r\n"); s.Code != protocol.StatusSwitch || s.Next != next {
			t.Errorf("%s: %+v", upgrade, s)
		}
	}
}

func TestGaps(t *testing.T) {
	c := begin(t, nil)
	c.request("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
	c.p.Gap(packet.ToClient, 4, &c.env)
	c.response("hijHTTP/1.1 200 OK\r\nContent-Le")
	c.p.Gap(packet.ToClient, 40, &c.env)
	c.response("in the middle of something")
	c.response("HTTP/1.1 203 OK\r\nContent-Length: 1\r\n\r\nx")
	f := c.tx(0).Files(packet.ToClient)
	if len(f) != 1 || f[0].Size != 10 || !f[0].Gaps || f[0].State != protocol.FileTruncated {
		t.Errorf("file %+v", f)
	}
	c.want(2, protocol.HTTPStatusCode, packet.ToClient, "203")
}

func TestResponseAlone(t *testing.T) {
	c := begin(t, nil)
	c.response("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
	if c.events(0) != "unable_to_match_response_to_request" || c.body(0) != "hi" {
		t.Errorf("events %s body %q", c.events(0), c.body(0))
	}
}

func TestSettings(t *testing.T) {
	for name, bad := range map[string]string{"request-body-limit": "many", "double-decode-path": "perhaps", "max-tx": "-1", "personality": "abacus"} {
		if _, err := Spec().Open(settings{"libhtp.default-config." + name: bad}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %s gives %v", name, bad, err)
		}
	}
	c := begin(t, settings{"libhtp.default-config.double-decode-path": "yes", "libhtp.default-config.uri-include-all": "yes"})
	c.request("GET http://Host/%2541 HTTP/1.1\r\nHost: host\r\n\r\n")
	c.want(0, protocol.HTTPURI, packet.ToServer, "http://host/A")
	if got := c.events(0); got != "double_encoded_uri" {
		t.Errorf("events %s", got)
	}
}

func FuzzParser(f *testing.F) {
	f.Add([]byte(getRequest), []byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, deflate, br\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), uint8(7))
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: 99\r\n\r\n--X\r\nContent-Disposition: form-data; filename=a\r\n\r\nb\r\n--X--"), []byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 OK\r\nContent-Range: bytes 0-1/2\r\nContent-Encoding: lzma\r\n\r\n]\x00\x00\x80\x00"), uint8(3))
	f.Add([]byte("CONNECT a:1 HTTP/1.1\r\n\r\nGET /a\r\n\r\n"), []byte("\r\nHTTP/1.1 403 x\n\r\r\n \r"), uint8(1))
	f.Fuzz(func(t *testing.T, req, resp []byte, size uint8) {
		c := begin(t, settings{"libhtp.default-config.lzma-enabled": "yes", "libhtp.default-config.response-body-decompress-layer-limit": "4"})
		c.env.WantFrames = true
		n := int(size) + 1
		for len(req) > 0 || len(resp) > 0 {
			k := min(n, len(req))
			c.p.Parse(packet.ToServer, req[:k:k], &c.env)
			req = req[k:]
			k = min(n, len(resp))
			c.p.Parse(packet.ToClient, resp[:k:k], &c.env)
			resp = resp[k:]
			if n%5 == 0 {
				c.p.Gap(packet.Direction(n&1), uint64(n), &c.env)
			}
			c.env.Frames = c.env.Frames[:0]
		}
		c.close()
		for i := range c.p.Txs() {
			ask(c.tx(i))
		}
	})
}

func ask(tx *transaction) {
	for _, f := range protocol.Fields() {
		for d := range packet.Direction(2) {
			for i := range 3 {
				tx.Bytes(f.Field, d, i)
				tx.Window(f.Field, d, i)
			}
			tx.Files(d)
		}
	}
	tx.AppendEve(nil, 0)
}
