package reputation

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/effect"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

func byDefault() uint8 { return 0 }

// past is what devices did.
type past []effect.Contact

func (p past) Contacts(_ context.Context, from, to time.Time, most int, yield func(*effect.Contact)) error {
	for i := range p {
		if i < most && !p[i].Last.Before(from) && p[i].Last.Before(to) {
			yield(&p[i])
		}
	}
	return nil
}

func spoke(device, name, addr string, port uint16, flows uint64, ago time.Duration) effect.Contact {
	c := effect.Contact{Device: model.DeviceID(device), Name: name, Port: port, Proto: "tcp", Flows: flows,
		First: time.Now().Add(-ago - time.Minute), Last: time.Now().Add(-ago)}
	if addr != "" {
		c.Addr = netip.MustParseAddr(addr)
	}
	return c
}

func upload(t *testing.T, s *Service, name, owner string, trust uint8, content string) {
	t.Helper()
	if _, err := s.UploadFeed(t.Context(), rest.ReputationUpload{Name: name, Owner: owner, Format: "mixed", Trust: trust, Kind: intel.KindC2}, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIf(t *testing.T) {
	s := open(t, t.TempDir(), Default())
	s.Follow(past{
		spoke("cam-1", "", "198.18.0.1", 23, 5, time.Hour),
		spoke("cam-2", "", "198.18.0.1", 23, 1, time.Hour),
		spoke("cam-1", "", "198.18.0.1", 2323, 1, 2*time.Hour),
		spoke("cam-1", "cdn.evil.example", "198.18.9.9", 443, 7, 3*time.Hour),
		spoke("tv", "good.example", "203.0.113.5", 443, 100, time.Hour),
		spoke("tv", "", "192.168.1.1", 53, 1000, time.Hour),
		spoke("tv", "old.example", "198.18.0.1", 80, 1, 48*time.Hour),
	}, byDefault, func(*model.Event) { t.Error("an event") })
	upload(t, s, "known", "a", 90, "198.18.0.1\n")
	day := rest.ReputationQuestion{Span: 24 * time.Hour, List: rest.ReputationUpload{Format: "mixed", Trust: 90, Kind: intel.KindMalware}}
	ask := func(q rest.ReputationQuestion, list string) rest.ReputationWhatIf {
		t.Helper()
		w, err := s.WhatIf(t.Context(), q, []byte(list))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	all, now := rest.ReputationReach{Contacts: 6, Flows: 1114, Devices: 3}, rest.ReputationReach{Contacts: 3, Flows: 7, Devices: 2}
	check := func(what string, got, want rest.ReputationReach) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}

	w := ask(day, "*.evil.example\n198.18.0.1\nnot an object at all\n10.0.0.0/8\n")
	check("all", w.All, all)
	check("now", w.Now, now)
	check("then", w.Then, rest.ReputationReach{Contacts: 4, Flows: 14, Devices: 2})
	check("more", w.More, rest.ReputationReach{Contacts: 1, Flows: 7, Devices: 1})
	check("less", w.Less, rest.ReputationReach{})
	if w.Question != "list" || w.Entries == 0 || w.Refused == 0 || len(w.Top) != 1 {
		t.Fatalf("answer %+v", w)
	}
	x := w.Top[0]
	if x.Last.IsZero() || x.Remote != "cdn.evil.example" || x.Address != "198.18.9.9" {
		t.Errorf("top: %+v", x)
	}
	x.Last, x.ScoreThen = time.Time{}, 0
	want := rest.ReputationWhatIfOf{Remote: "cdn.evil.example", Address: "198.18.9.9", Object: "*.evil.example", Kind: intel.KindMalware, Blocked: true,
		Flows: 7, Devices: 1, Some: []model.DeviceID{"cam-1"}, Ports: []string{"tcp/443"}}
	if d := cmp.Diff(want, x); d != "" {
		t.Errorf("top (-want +got):\n%s", d)
	}

	w = ask(rest.ReputationQuestion{Without: "known", Span: 24 * time.Hour}, "")
	check("without: less", w.Less, now)
	check("without: then", w.Then, rest.ReputationReach{})
	if len(w.Top) != 1 || w.Top[0].Blocked || w.Top[0].Devices != 2 || w.Top[0].ScoreNow < 75 || w.Top[0].ScoreThen != 0 {
		t.Errorf("without: %+v", w.Top)
	}
	replaced := day
	replaced.List.Name = "known"
	check("replaced", ask(replaced, "*.evil.example\n").Less, now)
	w = ask(rest.ReputationQuestion{Score: 100, Span: 24 * time.Hour}, "")
	check("score", w.Less, now)
	check("a week", ask(rest.ReputationQuestion{Score: 50, Span: 7 * 24 * time.Hour}, "").Now, rest.ReputationReach{Contacts: 4, Flows: 8, Devices: 3})

	if got := s.score(t, "cdn.evil.example"); got != 0 {
		t.Errorf("asking listed it with %d", got)
	}
	for _, f := range s.Feeds() {
		if f.Name != "known" {
			t.Errorf("asking left the feed %s", f.Name)
		}
	}
	if src := s.ledger.Sources(); len(src) != 4 {
		t.Errorf("asking left sources: %+v", src)
	}
}

func TestWhatIfHeld(t *testing.T) {
	feeds := newSite(t)
	feeds.set("/a", addresses(100))
	c := Default()
	c.Feeds = []Feed{{Name: "a", URL: feeds.URL + "/a", Kind: "c2", Trust: 90, Format: "mixed"}}
	s := open(t, t.TempDir(), c)
	s.Follow(past{spoke("cam", "", "198.18.0.1", 23, 2, time.Hour), spoke("cam", "", "198.18.0.90", 23, 3, time.Hour)}, byDefault, func(*model.Event) {})
	s.mustFetch(t, "a", stateOK)
	q := rest.ReputationQuestion{Held: "a", Span: time.Hour * 24}
	if _, err := s.WhatIf(t.Context(), q, nil); !errors.Is(err, model.ErrConflict) {
		t.Errorf("nothing is held back: %v", err)
	}
	feeds.set("/a", addresses(5))
	s.mustFetch(t, "a", stateHeld)
	w, err := s.WhatIf(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	if w.Entries != 5 || w.Suspect == "" || w.Now.Contacts != 2 || w.Less != (rest.ReputationReach{Contacts: 1, Flows: 3, Devices: 1}) {
		t.Errorf("answer %+v", w)
	}
	if got := s.score(t, "198.18.0.90"); got < 75 {
		t.Errorf("asking applied the copy: score %d", got)
	}
	for what, bad := range map[string]rest.ReputationQuestion{
		"nothing": {Span: time.Hour}, "two things": {Held: "a", Without: "a", Span: time.Hour},
		"no such feed": {Held: "b", Span: time.Hour}, "no such source": {Without: "b", Span: time.Hour},
	} {
		if _, err := s.WhatIf(t.Context(), bad, nil); !errors.Is(err, model.ErrInvalid) && !errors.Is(err, model.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	alone := open(t, t.TempDir(), Default())
	if _, err := alone.WhatIf(t.Context(), rest.ReputationQuestion{Score: 50, Span: time.Hour}, nil); !errors.Is(err, model.ErrConflict) {
		t.Errorf("a service without devices: %v", err)
	}
}

func TestReports(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Default())
	upload(t, s, "first", "a", 90, "198.18.0.1\n198.18.0.2\n")
	add := func(object string, allow bool) (rest.ReputationReport, error) {
		return s.AddReport(t.Context(), rest.ReputationReport{Object: object, Note: "ours", Allow: allow, By: "user:eve", Time: time.Now()})
	}
	r, err := add("198.18.0[.]1", false)
	if err != nil || r.Object != "198.18.0.1" || r.State != rest.ReportOpen || !cmp.Equal(r.Sources, []string{"first"}) || r.Score < 75 || r.Kind != intel.KindC2 {
		t.Fatalf("report %+v, %v", r, err)
	}
	if _, err := add("198.18.0.1", false); !errors.Is(err, model.ErrConflict) {
		t.Errorf("a second report of the same: %v", err)
	}
	if _, err := add("203.0.113.1", false); !errors.Is(err, model.ErrConflict) {
		t.Errorf("a report of what nobody lists: %v", err)
	}
	if _, err := add("999", false); !errors.Is(err, model.ErrInvalid) {
		t.Errorf("a report of nothing: %v", err)
	}
	if _, err := s.DecideReport(t.Context(), model.NewID(time.Now()), rest.ReputationDecision{State: rest.ReportAccepted}); !errors.Is(err, model.ErrNotFound) {
		t.Errorf("a report that is not there: %v", err)
	}
	if s.score(t, "198.18.0.1") == 0 {
		t.Error("a report alone allows")
	}
	d, err := s.DecideReport(t.Context(), r.ID, rest.ReputationDecision{State: rest.ReportAccepted, Note: "is ours", Allow: true, By: "user:ann", Time: time.Now()})
	if err != nil || d.State != rest.ReportAccepted || d.Decider != "user:ann" || s.score(t, "198.18.0.1") != 0 {
		t.Fatalf("decided %+v, %v", d, err)
	}
	if _, err := add("198.18.0.2", true); err != nil || s.score(t, "198.18.0.2") != 0 {
		t.Errorf("reported and allowed at once: %v", err)
	}
	again := open(t, dir, Default())
	if got := again.Reports(""); len(got) != 2 || got[0].Object != "198.18.0.2" || len(again.Reports(rest.ReportOpen)) != 1 {
		t.Errorf("after a restart: %+v", got)
	}
	rec := again.Hits(1).Sources
	if len(rec) != 1 || rec[0].Source != "first" || rec[0].Record != (rest.ReputationRecord{Open: 1, Accepted: 1, Advised: 86}) {
		t.Errorf("record %+v", rec)
	}
	if err := os.WriteFile(filepath.Join(dir, "reports.json"), []byte(`{"version":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Default(), dir, s.log, time.Now); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("a file of another version: %v", err)
	}
}

// TestWhatIfEndpoints lists an address with a port: only who spoke with that port
// of it would no longer be blocked.
func TestWhatIfEndpoints(t *testing.T) {
	s := open(t, t.TempDir(), Default())
	in := spoke("cam-3", "", "198.18.0.1", 8080, 1, time.Hour)
	in.Inbound = true
	s.Follow(past{spoke("cam-1", "", "198.18.0.1", 8080, 5, time.Hour), spoke("cam-2", "", "198.18.0.1", 443, 5, time.Hour), in,
		spoke("cam-4", "c2.evil.example", "198.18.0.2", 8081, 1, time.Hour)}, byDefault, func(*model.Event) {})
	for _, o := range []string{"198.18.0.1:8080", "c2.evil.example:8081"} {
		if _, err := s.SetEntry(t.Context(), rest.ReputationEntry{Object: o, List: "deny"}); err != nil {
			t.Fatal(err)
		}
	}
	w, err := s.WhatIf(t.Context(), rest.ReputationQuestion{Span: 24 * time.Hour, Without: "local-deny"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if w.Less.Devices != 2 || len(w.Top) != 2 {
		t.Errorf("what-if: %+v", w)
	}
}

// TestEffectIsFollowed: while the service runs, hits are counted for the sources
// that list the object, and a device that spoke with what is listed later is told
// of.
func TestEffectIsFollowed(t *testing.T) {
	s := open(t, t.TempDir(), Default())
	told := make(chan *model.Event, 10)
	s.Follow(past{spoke("cam-1", "", "198.18.0.1", 23, 5, time.Hour)}, byDefault, func(e *model.Event) { told <- e })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	upload(t, s, "late", "a", 90, "198.18.0.1\n")
	select {
	case e := <-told:
		if e.Device != "cam-1" || e.Rule != effect.LookBackRule || e.Kind != model.KindListedSeen {
			t.Errorf("%+v", e)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing is told")
	}
	now := time.Now()
	s.Events([]*model.Event{{ID: model.NewID(now), Time: now, Last: now, Device: "cam-2", Kind: model.KindListedBlocked, Count: 7,
		Observables: []model.Observable{{Type: model.ObservableIP, Value: "198.18.0.1"}}}})
	for range 500 {
		if s.Hits(1).All.Blocked > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	h := s.Hits(1)
	if len(h.Sources) != 1 || h.Sources[0].Source != "late" || h.Sources[0].Owner != "a" || h.Sources[0].Blocked != 7 {
		t.Errorf("%+v", h)
	}
	stop()
	<-done
}
