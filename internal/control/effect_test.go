package control

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/model"
)

// send sends bytes to the REST API.
func send[T any](s *site, method, path string, body string) (out T) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.base+"/api/v1"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/octet-stream")
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode < 300 {
		err = json.Unmarshal(b, &out)
	}
	if err != nil || r.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s: %s (%v)", method, path, r.Status, b, err)
	}
	return out
}

func contactWith(device, name, addr string) *model.Event {
	now := time.Now()
	e := &model.Event{ID: model.NewID(now), Time: now.Add(-10 * time.Minute), Last: now, Device: model.DeviceID(device), Layer: model.LayerNetwork,
		Kind: model.KindContact, Count: 4, Subject: addr, Rule: "contact.out"}
	if name != "" {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableDomain, Value: name})
	}
	e.Observables = append(e.Observables, model.Observable{Type: model.ObservableIP, Value: addr},
		model.Observable{Type: model.ObservablePort, Value: "8883"}, model.Observable{Type: model.ObservableProto, Value: "tcp"})
	return e
}

// TestEffect has a gate tell contacts and hits over the real link: they are
// kept, but shown only when asked for; a list is tried on them before it is in
// force, and devices are told of when it is, also of before a restart.
func TestEffect(t *testing.T) {
	s := startSite(t)
	gate := s.enroll(model.RoleGate, "")
	const bad, cam, tv = "203.0.113.66", "mac-020000000a01", "mac-020000000a02"
	gate.Submit(contactWith(cam, "", bad))
	gate.Submit(contactWith(cam, "", bad))
	gate.Submit(contactWith(tv, "cdn.evil.example", "203.0.113.67"))
	gate.Submit(contactWith(tv, "good.example", "203.0.113.68"))
	events := func(q string) []model.Event {
		return api[struct{ Events []model.Event }](s, "GET", "/events?limit=100&q="+url.QueryEscape(q), nil).Events
	}
	s.eventually("contacts are stored", func() bool { return len(events("kind:contact")) == 4 })
	for _, q := range []string{"", "layer:network", "severity:info"} {
		for _, e := range events(q) {
			if e.Kind == model.KindContact {
				t.Errorf("%q finds a contact", q)
			}
		}
	}
	top := api[struct{ Top []rest.TopEntry }](s, "GET", "/events/top?field=kind", nil)
	for _, x := range top.Top {
		if x.Value == string(model.KindContact) {
			t.Errorf("contacts are counted among events: %+v", x)
		}
	}
	if got := events("ip:" + bad + " kind:contact device:" + cam); len(got) != 2 {
		t.Errorf("%d contacts with %s", len(got), bad)
	}

	const list = bad + "\n*.evil.example\n"
	w := send[rest.ReputationWhatIf](s, "POST", "/reputation/what-if?trust=90&kind=c2&format=mixed", list)
	if w.All != (rest.ReputationReach{Contacts: 3, Flows: 16, Devices: 2}) || w.Now.Contacts != 0 || w.More != (rest.ReputationReach{Contacts: 2, Flows: 12, Devices: 2}) || len(w.Top) != 2 {
		t.Errorf("what-if: %+v", w)
	}
	if got := s.scoreOf(bad); got.Score != 0 {
		t.Errorf("asking listed it: %+v", got)
	}
	send[rest.ReputationFeed](s, "PUT", "/reputation/feeds/mine?trust=90&kind=c2&format=mixed", list)
	var told []model.Event
	s.eventually("who spoke with it is told", func() bool {
		told = events("rule:reputation.lookback")
		return len(told) == 2
	})
	for _, e := range told {
		want := model.Observable{Type: model.ObservableIP, Value: bad}
		if e.Device == tv {
			want = model.Observable{Type: model.ObservableDomain, Value: "cdn.evil.example"}
		}
		if e.Kind != model.KindListedSeen || e.Reporter != ownPart || e.Observables[0] != want || !strings.Contains(e.Explanation, "before it was listed") {
			t.Errorf("event %+v", e)
		}
	}
	now := time.Now()
	gate.Submit(&model.Event{ID: model.NewID(now), Time: now, Last: now, Device: cam, Layer: model.LayerNetwork, Kind: model.KindListedBlocked, Count: 7,
		Severity: model.SeverityHigh, Subject: bad, Rule: "reputation", Observables: []model.Observable{{Type: model.ObservableIP, Value: bad}}})
	var h rest.ReputationHits
	s.eventually("hits are counted", func() bool {
		h = api[rest.ReputationHits](s, "GET", "/reputation/hits?days=2", nil)
		return len(h.Sources) == 1 && h.Sources[0].Seen == 2 && h.Sources[0].Blocked == 7
	})
	if h.Sources[0].Source != "mine" || h.Sources[0].Devices != 2 || len(h.Days) != 2 || len(h.Objects) != 2 {
		t.Errorf("hits: %+v", h)
	}

	s.eventually("an incident tells of it", func() bool {
		for _, i := range api[struct{ Incidents []model.Incident }](s, "GET", "/incidents?limit=10", nil).Incidents {
			if i.Kind == model.IncidentBadContact && len(i.Devices) == 1 && i.Devices[0] == cam && i.Target == bad {
				return true
			}
		}
		return false
	})

	r := api[rest.ReputationReport](s, "POST", "/reputation/reports", map[string]any{"object": bad, "note": "ours"})
	r = api[rest.ReputationReport](s, "POST", "/reputation/reports/"+r.ID.String(), map[string]any{"state": "accepted", "allow": true})
	if got := s.scoreOf(bad); got.Score != 0 || r.State != rest.ReportAccepted || r.Decider == "" {
		t.Errorf("accepted and allowed: %+v, %+v", got, r)
	}

	s.stop()
	s.start()
	h = api[rest.ReputationHits](s, "GET", "/reputation/hits?days=2", nil)
	if len(h.Sources) != 1 || h.Sources[0].Blocked != 7 || h.Sources[0].Record.Accepted != 1 || h.Sources[0].Record.Advised >= 90 {
		t.Errorf("hits after a restart: %+v", h)
	}
	send[rest.ReputationFeed](s, "PUT", "/reputation/feeds/more?trust=90&kind=c2&format=mixed", "203.0.113.68\n"+list)
	s.eventually("a contact of before the restart is told", func() bool { return len(events("rule:reputation.lookback")) == 3 })
}
