package reputation

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/masugata/masugata/internal/console/rest"
)

// TestSlowFeedKeepsNobodyWaiting: a feed server that does not finish its answer
// must hold up neither what the operator allows nor other feeds.
func TestSlowFeedKeepsNobodyWaiting(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
	}))
	defer slow.Close()
	web := newSite(t)
	web.set("/bots", addresses(100))
	c := botnet(web)
	c.Feeds = append(c.Feeds, Feed{Name: "slow", URL: slow.URL, Format: "ip", Kind: "bot", Trust: 95})
	s := open(t, t.TempDir(), c)
	done := make(chan error)
	go func() {
		_, err := s.FetchFeed(t.Context(), "slow")
		done <- err
	}()
	<-asked
	s.mustFetch(t, "bots", stateOK)
	if _, err := s.SetEntry(t.Context(), rest.ReputationEntry{Object: "198.18.0.7", List: "allow"}); err != nil {
		t.Fatal(err)
	}
	if n := s.score(t, "198.18.0.7"); n != 0 {
		t.Fatalf("an allowed address scores %d", n)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
