package control

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/control/reputation"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	"github.com/masugata/masugata/internal/control/reputation/sharing"
	"github.com/masugata/masugata/internal/model"
)

// TestControlPlanesShare lets the gates of one control plane see an attacker;
// another control plane follows its TAXII collection with a partner's token,
// which opens nothing else, and does not share on what it learned.
func TestControlPlanesShare(t *testing.T) {
	share := func(name string) func(*Config) {
		return func(c *Config) {
			c.Reputation.Sensors.Span = time.Second
			c.Reputation.Sharing = sharing.Config{Enabled: true, Name: name, Sensors: true}
		}
	}
	const attacker, lone = "203.0.113.66", "203.0.113.67"
	a := startSite(t, share("Fleet A"))
	report := func() {}
	for i := range 6 {
		gate := a.enroll(model.RoleGate, "")
		before := report
		report = func() {
			before()
			gate.Submit(alertFrom(attacker, "192.168.1.20", "Web Application Attack", "http"))
			if i == 0 {
				gate.Submit(alertFrom(lone, "192.168.1.20", "Web Application Attack", "http"))
			}
		}
	}
	again := time.Time{}
	a.eventually("the attacker is listed", func() bool {
		if time.Since(again) > 2*time.Second {
			again = time.Now()
			report()
		}
		return a.scoreOf(attacker).Kind == "exploit"
	})
	made := api[struct{ Text string }](a, "POST", "/tokens", map[string]any{"name": "fleet b", "access": "partner"})
	if got := a.status("/api/v1/devices", made.Text); got != http.StatusForbidden {
		t.Errorf("a partner's token reads devices: %d", got)
	}
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte(made.Text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := startSite(t, share("Fleet B"), func(c *Config) {
		c.Reputation.Feeds = []reputation.Feed{{Name: "fleet-a", TAXII: a.base + "/taxii2/fleet/collections/sensors/", Owner: "Fleet A", Trust: 80,
			Interval: time.Hour, MaxMB: 16, Format: "stix", Login: fetch.Login{TokenFile: secret}}}
	})
	b.eventually("the other control plane knows the attacker", func() bool { return b.scoreOf(attacker).Kind == "exploit" })
	if got := b.scoreOf(lone); got.Score != 0 {
		t.Errorf("what one owner saw has left: %+v", got)
	}
	body := b.sharedWith(b.token)
	if !strings.Contains(body, `"Fleet B"`) || strings.Contains(body, attacker) {
		t.Errorf("what was learned is shared on: %s", body)
	}
	if body := a.sharedWith(made.Text); !strings.Contains(body, attacker) || strings.Contains(body, lone) || strings.Contains(body, "gate-") || strings.Contains(body, "192.168") {
		t.Errorf("shared: %s", body)
	}
}

// status asks with a token and gives the status of the answer.
func (s *site) status(path, token string) int {
	s.t.Helper()
	res := s.ask(path, token)
	res.Body.Close()
	return res.StatusCode
}

// sharedWith gives the page of what the sensors share.
func (s *site) sharedWith(token string) string {
	s.t.Helper()
	res := s.ask("/taxii2/fleet/collections/sensors/objects/", token)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func (s *site) ask(path, token string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.base+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}
