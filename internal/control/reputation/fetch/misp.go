package fetch

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
)

const (
	// maxManifest bounds a feed's manifest, in bytes, and maxEvent one event.
	maxManifest = 128 << 20
	maxEvent    = 32 << 20
	// mispAtOnce is how many events are fetched at a time.
	mispAtOnce = 4
	// mispFailures is which share of the events that are due, in per cent, may
	// fail to come: what they said before holds, and they are due again.
	mispFailures = 10
)

// misp brings the events of a MISP feed: those whose time in the manifest is
// that of the copy at base are taken from there, the others fetched. Each file of
// the copy has the event's time as its comment.
func (w *copyWriter) misp(ctx context.Context, c *caller, p *Place, last Copy, base string, got *Copy) error {
	folder, err := mispFolder(p.MISP)
	if err != nil {
		return err
	}
	if got.Place = folder.String(); last.Place != got.Place {
		base, last = "", Copy{}
	}
	if last.Note != "" {
		last.ETag, last.Modified = "", "" // some events are due, though the manifest may be the same
	}
	events, err := manifest(ctx, c, folder, last, got)
	if err != nil {
		return err
	}
	have := map[string]*zip.File{}
	if base != "" {
		old, err := zip.OpenReader(base)
		switch {
		case err == nil:
			defer old.Close()
			for _, f := range old.File {
				have[f.Name] = f
			}
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	m := &mispCopy{w: w, c: c, folder: folder, have: have}
	if err := m.all(ctx, events); err != nil {
		return err
	}
	got.Note = m.note()
	return nil
}

// mispFolder is where the files of a feed lie: its address is that of the folder
// or of the manifest within.
func mispFolder(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "manifest.json"), ""
	return u.JoinPath("/"), nil
}

// manifest reads which events there are, by their UUIDs.
func manifest(ctx context.Context, c *caller, folder *url.URL, last Copy, got *Copy) ([]feed.MISPEvent, error) {
	res, err := c.ask(ctx, folder.JoinPath("manifest.json").String(), last)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	got.ETag, got.Modified = bounded(res.Header.Get("ETag")), bounded(res.Header.Get("Last-Modified"))
	var events []feed.MISPEvent
	seen := map[string]bool{}
	err = feed.MISPManifest(io.LimitReader(res.Body, maxManifest), func(e feed.MISPEvent) bool {
		if !seen[e.UUID] {
			seen[e.UUID] = true
			events = append(events, e)
		}
		return len(events) <= MaxFiles
	})
	if err == nil && len(events) > MaxFiles {
		err = fmt.Errorf("more than %d events", MaxFiles)
	}
	slices.SortFunc(events, func(a, b feed.MISPEvent) int { return strings.Compare(a.UUID, b.UUID) })
	return events, err
}

// mispCopy makes the new copy of a feed.
type mispCopy struct {
	w      *copyWriter
	c      *caller
	folder *url.URL
	have   map[string]*zip.File

	due, failed int
	first       string // why the first one failed
}

// fetchedEvent is an event that was asked for.
type fetchedEvent struct {
	content []byte
	err     error
}

// all writes the events in their order, fetching a few ahead.
func (m *mispCopy) all(ctx context.Context, events []feed.MISPEvent) error {
	for len(events) > 0 {
		n := min(len(events), 2*mispAtOnce)
		for n < len(events) && m.same(&events[n]) { // those cost nothing
			n++
		}
		got := make([]fetchedEvent, n)
		var under errgroup.Group
		under.SetLimit(mispAtOnce)
		for i := range n {
			if m.same(&events[i]) {
				continue
			}
			m.due++
			under.Go(func() error {
				got[i].content, got[i].err = m.fetch(ctx, events[i].UUID)
				return ctx.Err()
			})
		}
		if err := under.Wait(); err != nil {
			return err
		}
		for i := range n {
			if err := m.write(&events[i], &got[i]); err != nil {
				return err
			}
		}
		events = events[n:]
	}
	if m.failed*100 > m.due*mispFailures && m.failed > 1 || m.failed == m.due && m.due > 0 {
		return errors.New(m.note())
	}
	return nil
}

func (m *mispCopy) note() string {
	if m.failed == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d changed events could not be had, %s", m.failed, m.due, m.first)
}

func eventFile(uuid string) string { return uuid + ".json" }

func eventTime(e *feed.MISPEvent) string { return strconv.FormatUint(uint64(e.Timestamp), 10) }

// same says whether the copy before has an event as the manifest says it is.
func (m *mispCopy) same(e *feed.MISPEvent) bool {
	old := m.have[eventFile(e.UUID)]
	return old != nil && e.Timestamp != 0 && old.Comment == eventTime(e)
}

// fetch gets one event and makes sure that it can be read.
func (m *mispCopy) fetch(ctx context.Context, uuid string) ([]byte, error) {
	res, err := m.c.ask(ctx, m.folder.JoinPath(eventFile(uuid)).String(), Copy{})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxEvent+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxEvent {
		return nil, fmt.Errorf("is larger than %d MB", maxEvent>>20)
	}
	r, err := feed.Open("misp", bytes.NewReader(b), feed.Options{})
	var c intel.Claim
	for err == nil {
		err = r.Next(&c)
		var refusal *feed.Refusal
		if errors.As(err, &refusal) {
			err = nil
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}

// write puts an event into the new copy: as it came, or from the copy before.
func (m *mispCopy) write(e *feed.MISPEvent, got *fetchedEvent) error {
	name, comment := eventFile(e.UUID), eventTime(e)
	old := m.have[name]
	if got.err != nil {
		if m.failed++; m.first == "" {
			m.first = e.UUID + ": " + PlainError(got.err)
		}
		if old == nil {
			return nil
		}
	}
	if got.content == nil && old == nil {
		return nil
	}
	if got.err != nil || got.content == nil {
		comment = old.Comment
		if err := m.room(int64(old.UncompressedSize64)); err != nil {
			return err
		}
		if err := m.w.archive.Copy(old); err != nil {
			return err
		}
	} else {
		if err := m.room(int64(len(got.content))); err != nil {
			return err
		}
		to, err := m.w.archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Comment: comment})
		if err != nil {
			return err
		}
		if _, err := to.Write(got.content); err != nil {
			return err
		}
	}
	if comment == "0" { // the manifest does not tell versions apart
		comment += string(got.content)
	}
	_, err := io.WriteString(m.w.digest, name+" "+comment+"\n")
	return err
}

func (m *mispCopy) room(n int64) error {
	if m.w.left -= n; m.w.left < 0 {
		return fmt.Errorf("is larger than %d MB; raise max_mb if that is right", m.w.most>>20)
	}
	return nil
}
