package fetch

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation/canon"
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

func (s *mispServer) sent() (manifests, events int) {
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
	f := follow(t, dir, Place{MISP: web.URL + "/feed/manifest.json"})
	f.must(t)
	if m, e := web.sent(); len(f.claims) != 31 || m != 1 || e != 30 {
		t.Fatalf("%d entries, %d manifests, %d events", len(f.claims), m, e)
	}
	if o, _ := canon.Guess("203.0.113.7"); f.claims[o].Note != "Campaign 7" {
		t.Errorf("%+v", f.claims[o])
	}
	web.set(func() {})
	f = follow(t, dir, f.place) // over a restart
	f.must(t)
	if m, e := web.sent(); m != 0 || e != 0 {
		t.Errorf("nothing changed, yet %d manifests and %d events were sent", m, e)
	}
	web.set(func() { web.events[5], web.events[40] = day+100, day+100; delete(web.events, 9) })
	f.must(t)
	if _, e := web.sent(); e != 2 || f.has(t, "203.0.113.9") || !f.has(t, "203.0.113.40") || !f.has(t, fmt.Sprintf("t%d.example.org", day+100)) {
		t.Errorf("%d events fetched", e)
	}
	web.set(func() {
		for n := 10; n < 30; n++ {
			web.events[n] = day + 200
		}
		web.broken[12], web.broken[13] = "", `{"Event":{"Attribute":[`
	})
	note := f.must(t)
	if _, e := web.sent(); e != 20 || !strings.Contains(note, "2 of 20") || !f.has(t, "203.0.113.12") || !f.has(t, "203.0.113.13") {
		t.Errorf("%d events fetched, %q", e, note)
	}
	web.set(func() { clear(web.broken) })
	if note := f.must(t); note != "" {
		t.Error(note)
	}
	if m, e := web.sent(); m != 1 || e != 2 {
		t.Errorf("what failed is asked again: %d manifests, %d events", m, e)
	}
	web.set(func() {
		for n := range web.events {
			web.events[n], web.broken[n] = day+300, ""
		}
	})
	if f.fails(t, "could not be had"); len(f.claims) != 33 {
		t.Errorf("%d entries", len(f.claims))
	}
}

// Manifests that should not be believed.
func TestMISPFeedRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`<html>`: "JSON", `{"../../etc/passwd":{"timestamp":"1"}}`: "UUID", `[]`: "", `{`: "",
	} {
		web := newPages(t)
		web.set("/feed/manifest.json", text)
		follow(t, t.TempDir(), Place{MISP: web.URL + "/feed/"}).fails(t, want)
	}
	web := newMISPServer(t)
	for n := range 40 {
		web.events[n], web.broken[n] = 1, `{"Event":{"info":"`+strings.Repeat("x", 60_000)+`","Attribute":[]}}`
	}
	follow(t, t.TempDir(), Place{MISP: web.URL + "/feed/", MaxMB: 1}).fails(t, "max_mb")
}
