package reputation

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/sharing"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed/taxii"
	"github.com/masugata/masugata/internal/model"
)

const (
	adminToken   = "mgp_admin"
	partnerToken = "mgp_partner"
)

// serve serves a reputation service alone, as people and other fleets reach it.
func serve(t testing.TB, s *Service) *httptest.Server {
	t.Helper()
	check := func(_ context.Context, text string) (model.APIToken, error) {
		switch text {
		case adminToken:
			return model.APIToken{Access: model.AccessAdmin}, nil
		case partnerToken:
			return model.APIToken{Access: model.AccessPartner, User: "fleet-b"}, nil
		}
		return model.APIToken{}, model.ErrLogin
	}
	h, err := rest.NewReputation(rest.ReputationConfig{Reputation: s, Sharing: s.Sharing(), CheckToken: check, Metrics: prometheus.NewRegistry(),
		Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return web
}

// asked is an answer of a TAXII server, held to what the standard demands of all
// answers.
type asked struct {
	status int
	header http.Header
	body   string
	object map[string]any
}

func ask(t *testing.T, method, url string, change ...func(*http.Request)) asked {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", taxii.MediaType)
	req.SetBasicAuth("fleet-b", partnerToken)
	for _, c := range change {
		c(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := asked{res.StatusCode, res.Header, string(b), nil}
	if got := res.Header.Get("Content-Type"); got != taxii.MediaType {
		t.Errorf("%s %s: content type %q", method, url, got)
	}
	if method == http.MethodHead {
		return a
	}
	if err := json.Unmarshal(b, &a.object); err != nil {
		t.Errorf("%s %s: %v in %s", method, url, err, b)
	}
	if a.status != 200 && (a.object["title"] == nil || a.object["http_status"] == nil) {
		t.Errorf("%s %s: no error message: %s", method, url, b)
	}
	return a
}

func sharingService(t *testing.T, dir string) *Service {
	c := Default()
	c.Sharing = sharing.Config{Enabled: true, Name: "Fleet A", Sensors: true, Deny: true, TLP: "green"}
	c.Own = []string{"198.51.100.0/24", "our.example.net"}
	return open(t, dir, c)
}

func deny(t *testing.T, s *Service, objects ...string) {
	t.Helper()
	for _, o := range objects {
		if _, err := s.SetEntry(t.Context(), rest.ReputationEntry{Object: o, List: "deny", Note: "a private remark"}); err != nil {
			t.Fatal(err)
		}
	}
}

// What a strict client asks for, in the order in which it asks (TAXII 2.1,
// sections 4 and 5).
func TestSharingServer(t *testing.T) {
	s := sharingService(t, t.TempDir())
	deny(t, s, "203.0.113.1", "203.0.113.2", "bad.example.org", "http://files.example.org/x.sh?a='b'")
	web := serve(t, s)
	d := ask(t, "GET", web.URL+"/taxii2/")
	root, _ := d.object["default"].(string)
	u, err := taxii.RootURL(web.URL+"/taxii2/", root)
	if err != nil || d.object["title"] == "" {
		t.Fatal(err, d)
	}
	r := ask(t, "GET", u)
	if v := r.object["versions"].([]any); v[0] != taxii.MediaType || r.object["title"] != "Fleet A" || r.object["max_content_length"].(float64) < 1 {
		t.Error(r)
	}
	list := ask(t, "GET", u+"collections/").object["collections"].([]any)
	if len(list) != 2 {
		t.Fatal(list)
	}
	one := list[1].(map[string]any)
	id := one["id"].(string)
	if one["can_read"] != true || one["can_write"] != false || one["alias"] != "deny" ||
		!regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Error(one)
	}
	at := u + "collections/" + id + "/"
	if got := ask(t, "GET", at); got.object["id"] != id {
		t.Error(got)
	}
	if got := ask(t, "GET", u+"collections/deny/"); got.object["id"] != id {
		t.Error("the alias is no name:", got)
	}
	objects := ask(t, "GET", at+"objects/?limit=2")
	if objects.object["more"] != true || len(objects.object["objects"].([]any)) != 2 {
		t.Fatal(objects)
	}
	first, last := objects.header.Get("X-TAXII-Date-Added-First"), objects.header.Get("X-TAXII-Date-Added-Last")
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)
	if !stamp.MatchString(first) || !stamp.MatchString(last) || first >= last {
		t.Errorf("added first %q, last %q", first, last)
	}
	rest := ask(t, "GET", at+"objects/?limit=50&next="+objects.object["next"].(string))
	after := ask(t, "GET", at+"objects/?added_after="+last)
	if n := len(rest.object["objects"].([]any)); n != 3 || rest.object["more"] != nil || rest.body != after.body {
		t.Errorf("%d more: %s\n%s", n, rest.body, after.body)
	}
	if got := ask(t, "GET", at+"objects/?added_after="+rest.header.Get("X-TAXII-Date-Added-Last")); got.body != "{}" || got.header.Get("X-TAXII-Date-Added-Last") != "" {
		t.Errorf("an empty page: %+v", got)
	}
	checkObjects(t, append(objects.object["objects"].([]any), rest.object["objects"].([]any)...))
	object := rest.object["objects"].([]any)[0].(map[string]any)
	checkOne(t, at, object["id"].(string), object["modified"].(string))
	for path, want := range map[string]int{"/taxii2/nothing/": 404, root + "status/x/": 404, root + "collections/none/objects/": 404, root + "collections/" + id + "/objects/indicator--none/": 404,
		root + "collections/" + id + "/objects/?limit=0": 400, root + "collections/" + id + "/objects/?added_after=x": 400, root + "collections/" + id + "/objects/?next=!": 400, root + "collections/../../x/": 404} {
		if got := ask(t, "GET", web.URL+path); got.status != want {
			t.Errorf("%s: %d, want %d: %s", path, got.status, want, got.body)
		}
	}
}

// checkObjects holds objects to STIX 2.1 and to what may leave.
func checkObjects(t *testing.T, list []any) {
	t.Helper()
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	names, ids := 0, map[string]bool{}
	for _, x := range list {
		o := x.(map[string]any)
		id, kind := o["id"].(string), o["type"].(string)
		if !strings.HasPrefix(id, kind+"--") || ids[id] || o["spec_version"] != "2.1" || !stamp.MatchString(o["created"].(string)) || !stamp.MatchString(o["modified"].(string)) {
			t.Errorf("%v", o)
		}
		ids[id] = true
		if m := o["object_marking_refs"].([]any); m[0] != "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da" {
			t.Errorf("marking %v", m)
		}
		switch kind {
		case "identity":
			names++
			if o["name"] != "Fleet A" || o["identity_class"] != "organization" {
				t.Errorf("%v", o)
			}
		case "indicator":
			if !stamp.MatchString(o["valid_from"].(string)) || o["pattern_type"] != "stix" || !ids[o["created_by_ref"].(string)] {
				t.Errorf("%v", o)
			}
		default:
			t.Errorf("an object of type %s", kind)
		}
		if b, _ := json.Marshal(o); strings.Contains(string(b), "remark") {
			t.Errorf("a note leaves: %s", b)
		}
	}
	if names != 1 {
		t.Errorf("%d identities", names)
	}
}

// checkOne asks for one object in the ways that there are.
func checkOne(t *testing.T, at, id, modified string) {
	t.Helper()
	got := ask(t, "GET", at+"objects/"+id+"/")
	if list := got.object["objects"].([]any); len(list) != 1 || list[0].(map[string]any)["id"] != id {
		t.Error(got.body)
	}
	if got := ask(t, "GET", at+"objects/?match[id]="+id+"&match[type]=indicator,malware&match[version]=all&match[spec_version]=2.1"); len(got.object["objects"].([]any)) != 1 {
		t.Error(got.body)
	}
	if got := ask(t, "GET", at+"objects/?match[type]=malware"); got.body != "{}" {
		t.Error(got.body)
	}
	v := ask(t, "GET", at+"objects/"+id+"/versions/").object["versions"].([]any)
	version, err := time.Parse(time.RFC3339, v[0].(string))
	same, _ := time.Parse(time.RFC3339, modified)
	if len(v) != 1 || err != nil || !version.Equal(same) {
		t.Errorf("versions %v, modified %s", v, modified)
	}
	m := ask(t, "GET", at+"manifest/?match[id]="+id)
	one := m.object["objects"].([]any)[0].(map[string]any)
	if one["id"] != id || one["media_type"] != taxii.STIXType || one["date_added"] != m.header.Get("X-TAXII-Date-Added-First") || one["version"] != v[0] {
		t.Errorf("%v", m)
	}
}

// Over TLS the API root is told as a whole address.
func TestSharingRoot(t *testing.T) {
	s := sharingService(t, t.TempDir())
	plain := serve(t, s)
	web := httptest.NewTLSServer(plain.Config.Handler)
	defer web.Close()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/taxii2/", nil)
	req.SetBasicAuth("", partnerToken)
	res, err := web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	d, err := taxii.Decode[taxii.Discovery](res.Body)
	res.Body.Close()
	if err != nil || d.Default != web.URL+"/taxii2/fleet/" || len(d.APIRoots) != 1 || d.APIRoots[0] != d.Default {
		t.Errorf("%+v %v", d, err)
	}
}

// Who may ask, how, and with which words.
func TestSharingAccess(t *testing.T) {
	s := sharingService(t, t.TempDir())
	web := serve(t, s)
	at := web.URL + "/taxii2/"
	as := func(kind, text string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", strings.TrimSpace(kind+" "+text)) }
	}
	accept := func(text string) func(*http.Request) { return func(r *http.Request) { r.Header.Set("Accept", text) } }
	for _, tt := range []struct {
		method, path string
		change       func(*http.Request)
		want         int
	}{
		{"GET", "", as("", ""), 401}, {"GET", "", as("Bearer", "x"), 401}, {"GET", "", as("Basic", "eDp5"), 401}, {"GET", "", as("Digest", "x"), 401},
		{"GET", "", as("Bearer", partnerToken), 200}, {"GET", "", as("Bearer", adminToken), 200}, {"HEAD", "", func(*http.Request) {}, 200},
		{"GET", "", accept("application/taxii+json"), 200}, {"GET", "", accept("application/json"), 406}, {"GET", "", accept("application/taxii+json;version=2.0"), 406},
		{"GET", "", accept("text/html, application/taxii+json; version=2.1"), 200}, {"GET", "", func(r *http.Request) { r.Header.Del("Accept") }, 200},
		{"GET", "fleet", func(*http.Request) {}, 200},
		{"POST", "fleet/collections/deny/objects/", func(*http.Request) {}, 403}, {"DELETE", "fleet/collections/deny/objects/x/", func(*http.Request) {}, 403},
		{"PUT", "fleet/", func(*http.Request) {}, 405},
	} {
		got := ask(t, tt.method, at+tt.path, tt.change)
		if got.status != tt.want {
			t.Errorf("%s %s: %d, want %d: %s", tt.method, tt.path, got.status, tt.want, got.body)
		}
		if (got.status == 401) != (strings.Contains(strings.Join(got.header.Values("WWW-Authenticate"), " "), "Basic")) {
			t.Errorf("%s: %v", tt.path, got.header)
		}
	}
	for _, path := range []string{"/api/v1/reputation", "/api/v1/reputation/entries", "/api/v1/reputation/lookup?object=192.0.2.1", "/metrics"} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", web.URL+path, nil)
		req.Header.Set("Authorization", "Bearer "+partnerToken)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 403 && res.StatusCode != 401 {
			t.Errorf("a partner reads %s: %d", path, res.StatusCode)
		}
	}
	off := open(t, t.TempDir(), Default())
	req, _ := http.NewRequestWithContext(t.Context(), "GET", serve(t, off).URL+"/taxii2/", nil)
	if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != 404 {
		t.Errorf("nothing is shared, yet: %v %v", res, err)
	}
}

// TestPartnerReadsSlowly: who does not read what he asked for gets no more, and
// keeps nobody else waiting.
func TestPartnerReadsSlowly(t *testing.T) {
	s := sharingService(t, t.TempDir())
	claims := make([]intel.Claim, 20_000)
	for i := range claims {
		claims[i] = intel.Claim{Object: intel.Object{Type: intel.TypeDomain, Text: fmt.Sprintf("host-%d.%s.example.org", i, strings.Repeat("long-", 11)+"x")}, Kind: intel.KindC2, Confidence: 85}
	}
	s.sharing.Set(sharing.Deny, claims)
	web := serve(t, s)
	get := func(token string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/taxii2/fleet/collections/deny/objects/?limit=10000", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	refused := false
	for range 8 {
		res := get(partnerToken)
		refused = refused || res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") != ""
	}
	if !refused {
		t.Error("one partner holds as many pages as he likes")
	}
	if res := get(adminToken); res.StatusCode != http.StatusOK {
		t.Errorf("another one gets %s", res.Status)
	}
}

// Nothing of the operator's own, nothing that means something only inside,
// nobody's mail address, and nothing that feeds said leaves.
func TestSharingKeepsInside(t *testing.T) {
	web := newSite(t)
	web.set("/bots", addresses(20))
	c := botnet(web)
	c.Sharing = sharing.Config{Enabled: true, Name: "Fleet A", Sensors: true, Deny: true}
	c.Own = []string{"198.51.100.0/24", "our.example.net"}
	s := open(t, t.TempDir(), c)
	s.mustFetch(t, "bots", stateOK)
	deny(t, s, "192.168.1.7", "10.0.0.0/8", "fe80::1", "fd00::/8", "100.64.1.1", "printer.local", "nas.home.arpa", "http://camera.lan/x", "http://192.168.1.9/x",
		"a.person@example.org", "198.51.100.9", "198.51.0.0/16", "www.our.example.net",
		"http://192.168.1.9:8080/x", "http://[fd00::9]:81/x", "http://our.example.net/x", "http://198.51.100.4/x", "192.168.1.9:443", "[fd00::9]:443", "198.51.100.4:4444", "www.our.example.net:8443",
		"203.0.113.200", "203.0.113.201:4444", "http://203.0.113.202/x")
	b, page, err := s.sharing.Envelope(sharing.Deny, taxii.Filter{})
	if err != nil || page.Count != 4 || !strings.Contains(string(b), "203.0.113.200") || !strings.Contains(string(b), "203.0.113.201") || !strings.Contains(string(b), "203.0.113.202") {
		t.Errorf("%d objects, %v: %s", page.Count, err, b)
	}
	if b, page, err := s.sharing.Envelope(sharing.Sensors, taxii.Filter{}); err != nil || page.Count > 1 || strings.Contains(string(b), "198.18.") {
		t.Errorf("what a feed said is shared on: %v %s", err, b)
	}
}
