package state

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/masugata/masugata/internal/model"
)

func testAudit(t *testing.T, f fixture) {
	ctx := t.Context()
	if n := must[uint64](t)(f.VerifyAudit(ctx)); n != 0 {
		t.Fatalf("%d lines in an empty trail", n)
	}
	var lines []model.AuditEntry
	for i := range 5 {
		e := must[model.AuditEntry](t)(f.AppendAudit(ctx, model.AuditEntry{
			Actor: "user:ada", Operation: "test", Object: strconv.Itoa(i), Detail: "詳細", Address: "192.0.2.1",
		}))
		lines = append([]model.AuditEntry{e}, lines...)
	}
	if lines[4].Previous != strings.Repeat("0", 64) || lines[3].Previous != lines[4].Hash {
		t.Fatalf("not a chain: %+v", lines)
	}
	var got []model.AuditEntry
	p := model.Page{Limit: 2}
	for {
		list, next, err := f.Audit(ctx, p)
		ok(t, err)
		got = append(got, list...)
		if next == "" {
			break
		}
		p.Before = next
	}
	same(t, got, lines)
	if n := must[uint64](t)(f.VerifyAudit(ctx)); n != 5 {
		t.Fatalf("%d lines", n)
	}
	_, _, err := f.Audit(ctx, model.Page{Before: "x"})
	wantErr(t, err, model.ErrInvalid)
	testAuditTampering(t, f)
}

// testAuditTampering changes the trail as somebody with the database's
// password could: it shows.
func testAuditTampering(t *testing.T, f fixture) {
	for _, forbidden := range []string{"UPDATE audit SET actor = 'x'", "DELETE FROM audit WHERE seq = 5"} {
		if _, err := f.write.Exec(forbidden); err == nil || !strings.Contains(err.Error(), "only grows") {
			t.Fatalf("%s: %v", forbidden, err)
		}
	}
	// The guard off:
	p, err := f.migrator()
	ok(t, err)
	_, err = p.DownTo(t.Context(), 1)
	ok(t, err)
	for _, c := range []struct {
		do, undo string
		seq      uint64
	}{
		{"UPDATE audit SET detail = 'x' WHERE seq = 3", "UPDATE audit SET detail = '詳細' WHERE seq = 3", 3},
		{"UPDATE audit SET time = time + 1 WHERE seq = 1", "UPDATE audit SET time = time - 1 WHERE seq = 1", 1},
		{"UPDATE audit SET actor = 'user:adat', operation = 'est' WHERE seq = 2", "UPDATE audit SET actor = 'user:ada', operation = 'test' WHERE seq = 2", 2},
		{"UPDATE audit_head SET seq = 9", "UPDATE audit_head SET seq = 5", 6},
		{"DELETE FROM audit WHERE seq = 5", "", 5},
		{"DELETE FROM audit WHERE seq = 2", "", 2},
	} {
		_, err := f.write.Exec(c.do)
		ok(t, err)
		var b *AuditBreak
		if _, err := f.VerifyAudit(t.Context()); !errors.As(err, &b) || b.Seq != c.seq {
			t.Errorf("after %s: %v", c.do, err)
		}
		if c.undo != "" {
			_, err = f.write.Exec(c.undo)
			ok(t, err)
			must[uint64](t)(f.VerifyAudit(t.Context()))
		}
	}
}

// testAuditConcurrent: lines that many write at once still make one chain.
func testAuditConcurrent(t *testing.T, f fixture) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for range 10 {
				if _, err := f.AppendAudit(t.Context(), model.AuditEntry{Actor: strconv.Itoa(w)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := must[uint64](t)(f.VerifyAudit(t.Context())); n != 40 {
		t.Fatalf("%d lines", n)
	}
}
