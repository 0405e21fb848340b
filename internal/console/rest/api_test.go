package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func TestHeadersAndPlainPaths(t *testing.T) {
	f := newFixture(t)
	nobody := f.browser()
	r := nobody.call("GET", "//healthz", nil).want(t, 200, "ok")
	csp := r.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("the policy %q lacks %s", csp, part)
		}
	}
	if strings.Contains(csp, "unsafe") || r.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", r.header)
	}
	f.healthy = errors.New("the bus does not answer: secret detail")
	if r := nobody.call("GET", "//healthz", nil).want(t, 503); strings.Contains(r.body, "secret") {
		t.Error("the health check tells strangers details")
	}
	nobody.call("GET", "//metrics", nil).want(t, 401)
	viewer := f.program(model.AccessViewer)
	viewer.call("GET", "/status", nil).want(t, 200, `"healthy":false`, "secret detail", `"version":"1.2.3"`)
	viewer.call("GET", "//metrics", nil).want(t, 200, `masugata_console_request_seconds_count{operation="get-status",status="2xx"} 1`)
	r = viewer.call("GET", "/no/such", nil).want(t, 404, "openapi.json")
	if r.header.Get("Content-Type") != "application/problem+json" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", r.header)
	}
	nobody.call("GET", "/openapi.json", nil).want(t, 200, `"openapi":"3.1.0"`)
	(&client{f: f, http: http.DefaultClient, token: "mgp_wrong"}).call("GET", "/status", nil).want(t, 401, "API token")
}

func TestActions(t *testing.T) {
	f := newFixture(t)
	c := f.program(model.AccessOperator)
	order := object{
		"kind": "drop", "mode": "propose", "ttl_s": 600, "reason": "test",
		"shape": object{"proto": 17, "dst": "203.0.113.0/24", "dst_port": 53},
	}
	a := into[model.Action](t, c.call("POST", "/actions", order).want(t, 201))
	if a.Author != "user:t-operator" || a.State != model.ActionProposed || !a.Expires.Equal(f.clock.now().Add(10*time.Minute)) {
		t.Fatalf("%+v", a)
	}
	c.call("POST", "/actions/"+a.ID.String()+"/approve", nil).want(t, 200, `"state":"pending"`)
	c.call("POST", "/actions/"+a.ID.String()+"/approve", nil).want(t, 409)
	c.call("POST", "/actions/"+a.ID.String()+"/undo", object{"reason": ""}).want(t, 422, "body.reason")
	c.call("POST", "/actions/"+a.ID.String()+"/undo", object{"reason": "mistake"}).want(t, 200, `"state":"undone"`, `"ended_by":"user:t-operator"`)
	c.call("GET", "/actions/"+a.ID.String(), nil).want(t, 200, `"203.0.113.0/24"`)
	list := into[ActionList](t, c.call("GET", "/actions?state=undone,retired", nil).want(t, 200))
	if len(list.Actions) != 1 {
		t.Fatalf("%d actions", len(list.Actions))
	}
	c.call("GET", "/actions?state=active", nil).want(t, 200, `"actions":[]`)
	c.call("GET", "/actions?state=gone", nil).want(t, 422, "query.state")
	c.call("GET", "/actions?stat=active", nil).want(t, 422, "stat")
	c.call("GET", "/actions/nonsense", nil).want(t, 422, "path.id")
	c.call("GET", "/actions/"+model.NewID(time.Now()).String(), nil).want(t, 404)

	with := func(key string, v any) object {
		o := object{}
		for k, old := range order {
			o[k] = old
		}
		o[key] = v
		return o
	}
	for field, bad := range map[string]object{
		"body.shape":         with("shape", object{}),
		"body.shape.len_min": with("shape", object{"len_min": 9, "len_max": 8}),
		"body.shape.dst":     with("shape", object{"dst": "nowhere"}),
		"body.pps":           with("kind", "rate_limit"),
		"body.scope.device":  with("kind", "kill_process"),
		"body.kind":          with("kind", "explode"),
		"body.ttl_s":         with("ttl_s", 0),
		"body.extra":         with("extra", 1),
	} {
		c.call("POST", "/actions", bad).want(t, 422, field)
	}
}

func TestEvents(t *testing.T) {
	f := newFixture(t)
	c := f.program(model.AccessViewer)
	c.call("GET", "/events", nil).want(t, 200, `"events":[]`)
	e := &model.Event{ID: model.NewID(time.Now()), Subject: "subject", Layer: model.LayerNetwork, Severity: model.SeverityHigh}
	f.events.events = []*model.Event{e}
	c.call("GET", "/events?q=subject&limit=5", nil).want(t, 200, e.ID.String(), `"severity":"high"`, `"layer":"network"`)
	c.call("GET", "/events?q=bad", nil).want(t, 422, "column 1")
	c.call("GET", "/events?limit=0", nil).want(t, 422, "query.limit")
	c.call("GET", "/events/"+e.ID.String(), nil).want(t, 200, "subject")
	c.call("GET", "/events/"+model.NewID(time.Now()).String(), nil).want(t, 404)
	c.call("GET", "/events/top?field=severity", nil).want(t, 200, `"high"`)
	c.call("GET", "/events/top", nil).want(t, 422, "query.field")
	h := into[HistogramView](t, c.call("GET", "/events/histogram?q=x", nil).want(t, 200))
	if h.StepS != 900 || h.To.Sub(h.From) != 24*time.Hour || h.Buckets[0].Counts["x"] != 900 {
		t.Fatalf("%+v", h)
	}
	c.call("GET", "/events/histogram?step=1", nil).want(t, 422, "query.step", "ask for 44 s or more")
	c.call("GET", "/events/histogram?step=44", nil).want(t, 200)
	c.call("GET", "/events/histogram?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", nil).want(t, 422, "query.from")
}

func TestNiceStep(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		0: time.Second, time.Second: time.Second, 16 * time.Second: 30 * time.Second,
		13 * time.Hour: 24 * time.Hour, 25 * time.Hour: 48 * time.Hour,
	} {
		if got := niceStep(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestIncidentAndDevice(t *testing.T) {
	f := newFixture(t)
	ctx, now := t.Context(), f.clock.now()
	e := &model.Event{ID: model.NewID(now), Subject: "mac-020000000a01"}
	f.events.events = []*model.Event{e}
	f.ok(f.store.UpsertDevices(ctx, []model.Device{{ID: "mac-020000000a01", Agent: "agent-1", FirstSeen: now, LastSeen: now}}))
	f.ok(f.store.SavePart(ctx, model.Part{ID: "agent-1", Role: model.RoleAgent, LastSeen: now}, model.Certificate{Serial: "1", NotAfter: now}))
	i := model.Incident{
		ID: model.NewID(now), State: model.IncidentOpen, Severity: model.SeverityHigh, Layers: []model.Layer{model.LayerNetwork},
		Devices: []model.DeviceID{"mac-020000000a01", "mac-020000000a99"}, Events: []model.ID{e.ID, model.NewID(now)}, Opened: now,
	}
	f.ok(f.store.SaveIncident(ctx, i))
	c := f.program(model.AccessOperator)
	a := into[model.Action](t, c.call("POST", "/actions", object{
		"kind": "drop", "mode": "enforce", "ttl_s": 60, "reason": "r", "incident": i.ID, "scope": object{"device": "mac-020000000a01"},
	}).want(t, 201))
	d := into[IncidentDetail](t, c.call("GET", "/incidents/"+i.ID.String(), nil).want(t, 200, `"story":[]`))
	if len(d.Devices) != 1 || len(d.Events) != 1 || len(d.Actions) != 1 || d.Actions[0].ID != a.ID {
		t.Fatalf("%+v", d)
	}
	dev := into[DeviceDetail](t, c.call("GET", "/devices/mac-020000000a01", nil).want(t, 200, `"addrs":[]`))
	if dev.Part == nil || !dev.Part.Online || len(dev.Incidents) != 1 || len(dev.Actions) != 1 || len(dev.Events) != 1 {
		t.Fatalf("%+v", dev)
	}
	c.call("PATCH", "/devices/mac-020000000a01", object{}).want(t, 422, "name, kind or both")
	c.call("PATCH", "/devices/mac-020000000a01", object{"name": "玄関"}).want(t, 200, `"name":"玄関"`)
	c.call("GET", "/devices?q=%E7%8E%84%E9%96%A2", nil).want(t, 200, "mac-020000000a01")
	c.call("GET", "/devices?q=none", nil).want(t, 200, `"devices":[]`)
	o := into[Overview](t, c.call("GET", "/overview", nil).want(t, 200))
	if o.Layers[1].State != "attack" || o.IncidentsOpen != 1 || o.Devices.Total != 1 || o.Parts.Agents != 1 || o.Rates.EventsPerSecond != 7 || o.Events24h["high"] != 1 {
		t.Fatalf("%+v", o)
	}
	c.call("POST", fmt.Sprintf("/incidents/%s/close", i.ID), object{"note": "reset the camera"}).want(t, 200, `"state":"closed"`, "reset the camera")
	c.call("GET", "/incidents?state=open,contained", nil).want(t, 200, `"incidents":[]`)
}

func TestPartsPeopleAuditPolicy(t *testing.T) {
	f := newFixture(t)
	c := f.program(model.AccessAdmin)
	now := f.clock.now()
	f.ok(f.store.SavePart(t.Context(), model.Part{ID: "gate-1", Role: model.RoleGate}, model.Certificate{Serial: "1", NotAfter: now}))
	c.call("GET", "/parts", nil).want(t, 200, `"gate-1"`, `"online":false`)
	c.call("POST", "/parts/gate-1/revoke", object{"reason": "stolen"}).want(t, 200, `"revoked":true`)
	c.call("POST", "/parts/gate-1/revoke", object{"reason": "stolen"}).want(t, 409)

	tok := into[NewEnrollToken](t, c.call("POST", "/enroll-tokens", object{"role": "gate"}).want(t, 201, "mgt1.", ".0123456789abcdef"))
	if tok.Uses != 1 || !tok.Expires.Equal(now.Add(time.Hour)) || tok.Author != "user:t-admin" {
		t.Fatalf("%+v", tok)
	}
	if r := c.call("GET", "/enroll-tokens", nil).want(t, 200, tok.ID.String()); strings.Contains(r.body, "mgt1.") {
		t.Error("the text is shown again")
	}
	c.call("DELETE", "/enroll-tokens/"+tok.ID.String(), nil).want(t, 204)

	c.call("POST", "/users", object{"user": "bob", "access": "viewer", "password": password}).want(t, 201)
	c.call("POST", "/users", object{"user": "bob", "access": "viewer", "password": password}).want(t, 409)
	c.call("POST", "/users", object{"user": "b b", "access": "viewer", "password": password}).want(t, 422, "name must be")
	bob := f.browser()
	signIn(bob, "bob", password).want(t, 200)
	bob.call("POST", "/tokens", object{"name": "x", "access": "admin"}).want(t, 422, "body.access")
	own := into[NewToken](t, bob.call("POST", "/tokens", object{"name": "x", "access": "viewer"}).want(t, 201))
	bob.call("GET", "/tokens?all=true", nil).want(t, 403)
	admins, err := f.store.APITokens(t.Context(), "t-admin")
	f.ok(err)
	bob.call("DELETE", "/tokens/"+admins[0].ID.String(), nil).want(t, 404)
	program := &client{f: f, http: http.DefaultClient, token: own.Text}
	program.call("GET", "/session", nil).want(t, 200, `"user":"bob"`)
	program.call("POST", "/session/password", object{"old": password, "new": password + "2"}).want(t, 403)
	bob.call("DELETE", "/tokens/"+own.ID.String(), nil).want(t, 204)
	program.call("GET", "/session", nil).want(t, 401)
	c.call("DELETE", "/users/bob", nil).want(t, 204)
	c.call("DELETE", "/users/t-admin", nil).want(t, 409, "last admin")

	c.call("GET", "/policy", nil).want(t, 200, `"version":0`, `"problems":[]`)
	c.call("PUT", "/policy", object{"text": "wrong"}).want(t, 200, `"version":0`, `"line":3`)
	c.call("PUT", "/policy", object{"text": "flood: {}"}).want(t, 200, `"version":1`)
	c.call("GET", "/policy", nil).want(t, 200, "flood: {}", "user:t-admin")
	c.call("POST", "/policy/dry-run", object{"text": "x"}).want(t, 200, `"decisions":[]`)

	trail := c.call("GET", "/audit?limit=1000", nil).want(t, 200,
		`"operation":"console.create-user"`, `"object":"bob"`, `"actor":"user:t-admin"`, `"operation":"part.revoked"`,
		`"address":"127.0.0.1"`, `"operation":"console.sign-in"`, "201 Created")
	if strings.Contains(trail.body, password) {
		t.Error("the audit trail holds a password")
	}
	if _, err := f.store.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLayers(t *testing.T) {
	now := time.Now()
	s := &server{Config: Config{PartOfflineAfter: time.Minute, Coverage: func() []model.Coverage {
		return []model.Coverage{{Layer: model.LayerControl, Protection: "link.mtls", Active: true}, {Layer: 99}}
	}}}
	parts := []model.Part{
		{ID: "agent-1", LastSeen: now, Coverage: []model.Coverage{{Layer: model.LayerDevice, Active: true}, {Layer: model.LayerDevice, Reason: "old kernel"}}},
		{ID: "gate-1", LastSeen: now.Add(-time.Hour), Coverage: []model.Coverage{{Layer: model.LayerNetwork, Active: true}}},
		{ID: "gate-2", LastSeen: now, Revoked: true, Coverage: []model.Coverage{{Layer: model.LayerNetwork, Active: true}}},
	}
	open := []model.Incident{
		{State: model.IncidentContained, Severity: model.SeverityHigh, Layers: []model.Layer{model.LayerNetwork, 0}},
		{State: model.IncidentOpen, Severity: model.SeverityCritical, Layers: []model.Layer{model.LayerData}},
	}
	var got []string
	for _, l := range s.layers(parts, open, now) {
		got = append(got, fmt.Sprintf("%s %s %d/%d %d %d", l.Layer, l.State, l.Coverage.Active, l.Coverage.Total, l.OpenIncidents, len(l.Gaps)))
	}
	want := "[device attention 1/2 0 1 network attention 0/1 1 1 control ok 1/1 0 0 data attack 0/0 1 0]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v\nwant %s", got, want)
	}
}

func TestConfigLacks(t *testing.T) {
	_, err := New(Config{})
	if err == nil || !strings.Contains(err.Error(), "People") || !strings.Contains(err.Error(), "Dashboard") {
		t.Error(err)
	}
}
