package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/decide/correlate"
	"github.com/masugata/masugata/internal/decide/policy"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// memory is a state store that can be slow or broken.
type memory struct {
	gate chan struct{} // while it is not nil, SaveCases waits for it
	mu   sync.Mutex
	fail error
	sets map[string]model.SignedSet
	kept map[model.ID]model.Action
	devs map[model.DeviceID]model.Device
}

func newMemory() *memory {
	return &memory{sets: map[string]model.SignedSet{}, kept: map[model.ID]model.Action{}, devs: map[model.DeviceID]model.Device{}}
}

func (m *memory) SaveCases(_ context.Context, _ []model.Incident, actions []model.Action) error {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range actions {
		m.kept[a.ID] = a
	}
	return m.fail
}

func (m *memory) SetDeviceState(context.Context, model.DeviceID, model.DeviceState) (model.Device, error) {
	return model.Device{}, model.ErrNotFound
}

func (m *memory) SaveSet(_ context.Context, s model.SignedSet) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.sets[s.Name] = s
	}
	return m.fail
}

func (m *memory) Set(_ context.Context, name string) (model.SignedSet, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.sets[name]; ok {
		return s, nil
	}
	return model.SignedSet{}, model.ErrNotFound
}

func (m *memory) Content(context.Context, [32]byte) ([]byte, error) { return nil, model.ErrNotFound }

// nobody looks on.
type nobody struct{}

func (nobody) Incident(*model.Incident) {}
func (nobody) Action(*model.Action)     {}
func (nobody) Device(*model.Device)     {}

func testPolicy(t *testing.T, text string) model.Policy {
	t.Helper()
	p, err := policy.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newTestDesk(t *testing.T, m *memory) *desk {
	t.Helper()
	signer, err := identity.OpenSigner(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	book, err := newSetBook(t.Context(), signer, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return newDesk(m, book, nobody{}, correlate.New(correlate.Config{}, testPolicy(t, "flood: {mode: enforce}")), slog.New(slog.DiscardHandler))
}

func gateEvent(now time.Time) *model.Event {
	return &model.Event{ID: model.NewID(now), Time: now, Device: "mac-020000000b02", Layer: model.LayerNetwork,
		Kind: model.KindFloodOutbound, Reporter: "gate-000000000001", Severity: model.SeverityHigh,
		Flood: &model.FloodEvidence{Vector: model.VectorUDP, Shape: model.Shape{Proto: 17, Dst: netip.MustParsePrefix("203.0.113.10/32"), DstPort: 9}}}
}

func liveInSet(t *testing.T, d *desk) int {
	t.Helper()
	s := d.sets.Latest("gate-000000000001", "", setActions)
	if s == nil {
		return 0
	}
	actions, _, err := wire.DecodeActions(s.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return len(actions)
}

// TestSlowStoreHoldsNobodyUp has the store hang: events, answers of parts and
// waiting parts go on, and no part learns of an action that is not kept.
func TestSlowStoreHoldsNobodyUp(t *testing.T) {
	m := newMemory()
	m.gate = make(chan struct{})
	d := newTestDesk(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { d.run(ctx); close(done) }()
	defer func() { cancel(); <-done }()

	free := make(chan struct{})
	go func() {
		for n := range 100 {
			d.events([]*model.Event{gateEvent(time.Now())})
			d.statuses("gate-000000000001", []wire.ActionStatus{{ID: model.NewID(time.Now())}})
			d.sets.Latest("gate-000000000001", "", setActions)
			if n == 10 {
				time.Sleep(20 * time.Millisecond) // run is in the store by now
			}
		}
		close(free)
	}()
	select {
	case <-free:
	case <-time.After(20 * time.Second):
		t.Fatal("events wait for the store")
	}
	if n := liveInSet(t, d); n != 0 {
		t.Errorf("%d actions were sent before they were kept", n)
	}
	close(m.gate)
	for end := time.Now().Add(20 * time.Second); liveInSet(t, d) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the action was never sent")
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) != 1 {
		t.Errorf("%d actions kept, want 1", len(m.kept))
	}
}

// TestBrokenStore has the store fail: people are told, and what they ordered
// is kept and sent once it works.
func TestBrokenStore(t *testing.T) {
	m := newMemory()
	m.fail = errors.New("disk full")
	d := newTestDesk(t, m)
	now := time.Now()
	_, err := d.CreateAction(t.Context(), model.Action{Kind: model.ActionDrop, Mode: model.ModeEnforce, Author: "user:ann",
		Shape: model.Shape{Proto: 17, DstPort: 9}, Expires: now.Add(time.Hour)})
	if err == nil {
		t.Fatal("nobody is told that the store failed")
	}
	if err := d.setPolicy(t.Context(), testPolicy(t, "flood: {mode: observe}")); err == nil {
		t.Fatal("nobody is told that the policy was not sent")
	}
	m.fail = nil
	if err := d.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := liveInSet(t, d); n != 1 {
		t.Errorf("%d actions sent, want 1", n)
	}
	s := d.sets.Latest("", "", setPolicy)
	if s == nil {
		t.Fatal("the policy was not sent")
	}
	if p, err := wire.DecodePolicy(1, s.Payload); err != nil || p.FloodMode != model.ModeObserve {
		t.Errorf("sent policy %+v, %v", p, err)
	}
}

// TestOlderPolicyDoesNotReplaceNewer has two people save at once, the answers
// crossing.
func TestOlderPolicyDoesNotReplaceNewer(t *testing.T) {
	d := newTestDesk(t, newMemory())
	for _, p := range []struct {
		version uint64
		text    string
	}{{6, "flood: {mode: observe}"}, {5, "flood: {mode: enforce}"}} {
		parsed := testPolicy(t, p.text)
		parsed.Version = p.version
		if err := d.setPolicy(t.Context(), parsed); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := wire.DecodePolicy(1, d.sets.Latest("", "", setPolicy).Payload); err != nil || p.FloodMode != model.ModeObserve {
		t.Errorf("in force: %+v, %v", p, err)
	}
}

// TestSetsRiseAboveARestoredBackup: parts that hold what was sent after the
// backup was made take what is sent after it was brought back.
func TestSetsRiseAboveARestoredBackup(t *testing.T) {
	m := newMemory()
	d := newTestDesk(t, m)
	send := func(mode string) uint64 {
		t.Helper()
		if err := d.setPolicy(t.Context(), testPolicy(t, "flood: {mode: "+mode+"}")); err != nil {
			t.Fatal(err)
		}
		return d.sets.Latest("", "", setPolicy).Version
	}
	first := send("enforce")
	backup := m.sets[setPolicy]
	var newest uint64
	for _, mode := range []string{"observe", "propose", "enforce", "observe"} {
		newest = send(mode)
	}
	if newest <= first {
		t.Fatalf("versions %d, then %d", first, newest)
	}
	time.Sleep(10 * time.Millisecond) // bringing it back takes longer
	m.sets[setPolicy] = backup
	d = newTestDesk(t, m)
	if v := send("propose"); v <= newest {
		t.Errorf("version %d after the backup was brought back, parts hold %d", v, newest)
	}
}

func (m *memory) UpsertDevices(_ context.Context, devices []model.Device) error {
	if m.fail != nil {
		return m.fail
	}
	for _, d := range devices {
		m.devs[d.ID] = d
	}
	return nil
}
func (m *memory) UpdateParts(context.Context, []model.Part) error { return m.fail }
func (m *memory) Part(context.Context, model.PartID) (model.Part, error) {
	return model.Part{}, model.ErrNotFound
}
func (m *memory) SavePart(context.Context, model.Part, model.Certificate) error { return m.fail }
func (m *memory) SaveCertificate(context.Context, model.Certificate) error      { return m.fail }
func (m *memory) UseEnrollTokenHash(context.Context, string, model.Role, time.Time) (model.EnrollToken, error) {
	return model.EnrollToken{}, m.fail
}

// TestDevicesAreNotForgotten tells of a device while the store is broken, and
// of its agent before the gate does.
func TestDevicesAreNotForgotten(t *testing.T) {
	m := newMemory()
	r := newRegister(m, newTestDesk(t, m), slog.New(slog.DiscardHandler))
	const dev, agent = model.DeviceID("mac-020000000a01"), model.PartID("agent-000000000001")
	r.agentOn(agent, dev, time.Now())
	state := &wire.PartState{Devices: []model.Device{{ID: dev, Hostname: "cam"}}}
	if err := r.State(t.Context(), "gate-000000000001", time.Now(), state); err != nil {
		t.Fatal(err)
	}
	m.fail = errors.New("disk full")
	r.flush(t.Context())
	m.fail = nil
	r.flush(t.Context())
	if d := m.devs[dev]; d.Agent != agent || d.Hostname != "cam" {
		t.Errorf("stored %+v", d)
	}
}

// TestSetupAddressGoesWithTheFirstUser makes the first user through the
// console: the file with the one-time address is gone, a second try refused.
func TestSetupAddressGoesWithTheFirstUser(t *testing.T) {
	s := startSite(t)
	file := filepath.Join(s.cfg.Data, "setup.url")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, token, ok := strings.Cut(strings.TrimSpace(string(b)), "/setup#")
	if !ok {
		t.Fatalf("address %q", b)
	}
	body := map[string]string{"setup_token": token, "user": "ada", "password": "a long enough secret"}
	if v := api[map[string]any](s, http.MethodPost, "/setup", body); v["user"] != "ada" {
		t.Errorf("answer %v", v)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the address is still there: %v", err)
	}
}
