package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func alertFrom(src, dst, class, proto string) *model.Event {
	now := time.Now()
	return &model.Event{ID: model.NewID(now), Time: now, Last: now, Device: "mac-020000000a01", Layer: model.LayerNetwork,
		Kind: model.KindBlocked, Severity: model.SeverityHigh, Count: 1, Subject: "a rule", Rule: "1:1:1",
		Observables: []model.Observable{{Type: model.ObservableIP, Value: src}, {Type: model.ObservableIP, Value: dst},
			{Type: model.ObservableProto, Value: proto}, {Type: model.ObservableClass, Value: class}}}
}

type scored struct {
	Score uint8  `json:"score"`
	Kind  string `json:"kind"`
}

func (s *site) scoreOf(object string) scored {
	return api[scored](s, "GET", "/reputation/lookup?object="+object, nil)
}

// TestSensors lets nine gates of nine owners report over the real link: what
// eight saw is listed, also after a restart; what one saw, what is the operator's
// own, what a rule calls a victim and private addresses never are.
func TestSensors(t *testing.T) {
	s := startSite(t, func(c *Config) {
		c.Reputation.Own = []string{"198.51.100.0/24"}
		c.Reputation.Sensors.Span = time.Second
	})
	const inside, attacker, web = "192.168.1.20", "203.0.113.66", "Web Application Attack"
	never := []string{"203.0.113.67", "198.51.100.9", "203.0.113.68", "10.9.9.9", "100.64.3.3", "203.0.113.69", "203.0.113.70"}
	gates := make([]*part, 9)
	for i := range gates {
		gates[i] = s.enroll(model.RoleGate, "")
	}
	lone := s.enroll(model.RoleAgent, "mac-020000000a01")
	report := func() {
		for _, g := range gates[:8] {
			g.Submit(alertFrom(attacker, inside, web, "http"))
			g.Submit(alertFrom("198.51.100.9", inside, web, "http"))    // the operator's own
			g.Submit(alertFrom(inside, "203.0.113.68", web, "http"))    // what a device of ours attacks
			g.Submit(alertFrom("10.9.9.9", inside, web, "http"))        // private
			g.Submit(alertFrom("100.64.3.3", inside, web, "http"))      // shared (RFC 6598)
			g.Submit(alertFrom("203.0.113.69", inside, web, "udp"))     // could be forged by anybody
			g.Submit(alertFrom("203.0.113.70", inside, "Misc", "http")) // nobody's fault
		}
		for range 50 {
			gates[8].Submit(alertFrom("203.0.113.67", inside, web, "http")) // one site alone, however often
		}
		lone.Submit(alertFrom("203.0.113.67", inside, web, "http"))
	}
	report()
	listed := func() bool { return s.scoreOf(attacker).Kind == "exploit" }
	again := time.Now()
	s.eventually("the attacker is listed", func() bool {
		if time.Since(again) > 2*time.Second {
			again = time.Now()
			report()
		}
		return listed()
	})
	clean := func() {
		t.Helper()
		for _, a := range never {
			if got := s.scoreOf(a); got.Score != 0 {
				t.Errorf("%s is listed: %+v", a, got)
			}
		}
	}
	clean()
	b, err := os.ReadFile(filepath.Join(s.cfg.Data, reputationFolder, "sensors.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range append(never, "gate-", "agent-") { // nothing of who saw it or of what too few saw
		if strings.Contains(string(b), word) {
			t.Errorf("the kept list has %q: %s", word, b)
		}
	}
	s.stop()
	s.start()
	s.eventually("the attacker is listed after a restart", listed)
	clean()
}

func TestOwnerOf(t *testing.T) {
	for _, tt := range []struct {
		part model.Part
		want string
	}{
		{model.Part{ID: "gate-1", Role: model.RoleGate, Name: "front"}, "gate-1"},
		{model.Part{ID: "gate-2", Role: model.RoleGate, Name: "shop/front"}, "named shop"},
		{model.Part{ID: "agent-1", Role: model.RoleAgent, Name: "shop/camera"}, "named shop"},
		{model.Part{ID: "agent-2", Role: model.RoleAgent, Name: "camera"}, "agents"},
		{model.Part{ID: "agent-3", Role: model.RoleAgent, Name: "/camera"}, "agents"},
	} {
		if got := ownerOf(&tt.part); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.part.Name, got, tt.want)
		}
	}
}
