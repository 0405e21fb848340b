package reputation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/control/reputation/sharing"
	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
)

// following configures a service that follows the deny list of another.
func following(t *testing.T, address string) Config {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(partnerToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Sharing = sharing.Config{Enabled: true, Name: "Fleet B", Sensors: true, Deny: true}
	c.Feeds = []Feed{{Name: "fleet-a", TAXII: address + "/taxii2/", Collection: "deny", Login: fetch.Login{User: "fleet-b", PasswordFile: token}, Trust: 90}}
	return c
}

// Two fleets: what one shares the other follows, does not share on, and drops
// when it is revoked.
func TestFleetsExchange(t *testing.T) {
	a := sharingService(t, t.TempDir())
	deny(t, a, "203.0.113.1", "203.0.113.2", "bad.example.org")
	web := serve(t, a)
	b := open(t, t.TempDir(), following(t, web.URL))
	if v := b.mustFetch(t, "fleet-a", stateOK); strings.Contains(fmt.Sprintf("%+v", v), partnerToken) {
		t.Errorf("the secret is told: %+v", v)
	}
	if b.score(t, "203.0.113.1") == 0 || b.score(t, "www.bad.example.org") == 0 {
		t.Error("what the other fleet shares is not known")
	}
	for _, alias := range []string{sharing.Deny, sharing.Sensors} {
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

// A copy that is damaged or gone is fetched anew as a whole.
func TestCollectionCopyIsLost(t *testing.T) {
	a := sharingService(t, t.TempDir())
	deny(t, a, "203.0.113.1", "203.0.113.2", "203.0.113.8")
	web := serve(t, a)
	for name, harm := range map[string]func(string) error{
		"cut":  func(path string) error { return os.Truncate(path, 100) },
		"gone": os.Remove,
	} {
		c, dir := following(t, web.URL), t.TempDir()
		open(t, dir, c).mustFetch(t, "fleet-a", stateOK)
		if err := harm(filepath.Join(dir, "feeds", "fleet-a.good")); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, c)
		if s.score(t, "203.0.113.8") != 0 {
			t.Errorf("%s: a lost copy is known", name)
		}
		if s.mustFetch(t, "fleet-a", stateOK); s.score(t, "203.0.113.8") == 0 || s.score(t, "203.0.113.1") == 0 {
			t.Errorf("%s: the collection is not whole again", name)
		}
	}
}

// A server that fails takes nothing away, and its words are told.
func TestCollectionFails(t *testing.T) {
	a := sharingService(t, t.TempDir())
	deny(t, a, "203.0.113.1")
	c := following(t, serve(t, a).URL)
	s := open(t, t.TempDir(), c)
	s.mustFetch(t, "fleet-a", stateOK)
	if err := os.WriteFile(c.Feeds[0].Login.PasswordFile, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v := s.mustFetch(t, "fleet-a", stateFailing); !strings.Contains(v.Problem, "401") || v.Entries == 0 || s.score(t, "203.0.113.1") == 0 {
		t.Errorf("%+v", v)
	}
}

// The events of a MISP feed, over a restart: what is known is what the newest
// manifest names, and what cannot be had is told and keeps its last word.
func TestMISPFeed(t *testing.T) {
	web, dir, day := newSite(t), t.TempDir(), time.Now().Unix()-86400
	uuid := func(n int) string { return fmt.Sprintf("5c9d8f2a-0000-4000-8000-%012d", n) }
	set := func(at int64, all ...int) {
		var list []string
		for _, n := range all {
			list = append(list, fmt.Sprintf(`%q:{"info":"Campaign %d","timestamp":"%d"}`, uuid(n), n, at))
			web.set("/feed/"+uuid(n)+".json", fmt.Sprintf(`{"Event":{"uuid":%q,"info":"Campaign %d","timestamp":"%d","Attribute":[{"type":"ip-dst","value":"203.0.113.%d","to_ids":true}]}}`, uuid(n), n, at, n))
		}
		web.set("/feed/manifest.json", "{"+strings.Join(list, ",")+"}")
	}
	all := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	set(day, all...)
	c := Default()
	c.Feeds = []Feed{{Name: "misp", MISP: web.URL + "/feed/manifest.json", Trust: 90, Kind: "c2"}}
	s := open(t, dir, c)
	if v := s.mustFetch(t, "misp", stateOK); v.Entries != len(all) || web.full != 1+len(all) {
		t.Fatalf("%+v, %d answers", v, web.full)
	}
	if v, err := s.Explain("203.0.113.7"); err != nil || len(v.Reasons) != 1 || v.Reasons[0].Note != "Campaign 7" {
		t.Errorf("%+v %v", v, err)
	}
	s = open(t, dir, c)
	if s.mustFetch(t, "misp", stateOK); web.full != 1+len(all) || s.score(t, "203.0.113.7") == 0 {
		t.Errorf("nothing changed, yet there were %d answers", web.full)
	}
	set(day+1, all[1:]...)
	web.set("/feed/"+uuid(7)+".json", "{")
	if v := s.mustFetch(t, "misp", stateOK); !strings.Contains(v.Problem, "1 of 10") || s.score(t, "203.0.113.7") == 0 || s.score(t, "203.0.113.1") != 0 {
		t.Errorf("%+v", v)
	}
	set(day+1, all[1:]...)
	if v := s.mustFetch(t, "misp", stateOK); v.Problem != "" {
		t.Error(v.Problem)
	}
	web.set("/feed/manifest.json", "<html>")
	if v := s.mustFetch(t, "misp", stateFailing); !strings.Contains(v.Problem, "JSON") || v.Entries != 10 {
		t.Errorf("%+v", v)
	}
}

// What collections and MISP feeds have to be.
func TestFeedFormats(t *testing.T) {
	for want, f := range map[string]Feed{
		"format stix":             {TAXII: "https://x.example/collections/c/", Format: "ip"},
		"format misp":             {MISP: "https://x.example/feed/", Format: "ip"},
		"one of them":             {Format: "ip"},
		"user and password under": {URL: "https://a:b@x.example/"},
	} {
		f.Name = "x"
		if got := strings.Join(f.complete(), "; "); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}
