// Package eventtest is the contract of event.Store as tests. Each
// implementation calls Run from its own tests; what passes may stand in for
// another. It knows no implementation.
package eventtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// Factory opens stores for a test.
type Factory struct {
	// Open opens the store in dir, which may hold what an earlier Open left;
	// now is its clock. The suite closes the store.
	Open func(t *testing.T, dir string, now func() time.Time) event.Store
}

// Clock is a clock that the test moves.
type Clock struct {
	mu sync.Mutex
	t  time.Time
}

// NewClock starts at t.
func NewClock(t time.Time) *Clock { return &Clock{t: t} }

// Now gives the present time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// Start is when the tests' clocks begin.
func Start() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// Run runs the suite.
func Run(t *testing.T, f Factory) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Factory)
	}{
		{"RoundTrip", testRoundTrip},
		{"HostileText", testHostileText},
		{"SearchPages", testSearchPages},
		{"SameAsMatch", testSameAsMatch},
		{"Histogram", testHistogram},
		{"Top", testTop},
		{"Groups", testGroups},
		{"Marks", testMarks},
		{"Days", testDays},
		{"Retain", testRetain},
		{"Export", testExport},
		{"Arguments", testArguments},
		{"ReadersSeeWholeBlocks", testReaders},
		{"Closed", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, f) })
	}
}

func open(t *testing.T, f Factory, now func() time.Time) event.Store {
	t.Helper()
	s := f.Open(t, t.TempDir(), now)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func add(t *testing.T, s event.Store, marks []event.Mark, events ...*model.Event) {
	t.Helper()
	if err := s.Append(t.Context(), event.Block{Events: events, Marks: marks}); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func testRoundTrip(t *testing.T, f Factory) {
	s := open(t, f, Start)
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[model.ID]*model.Event{}
	var block []*model.Event
	for i := range 5000 {
		e := RandomEvent(rng, Start().Add(-time.Duration(i)*time.Second))
		want[e.ID] = e
		block = append(block, e)
	}
	add(t, s, nil, block...)
	got, _, err := s.Search(t.Context(), query.Query{}, event.MaxSearch, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("Search gave %d events, want %d", len(got), len(want))
	}
	for i := range got {
		if diff := cmp.Diff(*want[got[i].ID], got[i], cmp.Comparer(samePrefix)); diff != "" {
			t.Fatalf("event %s (-appended +found):\n%s", got[i].ID, diff)
		}
	}
	one, err := s.Get(t.Context(), block[77].ID)
	if err != nil || one.ID != block[77].ID {
		t.Errorf("Get = %v, %v", one.ID, err)
	}
	if _, err := s.Get(t.Context(), model.NewID(Start())); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("Get of an unknown id: %v, want ErrNotFound", err)
	}
}

func testHostileText(t *testing.T, f Factory) {
	s := open(t, f, Start)
	e := &model.Event{
		ID: model.NewID(Start()), Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1<<32 - 1,
		Subject: "a\xffb\x00c'; DROP TABLE events; --", Rule: strings.Repeat("長", 5000),
		Observables: []model.Observable{{Type: "path", Value: "/x\x1fip=1.2.3.4\x1f=y"}, {Type: "", Value: ""}},
	}
	add(t, s, nil, e)
	got, err := s.Get(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if want := "a\uFFFDb\x00c'; DROP TABLE events; --"; got.Subject != want {
		t.Errorf("subject %q, want %q", got.Subject, want)
	}
	if got.Rule != e.Rule || got.Count != e.Count {
		t.Errorf("rule of %d bytes, count %d", len(got.Rule), got.Count)
	}
	n, err := s.Count(t.Context(), query.MustParse("ip:1.2.3.4"))
	if err != nil || n != 0 {
		t.Errorf("a value passed for another observable: count %d, %v", n, err)
	}
	var out bytes.Buffer
	if err := s.Export(t.Context(), query.Query{}, &out); err != nil {
		t.Errorf("Export: %v", err)
	}
}

func testSearchPages(t *testing.T, f Factory) {
	s := open(t, f, Start)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 4 {
		var block []*model.Event
		for range 250 {
			// Many events of the same moment, so that ids decide.
			e := RandomEvent(rng, Start().Add(-time.Duration(rng.IntN(200))*time.Hour))
			block = append(block, e)
		}
		add(t, s, nil, block...)
	}
	seen := map[model.ID]bool{}
	var before event.Cursor
	var last *model.Event
	for page := 0; ; page++ {
		got, next, err := s.Search(t.Context(), query.MustParse("severity:>=low"), 70, before)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if seen[got[i].ID] {
				t.Fatalf("page %d repeats %s", page, got[i].ID)
			}
			seen[got[i].ID] = true
			if last != nil && later(&got[i], last) {
				t.Fatalf("page %d: %s comes after %s", page, got[i].ID, last.ID)
			}
			last = &got[i]
		}
		if before = next; next == "" {
			break
		}
	}
	n, err := s.Count(t.Context(), query.MustParse("severity:>=low"))
	if err != nil || int(n) != len(seen) {
		t.Errorf("pages had %d events, Count %d, %v", len(seen), n, err)
	}
}

func later(a, b *model.Event) bool {
	if !a.Time.Equal(b.Time) {
		return a.Time.After(b.Time)
	}
	return bytes.Compare(a.ID[:], b.ID[:]) > 0
}

// testSameAsMatch compares the store with the evaluator in package query on
// random queries: two implementations of one language.
func testSameAsMatch(t *testing.T, f Factory) {
	s := open(t, f, Start)
	rng := rand.New(rand.NewPCG(5, 6))
	var all []*model.Event
	for range 600 {
		all = append(all, RandomEvent(rng, Start().Add(-time.Duration(rng.IntN(72*3600))*time.Second)))
	}
	add(t, s, nil, all...)
	resolver := func(p query.Pattern) []model.DeviceID {
		if p.Match("Front Door") {
			return []model.DeviceID{all[0].Device}
		}
		return nil
	}
	matched := 0
	for i := range 300 {
		text := RandomQuery(rng)
		q, err := query.Parse(text)
		if err != nil {
			t.Fatalf("generated query %q: %v", text, err)
		}
		q = q.Resolve(resolver)
		want := map[model.ID]bool{}
		for _, e := range all {
			if q.Match(e, Start()) {
				want[e.ID] = true
			}
		}
		got, _, err := s.Search(t.Context(), q, event.MaxSearch, "")
		if err != nil {
			t.Fatalf("query %d %q: %v", i, text, err)
		}
		for k := range got {
			if !want[got[k].ID] {
				t.Fatalf("query %q: the store finds an event that does not match: %+v", text, got[k])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("query %q: the store finds %d events, %d match", text, len(got), len(want))
		}
		matched += len(got)
	}
	if matched < 1000 {
		t.Errorf("only %d matches in all: the generator is too strict to prove anything", matched)
	}
}

func testHistogram(t *testing.T, f Factory) {
	s := open(t, f, Start)
	from := Start().Add(-time.Hour)
	var events []*model.Event
	for i := range 60 {
		e := plainEvent(from.Add(time.Duration(i) * time.Minute))
		if i%3 == 0 {
			e.Severity = model.SeverityHigh
		}
		events = append(events, e)
	}
	events = append(events, plainEvent(from.Add(-time.Nanosecond)), plainEvent(Start()))
	add(t, s, nil, events...)
	got, err := s.Histogram(t.Context(), query.Query{}, from, Start(), 25*time.Minute, query.FieldSeverity)
	if err != nil {
		t.Fatal(err)
	}
	want := []event.Bucket{
		{Time: from, Counts: map[string]uint64{"info": 16, "high": 9}},
		{Time: from.Add(25 * time.Minute), Counts: map[string]uint64{"info": 17, "high": 8}},
		{Time: from.Add(50 * time.Minute), Counts: map[string]uint64{"info": 7, "high": 3}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("histogram (-want +got):\n%s", diff)
	}
	got, err = s.Histogram(t.Context(), query.MustParse("severity:critical"), from, Start(), time.Hour, "")
	if err != nil || len(got) != 1 || len(got[0].Counts) != 0 {
		t.Errorf("histogram of nothing: %v, %v", got, err)
	}
}

func testTop(t *testing.T, f Factory) {
	s := open(t, f, Start)
	var events []*model.Event
	for i := range 10 {
		for range i {
			e := plainEvent(Start().Add(-time.Minute))
			e.Rule, e.Device, e.Count = "r1", model.DeviceID(fmt.Sprintf("mac-%012d", i)), 3
			events = append(events, e)
		}
	}
	events = append(events, plainEvent(Start()))
	add(t, s, nil, events...)
	got, err := s.Top(t.Context(), query.MustParse("rule:r1"), query.FieldDevice, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []event.TopValue{{Value: "mac-000000000009", Events: 9, Total: 27}, {Value: "mac-000000000008", Events: 8, Total: 24}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("top devices (-want +got):\n%s", diff)
	}
	got, err = s.Top(t.Context(), query.Query{}, query.FieldLayer, 5)
	if err != nil || len(got) != 1 || got[0].Value != "network" || got[0].Events != 46 {
		t.Errorf("top layers: %v, %v", got, err)
	}
}

func testMarks(t *testing.T, f Factory) {
	dir := t.TempDir()
	s := f.Open(t, dir, Start)
	add(t, s, []event.Mark{{Part: "agent-a", Epoch: 1<<64 - 1, Seq: 1}, {Part: "agent-b", Epoch: 7, Seq: 5}}, plainEvent(Start()))
	add(t, s, []event.Mark{{Part: "agent-a", Epoch: 1<<64 - 1, Seq: 2}, {Part: "agent-a", Epoch: 3, Seq: 1}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = f.Open(t, dir, Start)
	defer s.Close()
	checkMarks(t, s, map[string]uint64{"agent-a/18446744073709551615": 2, "agent-a/3": 1, "agent-b/7": 5})
	if n, err := s.Count(t.Context(), query.Query{}); err != nil || n != 1 {
		t.Errorf("after reopening: %d events, %v", n, err)
	}
}

func checkMarks(t *testing.T, s event.Store, want map[string]uint64) {
	t.Helper()
	marks, err := s.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, m := range marks {
		got[fmt.Sprintf("%s/%d", m.Part, m.Epoch)] = m.Seq
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != len(marks) {
		t.Errorf("marks %v (-want +got):\n%s", marks, diff)
	}
}
