package state

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/statetest"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 23, 9, 0, 0, 123456789, time.UTC)} }

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

type fixture struct {
	*Store
	clock *clock
	url   string
}

func open(t *testing.T, url string) fixture {
	t.Helper()
	c := newClock()
	s, err := Open(t.Context(), Config{URL: url, Log: slog.New(slog.DiscardHandler), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return fixture{Store: s, clock: c, url: url}
}

func TestSQLite(t *testing.T) {
	contract(t, func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "state ?#%.db") })
}

func TestPostgreSQL(t *testing.T) { contract(t, statetest.StartPostgres(t)) }

// contract is what every database must do alike.
func contract(t *testing.T, fresh func(t *testing.T) string) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, fixture)
	}{
		{"action round trip", testActionRoundTrip},
		{"action moves", testActionMoves},
		{"action status", testActionStatus},
		{"action lists", testActionLists},
		{"undo wins over late answers", testUndoRace},
		{"incidents", testIncidents},
		{"cases in one transaction", testCases},
		{"devices", testDevices},
		{"enrolment tokens", testEnrollTokens},
		{"enrolment token once", testEnrollTokenOnce},
		{"parts", testParts},
		{"shared things", testShared},
		{"leases", testLease},
		{"sets and policy", testSets},
		{"users", testUsers},
		{"first user once", testFirstUserOnce},
		{"api tokens", testAPITokens},
		{"sessions", testSessions},
		{"audit chain", testAudit},
		{"audit under load", testAuditConcurrent},
		{"counts", testCounts},
		{"migrations down and up", testMigrations},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t, fresh(t))) })
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, netip.AddrPort{}), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("-want +got\n%s", d)
	}
}

func action(f fixture) model.Action {
	now := f.clock.now()
	return model.Action{
		ID: model.NewID(now), Kind: model.ActionDrop, Mode: model.ModeEnforce,
		Scope: model.Scope{Device: "mac-020000000a01"},
		Shape: model.Shape{
			Proto: 17, Dst: netip.MustParsePrefix("203.0.113.9/32"), DstPort: 53, LenMin: 60, LenMax: 1500, TCPFlags: model.TCPSyn, TCPMask: 0x3f,
		},
		Author: "correlator", Reason: "UDP flood", Events: []model.ID{model.NewID(now)}, Incident: model.NewID(now),
		Created: now, Expires: now.Add(10 * time.Minute), State: model.ActionPending,
	}
}

func testActionRoundTrip(t *testing.T, f fixture) {
	ctx := t.Context()
	a := action(f)
	a.Process = &model.ProcessEvidence{PID: 7, Start: 1 << 60, Path: "/tmp/ボット", Remotes: []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::1]:80")}}
	ok(t, f.SaveAction(ctx, a))
	same(t, must[model.Action](t)(f.Action(ctx, a.ID)), a)
	a.Reason, a.Expires = "other", a.Expires.Add(time.Hour)
	ok(t, f.SaveAction(ctx, a))
	same(t, must[model.Action](t)(f.Action(ctx, a.ID)), a)
	_, err := f.Action(ctx, model.NewID(f.clock.now()))
	wantErr(t, err, model.ErrNotFound)
	wantErr(t, f.SaveAction(ctx, model.Action{}), model.ErrInvalid)
}

// testActionMoves tries every state after every other.
func testActionMoves(t *testing.T, f fixture) {
	all := []model.ActionState{
		model.ActionProposed, model.ActionPending, model.ActionActive, model.ActionFailed,
		model.ActionUndone, model.ActionRetired, model.ActionExpired,
	}
	over := func(s model.ActionState) bool { return !s.Live() && s != model.ActionProposed }
	for _, from := range all {
		for _, to := range all {
			a := action(f)
			a.State = from
			ok(t, f.SaveAction(t.Context(), a))
			a.State = to
			err := f.SaveAction(t.Context(), a)
			allowed := from == to || from == model.ActionProposed ||
				from.Live() && (over(to) || to == model.ActionActive || to == model.ActionFailed)
			if allowed != (err == nil) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if !allowed {
				wantErr(t, err, model.ErrConflict)
				if got := must[model.Action](t)(f.Action(t.Context(), a.ID)); got.State != from {
					t.Errorf("%s to %s was refused but left %s", from, to, got.State)
				}
			}
		}
	}
}

func testActionStatus(t *testing.T, f fixture) {
	ctx, a := t.Context(), action(f)
	ok(t, f.SaveAction(ctx, a))
	at := f.clock.now()
	failed := model.PartStatus{Part: "gate-b", Error: "no room", At: at}
	applied := model.PartStatus{Part: "gate-a", Applied: true, At: at, Packets: 10, Bytes: 1000, LastHit: at}
	want := a
	want.State, want.Parts = model.ActionActive, []model.PartStatus{applied, failed}
	ok(t, f.SaveCases(ctx, nil, []model.Action{want}))
	want.Packets, want.Bytes, want.LastHit = 10, 1000, at
	same(t, must[model.Action](t)(f.Action(ctx, a.ID)), want)

	// A part that started anew counts from zero: the total does not fall.
	again := applied
	again.Packets, again.Bytes, again.LastHit = 3, 2000, time.Time{}
	want.Parts = []model.PartStatus{again}
	ok(t, f.SaveCases(ctx, nil, []model.Action{want}))
	got := must[model.Action](t)(f.Action(ctx, a.ID))
	if got.Packets != 10 || got.Bytes != 2000 || !got.LastHit.Equal(at) || len(got.Parts) != 2 {
		t.Fatalf("after a restart: %d packets, %d bytes, last %s, %d parts", got.Packets, got.Bytes, got.LastHit, len(got.Parts))
	}
}

func testActionLists(t *testing.T, f fixture) {
	ctx := t.Context()
	var all []model.Action
	for _, st := range []model.ActionState{model.ActionProposed, model.ActionPending, model.ActionActive, model.ActionFailed, model.ActionUndone, model.ActionRetired} {
		a := action(f)
		a.State = st
		f.clock.pass(time.Millisecond) // later IDs sort later
		ok(t, f.SaveAction(ctx, a))
		all = append(all, a)
	}
	same(t, must[[]model.Action](t)(f.LiveActions(ctx)), all[:4])
	ids := func(filter model.ActionFilter, limit int) (pages [][]model.ID) {
		p := model.Page{Limit: limit}
		for {
			list, next, err := f.Actions(ctx, filter, p)
			ok(t, err)
			var page []model.ID
			for _, a := range list {
				page = append(page, a.ID)
			}
			pages = append(pages, page)
			if next == "" {
				return pages
			}
			p.Before = next
		}
	}
	same(t, ids(model.ActionFilter{}, 4), [][]model.ID{{all[5].ID, all[4].ID, all[3].ID, all[2].ID}, {all[1].ID, all[0].ID}})
	same(t, ids(model.ActionFilter{}, 6), [][]model.ID{{all[5].ID, all[4].ID, all[3].ID, all[2].ID, all[1].ID, all[0].ID}})
	same(t, ids(model.ActionFilter{States: []model.ActionState{model.ActionUndone, model.ActionPending}}, 0), [][]model.ID{{all[4].ID, all[1].ID}})
	same(t, ids(model.ActionFilter{Incident: all[2].Incident}, 0), [][]model.ID{{all[2].ID}})
	same(t, ids(model.ActionFilter{Device: "mac-020000000a02"}, 0), [][]model.ID{nil})
	_, _, err := f.Actions(ctx, model.ActionFilter{}, model.Page{Before: "x"})
	wantErr(t, err, model.ErrInvalid)
}

// testUndoRace undoes actions while parts report them applied: whatever comes
// first, none is active in the end.
func testUndoRace(t *testing.T, f fixture) {
	ctx := t.Context()
	for range 10 {
		a := action(f)
		ok(t, f.SaveAction(ctx, a))
		var wg sync.WaitGroup
		for _, part := range []model.PartID{"gate-a", "gate-b", "gate-c"} {
			wg.Go(func() {
				said := a
				said.State, said.Parts = model.ActionActive, []model.PartStatus{{Part: part, Applied: true, Packets: 1}}
				if err := f.SaveCases(ctx, nil, []model.Action{said}); err != nil && !errors.Is(err, model.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			u := a
			u.State, u.EndedBy, u.Ended = model.ActionUndone, "user:ada", f.clock.now()
			if err := f.SaveAction(ctx, u); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		got := must[model.Action](t)(f.Action(ctx, a.ID))
		if got.State != model.ActionUndone || got.Packets != 3 {
			t.Fatalf("state %s, %d packets", got.State, got.Packets)
		}
	}
}

func incident(f fixture) model.Incident {
	now := f.clock.now()
	return model.Incident{
		ID: model.NewID(now), Kind: model.IncidentDDoSOutbound, Title: "DDoS", Severity: model.SeverityHigh, State: model.IncidentOpen,
		Layers: []model.Layer{model.LayerNetwork}, Devices: []model.DeviceID{"mac-020000000a01", "mac-020000000a02"},
		Target: "203.0.113.9", Vector: model.VectorUDP, Shape: model.Shape{Proto: 17}, Opened: now, Updated: now,
		Story: []model.StoryLine{{Time: now, Code: "flood.seen.agent", Params: map[string]string{"pps": "1"}, Text: "seen"}},
	}
}

func testIncidents(t *testing.T, f fixture) {
	ctx := t.Context()
	a := incident(f)
	f.clock.pass(time.Millisecond)
	b := incident(f)
	b.Devices = b.Devices[:1]
	b.State = model.IncidentContained
	ok(t, f.SaveIncident(ctx, a))
	ok(t, f.SaveIncident(ctx, b))
	same(t, must[model.Incident](t)(f.Incident(ctx, a.ID)), a)
	same(t, must[[]model.Incident](t)(f.OpenIncidents(ctx)), []model.Incident{a, b})
	list, next, err := f.Incidents(ctx, model.IncidentFilter{Device: "mac-020000000a02"}, model.Page{})
	ok(t, err)
	same(t, list, []model.Incident{a})
	same(t, next, "")
	list, next, err = f.Incidents(ctx, model.IncidentFilter{}, model.Page{Limit: 1})
	ok(t, err)
	same(t, list, []model.Incident{b})
	list, _, err = f.Incidents(ctx, model.IncidentFilter{States: []model.IncidentState{model.IncidentOpen}}, model.Page{Before: next})
	ok(t, err)
	same(t, list, []model.Incident{a})
	a.State = model.IncidentClosed
	ok(t, f.SaveIncident(ctx, a))
	a.State = model.IncidentOpen
	wantErr(t, f.SaveIncident(ctx, a), model.ErrConflict)
	_, err = f.Incident(ctx, model.NewID(f.clock.now()))
	wantErr(t, err, model.ErrNotFound)
}

func testCases(t *testing.T, f fixture) {
	ctx := t.Context()
	i, a, gone := incident(f), action(f), action(f)
	gone.State = model.ActionUndone
	ok(t, f.SaveAction(ctx, gone))
	a.State, a.Parts = model.ActionActive, []model.PartStatus{{Part: "gate-a", Applied: true, Packets: 5}}
	revived := gone
	revived.State = model.ActionActive
	err := f.SaveCases(ctx, []model.Incident{i}, []model.Action{revived, a})
	wantErr(t, err, model.ErrConflict)
	same(t, must[model.Incident](t)(f.Incident(ctx, i.ID)), i)
	if got := must[model.Action](t)(f.Action(ctx, a.ID)); got.Packets != 5 || got.State != model.ActionActive {
		t.Fatalf("%+v", got)
	}
	if got := must[model.Action](t)(f.Action(ctx, gone.ID)); got.State != model.ActionUndone {
		t.Fatalf("revived: %s", got.State)
	}
	// What fails for another reason leaves nothing behind.
	i2 := incident(f)
	wantErr(t, f.SaveCases(ctx, []model.Incident{i2}, []model.Action{{}}), model.ErrInvalid)
	_, err = f.Incident(ctx, i2.ID)
	wantErr(t, err, model.ErrNotFound)
}

func testDevices(t *testing.T, f fixture) {
	ctx, now := t.Context(), f.clock.now()
	d := model.Device{
		ID: "mac-020000000a01", MAC: "02:00:00:00:0a:01", Kind: "camera", Hostname: "Cam-A", Gate: "gate-a",
		Addrs:     []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")},
		FirstSeen: now, LastSeen: now, TxPackets: 1 << 62, TxBytes: 2,
	}
	other := model.Device{ID: "mac-020000000a02.v12", Vendor: "50%_off", FirstSeen: now, LastSeen: now}
	ok(t, f.UpsertDevices(ctx, []model.Device{d, other}))
	d.State = model.DeviceOK
	same(t, must[model.Device](t)(f.Device(ctx, d.ID)), d)

	// The agent's word adds to the gate's, and erases nothing.
	later := now.Add(time.Second)
	ok(t, f.UpsertDevices(ctx, []model.Device{{ID: d.ID, Agent: "agent-a", FirstSeen: later, LastSeen: later, State: model.DeviceAttacking}}))
	d.Agent, d.LastSeen = "agent-a", later
	same(t, must[model.Device](t)(f.Device(ctx, d.ID)), d)

	name, kind := " 玄関カメラ ", ""
	d.Name = "玄関カメラ"
	same(t, must[model.Device](t)(f.NameDevice(ctx, d.ID, &name, &kind)), d)
	d.State = model.DeviceAttacking
	same(t, must[model.Device](t)(f.SetDeviceState(ctx, d.ID, model.DeviceAttacking)), d)
	ok(t, f.UpsertDevices(ctx, []model.Device{{ID: d.ID, Name: "from part", LastSeen: later}}))
	same(t, must[model.Device](t)(f.Device(ctx, d.ID)), d)
	empty := ""
	d.Name = "from part"
	same(t, must[model.Device](t)(f.NameDevice(ctx, d.ID, &empty, nil)), d)
	_, err := f.SetDeviceState(ctx, "mac-none", model.DeviceOK)
	wantErr(t, err, model.ErrNotFound)

	for words, want := range map[string][]model.DeviceID{
		"": {d.ID, other.ID}, "CAM-a": {d.ID}, "192.0.2": {d.ID}, "camera attacking": {d.ID}, "camera v12": nil,
		"%": {other.ID}, "0%_o": {other.ID}, "0__o": nil, `\`: nil,
	} {
		list, _, err := f.Devices(ctx, words, model.Page{})
		ok(t, err)
		var got []model.DeviceID
		for _, d := range list {
			got = append(got, d.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("search %q: %s", words, d)
		}
	}
	_, _, err = f.Devices(ctx, "a b c d e", model.Page{})
	wantErr(t, err, model.ErrInvalid)
	list, next, err := f.Devices(ctx, "", model.Page{Limit: 1})
	ok(t, err)
	list2, next2, err := f.Devices(ctx, "", model.Page{Limit: 1, Before: next})
	ok(t, err)
	if list[0].ID != d.ID || list2[0].ID != other.ID || next2 != "" {
		t.Errorf("pages %s %s %q", list[0].ID, list2[0].ID, next2)
	}
}

func testCounts(t *testing.T, f fixture) {
	ctx := t.Context()
	same(t, must[model.Counts](t)(f.Counts(ctx)), model.Counts{})
	ok(t, f.UpsertDevices(ctx, []model.Device{
		{ID: "a", Agent: "agent-a", State: model.DeviceAttacking}, {ID: "b", State: model.DeviceContained}, {ID: "c"},
	}))
	ok(t, f.SaveIncident(ctx, incident(f)))
	a, b := action(f), action(f)
	b.State = model.ActionRetired
	a.Parts = []model.PartStatus{{Part: "g", Applied: true, Packets: 5, Bytes: 50}}
	b.Parts = []model.PartStatus{{Part: "g", Applied: true, Packets: 7, Bytes: 70}}
	ok(t, f.SaveCases(ctx, nil, []model.Action{a, b}))
	same(t, must[model.Counts](t)(f.Counts(ctx)), model.Counts{
		Devices: 3, DevicesWithAgent: 1, DevicesAttacking: 1, DevicesContained: 1,
		IncidentsOpen: 1, ActionsLive: 1, StoppedPackets: 12, StoppedBytes: 120,
	})
}

func testMigrations(t *testing.T, f fixture) {
	ctx := t.Context()
	_, err := f.AppendAudit(ctx, model.AuditEntry{Actor: "a"})
	ok(t, err)
	p, err := f.migrator()
	ok(t, err)
	_, err = p.DownTo(ctx, 0)
	ok(t, err)
	if _, err := f.Parts(ctx); err == nil {
		t.Fatal("the tables are still there after the way down")
	}
	_, err = p.Up(ctx)
	ok(t, err)
	same(t, must[[]model.Part](t)(f.Parts(ctx)), []model.Part{})
	// A second store on the same tables finds nothing to do.
	s2, err := Open(context.Background(), Config{URL: f.url, Log: slog.New(slog.DiscardHandler)})
	ok(t, err)
	ok(t, s2.Close())
}
