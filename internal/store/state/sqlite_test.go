package state

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/masugata/masugata/internal/model"
)

func TestSQLitePragmas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	f := open(t, "sqlite:"+path)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"} {
		var got string
		ok(t, f.write.QueryRow("PRAGMA "+pragma).Scan(&got))
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
	if _, err := f.read.Exec("DELETE FROM users"); err == nil {
		t.Error("the readers' connections can write")
	}
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %s", info.Mode())
	}
}

// TestBackup copies the store while it is written to; the copy is whole.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	f := open(t, "sqlite:"+filepath.Join(dir, "state.db"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := f.AppendAudit(t.Context(), model.AuditEntry{Actor: "a"}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for must[uint64](t)(f.VerifyAudit(t.Context())) < 5 {
	}
	path := filepath.Join(dir, "copy'.db")
	ok(t, f.Backup(t.Context(), path))
	close(stop)
	wg.Wait()
	wantErr(t, f.Backup(t.Context(), path), os.ErrExist)
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %s", info.Mode())
	}
	c := open(t, "sqlite:"+path)
	if n := must[uint64](t)(c.VerifyAudit(t.Context())); n < 5 {
		t.Errorf("the copy has %d lines", n)
	}
	if left, _ := filepath.Glob(dir + "/*.part"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpenErrors(t *testing.T) {
	for url, want := range map[string]string{
		"": "must begin with", "mysql://u:secret@h/": "must begin with", "sqlite:": "must begin with",
		"sqlite:" + filepath.Join(t.TempDir(), "no", "such", "folder.db"): "make the file",
	} {
		_, err := Open(t.Context(), Config{URL: url, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	path := filepath.Join(t.TempDir(), "not.db")
	ok(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600))
	if _, err := Open(t.Context(), Config{URL: "sqlite:" + path, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a file that is no database was opened")
	} else if errors.Is(err, model.ErrNotFound) {
		t.Error(err)
	}
}
