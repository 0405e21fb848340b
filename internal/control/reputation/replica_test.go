package reputation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/replica"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/model"
)

// origin is a service that gives snapshots over HTTP, and its clock.
type origin struct {
	*Service
	web    *httptest.Server
	key    string
	parts  atomic.Int64                                       // how many were asked for
	spoil  atomic.Pointer[func(path string, b []byte) []byte] // changes answers
	offset atomic.Int64                                       // of the clock, in nanoseconds
}

func (o *origin) clock() time.Time { return time.Now().Add(time.Duration(o.offset.Load())) }

func newOrigin(t *testing.T, c Config) *origin {
	t.Helper()
	o := &origin{}
	f := configfile.Read("test", nil, nil, &struct{}{})
	if c.Check(f, "reputation"); f.Err() != nil {
		t.Fatal(f.Err())
	}
	s, err := Open(c, t.TempDir(), slog.New(slog.DiscardHandler), o.clock)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := identity.OpenSigner(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(signer); err != nil {
		t.Fatal(err)
	}
	s.restore(t.Context())
	o.Service, o.key = s, signer.PublicKey().String()
	h := handler(t, s)
	o.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/parts/") {
			o.parts.Add(1)
		}
		spoil := o.spoil.Load()
		if spoil == nil {
			h.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		w.WriteHeader(rec.Code)
		_, _ = w.Write((*spoil)(r.URL.Path, rec.Body.Bytes()))
	}))
	t.Cleanup(o.web.Close)
	return o
}

func handler(t *testing.T, s *Service) http.Handler {
	t.Helper()
	h, err := rest.NewReputation(rest.ReputationConfig{Reputation: s, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Healthy: s.Healthy, ReadOnly: map[bool]string{true: "this is a look-up node"}[s.replica != nil],
		CheckToken: func(_ context.Context, text string) (model.APIToken, error) {
			if text != "secret" {
				return model.APIToken{}, model.ErrLogin
			}
			return model.APIToken{Access: model.AccessAdmin}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (o *origin) config(t *testing.T) Config {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Replica.From, c.Replica.Key, c.Replica.TokenFile = o.web.URL, o.key, token
	return c
}

func (o *origin) node(t *testing.T, c Config, dir string) *Service {
	t.Helper()
	s, err := OpenReplica(c, dir, slog.New(slog.DiscardHandler), o.clock, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.replica.Start(t.Context())
	return s
}

// later moves the clock past the least time between two snapshots.
func (o *origin) later(d time.Duration) { o.offset.Add(int64(d)) }

func published(t *testing.T) *origin {
	web := newSite(t)
	web.set("/bots", addresses(300))
	c := botnet(web)
	c.Own = []string{"203.0.113.0/24"}
	o := newOrigin(t, c)
	o.mustFetch(t, "bots", stateOK)
	u := rest.ReputationUpload{Name: "mine", Format: "domain", Trust: 90, Kind: intel.KindC2, Owner: "me"}
	if _, err := o.UploadFeed(t.Context(), u, []byte("c2.example.org\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := o.SetEntry(t.Context(), rest.ReputationEntry{Object: "198.18.0.9", List: "allow", Note: "a printer"}); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestReplicaAnswersAsTheServiceDoes: look-ups, reasons in words, hashes and
// batches are the same, changes arrive, and only what changed is fetched.
func TestReplicaAnswersAsTheServiceDoes(t *testing.T) {
	o := published(t)
	c, dir := o.config(t), t.TempDir()
	node := o.node(t, c, dir)
	if err := node.Healthy(t.Context()); err == nil {
		t.Error("a node without a snapshot is healthy")
	}
	node.replica.Ask(t.Context())
	if node.replica.Status().Problem != "" || node.Healthy(t.Context()) != nil {
		t.Fatal(node.replica.Status().Problem, node.Healthy(t.Context()))
	}
	same := func() {
		t.Helper()
		for _, text := range []string{"198.18.0.7", "198.18.0.9", "203.0.113.7", "c2.example.org", "http://c2.example.org/x", "192.0.2.1", "new.example.org"} {
			a, aerr := o.Lookup(text)
			b, berr := node.Lookup(text)
			if a != b || (aerr == nil) != (berr == nil) {
				t.Errorf("%s: %+v (%v) and %+v (%v)", text, a, aerr, b, berr)
			}
			v, _ := o.Explain(text)
			w, _ := node.Explain(text)
			if d := cmp.Diff(v, w, cmpopts.EquateComparable(intel.Object{})); d != "" {
				t.Errorf("%s: %s", text, d)
			}
		}
		full := sha(t, "c2.example.org/")
		if a, b := o.Hashes(full), node.Hashes(full); cmp.Diff(a, b) != "" {
			t.Errorf("%v and %v", a, b)
		}
		if a, b := o.Summary(), node.Summary(); a.Objects != b.Objects {
			t.Errorf("%d objects and %d", a.Objects, b.Objects)
		}
	}
	same()
	if f := node.Feeds(); len(f) != 2 || f[0].Entries != 300 || f[0].State != stateOK {
		t.Errorf("%+v", f)
	}
	if e := node.Entries(); len(e) != 1 || e[0].Object != "198.18.0.9" || e[0].Note != "a printer" {
		t.Errorf("%+v", e)
	}
	if len(node.Hashes(sha(t, "c2.example.org/"))) != 1 {
		t.Error("no hash of a listed name")
	}
	fetched := o.parts.Load()
	node.replica.Ask(t.Context())
	if o.parts.Load() != fetched {
		t.Error("parts were fetched without a new snapshot")
	}
	u := rest.ReputationUpload{Name: "mine", Format: "domain", Trust: 90, Kind: intel.KindC2, Owner: "me"}
	if _, err := o.UploadFeed(t.Context(), u, []byte("c2.example.org\nnew.example.org\n")); err != nil {
		t.Fatal(err)
	}
	o.later(replica.MadeEvery)
	node.replica.Ask(t.Context())
	same()
	if n := o.parts.Load() - fetched; n != 1 {
		t.Errorf("%d parts were fetched for one changed source", n)
	}
	if err := o.RemoveFeed(t.Context(), "mine"); err != nil {
		t.Fatal(err)
	}
	o.later(replica.MadeEvery)
	node.replica.Ask(t.Context())
	same()
	if a, _ := node.Lookup("new.example.org"); a.Listed || len(node.Feeds()) != 1 {
		t.Errorf("a removed feed is still known: %+v", a)
	}
	o.web.Close()
	node = o.node(t, c, dir)
	same() // after a restart without the network
	if err := node.Healthy(t.Context()); err != nil {
		t.Error(err)
	}
	o.later(2 * c.Replica.MaxAge)
	if node.replica.Ask(t.Context()); node.Healthy(t.Context()) == nil {
		t.Error("a node that reaches nobody is healthy")
	}
}

func sha(t *testing.T, expression string) [4]byte {
	t.Helper()
	o := intel.Object{Type: intel.TypeDomain, Text: strings.TrimSuffix(expression, "/")}
	sum, ok := index.Hash(o)
	if !ok {
		t.Fatal(expression)
	}
	return [4]byte(sum[:4])
}

// TestReplicaRefuses: whatever is wrong with a snapshot, the one before holds.
func TestReplicaRefuses(t *testing.T) {
	o := published(t)
	c := o.config(t)
	node := o.node(t, c, t.TempDir())
	node.replica.Ask(t.Context())
	old, err := o.Snapshot(t.Context(), 0)
	if err != nil || node.replica.Status().Problem != "" {
		t.Fatal(err, node.replica.Status().Problem)
	}
	refused := func(name, want string, node *Service) {
		t.Helper()
		before := node.replica.Status().Failures
		node.replica.Ask(t.Context())
		if !strings.Contains(node.replica.Status().Problem, want) || node.replica.Status().Failures != before+1 {
			t.Errorf("%s: %q, want %q", name, node.replica.Status().Problem, want)
		}
		if a, _ := node.Lookup("198.18.0.7"); a.Score < intel.DefaultBlock {
			t.Errorf("%s: the snapshot before does not hold", name)
		}
	}
	o.later(replica.MadeEvery)
	if _, err := o.SetEntry(t.Context(), rest.ReputationEntry{Object: "198.18.0.7", List: "allow"}); err != nil {
		t.Fatal(err)
	}
	spoil := func(f func(path string, b []byte) []byte) { o.spoil.Store(&f) }
	part := func(f func(b []byte) []byte) func(string, []byte) []byte {
		return func(path string, b []byte) []byte {
			if strings.Contains(path, "/parts/") {
				return f(b)
			}
			return b
		}
	}
	spoil(part(func(b []byte) []byte { return b[:len(b)/2] }))
	refused("cut", "bytes", node)
	spoil(part(func(b []byte) []byte { return append(b, 0) }))
	refused("longer", "bytes", node)
	spoil(part(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }))
	refused("changed", "changed on its way", node)
	text := func(from, to string) func(string, []byte) []byte {
		return func(_ string, b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) }
	}
	spoil(text(`\"trust\":95`, `\"trust\":99`))
	refused("manifest changed", "signature", node)
	spoil(text(`issued=`, `issued=1`))
	refused("comment changed", "signature", node)
	spoil(func(_ string, b []byte) []byte { return b[:len(b)/2] })
	refused("answer cut", "gives no snapshots", node)
	rolled := fmt.Sprintf(`{"version":%d}`, old.Version-1)
	spoil(func(string, []byte) []byte { return []byte(rolled) })
	refused("rolled back", "never taken back", node)
	spoil(func(path string, b []byte) []byte {
		if !strings.HasSuffix(path, "/snapshot") {
			return b
		}
		return mustJSON(t, old)
	})
	refused("replayed", "is held", node)
	o.spoil.Store(nil)

	small := c
	small.MaxObjects = 25
	tight := o.node(t, small, t.TempDir())
	if tight.replica.Ask(t.Context()); !strings.Contains(tight.replica.Status().Problem, "max_objects") {
		t.Errorf("oversize: %q", tight.replica.Status().Problem)
	}
	other, err := identity.OpenSigner(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	foreign := c
	foreign.Replica.Key = other.PublicKey().String()
	stranger := o.node(t, foreign, t.TempDir())
	if stranger.replica.Ask(t.Context()); stranger.replica.Status().Version != 0 || stranger.replica.Status().Problem == "" {
		t.Errorf("a foreign signature was taken: %q", stranger.replica.Status().Problem)
	}
	o.later(2 * replica.Life)
	spoil(func(path string, b []byte) []byte {
		if !strings.HasSuffix(path, "/snapshot") {
			return b
		}
		return mustJSON(t, old)
	})
	late := o.node(t, c, t.TempDir())
	if late.replica.Ask(t.Context()); !strings.Contains(late.replica.Status().Problem, "ended at") {
		t.Errorf("expired: %q", late.replica.Status().Problem)
	}
}

// TestReplicaKeepsWhatItTook: damage on its disk is noticed, and a lost copy does
// not open the way for an older one.
func TestReplicaKeepsWhatItTook(t *testing.T) {
	o := published(t)
	c, dir := o.config(t), t.TempDir()
	first, err := o.Snapshot(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	o.later(replica.MadeEvery)
	if _, err := o.SetEntry(t.Context(), rest.ReputationEntry{Object: "bad.example.net", List: "deny"}); err != nil {
		t.Fatal(err)
	}
	node := o.node(t, c, dir)
	node.replica.Ask(t.Context())
	parts, err := filepath.Glob(filepath.Join(dir, "replica", "*.part"))
	if err != nil || len(parts) < 4 {
		t.Fatal(parts, err)
	}
	for _, path := range parts {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 0x10
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replay := func(path string, b []byte) []byte {
		if !strings.HasSuffix(path, "/snapshot") {
			return b
		}
		return mustJSON(t, first)
	}
	o.spoil.Store(&replay)
	node = o.node(t, c, dir)
	if a, _ := node.Lookup("198.18.0.7"); a.Listed || node.replica.Status().Version != 0 {
		t.Fatal("a damaged copy was taken")
	}
	if node.replica.Ask(t.Context()); node.replica.Status().Version != 0 {
		t.Fatal("an older snapshot was taken for the lost one")
	}
	o.spoil.Store(nil)
	for _, path := range parts {
		os.Remove(path)
	}
	node.replica.Ask(t.Context())
	if a, _ := node.Lookup("bad.example.net"); a.Local != intel.LocalDeny {
		t.Fatal(node.replica.Status().Problem)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
