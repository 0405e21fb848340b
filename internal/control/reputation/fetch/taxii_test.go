package fetch

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

// shelfServer is a TAXII server whose habits a test chooses.
type shelfServer struct {
	*httptest.Server
	mu       sync.Mutex
	objects  []string // JSON, by rising time of adding
	page     int      // objects a page
	habits   map[string]bool
	requests []*http.Request
	user     string
}

const shelfBase = 1_800_000_000

func newShelfServer(t *testing.T, habits ...string) *shelfServer {
	s := &shelfServer{page: 3, habits: map[string]bool{}}
	for _, h := range habits {
		s.habits[h] = true
	}
	handler := http.HandlerFunc(s.serve)
	if s.habits["tls"] {
		s.Server = httptest.NewTLSServer(handler)
	} else {
		s.Server = httptest.NewServer(handler)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *shelfServer) collection() string {
	return s.URL + "/api1/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/"
}

// put adds an indicator of an address, in its version n.
func (s *shelfServer) put(n, version int, revoked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects = append(s.objects, fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--%08d-0000-4000-8000-000000000000","created":"2024-01-01T00:00:00.000Z",`+
		`"modified":"2026-01-01T00:00:%02d.000Z","revoked":%t,"indicator_types":["malicious-activity"],"labels":["c2"],"confidence":90,"pattern":"[ipv4-addr:value = '203.0.113.%d']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"}`, n, version, revoked, n))
}

func (s *shelfServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	problem := func(status int, title string) {
		w.Header().Set("Content-Type", taxii.MediaType)
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"title":%q,"http_status":"%d"}`, title, status)
	}
	switch {
	case s.habits["busy"]:
		delete(s.habits, "busy")
		w.Header().Set("Retry-After", "0")
		problem(503, "busy")
		return
	case s.habits["strict"] && (r.Header.Get("Accept") != taxii.MediaType || !strings.HasSuffix(r.URL.Path, "/")):
		problem(406, "not acceptable")
		return
	case s.habits["plain json"] && !strings.Contains(r.Header.Get("Accept"), "application/json"):
		problem(406, "not acceptable")
		return
	case s.user != "" && s.user != r.Header.Get("Authorization"):
		problem(401, "who are you?")
		return
	}
	w.Header().Set("Content-Type", taxii.MediaType)
	switch path := strings.Trim(r.URL.Path, "/"); path {
	case "taxii2":
		fmt.Fprint(w, `{"title":"T","default":"/none/","api_roots":["/none/","/api1/"]}`)
	case "api1/collections":
		fmt.Fprint(w, `{"collections":[{"id":"91a7b528-80eb-42ed-a74d-c6fbd5a26116","title":"C","alias":"c","can_read":true,"can_write":false},{"id":"x","title":"X","can_read":false,"can_write":true}]}`)
	case "api1/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/objects":
		s.list(w, r)
	default:
		problem(404, "nothing here")
	}
}

// list answers a page of objects; an object was added a second after the one
// before.
func (s *shelfServer) list(w http.ResponseWriter, r *http.Request) {
	f, err := taxii.ParseFilter(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	from := 0
	added := func(i int) time.Time { return time.Unix(shelfBase+int64(i), 123_456_000) }
	for !s.habits["no added_after"] && from < len(s.objects) && !added(from).After(f.After) && !f.After.IsZero() {
		from++
	}
	if f.Next != "" {
		from, _ = strconv.Atoi(f.Next)
	}
	to := min(from+s.page, len(s.objects))
	if s.habits["everything"] {
		to = len(s.objects)
	}
	if to > from && !s.habits["no times"] {
		w.Header().Set("X-TAXII-Date-Added-First", taxii.Time(added(from)))
		w.Header().Set("X-TAXII-Date-Added-Last", taxii.Time(added(to-1)))
	}
	more := to < len(s.objects) || s.habits["always more"]
	var b strings.Builder
	b.WriteString("{")
	if more {
		b.WriteString(`"more":true,`)
		if !s.habits["no next"] {
			fmt.Fprintf(&b, `"next":"%d",`, to)
		}
	}
	fmt.Fprintf(&b, `"objects":[%s]}`, strings.Join(s.objects[from:to], ","))
	if s.habits["bundle"] {
		fmt.Fprint(w, `{"type":"bundle","id":"bundle--1",`+b.String()[1:])
		return
	}
	fmt.Fprint(w, b.String())
}

// asked counts requests since the last call, and gives the query of the last.
func (s *shelfServer) asked() (n int, last string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = len(s.requests); n > 0 {
		last = s.requests[n-1].URL.RawQuery
	}
	s.requests = nil
	return n, last
}

func (s *shelfServer) place() Place { return Place{TAXII: s.collection()} }

// Servers that keep to the standard and servers that do not: all objects arrive,
// once, and later only what is new.
func TestCollectionIsFollowed(t *testing.T) {
	for _, habits := range [][]string{{"strict"}, {"no next"}, {"no times"}, {"no added_after"}, {"everything"}, {"bundle"}, {"plain json"}, {"busy"}, {"no times", "bundle", "everything", "plain json"}} {
		t.Run(strings.Join(habits, " and "), func(t *testing.T) {
			web, dir := newShelfServer(t, habits...), t.TempDir()
			for i := range 8 {
				web.put(i+1, 1, false)
			}
			f := follow(t, dir, web.place())
			if f.must(t); len(f.claims) != 8 || !f.has(t, "203.0.113.8") {
				t.Fatalf("%d entries", len(f.claims))
			}
			web.asked()
			whole := web.habits["no times"] || web.habits["no added_after"]
			f = follow(t, dir, web.place()) // over a restart
			f.must(t)
			if n, q := web.asked(); len(f.claims) != 8 || !whole && n != 1 && !web.habits["plain json"] || !web.habits["no times"] && !strings.Contains(q, "added_after=2027-01-15T08%3A00%3A07.123456Z") {
				t.Fatalf("%d entries, %d requests, %s", len(f.claims), n, q)
			}
			web.put(9, 1, false) // new
			web.put(2, 2, true)  // revoked
			web.put(3, 0, true)  // an older version
			if f.must(t); len(f.claims) != 8 {
				t.Fatalf("%d entries", len(f.claims))
			}
			for n, listed := range map[int]bool{1: true, 2: false, 3: true, 8: true, 9: true} {
				if got := f.has(t, fmt.Sprintf("203.0.113.%d", n)); got != listed {
					t.Errorf("object %d is there: %t", n, got)
				}
			}
			if n, _ := filepath.Glob(filepath.Join(dir, "*.spool")); len(n) > 0 {
				t.Errorf("left behind: %v", n)
			}
		})
	}
}

func TestCollectionByName(t *testing.T) {
	web := newShelfServer(t, "strict")
	web.put(1, 1, false)
	for place, name := range map[string]string{web.URL + "/taxii2/": "c", web.URL + "/api1/": "91a7b528-80eb-42ed-a74d-c6fbd5a26116"} {
		f := follow(t, t.TempDir(), Place{TAXII: place, Collection: name})
		if f.must(t); len(f.claims) != 1 {
			t.Errorf("%s: %v", place, f.claims)
		}
		for _, wrong := range []string{"d", "x"} {
			follow(t, t.TempDir(), Place{TAXII: place, Collection: wrong}).fails(t, `collection "`+wrong)
		}
	}
}

// What a server may not do to us.
func TestCollectionBounds(t *testing.T) {
	web := newShelfServer(t, "always more")
	for i := range 4 {
		web.put(i+1, 1, false)
	}
	f := follow(t, t.TempDir(), web.place())
	f.fails(t, "there is more")
	delete(web.habits, "always more")
	f.must(t)
	web.user = "nobody"
	f.fails(t, "401")
	f.fails(t, "who are you")
	if web.user = ""; f.must(t) != "" || len(f.claims) != 4 {
		t.Error("what was known before is gone")
	}
	for _, text := range []string{`<html>`, `{"objects":[{"type":"indicator"`, `{"objects":["` + strings.Repeat("x", taxii.MaxObject+9000) + `"]}`, `{"objects":7}`} {
		bad := newPages(t)
		bad.set("/api1/collections/c/objects/", text)
		follow(t, t.TempDir(), Place{TAXII: bad.URL + "/api1/collections/c/"}).fails(t, "")
	}
	big := newShelfServer(t, "everything")
	for i := range 3000 {
		big.put(i, 1, false)
	}
	follow(t, t.TempDir(), Place{TAXII: big.collection(), MaxMB: 1}).fails(t, "max_mb")
}

// Logins by reference: the files are read at each fetch, and nothing of them is
// kept.
func TestCollectionLogin(t *testing.T) {
	web, dir := newShelfServer(t, "tls", "strict"), t.TempDir()
	web.put(1, 1, false)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert := write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})))
	for want, l := range map[string]Login{
		"Basic bWU6c2VjcmV0": {User: "me", PasswordFile: write("password", "secret\n"), Authorities: cert},
		"Bearer secret":      {TokenFile: write("token", "secret"), Authorities: cert},
		"secret":             {TokenFile: write("key", "secret"), Header: "Authorization", Authorities: cert},
	} {
		web.user = want
		f := follow(t, t.TempDir(), Place{TAXII: web.collection(), Login: l})
		if f.must(t); strings.Contains(fmt.Sprintf("%+v", f.last), "secret") {
			t.Errorf("the secret is kept: %+v", f.last)
		}
		write(filepath.Base(l.PasswordFile+l.TokenFile), "changed")
		f.fails(t, "401")
	}
	follow(t, t.TempDir(), web.place()).fails(t, "certificate") // nobody vouches for the server
	elsewhere := newShelfServer(t)
	redirecting := httptest.NewServer(http.RedirectHandler(elsewhere.collection()+"objects/", http.StatusFound))
	defer redirecting.Close()
	follow(t, t.TempDir(), Place{TAXII: redirecting.URL + "/collections/c/", Login: Login{TokenFile: write("other", "secret"), Header: "Auth-Key"}}).fails(t, "which the login is not for")
	if n, _ := elsewhere.asked(); n > 0 {
		t.Error("the secret went to another host")
	}
}

// A server that names an API root elsewhere, or one without TLS, gets no secret
// sent there.
func TestCollectionLoginStays(t *testing.T) {
	elsewhere := newShelfServer(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	naming := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", taxii.MediaType)
		fmt.Fprintf(w, `{"title":"T","default":"%s/api1/","api_roots":["%s/api1/"]}`, elsewhere.URL, elsewhere.URL)
	}))
	defer naming.Close()
	follow(t, t.TempDir(), Place{TAXII: naming.URL + "/taxii2/", Collection: "c", Login: Login{TokenFile: token}}).fails(t, "which the login is not for")
	if n, _ := elsewhere.asked(); n > 0 {
		t.Error("the secret went to another host")
	}
	c := &caller{client: NewClient(), home: "taxii.example.net", name: "Authorization", value: "Bearer secret"}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://taxii.example.net/api1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := c.do(req); err == nil || !strings.Contains(err.Error(), "not for") {
		res.Body.Close()
		t.Errorf("the secret went out in clear: %v", err)
	}
	if got, err := asSafe("https://taxii.example.net/taxii2/", "http://taxii.example.net/api1/"); err != nil || got != "https://taxii.example.net/api1/" {
		t.Error(got, err)
	}
	if _, err := asSafe("https://taxii.example.net/taxii2/", "https://10.0.0.1/api1/"); err == nil {
		t.Error("a server outside has us ask one inside")
	}
}

func TestPlaces(t *testing.T) {
	for want, p := range map[string]Place{
		"one of them":             {File: "/x", TAXII: "https://x.example/collections/c/"},
		"or of a server":          {TAXII: "https://x.example/taxii2/"},
		"is for taxii":            {URL: "https://x.example/", Collection: "c"},
		"over https":              {URL: "http://x.example/", Login: Login{TokenFile: "/t"}},
		"user and password_file":  {URL: "https://x.example/", Login: Login{User: "x"}},
		"not both":                {URL: "https://x.example/", Login: Login{User: "x", PasswordFile: "/p", TokenFile: "/t"}},
		"absolute path":           {URL: "https://x.example/", Login: Login{TokenFile: "t"}},
		"certificate and key":     {URL: "https://x.example/", Login: Login{Certificate: "/t"}},
		"name of a header":        {URL: "https://x.example/", Login: Login{TokenFile: "/t", Header: "a b"}},
		"feeds with an address":   {File: "/x", Login: Login{TokenFile: "/t"}},
		"user and password under": {URL: "https://a:b@x.example/"},
	} {
		if got := strings.Join(p.Problems(), "; "); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}
