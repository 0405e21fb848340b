package reputation

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// mispServer serves a MISP feed and counts what is asked.
type mispServer struct {
	*httptest.Server
	mu     sync.Mutex
	events map[int]int // number to time
	broken map[int]string
	asked  map[string]int
}

func newMISPServer(t *testing.T) *mispServer {
	s := &mispServer{events: map[int]int{}, broken: map[int]string{}, asked: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func eventUUID(n int) string { return fmt.Sprintf("5c9d8f2a-0000-4000-8000-%012d", n) }

func (s *mispServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/feed/")
	if name == "manifest.json" {
		var list []string
		for n, at := range s.events {
			list = append(list, fmt.Sprintf(`%q:{"info":"Campaign %d","timestamp":"%d","Orgc":{"name":"O"}}`, strings.ToUpper(eventUUID(n)), n, at))
		}
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256(fmt.Append(nil, s.events)))
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		s.asked[name]++
		w.Header().Set("ETag", tag)
		fmt.Fprintf(w, "{%s}", strings.Join(list, ","))
		return
	}
	s.asked[name]++
	for n, at := range s.events {
		if name != eventUUID(n)+".json" {
			continue
		}
		if text, bad := s.broken[n]; bad {
			if text == "" {
				break
			}
			fmt.Fprint(w, text)
			return
		}
		fmt.Fprintf(w, `{"Event":{"uuid":%q,"info":"Campaign %d","timestamp":"%d","Attribute":[{"type":"ip-dst","value":"203.0.113.%d","to_ids":true,"timestamp":"%d"},{"type":"domain","value":"t%d.example.org","to_ids":true}]}}`,
			eventUUID(n), n, at, n, at, at)
		return
	}
	http.NotFound(w, r)
}

// set changes the feed and forgets what was asked.
func (s *mispServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	clear(s.asked)
}

func (s *mispServer) fetched() (manifests, events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, n := range s.asked {
		if name == "manifest.json" {
			manifests += n
		} else {
			events += n
		}
	}
	return manifests, events
}

// Only events that changed are fetched, also after a restart; what cannot be had
// keeps its last word and is due again.
func TestMISPFeed(t *testing.T) {
	web, dir := newMISPServer(t), t.TempDir()
	day := int(time.Now().Unix()) - 86400
	for n := 1; n <= 30; n++ {
		web.events[n] = day
	}
	c := Default()
	c.Feeds = []Feed{{Name: "misp", MISP: web.URL + "/feed/manifest.json", Trust: 90, Kind: "c2"}}
	s := open(t, dir, c)
	v := s.mustFetch(t, "misp", stateOK)
	if m, e := web.fetched(); v.Entries != 31 || m != 1 || e != 30 {
		t.Fatalf("%d entries, %d manifests, %d events", v.Entries, m, e)
	}
	if v, err := s.Explain("203.0.113.7"); err != nil || len(v.Reasons) != 1 || v.Reasons[0].Note != "Campaign 7" {
		t.Errorf("%+v %v", v, err)
	}
	web.set(func() {})
	s = open(t, dir, c)
	s.mustFetch(t, "misp", stateOK)
	if m, e := web.fetched(); m != 0 || e != 0 {
		t.Errorf("nothing changed, yet %d manifests and %d events were sent", m, e)
	}
	web.set(func() { web.events[5], web.events[40] = day+100, day+100; delete(web.events, 9) })
	s.mustFetch(t, "misp", stateOK)
	if _, e := web.fetched(); e != 2 || s.score(t, "203.0.113.9") != 0 || s.score(t, "203.0.113.40") == 0 || s.score(t, fmt.Sprintf("t%d.example.org", day+100)) == 0 {
		t.Errorf("%d events fetched", e)
	}
	web.set(func() {
		for n := 10; n < 30; n++ {
			web.events[n] = day + 200
		}
		web.broken[12], web.broken[13] = "", `{"Event":{"Attribute":[`
	})
	v = s.mustFetch(t, "misp", stateOK)
	if _, e := web.fetched(); e != 20 || !strings.Contains(v.Problem, "2 of 20") || s.score(t, "203.0.113.12") == 0 || s.score(t, "203.0.113.13") == 0 {
		t.Errorf("%d events fetched, %q", e, v.Problem)
	}
	web.set(func() { clear(web.broken) })
	if v = s.mustFetch(t, "misp", stateOK); v.Problem != "" {
		t.Error(v.Problem)
	}
	if m, e := web.fetched(); m != 1 || e != 2 {
		t.Errorf("what failed is asked again: %d manifests, %d events", m, e)
	}
	web.set(func() {
		for n := range web.events {
			web.events[n], web.broken[n] = day+300, ""
		}
	})
	if v := s.mustFetch(t, "misp", stateFailing); !strings.Contains(v.Problem, "could not be had") || v.Entries != 33 {
		t.Errorf("%+v", v)
	}
}

// Manifests that should not be believed.
func TestMISPFeedRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`<html>`: "JSON", `{"../../etc/passwd":{"timestamp":"1"}}`: "UUID", `[]`: "", `{`: "",
	} {
		web := newSite(t)
		web.set("/feed/manifest.json", text)
		c := Default()
		c.Feeds = []Feed{{Name: "misp", MISP: web.URL + "/feed/"}}
		if v := open(t, t.TempDir(), c).mustFetch(t, "misp", stateFailing); !strings.Contains(v.Problem, want) {
			t.Errorf("%s: %s", text, v.Problem)
		}
	}
	web := newMISPServer(t)
	for n := range 40 {
		web.events[n], web.broken[n] = 1, `{"Event":{"info":"`+strings.Repeat("x", 60_000)+`","Attribute":[]}}`
	}
	c := Default()
	c.Feeds = []Feed{{Name: "misp", MISP: web.URL + "/feed/", MaxMB: 1}}
	if v := open(t, t.TempDir(), c).mustFetch(t, "misp", stateFailing); !strings.Contains(v.Problem, "max_mb") {
		t.Error(v.Problem)
	}
}
