package reputation

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/console/rest"
	intel "github.com/masugata/masugata/internal/intel/reputation"
)

// site serves feeds whose content tests change.
type site struct {
	*httptest.Server
	mu     sync.Mutex
	pages  map[string]string
	full   int // answers with a body
	not304 bool
}

func newSite(t *testing.T) *site {
	s := &site{pages: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		text, ok := s.pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		tag := fmt.Sprintf(`"%d-%x"`, len(text), text[:min(len(text), 20)])
		if r.Header.Get("If-None-Match") == tag && !s.not304 {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		s.full++
		w.Header().Set("ETag", tag)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) set(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = text
}

func addresses(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "198.18.%d.%d\n", i/250, i%250+1)
	}
	return b.String()
}

func open(t *testing.T, dir string, c Config) *Service {
	t.Helper()
	f := configfile.Read("test", nil, nil, &struct{}{})
	c.Check(f, "reputation")
	if err := f.Err(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(c, dir, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s.restore(t.Context())
	return s
}

func (s *Service) mustFetch(t *testing.T, name, state string) rest.ReputationFeed {
	t.Helper()
	_, err := s.FetchFeed(t.Context(), name)
	if (err != nil) != (state == stateFailing) {
		t.Fatalf("%s: %v", name, err)
	}
	f, ferr := s.feed(name)
	if ferr != nil {
		t.Fatal(ferr)
	}
	v := s.view(f)
	if v.State != state {
		t.Fatalf("%s is %s (%s), want %s", name, v.State, v.Problem, state)
	}
	if err := s.rebuild(); err != nil {
		t.Fatal(err)
	}
	return v
}

func (s *Service) score(t *testing.T, object string) uint8 {
	t.Helper()
	a, err := s.Lookup(object)
	if err != nil {
		t.Fatal(err)
	}
	return a.Score
}

func botnet(web *site) Config {
	c := Default()
	c.Feeds = []Feed{{Name: "bots", URL: web.URL + "/bots", Format: "ip", Kind: "bot", Trust: 95}}
	return c
}

func TestFeedIsFetchedOnceAndOutlivesARestart(t *testing.T) {
	web, dir := newSite(t), t.TempDir()
	web.set("/bots", addresses(100)+"nonsense\n")
	s := open(t, dir, botnet(web))
	v := s.mustFetch(t, "bots", stateOK)
	if v.Entries != 100 || v.Added != 100 || v.Refused != 1 || v.Refusals[0].Line != 101 {
		t.Fatalf("%+v", v)
	}
	if s.score(t, "198.18.0.7") < intel.DefaultBlock {
		t.Fatalf("a listed bot scores %d", s.score(t, "198.18.0.7"))
	}
	s.mustFetch(t, "bots", stateOK)
	if web.full != 1 {
		t.Fatalf("sent whole %d times", web.full)
	}
	web.set("/bots", addresses(101))
	if v = s.mustFetch(t, "bots", stateOK); v.Refused != 0 || v.Refusals == nil || v.Overlaps == nil {
		t.Fatalf("lists of a clean copy are to be empty, never null: %+v", v)
	}
	web.Close()
	s = open(t, dir, botnet(web))
	if s.score(t, "198.18.0.7") < intel.DefaultBlock {
		t.Fatal("a restart without the network forgets")
	}
	s.mustFetch(t, "bots", stateFailing)
	if s.score(t, "198.18.0.7") < intel.DefaultBlock {
		t.Fatal("a failed fetch forgets")
	}
}

// TestNobodyIsToldTooEarly: gates must not be sent a set that lacks the feeds
// only because the service has just started.
func TestNobodyIsToldTooEarly(t *testing.T) {
	told := 0
	s, err := Open(Default(), t.TempDir(), slog.New(slog.DiscardHandler), time.Now, func() { told++ })
	if err != nil || told != 0 {
		t.Fatalf("told %d times, %v", told, err)
	}
	if s.restore(t.Context()); told != 1 {
		t.Fatalf("told %d times", told)
	}
}

func TestBadFeedsAreHeldBack(t *testing.T) {
	web := newSite(t)
	web.set("/bots", addresses(100))
	web.set("/good", `{"name":"public resolvers","type":"cidr","list":["8.8.8.8/32"],"matching_attributes":["ip-dst"]}`)
	c := botnet(web)
	c.Own = []string{"203.0.113.0/24"}
	c.Feeds = append(c.Feeds, Feed{Name: "good", URL: web.URL + "/good", Format: "warninglist", Kind: "benign", Trust: 100})
	s := open(t, t.TempDir(), c)
	s.mustFetch(t, "good", stateOK)
	s.mustFetch(t, "bots", stateOK)
	for name, text := range map[string]string{
		"shrinks": addresses(10), "own": addresses(100) + "203.0.113.9\n", "around own": addresses(100) + "203.0.0.0/16\n",
		"benign": addresses(20) + "8.8.8.8\n", "html": "<html>\n<p>gone</p>\n",
	} {
		web.set("/bots", text)
		if v := s.mustFetch(t, "bots", stateHeld); v.Problem == "" || v.Entries != 100 || v.Why == nil || doubtWords(v.Why) != v.Problem {
			t.Errorf("%s: %+v", name, v)
		}
		if s.score(t, "198.18.0.99") < intel.DefaultBlock {
			t.Errorf("%s: the old copy does not hold", name)
		}
	}
	web.set("/bots", addresses(10))
	s.mustFetch(t, "bots", stateHeld)
	if v, err := s.ReleaseFeed(t.Context(), "bots"); err != nil || v.State != stateOK || v.Entries != 10 {
		t.Fatalf("%+v %v", v, err)
	}
	if err := s.rebuild(); err != nil || s.score(t, "198.18.0.99") != 0 {
		t.Fatalf("released, but %d (%v)", s.score(t, "198.18.0.99"), err)
	}
	if _, err := s.ReleaseFeed(t.Context(), "bots"); err == nil {
		t.Error("nothing was held, yet it was released")
	}
}

func TestBadCopies(t *testing.T) {
	web, dir := newSite(t), t.TempDir()
	web.set("/bots", addresses(100))
	s := open(t, dir, botnet(web))
	s.mustFetch(t, "bots", stateOK)
	good := filepath.Join(dir, "feeds", "bots.good")
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(good, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, botnet(web))
	if s.score(t, "198.18.0.7") != 0 {
		t.Fatal("half a copy was taken")
	}
	s.mustFetch(t, "bots", stateOK)
	if web.full != 2 || s.score(t, "198.18.0.7") < intel.DefaultBlock {
		t.Fatalf("not fetched anew: %d", web.full)
	}
	c := botnet(web)
	c.Feeds[0].MaxMB = 1
	web.set("/bots", strings.Repeat("# much\n", 1<<18))
	s = open(t, dir, c)
	if v := s.mustFetch(t, "bots", stateFailing); !strings.Contains(v.Problem, "max_mb") {
		t.Fatalf("%+v", v)
	}
}

func TestOperatorDecides(t *testing.T) {
	web, dir := newSite(t), t.TempDir()
	web.set("/bots", addresses(100))
	s := open(t, dir, botnet(web))
	s.mustFetch(t, "bots", stateOK)
	if _, err := s.SetEntry(t.Context(), rest.ReputationEntry{Object: "198.18.0.7", List: "allow"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetEntry(t.Context(), rest.ReputationEntry{Object: "Bad.Example.NET.", List: "deny"}); err != nil {
		t.Fatal(err)
	}
	if a, _ := s.Lookup("198.18.0.7"); a.Local != intel.LocalAllow || a.Score != 0 {
		t.Errorf("%+v", a)
	}
	s = open(t, dir, botnet(web))
	if a, _ := s.Lookup("bad.example.net"); a.Local != intel.LocalDeny {
		t.Errorf("%+v", a)
	}
	v, err := s.Explain("198.18.0.7")
	if err != nil || v.Local != intel.LocalAllow || v.Words == "" {
		t.Errorf("%+v %v", v, err)
	}
	if err := s.RemoveEntry(t.Context(), "bad.example.net"); err != nil {
		t.Fatal(err)
	}
	if a, _ := s.Lookup("bad.example.net"); a.Listed {
		t.Errorf("%+v", a)
	}
	for _, bad := range []string{"", "not an object", "com"} {
		if _, err := s.SetEntry(t.Context(), rest.ReputationEntry{Object: bad, List: "deny"}); err == nil {
			t.Errorf("%q was listed", bad)
		}
	}
}

func TestUploads(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Default())
	u := rest.ReputationUpload{Name: "mine", Format: "domain", Trust: 100, Kind: intel.KindC2}
	if _, err := s.UploadFeed(t.Context(), u, []byte("c2.example.org\n")); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Default())
	if s.score(t, "c2.example.org") < intel.DefaultBlock {
		t.Fatal("an upload is forgotten")
	}
	u.Name = "Not a name"
	if _, err := s.UploadFeed(t.Context(), u, nil); err == nil {
		t.Error("a bad name was taken")
	}
	if err := s.RemoveFeed(t.Context(), "mine"); err != nil || s.score(t, "c2.example.org") != 0 {
		t.Errorf("%v, %d", err, s.score(t, "c2.example.org"))
	}
}
