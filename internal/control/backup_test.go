package control

import (
	"archive/tar"
	"compress/gzip"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/control/reputation"
	"github.com/masugata/masugata/internal/control/reputation/sharing"
)

// TestBackupHoldsReputation: lists, uploaded feeds and what is shared come back
// from a backup; copies of feeds that can be fetched again are not in it.
func TestBackupHoldsReputation(t *testing.T) {
	fetched := filepath.Join(t.TempDir(), "fetched.txt")
	if err := os.WriteFile(fetched, []byte("198.18.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	change := func(c *Config) {
		c.Reputation.Sharing = sharing.Config{Enabled: true, Name: "Fleet A", Deny: true}
		c.Reputation.Feeds = []reputation.Feed{{Name: "fetched", File: fetched, Format: "ip", Owner: "x", Trust: 90, Kind: "c2", Interval: 1 << 40, MaxMB: 1}}
	}
	s := startSite(t, change)
	api[any](s, "POST", "/reputation/entries", map[string]string{"object": "203.0.113.9", "list": "deny"})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, s.base+"/api/v1/reputation/feeds/mine?format=domain&trust=100&kind=c2", strings.NewReader("c2.example.org\n"))
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	res.Body.Close()
	s.eventually("the feed from a file is known", func() bool { return s.scoreOf("198.18.0.1").Score > 0 })
	shared := func(x *site) string {
		res := x.ask("/taxii2/fleet/collections/", x.token)
		defer res.Body.Close()
		b := make([]byte, 4096)
		n, _ := res.Body.Read(b)
		return string(b[:n])
	}
	before := shared(s)
	archive := filepath.Join(t.TempDir(), "backup")
	if err := backup(t.Context(), s.cfg, archive); err != nil { // while it runs
		t.Fatal(err)
	}
	s.stop()
	again := startSite(t, change, func(c *Config) {
		c.Reputation.Feeds = nil
		if err := restore(archive, c.Data); err != nil {
			t.Fatal(err)
		}
	})
	if got := again.scoreOf("203.0.113.9"); got.Score == 0 {
		t.Errorf("the deny list: %+v", got)
	}
	again.eventually("the uploaded feed is back", func() bool { return again.scoreOf("c2.example.org").Score > 0 })
	if got := again.scoreOf("198.18.0.1"); got.Score != 0 {
		t.Errorf("a copy of a feed that can be fetched is in the backup: %+v", got)
	}
	if after := shared(again); after != before {
		t.Errorf("collections have other names now: %s, before %s", after, before)
	}
}

// TestRestoreRefusesForeignNames: a backup cannot write where it should not.
func TestRestoreRefusesForeignNames(t *testing.T) {
	for _, name := range []string{"reputation/../../x.json", "reputation/feeds/../x.good", "reputation/feeds/x.new", "reputation/.json", "reputation/a/b.json", "reputation/feeds/X.good", "x", "ca/../x"} {
		path := filepath.Join(t.TempDir(), "backup")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		zw := gzip.NewWriter(f)
		tw := tar.NewWriter(zw)
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: 1}); err != nil {
			t.Fatal(err)
		}
		_, _ = tw.Write([]byte("x"))
		_, _, _ = tw.Close(), zw.Close(), f.Close()
		if err := restore(path, filepath.Join(t.TempDir(), "data")); err == nil || !strings.Contains(err.Error(), "does not belong") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
