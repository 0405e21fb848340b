package eventtest

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// testDays stores on several days and asks over all of them, also after the
// store was opened again and for events that are older than the day they were
// stored on.
func testDays(t *testing.T, f Factory) {
	dir, clock := t.TempDir(), NewClock(Start())
	s := f.Open(t, dir, clock.Now)
	defer func() { s.Close() }()
	var all []*model.Event
	for day := range 3 {
		late := plainEvent(Start().Add(-time.Duration(10-day) * 24 * time.Hour))
		now := plainEvent(clock.Now())
		all = append(all, late, now)
		add(t, s, []event.Mark{{Part: "agent-a", Epoch: 1, Seq: uint64(day + 1)}}, late, now)
		clock.Add(24 * time.Hour)
	}
	for round := range 2 {
		got, _, err := s.Search(t.Context(), query.Query{}, 3, "")
		if err != nil || len(got) != 3 {
			t.Fatalf("round %d: %d events, %v", round, len(got), err)
		}
		for i, want := range []*model.Event{all[5], all[3], all[1]} {
			if got[i].ID != want.ID {
				t.Errorf("round %d: event %d is of %s, want %s", round, i, got[i].Time, want.Time)
			}
		}
		if n, err := s.Count(t.Context(), query.MustParse("since:4d")); err != nil || n != 3 {
			t.Errorf("round %d: %d since the first day, %v", round, n, err)
		}
		for _, e := range all {
			if _, err := s.Get(t.Context(), e.ID); err != nil {
				t.Errorf("round %d: Get: %v", round, err)
			}
		}
		checkMarks(t, s, map[string]uint64{"agent-a/1": 3})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = f.Open(t, dir, clock.Now)
	}
}

func testRetain(t *testing.T, f Factory) {
	clock := NewClock(Start())
	s := open(t, f, clock.Now)
	for day := range 4 {
		add(t, s, []event.Mark{{Part: "agent-a", Epoch: 1, Seq: uint64(day + 1)}}, plainEvent(clock.Now()))
		clock.Add(24 * time.Hour)
	}
	dropped, err := s.Retain(t.Context(), Start().Add(48*time.Hour))
	if err != nil || dropped != 2 {
		t.Errorf("Retain = %d, %v; want 2 days dropped", dropped, err)
	}
	if n, err := s.Count(t.Context(), query.Query{}); err != nil || n != 2 {
		t.Errorf("%d events left, %v; want 2", n, err)
	}
	if _, err := s.Retain(t.Context(), Start().Add(1000*time.Hour)); err != nil {
		t.Errorf("Retain of everything: %v", err)
	}
	checkMarks(t, s, map[string]uint64{"agent-a/1": 4})
	add(t, s, nil, plainEvent(clock.Now()))
	if u, err := s.Usage(t.Context()); err != nil || u.Events == 0 || u.Bytes == 0 || u.Newest.IsZero() {
		t.Errorf("Usage = %+v, %v", u, err)
	}
}

func testExport(t *testing.T, f Factory) {
	s := open(t, f, Start)
	var empty, out bytes.Buffer
	if err := s.Export(t.Context(), query.Query{}, &empty); err != nil {
		t.Fatalf("Export of an empty store: %v", err)
	}
	for range 10 {
		add(t, s, nil, plainEvent(Start().Add(-time.Minute)))
	}
	if err := s.Export(t.Context(), query.MustParse("layer:network since:1h"), &out); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{empty.Bytes(), out.Bytes()} {
		if !bytes.HasPrefix(b, []byte("PAR1")) || !bytes.HasSuffix(b, []byte("PAR1")) {
			t.Errorf("not a Parquet file: %d bytes", len(b))
		}
	}
	if bytes.Equal(empty.Bytes(), out.Bytes()) {
		t.Error("ten events export like none")
	}
}

func testArguments(t *testing.T, f Factory) {
	s := open(t, f, Start)
	_, _, tooMany := s.Search(t.Context(), query.Query{}, event.MaxSearch+1, "")
	_, _, cursor := s.Search(t.Context(), query.Query{}, 1, "nonsense")
	_, steps := s.Histogram(t.Context(), query.Query{}, Start(), Start().Add(time.Hour), time.Millisecond, "")
	_, backward := s.Histogram(t.Context(), query.Query{}, Start(), Start().Add(-time.Hour), time.Minute, "")
	_, by := s.Histogram(t.Context(), query.Query{}, Start().Add(-time.Hour), Start(), time.Minute, query.FieldAdvice)
	_, field := s.Top(t.Context(), query.Query{}, "nonsense", 1)
	_, none := s.Top(t.Context(), query.Query{}, query.FieldKind, 0)
	for name, err := range map[string]error{
		"limit": tooMany, "cursor": cursor, "steps": steps, "backward": backward, "by": by, "field": field, "n": none,
	} {
		if !errors.Is(err, event.ErrArgument) {
			t.Errorf("%s: %v, want ErrArgument", name, err)
		}
	}
}

// testReaders appends blocks of a hundred while others count: every count must
// be of whole blocks.
func testReaders(t *testing.T, f Factory) {
	s := open(t, f, Start)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				n, err := s.Count(t.Context(), query.Query{})
				if err != nil || n%100 != 0 {
					t.Errorf("Count = %d, %v", n, err)
					return
				}
			}
		})
	}
	for range 30 {
		block := make([]*model.Event, 100)
		for i := range block {
			block[i] = plainEvent(Start())
		}
		add(t, s, nil, block...)
	}
	close(done)
	wg.Wait()
	if n, err := s.Count(t.Context(), query.Query{}); err != nil || n != 3000 {
		t.Errorf("Count = %d, %v; want 3000", n, err)
	}
}

func testClosed(t *testing.T, f Factory) {
	s := f.Open(t, t.TempDir(), Start)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), event.Block{}); err == nil {
		t.Error("Append to a closed store: no error")
	}
	if _, err := s.Count(t.Context(), query.Query{}); err == nil {
		t.Error("Count of a closed store: no error")
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
