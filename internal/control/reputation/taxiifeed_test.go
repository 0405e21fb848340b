package reputation

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

func collector(s *shelfServer) Config {
	c := Default()
	c.Feeds = []Feed{{Name: "partner", TAXII: s.collection(), Trust: 95}}
	return c
}

// Servers that keep to the standard and servers that do not: all objects arrive,
// once, and later only what is new.
func TestCollectionIsFollowed(t *testing.T) {
	for _, habits := range [][]string{{"strict"}, {"no next"}, {"no times"}, {"no added_after"}, {"everything"}, {"bundle"}, {"plain json"}, {"busy"}, {"no times", "bundle", "everything", "plain json"}} {
		t.Run(strings.Join(habits, " and "), func(t *testing.T) {
			web, dir := newShelfServer(t, habits...), t.TempDir()
			for i := range 8 {
				web.put(i+1, 1, false)
			}
			s := open(t, dir, collector(web))
			if v := s.mustFetch(t, "partner", stateOK); v.Entries != 8 || s.score(t, "203.0.113.8") == 0 {
				t.Fatalf("%d entries, score %d", v.Entries, s.score(t, "203.0.113.8"))
			}
			web.asked()
			whole := web.habits["no times"] || web.habits["no added_after"]
			s = open(t, dir, collector(web)) // over a restart
			v := s.mustFetch(t, "partner", stateOK)
			if n, q := web.asked(); v.Entries != 8 || !whole && n != 1 && !web.habits["plain json"] || !web.habits["no times"] && !strings.Contains(q, "added_after=2027-01-15T08%3A00%3A07.123456Z") {
				t.Fatalf("%d entries, %d requests, %s", v.Entries, n, q)
			}
			web.put(9, 1, false) // new
			web.put(2, 2, true)  // revoked
			web.put(3, 0, true)  // an older version
			if v := s.mustFetch(t, "partner", stateOK); v.Entries != 8 {
				t.Fatalf("%d entries", v.Entries)
			}
			for n, listed := range map[int]bool{1: true, 2: false, 3: true, 8: true, 9: true} {
				if got := s.score(t, fmt.Sprintf("203.0.113.%d", n)); (got > 0) != listed {
					t.Errorf("object %d has %d", n, got)
				}
			}
			if n, _ := filepath.Glob(filepath.Join(dir, "feeds", "*.spool")); len(n) > 0 {
				t.Errorf("left behind: %v", n)
			}
		})
	}
}

// A copy that is damaged or gone is fetched anew as a whole.
func TestCollectionCopyIsLost(t *testing.T) {
	for name, harm := range map[string]func(string) error{
		"cut":  func(path string) error { return os.Truncate(path, 100) },
		"gone": os.Remove,
	} {
		web, dir := newShelfServer(t, "strict"), t.TempDir()
		for i := range 8 {
			web.put(i+1, 1, false)
		}
		open(t, dir, collector(web)).mustFetch(t, "partner", stateOK)
		if err := harm(filepath.Join(dir, "feeds", "partner.good")); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, collector(web))
		if s.score(t, "203.0.113.8") != 0 {
			t.Errorf("%s: a lost copy is known", name)
		}
		if s.mustFetch(t, "partner", stateOK); s.score(t, "203.0.113.8") == 0 {
			t.Errorf("%s: the collection is not whole again", name)
		}
	}
}

func TestCollectionByName(t *testing.T) {
	web := newShelfServer(t, "strict")
	web.put(1, 1, false)
	for place, name := range map[string]string{web.URL + "/taxii2/": "c", web.URL + "/api1/": "91a7b528-80eb-42ed-a74d-c6fbd5a26116"} {
		c := collector(web)
		c.Feeds[0].TAXII, c.Feeds[0].Collection = place, name
		s := open(t, t.TempDir(), c)
		if v := s.mustFetch(t, "partner", stateOK); v.Entries != 1 {
			t.Errorf("%s: %+v", place, v)
		}
		for _, wrong := range []string{"d", "x"} {
			c.Feeds[0].Collection = wrong
			s := open(t, t.TempDir(), c)
			if v := s.mustFetch(t, "partner", stateFailing); !strings.Contains(v.Problem, `collection "`+wrong) {
				t.Errorf("%s", v.Problem)
			}
		}
	}
}

// What a server may not do to us.
func TestCollectionBounds(t *testing.T) {
	web := newShelfServer(t, "always more")
	for i := range 4 {
		web.put(i+1, 1, false)
	}
	s := open(t, t.TempDir(), collector(web))
	if v := s.mustFetch(t, "partner", stateFailing); !strings.Contains(v.Problem, "there is more") {
		t.Error(v.Problem)
	}
	delete(web.habits, "always more")
	s.mustFetch(t, "partner", stateOK)
	web.user = "nobody"
	if v := s.mustFetch(t, "partner", stateFailing); !strings.Contains(v.Problem, "401") || !strings.Contains(v.Problem, "who are you") || v.Entries != 4 {
		t.Error(v.Problem)
	}
	for _, text := range []string{`<html>`, `{"objects":[{"type":"indicator"`, `{"objects":["` + strings.Repeat("x", taxii.MaxObject+9000) + `"]}`, `{"objects":7}`} {
		bad := newSite(t)
		bad.set("/api1/collections/c/objects/", text)
		c := Default()
		c.Feeds = []Feed{{Name: "bad", TAXII: bad.URL + "/api1/collections/c/"}}
		open(t, t.TempDir(), c).mustFetch(t, "bad", stateFailing)
	}
	big := newShelfServer(t, "everything")
	for i := range 3000 {
		big.put(i, 1, false)
	}
	c := collector(big)
	c.Feeds[0].MaxMB = 1
	if v := open(t, t.TempDir(), c).mustFetch(t, "partner", stateFailing); !strings.Contains(v.Problem, "max_mb") {
		t.Error(v.Problem)
	}
}

// Logins by reference: the files are read at each fetch, and nothing of them is
// told.
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
		c := collector(web)
		c.Feeds[0].Login = l
		s := open(t, t.TempDir(), c)
		if v := s.mustFetch(t, "partner", stateOK); strings.Contains(fmt.Sprintf("%+v", v), "secret") {
			t.Errorf("the secret is told: %+v", v)
		}
		write(filepath.Base(l.PasswordFile+l.TokenFile), "changed")
		s.mustFetch(t, "partner", stateFailing)
	}
	c := collector(web) // no authorities: nobody vouches for the server
	if v := open(t, t.TempDir(), c).mustFetch(t, "partner", stateFailing); !strings.Contains(v.Problem, "certificate") {
		t.Error(v.Problem)
	}
	elsewhere := newShelfServer(t)
	redirecting := httptest.NewServer(http.RedirectHandler(elsewhere.collection()+"objects/", http.StatusFound))
	defer redirecting.Close()
	c.Feeds[0].TAXII, c.Feeds[0].Login = redirecting.URL+"/collections/c/", Login{TokenFile: write("other", "secret"), Header: "Auth-Key"}
	open(t, t.TempDir(), c).mustFetch(t, "partner", stateFailing)
	if n, _ := elsewhere.asked(); n > 0 {
		t.Error("the secret went to another host")
	}
}

func TestFeedPlaces(t *testing.T) {
	for want, f := range map[string]Feed{
		"one of them":             {File: "/x", TAXII: "https://x.example/collections/c/"},
		"or of a server":          {TAXII: "https://x.example/taxii2/"},
		"format stix":             {TAXII: "https://x.example/collections/c/", Format: "ip"},
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
		f.Name = "x"
		if got := strings.Join(f.complete(), "; "); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}

// Two fleets: what one shares the other follows, does not share on, and drops
// when it is revoked.
func TestFleetsExchange(t *testing.T) {
	a := sharingService(t, t.TempDir())
	deny(t, a, "203.0.113.1", "203.0.113.2", "bad.example.org")
	web := serve(t, a)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(partnerToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Sharing = SharingConfig{Enabled: true, Name: "Fleet B", Sensors: true, Deny: true}
	c.Feeds = []Feed{{Name: "fleet-a", TAXII: web.URL + "/taxii2/", Collection: "deny", Login: Login{User: "fleet-b", PasswordFile: token}, Trust: 90}}
	b := open(t, t.TempDir(), c)
	b.mustFetch(t, "fleet-a", stateOK)
	if b.score(t, "203.0.113.1") == 0 || b.score(t, "www.bad.example.org") == 0 {
		t.Error("what the other fleet shares is not known")
	}
	for _, alias := range []string{shareDeny, shareSensors} {
		if body, page, err := b.sharing.Envelope(alias, taxii.Filter{}); err != nil || page.Count > 1 {
			t.Errorf("it is shared on: %s %v", body, err)
		}
	}
	if err := a.RemoveEntry(t.Context(), "203.0.113.1"); err != nil {
		t.Fatal(err)
	}
	b.mustFetch(t, "fleet-a", stateOK)
	if b.score(t, "203.0.113.1") != 0 || b.score(t, "203.0.113.2") == 0 {
		t.Error("what the other fleet revoked is still listed")
	}
	deny(t, a, "203.0.113.1")
	b.mustFetch(t, "fleet-a", stateOK)
	if b.score(t, "203.0.113.1") == 0 {
		t.Error("what the other fleet shares again is not known")
	}
}
