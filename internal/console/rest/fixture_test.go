package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state"
)

const (
	password   = "correct horse battery"
	setupToken = "the-setup-token"
)

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// eventList is an event store of a few events: a query is a word that the
// subject must contain, and "bad" is one that cannot be read.
type eventList struct{ events []*model.Event }

func (l *eventList) Matcher(q string) (func(*model.Event) bool, error) {
	if q == "bad" {
		return nil, fmt.Errorf("column 1: unknown field %q: %w", q, model.ErrInvalid)
	}
	return func(e *model.Event) bool { return strings.Contains(e.Subject, q) }, nil
}

func (l *eventList) Event(_ context.Context, id model.ID) (*model.Event, error) {
	for _, e := range l.events {
		if e.ID == id {
			return e, nil
		}
	}
	return nil, fmt.Errorf("event %s: %w", id, model.ErrNotFound)
}

func (l *eventList) Search(_ context.Context, q string, limit int, _ string) (list []*model.Event, next string, err error) {
	q = strings.TrimPrefix(q, "device:")
	match, err := l.Matcher(strings.Trim(q, `"`))
	if err != nil {
		return nil, "", err
	}
	for _, e := range l.events {
		if match(e) && len(list) < limit {
			list = append(list, e)
		}
	}
	return list, "", nil
}

func (l *eventList) Histogram(_ context.Context, q string, from, _ time.Time, step time.Duration, _ string) ([]Bucket, error) {
	return []Bucket{{Time: from, Counts: map[string]uint64{q: uint64(step / time.Second)}}}, nil
}

func (l *eventList) Top(context.Context, string, string, int) ([]TopEntry, error) {
	return []TopEntry{{Value: "high", Count: uint64(len(l.events))}}, nil
}

// desk carries decisions out on the state store alone.
type desk struct {
	*state.Store
	now func() time.Time
}

func (d desk) CreateAction(ctx context.Context, a model.Action) (model.Action, error) {
	a.ID, a.State = model.NewID(d.now()), model.ActionPending
	if a.Mode == model.ModePropose {
		a.State = model.ActionProposed
	}
	return a, d.SaveAction(ctx, a)
}

func (d desk) ApproveAction(ctx context.Context, id model.ID, by string) (model.Action, error) {
	a, err := d.Action(ctx, id)
	if err != nil {
		return a, err
	}
	if a.State != model.ActionProposed {
		return a, fmt.Errorf("action %s is %s: %w", id, a.State, model.ErrConflict)
	}
	a.State = model.ActionPending
	return a, d.SaveAction(ctx, a)
}

func (d desk) UndoAction(ctx context.Context, id model.ID, by, reason string) (model.Action, error) {
	a, err := d.Action(ctx, id)
	if err != nil {
		return a, err
	}
	a.State, a.EndedBy, a.Ended = model.ActionUndone, by, d.now()
	return a, d.SaveAction(ctx, a)
}

func (d desk) CloseIncident(ctx context.Context, id model.ID, by, note string) (model.Incident, error) {
	i, err := d.Incident(ctx, id)
	if err != nil {
		return i, err
	}
	i.State = model.IncidentClosed
	i.Story = append(i.Story, model.StoryLine{Time: d.now(), Code: "closed", Text: by + ": " + note})
	return i, d.SaveIncident(ctx, i)
}

func (d desk) SetPolicy(ctx context.Context, text, by string) (uint64, []PolicyProblem, error) {
	if strings.Contains(text, "wrong") {
		return 0, []PolicyProblem{{Line: 3, Key: "flood.mode", Text: "is wrong"}}, nil
	}
	p, err := d.SavePolicy(ctx, text, by)
	return p.Version, nil, err
}

func (d desk) DryRun(context.Context, string, time.Duration) (DryRun, error) { return DryRun{}, nil }

type fixture struct {
	t       *testing.T
	store   *state.Store
	live    *Live
	events  *eventList
	clock   *clock
	server  *httptest.Server
	refused []string // sign-ins that were told to OnLoginFailed
	healthy error
}

func newFixture(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, live: NewLive(), events: &eventList{}, clock: &clock{t: time.Now().UTC().Truncate(time.Second)}}
	log := slog.New(slog.DiscardHandler)
	var err error
	f.store, err = state.Open(t.Context(), state.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "state.db"), Log: log, Now: f.clock.now})
	f.ok(err)
	d := desk{f.store, f.clock.now}
	c := Config{
		Version: "1.2.3", People: f.store, Tokens: f.store, Sessions: f.store, Audit: f.store, Inventory: f.store,
		Enrolment: f.store, Cases: f.store, Events: f.events, Actions: d, Incidents: d, Parts: f.store, Policy: d,
		Live: f.live, CAPin: "0123456789abcdef", SetupToken: setupToken, EventRate: func() float64 { return 7 },
		Healthy: func(context.Context) error { return f.healthy }, OnLoginFailed: func(user, _ string) { f.refused = append(f.refused, user) },
		Metrics: prometheus.NewRegistry(), Dashboard: http.NotFoundHandler(), Log: log, Now: f.clock.now,
	}
	for _, ch := range change {
		ch(&c)
	}
	h, err := New(c)
	f.ok(err)
	f.server = httptest.NewServer(h)
	t.Cleanup(func() {
		f.server.Close()
		f.ok(f.store.Close())
	})
	return f
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// token makes a user of the given access level and gives an API token of it.
func (f *fixture) token(access model.Access) string {
	f.t.Helper()
	name := "t-" + string(access)
	if _, err := f.store.User(f.t.Context(), name); err != nil {
		_, err := f.store.CreateUser(f.t.Context(), name, access, password)
		f.ok(err)
	}
	text, _, err := f.store.CreateAPIToken(f.t.Context(), model.APIToken{Name: "test", User: name, Access: access})
	f.ok(err)
	return text
}

// client is one browser or program.
type client struct {
	f     *fixture
	http  *http.Client
	token string
}

func (f *fixture) browser() *client {
	jar, err := cookiejar.New(nil)
	f.ok(err)
	return &client{f: f, http: &http.Client{Jar: jar}}
}

func (f *fixture) program(access model.Access) *client {
	return &client{f: f, http: &http.Client{}, token: f.token(access)}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (c *client) request(ctx context.Context, method, path string, body any) *http.Request {
	c.f.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		c.f.ok(err)
		r = bytes.NewReader(j)
	}
	if !strings.HasPrefix(path, "//") {
		path = Base + path
	} else {
		path = path[1:]
	}
	req, err := http.NewRequestWithContext(ctx, method, c.f.server.URL+path, r)
	c.f.ok(err)
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req
}

// call makes a request; a path that begins with // is not below Base.
func (c *client) call(method, path string, body any) reply {
	c.f.t.Helper()
	return c.do(c.request(c.f.t.Context(), method, path, body))
}

func (c *client) do(req *http.Request) reply {
	c.f.t.Helper()
	res, err := c.http.Do(req)
	c.f.ok(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	c.f.ok(err)
	return reply{res.StatusCode, res.Header, string(b)}
}

func (r reply) want(t *testing.T, status int, contains ...string) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	for _, c := range contains {
		if !strings.Contains(r.body, c) {
			t.Fatalf("%q is not in %s", c, r.body)
		}
	}
	return r
}

func into[T any](t *testing.T, r reply) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

type object = map[string]any
