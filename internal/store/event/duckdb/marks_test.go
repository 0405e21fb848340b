package duckdb

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
	"github.com/masugata/masugata/internal/store/event/eventtest"
)

func TestMarksAreMadeSmall(t *testing.T) {
	dir := t.TempDir()
	s := openForTest(t, dir, eventtest.Start).(*Store)
	s.markRows = 50
	for seq := range uint64(30) {
		var marks []event.Mark
		for p := range 4 {
			marks = append(marks, event.Mark{Part: model.PartID(fmt.Sprintf("agent-%d", p)), Epoch: 1<<63 - 1, Seq: seq + 1})
		}
		if err := s.Append(t.Context(), event.Block{Marks: marks}); err != nil {
			t.Fatal(err)
		}
	}
	var rows int
	if err := s.db.QueryRow("SELECT count(*) FROM " + s.files[0].alias + ".marks").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows > 60 {
		t.Errorf("%d rows of 4 marks are left", rows)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openForTest(t, dir, eventtest.Start).(*Store)
	defer s.Close()
	marks, err := s.Marks(t.Context())
	if err != nil || len(marks) != 4 {
		t.Fatalf("marks %v, %v", marks, err)
	}
	for _, m := range marks {
		if m.Seq != 30 || m.Epoch != 1<<63-1 {
			t.Errorf("mark %+v, want seq 30", m)
		}
	}
}

// A process that is killed while it makes a day's file leaves one without
// tables.
func TestHalfMadeFileIsReplaced(t *testing.T) {
	dir := t.TempDir()
	s := openForTest(t, dir, eventtest.Start).(*Store)
	path := s.newFile("2026-11-24").path
	if _, err := s.db.Exec("ATTACH '" + path + "' AS half"); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), event.Block{Marks: []event.Mark{{Part: "agent-a", Epoch: 1, Seq: 8}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	s = openForTest(t, dir, eventtest.Start).(*Store)
	defer s.Close()
	if marks, err := s.Marks(t.Context()); err != nil || len(marks) != 1 || marks[0].Seq != 8 {
		t.Errorf("marks %v, %v", marks, err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the half-made file is still there: %v", err)
	}
}

func TestExportLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openForTest(t, dir, eventtest.Start)
	defer s.Close()
	if err := s.Export(t.Context(), query.Query{}, failing{}); err == nil {
		t.Error("no error from a writer that fails")
	}
	left, err := filepath.Glob(filepath.Join(dir, "export-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }
