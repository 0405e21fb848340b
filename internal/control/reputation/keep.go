package reputation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/masugata/masugata/internal/link/identity"
)

// folder keeps copies of feeds and the operator's lists on disk. Files appear
// whole or not at all.
type folder string

// The copies of a feed.
const (
	copyGood = ".good" // in force
	copyHeld = ".held" // held back
	copyNew  = ".new"  // being fetched
)

func openFolder(dir string) (folder, error) {
	if err := os.MkdirAll(filepath.Join(dir, "feeds"), 0o700); err != nil {
		return "", fmt.Errorf("reputation folder: %w", err)
	}
	return folder(dir), nil
}

func (d folder) copy(feed, which string) string {
	return filepath.Join(string(d), "feeds", feed+which)
}

// fetched reads what is known of a copy; empty when there is none.
func (d folder) fetched(feed, which string) (f fetched) {
	if _, err := os.Stat(d.copy(feed, which)); err != nil {
		return fetched{} // a description without its copy would say "unchanged" for ever
	}
	b, err := os.ReadFile(d.copy(feed, which) + ".json")
	if err != nil || json.Unmarshal(b, &f) != nil {
		return fetched{}
	}
	return f
}

// keep makes the newly fetched copy the one called which.
func (d folder) keep(feed, from, which string, f fetched) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	// The description goes first: should the process end between the two, the
	// older copy stands with a newer description, so that is removed before.
	if err := os.Remove(d.copy(feed, which) + ".json"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(d.copy(feed, from), d.copy(feed, which)); err != nil {
		return err
	}
	return identity.WriteFile(d.copy(feed, which)+".json", b)
}

// advance notes how far an unchanged copy of a collection is.
func (d folder) advance(feed string, last, got fetched) error {
	if last.Place == got.Place && last.Added == got.Added && last.Whole.Equal(got.Whole) {
		return nil
	}
	last.Place, last.Added, last.Whole = got.Place, got.Added, got.Whole
	b, err := json.Marshal(last)
	if err != nil {
		return err
	}
	return identity.WriteFile(d.copy(feed, copyGood)+".json", b)
}

func (d folder) remove(feed, which string) {
	_ = os.Remove(d.copy(feed, which)) // it may not be there; a rest is overwritten next time
	_ = os.Remove(d.copy(feed, which) + ".json")
}

// writeJSON replaces a small file of the folder.
func (d folder) writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return identity.WriteFile(filepath.Join(string(d), name), b)
}

// maxKept bounds a small file of the folder, in bytes.
const maxKept = 64 << 20

// readJSON reads a small file of the folder; a file that is not there leaves v.
func (d folder) readJSON(name string, v any) error {
	f, err := os.Open(filepath.Join(string(d), name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKept))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// writeFile replaces a file of the folder.
func writeFile(path string, b []byte) error { return identity.WriteFile(path, b) }
