package fetch

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An address is asked for in full only when its content changed, and a copy that
// is gone is fetched anew.
func TestAddress(t *testing.T) {
	web, dir := newPages(t), t.TempDir()
	web.set("/list.txt", "203.0.113.1\n")
	p := Place{URL: web.URL + "/list.txt"}
	for range 2 {
		if f := follow(t, dir, p); f.must(t) != "" || !f.has(t, "203.0.113.1") {
			t.Error("not known")
		}
	}
	if web.full != 1 {
		t.Errorf("fetched %d times", web.full)
	}
	f := follow(t, dir, p)
	if err := os.Remove(f.Path("feed", Good)); err != nil {
		t.Fatal(err)
	}
	f.must(t)
	web.set("/list.txt", "203.0.113.2\n")
	if f.must(t); web.full != 3 || f.has(t, "203.0.113.1") || !f.has(t, "203.0.113.2") {
		t.Errorf("fetched %d times, %v", web.full, f.claims)
	}
	if text := f.place.String(); text != p.URL {
		t.Error(text)
	}
	f.place.URL = web.URL + "/none"
	f.fails(t, "404")
}

// What a server may not do to us.
func TestAddressBounds(t *testing.T) {
	web := newPages(t)
	web.set("/much", strings.Repeat("# much\n", 1<<18))
	follow(t, t.TempDir(), Place{URL: web.URL + "/much", MaxMB: 1}).fails(t, "max_mb")
	around := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
	}))
	defer around.Close()
	follow(t, t.TempDir(), Place{URL: around.URL + "/a"}).fails(t, "5 redirects")
	down := httptest.NewTLSServer(http.RedirectHandler(web.URL+"/much", http.StatusFound))
	defer down.Close()
	f := follow(t, t.TempDir(), Place{URL: down.URL + "/?key=secret"})
	client := NewClient()
	client.Transport = down.Client().Transport
	_, err := f.Fetch(t.Context(), client, "feed", &f.place, Copy{}, time.Now())
	if err == nil || !strings.Contains(PlainError(err), "from https to http") || strings.Contains(PlainError(err), "secret") {
		t.Error(err)
	}
}

// Files by a pattern, in order and unpacked; only what the digest covers counts.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, "in", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".gz") {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = io.WriteString(z, text)
			_ = z.Close()
			text = b.String()
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := follow(t, filepath.Join(dir, "copies"), Place{File: filepath.Join(dir, "in", "*.txt*")})
	f.fails(t, "not exist")
	write("b.txt", "203.0.113.2\n")
	write("a.txt.gz", "203.0.113.1\n")
	write("folder.txt/c", "203.0.113.3\n")
	if f.must(t); len(f.claims) != 2 || !f.has(t, "203.0.113.1") || !f.has(t, "203.0.113.2") {
		t.Errorf("%v", f.claims)
	}
	var names []string
	if err := Read(f.Path("feed", Good), func(name string, _ io.Reader) error { names = append(names, name); return nil }); err != nil || strings.Join(names, " ") != "a.txt.gz b.txt" {
		t.Error(names, err)
	}
	first := f.last
	if f.must(t); f.last != first {
		t.Error("nothing changed, yet there is a new copy")
	}
	if got := ListName("/x/tranco/list.json"); got != "tranco" {
		t.Error(got)
	}
}

// A copy of one file is made as a fetched one is.
func TestWrite(t *testing.T) {
	f := follow(t, t.TempDir(), Place{File: "/x"})
	c, err := f.Write("mine", []byte("203.0.113.1\n"), time.Unix(1_800_000_000, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Keep("mine", New, Good, c); err != nil {
		t.Fatal(err)
	}
	if f.Last("mine", Good) != c || f.Last("mine", Held) != (Copy{}) {
		t.Errorf("%+v", f.Last("mine", Good))
	}
	err = Read(f.Path("mine", Good), func(name string, r io.Reader) error {
		if b, err := io.ReadAll(r); name != "mine" || string(b) != "203.0.113.1\n" {
			t.Errorf("%s: %q", name, b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if f.Remove("mine", Good); f.Last("mine", Good) != (Copy{}) {
		t.Error("not removed")
	}
}

// TestLeadsInside: what servers outside name does not make us ask inside.
func TestLeadsInside(t *testing.T) {
	for _, to := range []string{"127.0.0.1", "127.1", "2130706433", "0x7f.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "[::1]", "[fe80::1]", "[fd00::1]",
		"[::ffff:127.0.0.1]", "localhost", "a.LOCALHOST.", "224.0.0.1"} {
		req := func(host string) *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+":8443/list", nil)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		check := NewClient().CheckRedirect
		if check(req(to), []*http.Request{req("lists.example.net")}) == nil {
			t.Errorf("a redirect leads to %s", to)
		}
		if err := check(req(to), []*http.Request{req("192.168.1.9")}); err != nil {
			t.Errorf("a server inside leads to %s: %v", to, err)
		}
	}
	for _, host := range []string{"lists.example.net", "192.0.2.1", "[2001:db8::1]", "1.example.net"} {
		if inside(strings.Trim(host, "[]")) {
			t.Errorf("%s is inside", host)
		}
	}
}
