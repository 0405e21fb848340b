package reputation

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/console/rest"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

func byDefault() uint8 { return 0 }

// past is what devices did.
type past []Contact

func (p past) Contacts(_ context.Context, from, to time.Time, most int, yield func(*Contact)) error {
	for i := range p {
		if i < most && !p[i].Last.Before(from) && p[i].Last.Before(to) {
			yield(&p[i])
		}
	}
	return nil
}

func spoke(device, name, addr string, port uint16, flows uint64, ago time.Duration) Contact {
	c := Contact{Device: model.DeviceID(device), Name: name, Port: port, Proto: "tcp", Flows: flows,
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

func met(kind model.Kind, device string, count uint32, observables ...model.Observable) *model.Event {
	now := time.Now()
	return &model.Event{ID: model.NewID(now), Time: now, Last: now, Device: model.DeviceID(device), Kind: kind, Count: count, Rule: "reputation", Observables: observables}
}

func of(t model.ObservableType, v string) model.Observable {
	return model.Observable{Type: t, Value: v}
}

// drain counts all that waits.
func (f *effect) drain() {
	for len(f.queue) > 0 {
		f.count(<-f.queue)
	}
}

func TestHits(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Default())
	upload(t, s, "first", "a", 90, "198.18.0.1\n*.evil.example\n")
	upload(t, s, "second", "b", 80, "198.18.0.0/24\n")
	s.Events([]*model.Event{
		met(model.KindListedBlocked, "cam-1", 10, of(model.ObservableIP, "198.18.0.1")),
		met(model.KindListedBlocked, "cam-2", 5, of(model.ObservableIP, "198.18.0.1"), of(model.ObservableIP, "203.0.113.1")),
		met(model.KindListedSeen, "cam-1", 1, of(model.ObservableDomain, "x.evil.example"), of(model.ObservableIP, "203.0.113.1")),
		met(model.KindListedSeen, "cam-1", 3, of(model.ObservableDomain, "gone.example")),
		met(model.KindListedSeen, "cam-1", 3, of(model.ObservablePort, "22")),
		met(model.KindIntrusion, "cam-1", 3, of(model.ObservableIP, "198.18.0.1")),
	})
	s.effect.drain()
	h := s.Hits(7)
	brief := func(h rest.ReputationHits) string {
		var b strings.Builder
		for _, x := range h.Sources {
			fmt.Fprintf(&b, "%s %s %d: %d %d %d %d %v\n", x.Source, x.Owner, x.Trust, x.Seen, x.Blocked, x.Devices, x.Objects, x.ByDay[6])
		}
		return b.String()
	}
	want := "first a 90: 1 15 2 2 {1 15}\nsecond b 80: 0 15 2 1 {0 15}\n"
	if got := brief(h); got != want {
		t.Errorf("hits:\n%swant:\n%s", got, want)
	}
	if h.Unlisted != (rest.ReputationDayHits{Seen: 3}) || h.All != (rest.ReputationDayHits{Seen: 4, Blocked: 15}) || len(h.Days) != 7 || len(h.Objects) != 2 || h.Objects[0].Object != "198.18.0.1" || h.Objects[0].Devices != 2 {
		t.Errorf("hits %+v", h)
	}
	s.effect.save()
	again := open(t, dir, Default())
	if got := brief(again.Hits(7)); got != want {
		t.Errorf("after a restart:\n%swant:\n%s", got, want)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "hits-*.json"))
	if len(names) != 1 {
		t.Fatalf("files %v", names)
	}
	if err := os.WriteFile(names[0], []byte(`{"version":1,"date":"2026-`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := open(t, dir, Default()).Hits(7); len(got.Sources) != 0 {
		t.Errorf("a broken file gives %+v", got)
	}
}

// TestHitsDays lets a clock go on for two months.
func TestHitsDays(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Default())
	upload(t, s, "first", "a", 90, "198.18.0.1\n")
	clock := time.Now()
	s.now = func() time.Time { return clock }
	for range 60 {
		s.Events([]*model.Event{met(model.KindListedSeen, "cam", 1, of(model.ObservableIP, "198.18.0.1"))})
		s.effect.drain()
		clock = clock.AddDate(0, 0, 1)
	}
	s.effect.save()
	if n := len(s.effect.days); n > keptDays {
		t.Errorf("%d days are kept in memory", n)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "hits-*.json"))
	if len(names) > keptDays {
		t.Errorf("%d days are kept on disk", len(names))
	}
}

func TestSketch(t *testing.T) {
	for _, n := range []int{0, 1, 2, 10, 100, 1000} {
		s := make(sketch, sourceSketch)
		for range 3 {
			for i := range n {
				s.add(fmt.Sprint("device ", i))
			}
		}
		if got := s.count(); got < n-n/20-1 || got > n+n/20+1 {
			t.Errorf("%d things count as %d", n, got)
		}
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
	if err := os.WriteFile(filepath.Join(dir, reportsFile), []byte(`{"version":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Default(), dir, s.log, time.Now); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("a file of another version: %v", err)
	}
}

// TestReportsBound fills the book: the oldest decided report makes room and
// stays in the record.
func TestReportsBound(t *testing.T) {
	b := reportBook{}
	for i := range maxReports {
		r := rest.ReputationReport{ID: model.NewID(time.Now()), Object: fmt.Sprint(i), State: rest.ReportOpen, Sources: []string{"first"}}
		if i == 7 {
			r.State = rest.ReportAccepted
		}
		b.all = append(b.all, r)
	}
	more := func() error {
		next, err := b.with(rest.ReputationReport{ID: model.NewID(time.Now()), State: rest.ReportOpen, Sources: []string{"first"}})
		if err == nil {
			b = next
		}
		return err
	}
	if err := more(); err != nil || len(b.all) != maxReports || b.records()["first"].Accepted != 1 || b.find(b.all[0].ID) != 0 {
		t.Errorf("%d reports, %+v, %v", len(b.all), b.records(), err)
	}
	if err := more(); !errors.Is(err, model.ErrConflict) {
		t.Errorf("only open ones: %v", err)
	}
}

func TestLookBack(t *testing.T) {
	dir := t.TempDir()
	var told []*model.Event
	history := past{
		spoke("cam-1", "", "198.18.0.1", 23, 5, time.Hour), spoke("cam-2", "www.evil.example", "203.0.113.9", 443, 2, 48*time.Hour),
		spoke("cam-3", "", "198.18.0.1", 23, 1, 9*24*time.Hour), spoke("tv", "good.example", "203.0.113.5", 443, 1, time.Hour),
	}
	start := func() *Service {
		s := open(t, dir, Default())
		s.Follow(history, byDefault, func(e *model.Event) { told = append(told, e) })
		s.effect.back.begin(t.Context())
		return s
	}
	s := start()
	s.effect.back.look()
	if len(told) != 0 {
		t.Fatalf("told of %+v before anything is listed", told)
	}
	upload(t, s, "late", "a", 90, "198.18.0.1\n*.evil.example\n")
	select {
	case <-s.effect.back.renewed():
	default:
		t.Error("a new index is not noticed")
	}
	s.effect.back.look()
	if len(told) != 2 {
		t.Fatalf("told of %d contacts, want 2: %+v", len(told), told)
	}
	for _, e := range told {
		if e.Kind != model.KindListedSeen || e.Rule != LookBackRule || e.Severity != model.SeverityHigh || !strings.Contains(e.Explanation, "before it was listed") {
			t.Errorf("event %+v", e)
		}
		if o, ok := matched(e); !ok || (o.String() != "198.18.0.1") != (e.Device == "cam-2") {
			t.Errorf("%s is told of %v", e.Device, o)
		}
	}
	contact := func(device, addr string) {
		e := met(model.KindContact, device, 1, of(model.ObservableIP, addr), of(model.ObservablePort, "23"), of(model.ObservableProto, "tcp"))
		s.Events([]*model.Event{e})
		s.effect.drain()
	}
	s.effect.back.look()
	contact("cam-1", "198.18.0.1")
	if len(told) != 2 {
		t.Error("the same is told twice")
	}
	contact("cam-4", "198.18.0.1")
	if len(told) != 3 || told[2].Device != "cam-4" {
		t.Error("a contact with what is listed already is not told")
	}
	s.Events([]*model.Event{met(model.KindListedBlocked, "cam-5", 1, of(model.ObservableIP, "198.18.0.1"))})
	s.effect.drain()
	if contact("cam-5", "198.18.0.1"); len(told) != 3 {
		t.Error("what the gate told is told again")
	}
	s.effect.save()
	s = start()
	if s.effect.back.look(); len(told) != 3 {
		t.Errorf("after a restart %d are told, not 3", len(told))
	}
	if _, err := s.SetEntry(t.Context(), rest.ReputationEntry{Object: "198.18.0.1", List: "allow"}); err != nil {
		t.Fatal(err)
	}
	if contact("cam-6", "198.18.0.1"); len(told) != 3 {
		t.Error("what is allowed is told")
	}
}

// TestLookBackEndpoints lists an address with a port: who spoke with another
// port of it, or was spoken to by it, is not told of.
func TestLookBackEndpoints(t *testing.T) {
	s := open(t, t.TempDir(), Default())
	var told []model.DeviceID
	in := spoke("cam-3", "", "198.18.0.1", 8080, 1, time.Hour)
	in.Inbound = true
	history := past{spoke("cam-1", "", "198.18.0.1", 8080, 5, time.Hour), spoke("cam-2", "", "198.18.0.1", 443, 5, time.Hour), in,
		spoke("cam-4", "c2.evil.example", "198.18.0.2", 8081, 1, time.Hour)}
	s.Follow(history, byDefault, func(e *model.Event) { told = append(told, e.Device) })
	s.effect.back.begin(t.Context())
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
	s.effect.back.look()
	slices.Sort(told)
	if !slices.Equal(told, []model.DeviceID{"cam-1", "cam-4"}) {
		t.Errorf("told of %v", told)
	}
}

// TestLookBackBounds floods it with contacts and lists them all.
func TestLookBackBounds(t *testing.T) {
	s := open(t, t.TempDir(), Default())
	told := 0
	s.Follow(past{}, byDefault, func(*model.Event) { told++ })
	b := s.effect.back
	now := time.Now()
	for i := range maxPairs + 1000 {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		_, _ = b.keep(&Contact{Device: model.DeviceID(fmt.Sprint("d", i>>16)), Addr: a, Flows: 1, Last: now.Add(-time.Duration(maxPairs+1000-i) * time.Second)})
	}
	if b.pairs > maxPairs {
		t.Errorf("%d pairs are kept", b.pairs)
	}
	var list strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&list, "198.18.%d.%d\n", 200+i>>8, i&255)
	}
	upload(t, s, "all", "a", 95, list.String())
	for range 7 {
		b.look()
	}
	if told != toldADay {
		t.Errorf("%d events in a day, want %d", told, toldADay)
	}
}
