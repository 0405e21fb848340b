package reputation

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/control/reputation/keep"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

// TestFeedIsRemovedTwiceAtOnce: of many who remove one upload at the same time
// one does, and the service goes on.
func TestFeedIsRemovedTwiceAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), botnet(newSite(t)))
	for range 5 {
		upload(t, s, "mine", "me", 90, "c2.example.org\n")
		var all sync.WaitGroup
		s.work.Lock() // so that all of them wait at the same place
		for range 8 {
			all.Go(func() {
				if err := s.RemoveFeed(t.Context(), "mine"); err != nil && !errors.Is(err, model.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		time.Sleep(5 * time.Millisecond)
		s.work.Unlock()
		all.Wait()
	}
	if _, err := s.Explain("c2.example.org"); err != nil || s.score(t, "c2.example.org") != 0 {
		t.Error("what was removed is still said", err)
	}
}

// TestPlacesHoldNoKeys: whoever may look at the feeds does not learn the keys in
// their addresses.
func TestPlacesHoldNoKeys(t *testing.T) {
	for place, want := range map[string]string{
		"https://lists.example.net/a.txt":                  "https://lists.example.net/a.txt",
		"https://lists.example.net/a.txt?key=hush&days=30": "https://lists.example.net/a.txt?…",
		"/srv/lists/*.txt?":                                "/srv/lists/*.txt?",
		"":                                                 "",
	} {
		if got := withoutKeys(place); got != want {
			t.Errorf("%s: %s, want %s", place, got, want)
		}
	}
	c := botnet(newSite(t))
	c.Feeds[0].URL += "?key=hush"
	s := open(t, t.TempDir(), c)
	if place := s.Feeds()[0].Place; strings.Contains(place, "hush") {
		t.Error(place)
	}
}

// TestReleaseDuringFetch: a person's release is not undone by a fetch that began
// before it.
func TestReleaseDuringFetch(t *testing.T) {
	answers := make(chan string, 1)
	asked := make(chan struct{}, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		_, _ = w.Write([]byte(<-answers))
	}))
	defer web.Close()
	c := Default()
	c.Feeds = []Feed{{Name: "bots", URL: web.URL, Format: "ip", Kind: "bot", Trust: 95}}
	s := open(t, t.TempDir(), c)
	serve := func(text, state string) {
		answers <- text
		s.mustFetch(t, "bots", state)
		<-asked
	}
	serve(addresses(100), stateOK)
	serve(addresses(2), stateHeld)
	done := make(chan error)
	go func() {
		_, err := s.FetchFeed(t.Context(), "bots")
		done <- err
	}()
	<-asked
	if _, err := s.ReleaseFeed(t.Context(), "bots"); err != nil {
		t.Fatal(err)
	}
	answers <- addresses(100)
	if err := <-done; err == nil || !strings.Contains(err.Error(), "released") {
		t.Error(err)
	}
	if got := s.copies.Last("bots", fetch.Good).SHA256; s.Feeds()[0].Entries != 2 || got == "" {
		t.Errorf("%d entries, %q", s.Feeds()[0].Entries, got)
	}
	serve(addresses(100), stateOK)
}

// TestListsThatCouldNotBeReadAgain: what is too large for the next start is
// refused instead of written.
func TestListsThatCouldNotBeReadAgain(t *testing.T) {
	s := open(t, t.TempDir(), botnet(newSite(t)))
	err := s.dir.WriteJSON("large.json", strings.Repeat("x", keep.MaxJSON))
	if !errors.Is(err, model.ErrConflict) {
		t.Error(err)
	}
	if _, err := s.SetEntry(t.Context(), rest.ReputationEntry{Object: "198.18.0.7", List: "deny"}); err != nil || s.score(t, "198.18.0.7") < intel.DefaultBlock {
		t.Error(err)
	}
}

// TestFailedUploadChangesNothing: an upload that is not taken leaves the feed of
// its name as it was, its trust too.
func TestFailedUploadChangesNothing(t *testing.T) {
	s := open(t, t.TempDir(), Default())
	u := rest.ReputationUpload{Name: "mine", Format: "domain", Owner: "me", Trust: 100, Kind: intel.KindC2}
	if _, err := s.UploadFeed(t.Context(), u, []byte("c2.example.org\n")); err != nil {
		t.Fatal(err)
	}
	before := s.score(t, "c2.example.org")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	u.Trust = 1
	if _, err := s.UploadFeed(gone, u, []byte("c2.example.org\n")); err == nil {
		t.Fatal("the caller is gone and it is taken all the same")
	}
	if err := s.rebuild(); err != nil {
		t.Fatal(err)
	}
	if f := s.Feeds()[0]; s.score(t, "c2.example.org") != before || f.Trust != 100 || f.State != stateOK || f.Entries != 1 {
		t.Errorf("score %d instead of %d: %+v", s.score(t, "c2.example.org"), before, f)
	}
}
