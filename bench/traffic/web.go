package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math"
	"math/rand/v2"
)

// object is something that a web server gives out.
type object struct {
	kind    string // content type
	body    []byte
	gzipped bool
}

// web makes conversations of HTTP/1.1.
type web struct {
	rng     *rand.Rand
	hosts   []string
	objects []object
}

func newWeb(r *rand.Rand, objects int) *web {
	w := &web{rng: r, hosts: hosts(r, 400)}
	for range objects {
		n := int(min(math.Exp(9+r.NormFloat64()*1.4), 1<<20)) // median 8 kB
		w.objects = append(w.objects, newObject(r, n))
	}
	return w
}

func newObject(r *rand.Rand, n int) (o object) {
	switch r.IntN(10) {
	case 0, 1, 2:
		o.kind, o.body = "text/html; charset=utf-8", html(r, n)
	case 3, 4:
		o.kind, o.body = "application/javascript", script(r, n)
	case 5:
		o.kind, o.body = "application/json", records(r, n)
	case 6:
		o.kind, o.body = "text/css", style(r, n)
	default:
		o.kind, o.body = "image/jpeg", append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"), noise(r, 2*n)...)
		return o
	}
	if r.IntN(2) == 0 {
		var z bytes.Buffer
		g := gzip.NewWriter(&z)
		g.Write(o.body)
		g.Close()
		o.body, o.gzipped = z.Bytes(), true
	}
	return o
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		v := r.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	return b
}

func html(r *rand.Rand, n int) []byte {
	b := fmt.Appendf(nil, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>%s</title>\n<link rel=\"stylesheet\" href=\"/css/%s.css\"></head>\n<body>\n", name(r), name(r))
	for len(b) < n {
		b = fmt.Appendf(b, "<div class=\"%s\"><a href=\"%s\">%s</a><p>", name(r), path(r), name(r))
		b = prose(r, b, 200)
		b = append(b, "</p></div>\n"...)
	}
	return append(b, "</body></html>\n"...)
}

func script(r *rand.Rand, n int) []byte {
	b := []byte("\"use strict\";\n")
	for len(b) < n {
		b = fmt.Appendf(b, "function %s(a,b){var c=document.getElementById(\"%s\");if(a===%d){c.addEventListener(\"click\",function(e){%s(e.target.value)});}return b+%d;}\n", name(r), name(r), r.IntN(100), name(r), r.IntN(1000))
	}
	return b
}

func style(r *rand.Rand, n int) (b []byte) {
	for len(b) < n {
		b = fmt.Appendf(b, ".%s{color:#%06x;margin:%dpx;display:block}\n", name(r), r.IntN(1<<24), r.IntN(40))
	}
	return b
}

func records(r *rand.Rand, n int) []byte {
	b := []byte(`{"items":[`)
	for len(b) < n {
		b = fmt.Appendf(b, `{"id":%d,"name":"%s","price":%d.%02d,"tags":["%s","%s"],"url":"%s"},`, r.IntN(1e6), name(r), r.IntN(500), r.IntN(100), pick(r, words), pick(r, words), path(r))
	}
	return append(b[:len(b)-1], "]}"...)
}

// visit is a connection with a few requests. fire gives the trigger for a
// request, or nil.
func (w *web) visit(fire func() *trigger) (messages []message, outside bool) {
	r := w.rng
	host, ua := pick(r, w.hosts), agent(r)
	for n := 1 + int(r.ExpFloat64()*4); n > 0; n-- {
		t := fire()
		q := message{delay: int64(r.ExpFloat64() * 30e6), data: w.request(host, ua, t)}
		a := message{fromServer: true, delay: int64(1e6 + r.ExpFloat64()*10e6), data: w.response(t)}
		messages = append(messages, q, a)
		if t != nil { // its addresses may suit no other
			return messages, t.outside
		}
	}
	return messages, false
}

// value is what a trigger demands for a name, else v.
func (t *trigger) value(name, v string) string {
	if t != nil && t.values[name] != nil {
		return string(t.values[name])
	}
	return v
}

func (w *web) request(host, ua string, t *trigger) []byte {
	r := w.rng
	var body []byte
	method := "GET"
	if r.IntN(12) == 0 {
		method = "POST"
		body = fmt.Appendf(nil, "%s=%s&token=%x&%s=%d", name(r), name(r), r.Uint64(), name(r), r.IntN(1e5))
	}
	uri := path(r)
	if t != nil {
		method, uri, body = "GET", "/", nil
		if v := t.values["body"]; v != nil {
			method, body = "POST", v
		}
		method = t.value("method", method)
		if (method == "POST" || method == "PUT") && body == nil {
			body = []byte("a=1")
		}
		host, ua = defaults["host"], defaults["agent"]
	}
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n", method, t.value("uri", uri), t.value("host", host), t.value("agent", ua))
	b = fmt.Appendf(b, "Accept: %s\r\n", t.value("accept", pick(r, []string{"*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "application/json"})))
	if t == nil {
		b = append(b, "Accept-Encoding: gzip, deflate\r\nAccept-Language: en-US,en;q=0.9\r\n"...)
	}
	if v := t.value("referer", ""); v != "" || t == nil && r.IntN(2) == 0 {
		if v == "" {
			v = "http://" + host + "/" + pick(r, segments)
		}
		b = fmt.Appendf(b, "Referer: %s\r\n", v)
	}
	if v := t.value("cookie", ""); v != "" || t == nil && r.IntN(3) == 0 {
		if v == "" {
			v = fmt.Sprintf("sid=%016x; theme=light; seen=%d", r.Uint64(), r.IntN(100))
		}
		b = fmt.Appendf(b, "Cookie: %s\r\n", v)
	}
	if t != nil && t.values["type"] != nil && t.values["page"] == nil {
		b = fmt.Appendf(b, "Content-Type: %s\r\n", t.values["type"])
	} else if body != nil {
		b = append(b, "Content-Type: application/x-www-form-urlencoded\r\n"...)
	}
	if body != nil {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(body))
	}
	return append(append(b, "Connection: keep-alive\r\n\r\n"...), body...)
}

func (w *web) response(t *trigger) []byte {
	r := w.rng
	o := pick(r, w.objects)
	status, chunked := "200", r.IntN(4) == 0
	if t != nil {
		o = object{kind: "text/html", body: []byte("<html><body>ok</body></html>")}
		if v := t.values["page"]; v != nil {
			o.body, chunked = v, false
			status, o.kind = t.value("status", status), t.value("type", o.kind)
		}
	} else if r.IntN(15) == 0 {
		return fmt.Appendf(nil, "HTTP/1.1 304 Not Modified\r\nServer: nginx\r\nETag: \"%x\"\r\n\r\n", r.Uint64())
	}
	b := fmt.Appendf(nil, "HTTP/1.1 %s OK\r\nServer: %s\r\nDate: Mon, 23 Nov 2026 09:%02d:%02d GMT\r\nContent-Type: %s\r\n", status, pick(r, []string{"nginx", "nginx/1.24.0", "Apache", "cloudflare", "Microsoft-IIS/10.0"}), r.IntN(60), r.IntN(60), o.kind)
	if o.gzipped {
		b = append(b, "Content-Encoding: gzip\r\n"...)
	}
	b = fmt.Appendf(b, "Cache-Control: max-age=%d\r\nETag: \"%x\"\r\n", r.IntN(86400), r.Uint64())
	if !chunked {
		b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(o.body))
		return append(b, o.body...)
	}
	b = append(b, "Transfer-Encoding: chunked\r\n\r\n"...)
	for rest := o.body; len(rest) > 0; {
		part := rest[:min(len(rest), 1000+r.IntN(15000))]
		rest = rest[len(part):]
		b = fmt.Appendf(b, "%x\r\n", len(part))
		b = append(append(b, part...), '\r', '\n')
	}
	return append(b, "0\r\n\r\n"...)
}
