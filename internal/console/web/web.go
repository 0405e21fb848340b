// Package web serves the dashboard: the files that ui/ builds into dist, kept
// inside the binary. It knows which of them may be cached, in which form they
// travel and that every other path belongs to the dashboard's own pages. It
// knows nothing of the REST API, of sessions or of security headers: the rest
// package mounts it under / and sets those.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the dashboard that is built into this binary. It is safe for
// concurrent use and holds every file once as it is and once compressed, so
// nothing is compressed while a request waits. It panics only when the binary
// was built without a dashboard.
func Handler() http.Handler {
	tree, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: no dist folder in this binary: " + err.Error())
	}
	h, err := handler(tree)
	if err != nil {
		panic("web: reading the built dashboard: " + err.Error())
	}
	return h
}

// file is one file in the forms in which it travels.
type file struct {
	kind  string // Content-Type
	cache string // Cache-Control
	etag  string // strong, quoted, of the plain form
	plain []byte
	gzip  []byte // nil when it would not be smaller by a tenth
}

// site answers for all files of one build.
type site struct {
	files map[string]file // by path without the leading slash
}

const (
	cacheForever = "public, max-age=31536000, immutable" // the name holds a digest of the content
	cacheAsk     = "no-cache"                            // keep it, but ask with the ETag each time
	index        = "index.html"
)

func handler(tree fs.FS) (http.Handler, error) {
	s := &site{files: map[string]file{}}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		s.files[name] = newFile(name, content)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, ok := s.files[index]; !ok {
		return nil, &fs.PathError{Op: "open", Path: index, Err: fs.ErrNotExist}
	}
	return s, nil
}

func newFile(name string, content []byte) file {
	sum := sha256.Sum256(content)
	f := file{kind: contentType(name), cache: cacheAsk, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, plain: content}
	if strings.HasPrefix(name, "assets/") {
		f.cache = cacheForever
	}
	if packed := pack(content); len(packed) < len(content)*9/10 {
		f.gzip = packed
	}
	return f
}

// contentType does not ask the machine's own table first, which may be wrong
// or missing.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".webmanifest":
		return "application/manifest+json"
	default:
		if kind := mime.TypeByExtension(ext); kind != "" {
			return kind
		}
		return "application/octet-stream"
	}
}

func pack(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // fails only for a level out of range
	// A bytes.Buffer takes every write, so these cannot fail.
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

// ServeHTTP answers GET and HEAD: a file by its name, the first page for every
// path of the dashboard's own, 404 for what looks like a missing file or an
// unknown call of the API.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the dashboard only answers GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	f, ok := s.find(r.URL.Path)
	if !ok {
		w.Header().Set("Cache-Control", cacheAsk)
		http.NotFound(w, r)
		return
	}
	f.send(w, r)
}

func (s *site) find(urlPath string) (file, bool) {
	name := strings.TrimPrefix(path.Clean("/"+urlPath), "/")
	if f, ok := s.files[name]; ok {
		return f, true
	}
	if name == "api" || strings.HasPrefix(name, "api/") || strings.HasPrefix(name, "assets/") || isFileName(name) {
		return file{}, false
	}
	return s.files[index], true
}

// isFileName says whether a path asks for a file such as robots.txt. Pages of
// the dashboard may hold dots too (device IDs with a VLAN: mac-….v12), but no
// ending of a file that browsers ask for.
func isFileName(name string) bool {
	switch path.Ext(name) {
	case ".js", ".css", ".map", ".html", ".svg", ".png", ".ico", ".txt", ".xml", ".json", ".php", ".webmanifest", ".woff2":
		return true
	}
	return false
}

func (f file) send(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	body, etag := f.plain, f.etag
	if f.gzip != nil {
		head.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			body, etag = f.gzip, strings.TrimSuffix(f.etag, `"`)+`-gz"`
			head.Set("Content-Encoding", "gzip")
		}
	}
	head.Set("Content-Type", f.kind)
	head.Set("Cache-Control", f.cache)
	head.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		head.Del("Content-Encoding")
		head.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	// A failed write means that the browser went away; nobody is left to tell.
	_, _ = w.Write(body)
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3) as far as gzip
// goes: named, or by *, and not with a quality of zero.
func acceptsGzip(header string) bool {
	any := false
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		wanted := !refuses(params)
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return wanted
		case "*":
			any = wanted
		}
	}
	return any
}

// refuses says whether the parameters of a coding hold a quality of zero.
func refuses(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
			q, err := strconv.ParseFloat(value, 64)
			return err != nil || q <= 0
		}
	}
	return false
}

// matches compares by the weak comparison, as If-None-Match asks for (RFC
// 9110, section 13.1.2).
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || tag == etag {
			return true
		}
	}
	return false
}
