package fetch

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

// follower follows one feed as the service does: what came is kept, what is
// unchanged stays.
type follower struct {
	Copies
	place  Place
	format string
	// What the copy in force holds, and what is known of it.
	claims map[intel.Object]intel.Claim
	last   Copy
}

func follow(t *testing.T, dir string, p Place) *follower {
	t.Helper()
	copies, err := OpenCopies(dir)
	if err != nil {
		t.Fatal(err)
	}
	if p.MaxMB == 0 {
		p.MaxMB = 256
	}
	if problems := p.Problems(); len(problems) > 0 {
		t.Fatal(problems)
	}
	f := &follower{Copies: copies, place: p, format: "mixed"}
	switch {
	case p.TAXII != "":
		f.format = "stix"
	case p.MISP != "":
		f.format = "misp"
	}
	return f
}

// fetch fetches the feed once. The note is that of this fetch.
func (f *follower) fetch(t *testing.T) (note string, err error) {
	t.Helper()
	f.last = f.Last("feed", Good)
	got, err := f.Fetch(t.Context(), NewClient(), "feed", &f.place, f.last, time.Now().UTC())
	switch {
	case errors.Is(err, ErrUnchanged):
		err = f.Advance("feed", f.last, got)
	case err == nil:
		err = f.Keep("feed", New, Good, got)
	}
	f.Remove("feed", New)
	if err != nil {
		return "", err
	}
	f.last = f.Last("feed", Good)
	f.claims = map[intel.Object]intel.Claim{}
	return got.Note, Read(f.Path("feed", Good), func(name string, r io.Reader) error {
		in, err := feed.Open(f.format, r, feed.Options{Now: uint32(time.Now().Unix())})
		var c intel.Claim
		for err == nil {
			if err = in.Next(&c); err == nil {
				f.claims[c.Object] = c
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
}

// must is for fetches that cannot fail.
func (f *follower) must(t *testing.T) string {
	t.Helper()
	note, err := f.fetch(t)
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// fails is for fetches that must fail; what was kept before stays.
func (f *follower) fails(t *testing.T, want string) {
	t.Helper()
	before := f.Last("feed", Good)
	_, err := f.fetch(t)
	if err == nil || !strings.Contains(PlainError(err), want) {
		t.Errorf("%v, want an error with %q", err, want)
	}
	if f.Last("feed", Good) != before {
		t.Error("a failed fetch changed what is known of the copy")
	}
}

func (f *follower) has(t *testing.T, text string) bool {
	t.Helper()
	o, err := canon.Guess(text)
	if err != nil {
		t.Fatal(err)
	}
	_, ok := f.claims[o]
	return ok
}

// pages serves files whose content tests change, with ETags.
type pages struct {
	*httptest.Server
	mu   sync.Mutex
	text map[string]string
	full int // answers with a body
}

func newPages(t *testing.T) *pages {
	s := &pages{text: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		text, ok := s.text[r.URL.Path]
		tag := fmt.Sprintf(`"%x"`, text)
		switch {
		case !ok:
			http.NotFound(w, r)
		case r.Header.Get("If-None-Match") == tag:
			w.WriteHeader(http.StatusNotModified)
		default:
			s.full++
			w.Header().Set("ETag", tag)
			_, _ = io.WriteString(w, text)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *pages) set(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text[path] = text
}
