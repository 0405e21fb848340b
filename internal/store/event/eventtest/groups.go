package eventtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// testGroups compares groups with what the events themselves give.
func testGroups(t *testing.T, f Factory) {
	s := open(t, f, Start)
	rng := rand.New(rand.NewPCG(3, 4))
	from, to := Start().Add(-30*time.Hour), Start().Add(-2*time.Hour)
	want := map[string]event.Group{}
	var block []*model.Event
	for i := range 3000 {
		e := RandomEvent(rng, Start().Add(-time.Duration(i)*time.Minute))
		e.Kind, e.Device, e.Count = model.KindContact, model.DeviceID(fmt.Sprintf("mac-02000000000%d", i%7)), uint32(i%5+1)
		e.Last = e.Time.Add(10 * time.Minute)
		e.Observables = []model.Observable{{Type: model.ObservableIP, Value: fmt.Sprintf("192.0.2.%d", i%11)}, {Type: model.ObservablePort, Value: "443"}}
		if i%10 == 0 {
			e.Kind = model.KindIntrusion
		}
		block = append(block, e)
		if e.Kind != model.KindContact || e.Last.Before(from) || !e.Last.Before(to) {
			continue
		}
		key := string(e.Device) + e.Observables[0].Value
		g, had := want[key]
		if !had {
			g = event.Group{Device: e.Device, Observables: e.Observables, First: e.Time, Last: e.Last}
		}
		g.Events, g.Total = g.Events+1, g.Total+uint64(e.Count)
		if e.Time.Before(g.First) {
			g.First = e.Time
		}
		if e.Last.After(g.Last) {
			g.Last = e.Last
		}
		want[key] = g
	}
	add(t, s, nil, block...)
	q, err := query.Parse("kind:contact")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]event.Group{}
	last := uint64(1 << 62)
	if err := s.Groups(t.Context(), q, from, to, event.MaxGroups, func(g event.Group) bool {
		if g.Total > last {
			t.Errorf("a group of %d comes after one of %d", g.Total, last)
		}
		last = g.Total
		got[string(g.Device)+g.Observables[0].Value] = g
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("groups (-events +groups):\n%s", d)
	}
	n := 0
	if err := s.Groups(t.Context(), q, from, to, 3, func(event.Group) bool { n++; return true }); err != nil || n != 3 {
		t.Errorf("asked for 3 groups: %d, %v", n, err)
	}
	if err := s.Groups(t.Context(), q, to, from, 3, func(event.Group) bool { return true }); !errors.Is(err, event.ErrArgument) {
		t.Errorf("an end before the beginning: %v", err)
	}
}
