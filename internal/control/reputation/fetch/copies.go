package fetch

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
)

// Copies is the path of a folder that keeps the copies of feeds, by the feeds'
// names. Files appear whole or not at all. Calls for one feed must not run at the
// same time.
type Copies string

// The copies of a feed; the names of their files end so.
const (
	Good = ".good" // in force
	Held = ".held" // held back
	New  = ".new"  // being fetched
)

// Copy is what is known of a copy of a feed.
type Copy struct {
	ETag     string    `json:"etag,omitempty"`
	Modified string    `json:"modified,omitempty"` // Last-Modified
	SHA256   string    `json:"sha256"`
	Time     time.Time `json:"time"`
	// Of a collection or a feed of many files: which it is, to which time of its
	// server the copy holds all, and when it was last fetched as a whole.
	Place string    `json:"place,omitempty"`
	Added string    `json:"added,omitempty"`
	Whole time.Time `json:"whole,omitzero"`
	// Note is what went wrong with a part of the feed.
	Note string `json:"note,omitempty"`
}

// OpenCopies makes the folder if it is not there.
func OpenCopies(dir string) (Copies, error) {
	return Copies(dir), os.MkdirAll(dir, 0o700)
}

// Path is where a copy lies.
func (d Copies) Path(feed, which string) string {
	return filepath.Join(string(d), feed+which)
}

// Files are the names within the folder of a copy and of what is known of it.
func Files(feed, which string) []string { return []string{feed + which, feed + which + ".json"} }

// Last reads what is known of a copy; empty when there is none.
func (d Copies) Last(feed, which string) (c Copy) {
	if _, err := os.Stat(d.Path(feed, which)); err != nil {
		return Copy{} // a description without its copy would say "unchanged" for ever
	}
	b, err := os.ReadFile(d.Path(feed, which) + ".json")
	if err != nil || json.Unmarshal(b, &c) != nil {
		return Copy{}
	}
	return c
}

// Fetch gets a feed as its copy New, to be kept or removed by the caller. It
// returns ErrUnchanged, and then no copy to be used, when the feed is what last,
// which speaks of its copy Good, says. now is the time that the copy gets.
func (d Copies) Fetch(ctx context.Context, client *http.Client, feed string, p *Place, last Copy, now time.Time) (Copy, error) {
	return get(ctx, client, p, last, d.Path(feed, Good), d.Path(feed, New), now)
}

// Write makes the copy New of a feed that is one file.
func (d Copies) Write(feed string, content []byte, now time.Time) (Copy, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: feed, Method: zip.Deflate})
	if err != nil {
		return Copy{}, err
	}
	if _, err := w.Write(content); err != nil {
		return Copy{}, err
	}
	if err := z.Close(); err != nil {
		return Copy{}, err
	}
	return Copy{SHA256: fmt.Sprintf("%x", sha256.Sum256(content)), Time: now}, identity.WriteFile(d.Path(feed, New), b.Bytes())
}

// Keep makes the copy called from the one called which.
func (d Copies) Keep(feed, from, which string, c Copy) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	// The description goes first: should the process end between the two, the
	// older copy stands with a newer description, so that is removed before.
	if err := os.Remove(d.Path(feed, which) + ".json"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(d.Path(feed, from), d.Path(feed, which)); err != nil {
		return err
	}
	return identity.WriteFile(d.Path(feed, which)+".json", b)
}

// Advance notes how far the unchanged copy Good of a collection is.
func (d Copies) Advance(feed string, last, got Copy) error {
	if last.Place == got.Place && last.Added == got.Added && last.Whole.Equal(got.Whole) {
		return nil
	}
	last.Place, last.Added, last.Whole = got.Place, got.Added, got.Whole
	b, err := json.Marshal(last)
	if err != nil {
		return err
	}
	return identity.WriteFile(d.Path(feed, Good)+".json", b)
}

// Remove drops a copy, which may not be there.
func (d Copies) Remove(feed, which string) {
	for _, name := range Files(feed, which) {
		_ = os.Remove(filepath.Join(string(d), name)) // a rest is overwritten next time
	}
}

// Read gives each file of the copy at path in turn, unpacked.
func Read(path string, read func(name string, r io.Reader) error) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		err = read(f.Name, r)
		if cerr := r.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}
