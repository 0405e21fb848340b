package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// site is a control plane on loopback with its console's administrator.
type site struct {
	t     *testing.T
	cfg   Config
	base  string
	token string
	stop  func()
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func startSite(t *testing.T, changes ...func(*Config)) *site {
	t.Helper()
	cfg := Default()
	cfg.Data = filepath.Join(t.TempDir(), "data")
	cfg.Link.Listen, cfg.Console.Listen, cfg.Console.Plain = freePort(t), freePort(t), true
	cfg.Events.MemoryMB = 256
	cfg.Incidents.EndAfter, cfg.Incidents.RetireAfter = 6*time.Second, time.Second
	for _, change := range changes {
		change(&cfg)
	}
	s := &site{t: t, cfg: cfg, base: "http://" + cfg.Console.Listen}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *site) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, s.cfg, "test", slog.New(slog.DiscardHandler)) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	})
	s.eventually("healthy", func() bool {
		r, err := http.Get(s.base + "/healthz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	b, err := os.ReadFile(filepath.Join(s.cfg.Data, "admin.token"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.token = strings.TrimSpace(string(b))
}

func (s *site) eventually(what string, f func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	s.t.Fatalf("not within 20 s: %s", what)
}

// api calls the REST API and decodes the answer.
func api[T any](s *site, method, path string, body any) (out T) {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequest(method, s.base+"/api/v1"+path, bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if r.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s: %s", method, path, r.Status, answer)
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		s.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
	return out
}

// part is an enrolled agent or gate that runs the real link client.
type part struct {
	*client.Client
	id model.PartID

	mu      sync.Mutex
	actions []model.Action
	undone  []model.ID
	status  map[model.ID]model.PartStatus
	policy  *model.Policy
}

func (s *site) enroll(role model.Role, device model.DeviceID) *part {
	s.t.Helper()
	token := api[struct{ Text string }](s, "POST", "/enroll-tokens", map[string]any{"role": role, "name": "test " + string(role)})
	dir := s.t.TempDir()
	err := client.Enroll(context.Background(), client.EnrollConfig{Endpoint: s.cfg.Link.Listen, Token: token.Text, Dir: dir, Role: string(role), Device: string(device)})
	if err != nil {
		s.t.Fatal(err)
	}
	id, err := identity.Open(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	sp, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "spool")})
	if err != nil {
		s.t.Fatal(err)
	}
	p := &part{id: id.Part(), status: make(map[model.ID]model.PartStatus)}
	p.Client, err = client.New(client.Config{Identity: id, Spool: sp, ReportEvery: 100 * time.Millisecond, State: p.state,
		Sets: map[string]func(uint64, []byte) error{wire.SetActions: p.takeActions, wire.SetPolicy: p.takePolicy}})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	s.t.Cleanup(func() { cancel(); <-done; sp.Close() })
	return p
}

func (p *part) takeActions(_ uint64, payload []byte) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.actions, p.undone, err = wire.DecodeActions(payload)
	for _, a := range p.actions {
		if _, known := p.status[a.ID]; !known {
			p.status[a.ID] = model.PartStatus{Applied: true, At: time.Now()}
		}
	}
	return err
}

func (p *part) takePolicy(version uint64, payload []byte) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policy, err = wire.DecodePolicy(version, payload)
	return err
}

func (p *part) state() *wire.PartState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &wire.PartState{}
	for id, st := range p.status {
		s.Actions = append(s.Actions, wire.ActionStatus{ID: id, PartStatus: st})
	}
	return s
}

func (p *part) held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.actions)
}

func floodEvent(kind model.Kind, layer model.Layer, d model.DeviceID, process bool) *model.Event {
	now := time.Now()
	e := &model.Event{ID: model.NewID(now), Time: now, Last: now, Device: d, Layer: layer, Kind: kind, Severity: model.SeverityHigh, Count: 1,
		Subject: "203.0.113.10", Flood: &model.FloodEvidence{Vector: model.VectorUDP, PPS: 20000,
			Shape: model.Shape{Proto: 17, Dst: netip.MustParsePrefix("203.0.113.10/32"), DstPort: 9000, LenMin: 540, LenMax: 540}}}
	if process {
		e.Flood.Process = &model.ProcessEvidence{PID: 99, Start: 7, Path: "/tmp/.x"}
	}
	return e
}

// TestLoop plays the whole loop over the real link, bus and stores: an agent's
// word becomes an action for every device at the gate, a person approves the
// kill, a restart in the middle loses nothing, and the end retires all.
func TestLoop(t *testing.T) {
	s := startSite(t)
	const camera = model.DeviceID("mac-020000000a01")
	gate, agent := s.enroll(model.RoleGate, ""), s.enroll(model.RoleAgent, camera)
	s.eventually("policy at both parts", func() bool {
		for _, p := range []*part{gate, agent} {
			p.mu.Lock()
			ok := p.policy != nil && p.policy.FloodMode == model.ModeEnforce
			p.mu.Unlock()
			if !ok {
				return false
			}
		}
		return true
	})

	began := time.Now()
	agent.Submit(floodEvent(model.KindFloodOutbound, model.LayerDevice, camera, true))
	s.eventually("the drop at the gate", func() bool { return gate.held() == 1 })
	t.Logf("agent's event to gate's action: %v", time.Since(began))

	type incidents struct{ Incidents []model.Incident }
	type actions struct{ Actions []model.Action }
	s.eventually("incident contained", func() bool {
		l := api[incidents](s, "GET", "/incidents", nil).Incidents
		return len(l) == 1 && l[0].State == model.IncidentContained
	})
	proposed := api[actions](s, "GET", "/actions?state=proposed", nil).Actions
	if len(proposed) != 1 || proposed[0].Kind != model.ActionKillProcess {
		t.Fatalf("want the kill proposed, got %+v", proposed)
	}
	if agent.held() != 0 {
		t.Error("a proposed action was sent")
	}
	api[model.Action](s, "POST", "/actions/"+proposed[0].ID.String()+"/approve", nil)
	s.eventually("the kill at the agent", func() bool { return agent.held() == 1 })

	s.stop()
	agent.Submit(floodEvent(model.KindFloodOutbound, model.LayerDevice, camera, true)) // while it is away
	s.start()
	s.eventually("events stored once each", func() bool {
		l := api[struct{ Events []model.Event }](s, "GET", "/events?q=kind:flood.outbound", nil).Events
		if len(l) > 2 {
			t.Fatalf("%d events of 2 sent", len(l))
		}
		return len(l) == 2
	})
	if n := len(api[incidents](s, "GET", "/incidents", nil).Incidents); n != 1 {
		t.Errorf("%d incidents after the restart, want the same one", n)
	}

	agent.Submit(floodEvent(model.KindFloodEnded, model.LayerDevice, camera, false))
	s.eventually("all retired", func() bool { return gate.held() == 0 && agent.held() == 0 })
	s.eventually("incident ended", func() bool {
		l := api[incidents](s, "GET", "/incidents", nil).Incidents
		return len(l) == 1 && l[0].State == model.IncidentEnded
	})
}

// TestRevocation ends the trust in a part while it is connected.
func TestRevocation(t *testing.T) {
	s := startSite(t)
	agent := s.enroll(model.RoleAgent, "mac-020000000a01")
	s.eventually("link up", func() bool { return agent.Status().Up })
	api[model.Part](s, "POST", fmt.Sprintf("/parts/%s/revoke", agent.id), map[string]string{"reason": "test"})
	s.eventually("the part hears that it was revoked", func() bool { return agent.Status().Reason == wire.ReasonRevoked })
	s.eventually("it is an event", func() bool {
		return len(api[struct{ Events []model.Event }](s, "GET", "/events?q=kind:link.refused", nil).Events) > 0
	})
}
