package effect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/keep"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/model"
)

// known is what a service knows, in small.
type known struct {
	ledger *ledger.Ledger
	index  *index.Index
	ports  bool
	told   func() // of a new index
}

func newKnown() *known {
	x, _ := index.NewBuilder(0).Build()
	return &known{ledger: ledger.New(ledger.Config{}), index: x, told: func() {}}
}

func (k *known) Explain(o intel.Object) intel.Verdict {
	return k.ledger.Explain(o, uint32(time.Now().Unix()))
}
func (k *known) Index() (*index.Index, bool, bool) { return k.index, k.ports, true }
func (k *known) Sources() []intel.Source           { return k.ledger.Sources() }

// list makes a source say that objects are of command and control.
func (k *known) list(t *testing.T, source, owner string, trust uint8, objects ...string) {
	t.Helper()
	k.say(t, intel.Source{Name: source, Owner: owner, Trust: trust, Kind: intel.KindC2}, objects...)
}

func (k *known) say(t *testing.T, src intel.Source, objects ...string) {
	t.Helper()
	now := uint32(time.Now().Unix())
	id := k.ledger.Source(src)
	imp, err := k.ledger.Import(id, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range objects {
		o, err := canon.Guess(text)
		if err == nil {
			err = imp.Add(&intel.Claim{Object: o, Source: id, Kind: src.Kind, Confidence: 100, First: now, Last: now})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	imp.Commit()
	b := index.NewBuilder(len(objects))
	b.Prefixes = true
	k.ledger.Each(now, func(o intel.Object, brief intel.Brief) bool {
		err = b.Add(o, brief)
		return err == nil
	})
	if err == nil {
		k.index, err = b.Build()
	}
	if err != nil {
		t.Fatal(err)
	}
	k.told()
}

func open(t *testing.T, dir string, k *known, now func() time.Time) *Watch {
	t.Helper()
	d, err := keep.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(k, d, slog.New(slog.DiscardHandler), now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

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

func met(kind model.Kind, device string, count uint32, observables ...model.Observable) *model.Event {
	now := time.Now()
	return &model.Event{ID: model.NewID(now), Time: now, Last: now, Device: model.DeviceID(device), Kind: kind, Count: count, Rule: "reputation", Observables: observables}
}

func of(t model.ObservableType, v string) model.Observable {
	return model.Observable{Type: t, Value: v}
}

// drain counts all that waits.
func (f *Watch) drain() {
	for len(f.queue) > 0 {
		f.count(<-f.queue)
	}
}

func TestHits(t *testing.T) {
	dir, k := t.TempDir(), newKnown()
	s := open(t, dir, k, time.Now)
	k.list(t, "first", "a", 90, "198.18.0.1", "*.evil.example")
	k.list(t, "second", "b", 80, "198.18.0.0/24")
	s.Take([]*model.Event{
		met(model.KindListedBlocked, "cam-1", 10, of(model.ObservableIP, "198.18.0.1")),
		met(model.KindListedBlocked, "cam-2", 5, of(model.ObservableIP, "198.18.0.1"), of(model.ObservableIP, "203.0.113.1")),
		met(model.KindListedSeen, "cam-1", 1, of(model.ObservableDomain, "x.evil.example"), of(model.ObservableIP, "203.0.113.1")),
		met(model.KindListedSeen, "cam-1", 3, of(model.ObservableDomain, "gone.example")),
		met(model.KindListedSeen, "cam-1", 3, of(model.ObservablePort, "22")),
		met(model.KindIntrusion, "cam-1", 3, of(model.ObservableIP, "198.18.0.1")),
	})
	s.drain()
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
	s.save()
	again := open(t, dir, k, time.Now)
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
	if got := open(t, dir, k, time.Now).Hits(7); len(got.Sources) != 0 {
		t.Errorf("a broken file gives %+v", got)
	}
}

// TestHitsDays lets a clock go on for two months.
func TestHitsDays(t *testing.T) {
	dir := t.TempDir()
	clock, k := time.Now(), newKnown()
	s := open(t, dir, k, func() time.Time { return clock })
	k.list(t, "first", "a", 90, "198.18.0.1")
	for range 60 {
		s.Take([]*model.Event{met(model.KindListedSeen, "cam", 1, of(model.ObservableIP, "198.18.0.1"))})
		s.drain()
		clock = clock.AddDate(0, 0, 1)
	}
	s.save()
	if n := len(s.days); n > keptDays {
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
	k := newKnown()
	start := func() *Watch {
		s := open(t, dir, k, time.Now)
		k.told = s.Renewed
		s.Follow(history, byDefault, func(e *model.Event) { told = append(told, e) })
		s.back.begin(t.Context())
		return s
	}
	s := start()
	s.back.look()
	if len(told) != 0 {
		t.Fatalf("told of %+v before anything is listed", told)
	}
	k.list(t, "late", "a", 90, "198.18.0.1", "*.evil.example")
	select {
	case <-s.back.renewed():
	default:
		t.Error("a new index is not noticed")
	}
	s.back.look()
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
		s.Take([]*model.Event{e})
		s.drain()
	}
	s.back.look()
	contact("cam-1", "198.18.0.1")
	if len(told) != 2 {
		t.Error("the same is told twice")
	}
	contact("cam-4", "198.18.0.1")
	if len(told) != 3 || told[2].Device != "cam-4" {
		t.Error("a contact with what is listed already is not told")
	}
	s.Take([]*model.Event{met(model.KindListedBlocked, "cam-5", 1, of(model.ObservableIP, "198.18.0.1"))})
	s.drain()
	if contact("cam-5", "198.18.0.1"); len(told) != 3 {
		t.Error("what the gate told is told again")
	}
	s.save()
	s = start()
	if s.back.look(); len(told) != 3 {
		t.Errorf("after a restart %d are told, not 3", len(told))
	}
	k.say(t, intel.Source{Name: "local-allow", Owner: "operator", Trust: 100, Kind: intel.KindBenign, Local: intel.LocalAllow}, "198.18.0.1")
	if contact("cam-6", "198.18.0.1"); len(told) != 3 {
		t.Error("what is allowed is told")
	}
}

// TestLookBackEndpoints lists an address with a port: who spoke with another
// port of it, or was spoken to by it, is not told of.
func TestLookBackEndpoints(t *testing.T) {
	k := newKnown()
	s := open(t, t.TempDir(), k, time.Now)
	var told []model.DeviceID
	in := spoke("cam-3", "", "198.18.0.1", 8080, 1, time.Hour)
	in.Inbound = true
	history := past{spoke("cam-1", "", "198.18.0.1", 8080, 5, time.Hour), spoke("cam-2", "", "198.18.0.1", 443, 5, time.Hour), in,
		spoke("cam-4", "c2.evil.example", "198.18.0.2", 8081, 1, time.Hour)}
	s.Follow(history, byDefault, func(e *model.Event) { told = append(told, e.Device) })
	s.back.begin(t.Context())
	k.say(t, intel.Source{Name: "local-deny", Owner: "operator", Trust: 100, Kind: intel.KindSuspicious, Local: intel.LocalDeny}, "198.18.0.1:8080", "c2.evil.example:8081")
	k.ports = true
	s.back.look()
	slices.Sort(told)
	if !slices.Equal(told, []model.DeviceID{"cam-1", "cam-4"}) {
		t.Errorf("told of %v", told)
	}
}

// TestLookBackBounds floods it with contacts and lists them all.
func TestLookBackBounds(t *testing.T) {
	k := newKnown()
	s := open(t, t.TempDir(), k, time.Now)
	told := 0
	s.Follow(past{}, byDefault, func(*model.Event) { told++ })
	b := s.back
	now := time.Now()
	for i := range maxPairs + 1000 {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		_, _ = b.keep(&Contact{Device: model.DeviceID(fmt.Sprint("d", i>>16)), Addr: a, Flows: 1, Last: now.Add(-time.Duration(maxPairs+1000-i) * time.Second)})
	}
	if b.pairs > maxPairs {
		t.Errorf("%d pairs are kept", b.pairs)
	}
	var list []string
	for i := range 3000 {
		list = append(list, fmt.Sprintf("198.18.%d.%d", 200+i>>8, i&255))
	}
	k.list(t, "all", "a", 95, list...)
	for range 7 {
		b.look()
	}
	if told != toldADay {
		t.Errorf("%d events in a day, want %d", told, toldADay)
	}
}

// TestHitsOfAClockThatWasAhead: days in the future hide nothing of today, also
// over a restart.
func TestHitsOfAClockThatWasAhead(t *testing.T) {
	dir := t.TempDir()
	at, k := time.Now(), newKnown()
	now := func() time.Time { return at }
	s := open(t, dir, k, now)
	k.list(t, "mine", "me", 100, "203.0.113.9")
	hit := func() {
		s.count(met(model.KindListedBlocked, "cam", 1, of(model.ObservableIP, "203.0.113.9")))
		s.save()
	}
	hit()
	at = at.AddDate(12, 0, 0)
	s.written, s.days = nil, nil // as after a start with this clock
	hit()
	at = time.Now()
	hit()
	hit()
	if n := s.Hits(1).All.Blocked; n != 2 && n != 3 {
		t.Errorf("%d hits of today", n)
	}
	f := open(t, dir, k, now)
	s.days, s.written, s.dirty = f.days, nil, false
	before := s.Hits(1).All.Blocked
	hit()
	if n := s.Hits(1).All.Blocked; n != before+1 || before < 2 {
		t.Errorf("%d hits after a restart, %d before", n, before)
	}
}

// A report is about the sources that list the object, and what came of it counts
// in their record, also over a restart. Reports are never overwritten.
func TestReportsAreKept(t *testing.T) {
	dir, k := t.TempDir(), newKnown()
	s := open(t, dir, k, time.Now)
	k.list(t, "first", "a", 90, "198.18.0.1")
	for object, want := range map[string]error{"999": model.ErrInvalid, "203.0.113.1": model.ErrConflict} {
		if _, err := s.AddReport(rest.ReputationReport{Object: object, Time: time.Now()}); !errors.Is(err, want) {
			t.Errorf("%s: %v", object, err)
		}
	}
	r, err := s.AddReport(rest.ReputationReport{Object: "198.18.0[.]1", By: "user:eve", Time: time.Now()})
	if err != nil || r.Object != "198.18.0.1" || !slices.Equal(r.Sources, []string{"first"}) {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := s.AddReport(r); !errors.Is(err, model.ErrConflict) {
		t.Errorf("a second report of the same: %v", err)
	}
	if _, err := s.DecideReport(r.ID, rest.ReputationDecision{State: "perhaps"}); !errors.Is(err, model.ErrInvalid) {
		t.Error(err)
	}
	if _, err := s.DecideReport(r.ID, rest.ReputationDecision{State: rest.ReportAccepted, By: "user:ann", Time: time.Now()}); err != nil {
		t.Error(err)
	}
	s = open(t, dir, k, time.Now)
	if got := s.Reports(rest.ReportAccepted); len(got) != 1 || got[0].Decider != "user:ann" || len(s.Reports(rest.ReportOpen)) != 0 {
		t.Errorf("after a restart: %+v", got)
	}
	if rec := s.Hits(1).Sources; len(rec) != 1 || rec[0].Record.Accepted != 1 || rec[0].Owner != "a" {
		t.Errorf("%+v", rec)
	}
	if err := os.WriteFile(filepath.Join(dir, reportsFile), []byte(`{"version":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(k, s.dir, s.log, time.Now); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("a file of another version: %v", err)
	}
}
