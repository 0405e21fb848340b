package client_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/server"
	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// control is a control plane in memory whose event store outlives restarts of
// the server, as a durable one would.
type control struct {
	t      testing.TB
	ca     *identity.CA
	signer *identity.Signer
	cfg    server.Config
	addr   string
	srv    *server.Server
	stop   func()

	mu       sync.Mutex
	tokens   map[string]*token
	parts    map[model.PartID]*model.Part
	renewals int
	high     map[string]uint64 // part and epoch: highest batch stored
	events   []model.Event
	again    int // batches that came again
	states   map[model.PartID]*wire.PartState
	refusals []server.Refusal
	sets     map[string]*wire.SignedSet
	// differences to the newest set, by name, whatever base they are asked from.
	differences map[string][]byte
	asked       []uint64 // bases
	wholes      int      // payloads that were fetched
	changed     chan struct{}
	delay       time.Duration // of Publish
	failAck     int           // so many batches are stored without an answer
	full        int           // so many batches find no room
}

type token struct {
	role    model.Role
	expires time.Time
	used    bool
}

const device = model.DeviceID("mac-020000000a01")

func newControl(t testing.TB) *control {
	t.Helper()
	dir := t.TempDir()
	ca, err := identity.OpenCA(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := identity.OpenSigner(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &control{
		t: t, ca: ca, signer: signer, addr: "127.0.0.1:0",
		tokens: map[string]*token{}, parts: map[model.PartID]*model.Part{}, high: map[string]uint64{},
		states: map[model.PartID]*wire.PartState{}, sets: map[string]*wire.SignedSet{}, changed: make(chan struct{}),
	}
	c.cfg = server.Config{
		CA: ca, SigningKey: signer.PublicKey().String(), Tokens: c, Parts: c, Sink: c, States: c, Sets: c,
		Refused: func(r server.Refusal) { c.mu.Lock(); c.refusals = append(c.refusals, r); c.mu.Unlock() },
	}
	return c
}

func (c *control) start() *control {
	c.t.Helper()
	var err error
	if c.srv, err = server.New(c.cfg, nil); err != nil {
		c.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.srv.Serve(ctx, ln) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(func() { c.stop() })
	return c
}

func (c *control) token(role model.Role, life time.Duration) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := identity.NewToken(c.ca.DER())
	c.tokens[t.Hash()] = &token{role: role, expires: time.Now().Add(life)}
	return t.Text()
}

func (c *control) UseToken(_ context.Context, hash string, role model.Role, now time.Time) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tokens[hash]
	switch {
	case t == nil:
		return "", server.ErrTokenInvalid
	case t.used:
		return "", server.ErrTokenUsed
	case now.After(t.expires):
		return "", server.ErrTokenExpired
	case t.role != role:
		return "", server.ErrTokenScope
	}
	t.used = true
	return "", nil
}

func (c *control) Register(_ context.Context, p model.Part, _ server.Certificate) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parts[p.ID] = &p
	return nil
}

func (c *control) Renewed(context.Context, model.PartID, server.Certificate) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewals++
	return nil
}

func (c *control) Part(_ context.Context, id model.PartID) (model.Part, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.parts[id]; p != nil {
		return *p, nil
	}
	return model.Part{}, server.ErrUnknownPart
}

func (c *control) Publish(_ context.Context, b server.Batch) error {
	time.Sleep(c.delay)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full > 0 {
		c.full--
		return fmt.Errorf("%w: all shelves taken", server.ErrBusy)
	}
	key := fmt.Sprint(b.Part, b.Epoch)
	if b.Seq <= c.high[key] {
		c.again++
	} else {
		if b.Seq != c.high[key]+1 {
			c.t.Errorf("batch %d came after %d", b.Seq, c.high[key])
		}
		c.high[key] = b.Seq
		if err := new(wire.Decoder).Batch(b.Events, b.Part, func(e *model.Event) error {
			c.events = append(c.events, *e)
			return nil
		}); err != nil {
			c.t.Errorf("batch that was scanned cannot be decoded: %v", err)
		}
	}
	if c.failAck > 0 {
		c.failAck--
		return errors.New("durable, but the answer is lost")
	}
	return nil
}

func (c *control) State(_ context.Context, p model.PartID, _ time.Time, s *wire.PartState) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states[p] = s
	return nil
}

func (c *control) Latest(_ model.PartID, _ model.DeviceID, name string) *wire.SignedSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sets[name]
}

func (c *control) Difference(_ context.Context, _ model.PartID, name string, s *wire.SignedSet, base uint64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, base)
	return c.differences[name]
}

func (c *control) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *control) Content(_ context.Context, sum []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.differences {
		if got := sha256.Sum256(d); string(got[:]) == string(sum) {
			return d, nil
		}
	}
	c.wholes++
	for _, s := range c.sets {
		if string(s.SHA256) == string(sum) {
			return s.Payload, nil
		}
	}
	return nil, nil
}

func (c *control) publishSet(s *wire.SignedSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sets[s.Name] = s
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *control) stored() []model.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

func (c *control) refused(reason wire.Reason) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.refusals, func(r server.Refusal) bool { return r.Reason == reason })
}

func (c *control) enroll(t testing.TB, dir string) {
	t.Helper()
	err := client.Enroll(t.Context(), client.EnrollConfig{
		Endpoint: c.addr, Token: c.token(model.RoleAgent, time.Minute), Dir: dir,
		Role: "agent", Name: "cam", Device: string(device), Software: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// part is a running client.
type part struct {
	*client.Client
	id    *identity.Store
	spool *spool.Spool
	stop  func()
}

func run(t testing.TB, dir string, change func(*client.Config)) *part {
	t.Helper()
	id, err := identity.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	sp, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "spool")})
	if err != nil {
		t.Fatal(err)
	}
	cfg := client.Config{Identity: id, Spool: sp, Software: "test", ReportEvery: 50 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = c.Run(ctx); close(done) }()
	p := &part{Client: c, id: id, spool: sp}
	p.stop = sync.OnceFunc(func() { cancel(); <-done; _ = sp.Close() })
	t.Cleanup(func() { p.stop() })
	return p
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func event(sev model.Severity, subject string) *model.Event {
	now := time.Now()
	return &model.Event{
		ID: model.NewID(now), Time: now, Last: now, Device: device, Layer: model.LayerDevice,
		Kind: model.KindProcessStart, Severity: sev, Subject: subject, Count: 1,
	}
}
