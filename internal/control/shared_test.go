package control

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/store/state"
	"github.com/masugata/masugata/internal/store/state/statetest"
)

// TestReputationShared runs two instances of the reputation service over one
// PostgreSQL: one fetches, both know it; lists and uploads of either hold on both.
func TestReputationShared(t *testing.T) {
	url := statetest.StartPostgres(t)(t)
	bots := filepath.Join(t.TempDir(), "bots.txt")
	if err := os.WriteFile(bots, []byte("198.51.100.7\n198.51.100.8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := reputation.Default()
	cfg.Feeds = []reputation.Feed{{Name: "bots", File: bots, Format: "ip", Kind: "bot", Trust: 95}}
	f := configfile.Read("test", nil, nil, &struct{}{})
	if cfg.Check(f, "reputation"); f.Err() != nil {
		t.Fatal(f.Err())
	}
	start := func(name string) *reputation.Service {
		log := slog.New(slog.NewTextHandler(io.Discard, nil))
		store, err := state.Open(t.Context(), state.Config{URL: url, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		s, err := reputation.Open(cfg, t.TempDir(), log, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := identity.OpenSigner(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Publish(signer); err != nil {
			t.Fatal(err)
		}
		if err := s.Share(store, name); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { s.Run(t.Context()); close(ended) }()
		t.Cleanup(func() { <-ended })
		return s
	}
	a, b := start("a"), start("b")
	until := func(what string, good func() bool) {
		t.Helper()
		for end := time.Now().Add(40 * time.Second); !good(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	score := func(s *reputation.Service, object string) uint8 {
		answer, err := s.Lookup(object)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Score
	}
	until("a feed is not known on both", func() bool {
		return score(a, "198.51.100.7") >= intel.DefaultBlock && score(b, "198.51.100.7") >= intel.DefaultBlock
	})
	if _, err := b.SetEntry(t.Context(), rest.ReputationEntry{Object: "198.51.100.7", List: "allow"}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.UploadFeed(t.Context(), rest.ReputationUpload{Name: "mine", Format: "domain", Trust: 100, Kind: intel.KindC2}, []byte("c2.example.org\n")); err != nil {
		t.Fatal(err)
	}
	until("lists and uploads do not hold on both", func() bool {
		return score(a, "198.51.100.7") == 0 && score(b, "c2.example.org") >= intel.DefaultBlock
	})
}
