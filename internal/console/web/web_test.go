package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func testSite(t *testing.T) http.Handler {
	t.Helper()
	h, err := handler(fstest.MapFS{
		"index.html":           {Data: []byte("<!doctype html>" + strings.Repeat("<p>page</p>", 50))},
		"favicon.svg":          {Data: []byte("<svg/>")},
		"assets/index-abcd.js": {Data: []byte(strings.Repeat("let a = 1;", 100))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPaths(t *testing.T) {
	h := testSite(t)
	for _, c := range []struct {
		method, path string
		status       int
		kind, cache  string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", cacheAsk},
		{"GET", "/incidents/0192f0c1-2b3c-7d4e-8f50-617283940516", 200, "text/html; charset=utf-8", cacheAsk},
		{"GET", "/devices/mac-020000000a01.v12", 200, "text/html; charset=utf-8", cacheAsk},
		{"GET", "/assets/index-abcd.js", 200, "text/javascript; charset=utf-8", cacheForever},
		{"HEAD", "/assets/index-abcd.js", 200, "text/javascript; charset=utf-8", cacheForever},
		{"GET", "/favicon.svg", 200, "image/svg+xml", cacheAsk},
		{"GET", "/assets/index-gone.js", 404, "text/plain; charset=utf-8", cacheAsk},
		{"GET", "/robots.txt", 404, "text/plain; charset=utf-8", cacheAsk},
		{"GET", "/api/v1/nothing", 404, "text/plain; charset=utf-8", cacheAsk},
		{"GET", "/../../etc/passwd", 200, "text/html; charset=utf-8", cacheAsk},
		{"POST", "/", 405, "text/plain; charset=utf-8", ""},
	} {
		w := get(h, c.method, c.path)
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || w.Header().Get("Cache-Control") != c.cache {
			t.Errorf("%s %s: %d %q %q, want %d %q %q", c.method, c.path, w.Code,
				w.Header().Get("Content-Type"), w.Header().Get("Cache-Control"), c.status, c.kind, c.cache)
		}
		if c.method == "HEAD" && w.Body.Len() != 0 {
			t.Errorf("HEAD %s has a body of %d bytes", c.path, w.Body.Len())
		}
	}
}

func TestGzipHoldsTheSameBytes(t *testing.T) {
	h := testSite(t)
	plain := get(h, "GET", "/assets/index-abcd.js")
	packed := get(h, "GET", "/assets/index-abcd.js", "Accept-Encoding", "br, gzip;q=0.8")
	if plain.Header().Get("Content-Encoding") != "" || packed.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("encodings %q and %q", plain.Header().Get("Content-Encoding"), packed.Header().Get("Content-Encoding"))
	}
	if plain.Header().Get("ETag") == packed.Header().Get("ETag") {
		t.Error("two forms share one strong ETag")
	}
	if plain.Header().Get("Vary") != "Accept-Encoding" {
		t.Error("a file with two forms must vary by Accept-Encoding")
	}
	r, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, plain.Body.Bytes()) {
		t.Errorf("unpacked %d bytes (%v), want the %d plain ones", len(got), err, plain.Body.Len())
	}
}

func TestNotModified(t *testing.T) {
	h := testSite(t)
	for _, coding := range []string{"", "gzip"} {
		etag := get(h, "GET", "/", "Accept-Encoding", coding).Header().Get("ETag")
		w := get(h, "GET", "/devices", "Accept-Encoding", coding, "If-None-Match", `"other", W/`+etag)
		if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("coding %q: %d with %d bytes, want 304 and none", coding, w.Code, w.Body.Len())
		}
	}
	if w := get(h, "GET", "/", "If-None-Match", `"other"`); w.Code != 200 {
		t.Errorf("another ETag: %d, want 200", w.Code)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br": false, "br, GZIP": true, "gzip;q=0": false, "gzip; q=0.0": false,
		"*": true, "*;q=0": false, "gzip;q=0, *": false, "gzip;q=0.001": true, "identity": false, "gzip;q=x": false,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("acceptsGzip(%q) = %v, want %v", header, got, want)
		}
	}
}

// TestBuiltDashboard looks at what is committed: a page that loads only its
// own files, holds no inline script or style, and stays within its size.
func TestBuiltDashboard(t *testing.T) {
	h := Handler()
	page := get(h, "GET", "/").Body.String()
	for _, bad := range []string{"<style", "style=", "http://", "https://", "javascript:"} {
		if strings.Contains(page, bad) {
			t.Errorf("index.html holds %q, which the content security policy stops", bad)
		}
	}
	if !strings.Contains(page, `<script type="module"`) || strings.Contains(page, "<script>") {
		t.Error("index.html must load its script from a file")
	}
	total := 0
	for _, f := range h.(*site).files {
		if f.gzip != nil {
			total += len(f.gzip)
		} else {
			total += len(f.plain)
		}
	}
	if total > 150_000 {
		t.Errorf("the dashboard weighs %d bytes compressed, want under 150,000", total)
	}
}

func TestNoIndexIsAnError(t *testing.T) {
	if _, err := handler(fstest.MapFS{"a.js": {Data: []byte("1")}}); err == nil {
		t.Error("a build without index.html was taken")
	}
}
