package client_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/server"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

func TestEventsAndState(t *testing.T) {
	c := newControl(t).start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, func(cfg *client.Config) {
		cfg.State = func() *wire.PartState { return &wire.PartState{Counters: map[string]uint64{"x": 7}} }
	})
	p.Submit(event(model.SeverityLow, "a"))
	p.Submit(event(model.SeverityHigh, "b"))
	waitFor(t, "two events", func() bool { return len(c.stored()) == 2 })
	for _, e := range c.stored() {
		if e.Reporter != p.id.Part() || e.Device != device {
			t.Errorf("event %q: reporter %q device %q", e.Subject, e.Reporter, e.Device)
		}
	}
	waitFor(t, "state", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		s := c.states[p.id.Part()]
		return s != nil && s.Counters["x"] == 7 && s.Software == "test"
	})
	waitFor(t, "status", func() bool { s := p.Status(); return s.Up && s.Sent == 2 && s.Spooled == 0 })
}

func TestUrgentLatency(t *testing.T) {
	c := newControl(t)
	c.delay = 40 * time.Millisecond // ordinary batches keep the normal lane busy
	c.start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, nil)
	waitFor(t, "link", func() bool { return p.Status().Up })
	var took []time.Duration
	for i := range 20 {
		for range 50 {
			p.Submit(event(model.SeverityInfo, "noise"))
		}
		begin := time.Now()
		p.Submit(event(model.SeverityHigh, fmt.Sprint("urgent", i)))
		waitFor(t, "urgent event", func() bool {
			return slices.ContainsFunc(c.stored(), func(e model.Event) bool { return e.Subject == fmt.Sprint("urgent", i) })
		})
		took = append(took, time.Since(begin)-c.delay)
		time.Sleep(20 * time.Millisecond)
	}
	slices.Sort(took)
	t.Logf("Submit to durable, the sink's own 40 ms taken off: median %v, worst %v", took[10], took[19])
	if took[10] > 30*time.Millisecond {
		t.Errorf("urgent events took %v over the sink's own time", took[10])
	}
}

func TestEnrollRefusals(t *testing.T) {
	c := newControl(t).start()
	other := newControl(t).start()
	used := c.token(model.RoleAgent, time.Minute)
	base := client.EnrollConfig{Endpoint: c.addr, Role: "agent", Device: string(device)}
	first := base
	first.Token, first.Dir = used, t.TempDir()
	if err := client.Enroll(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		token  string
		change func(*client.EnrollConfig)
		reason wire.Reason
		text   string
	}{
		"token twice":   {token: used, reason: wire.ReasonTokenUsed, text: "used already"},
		"expired":       {token: c.token(model.RoleAgent, -time.Second), reason: wire.ReasonTokenExpired, text: "expired"},
		"wrong role":    {token: c.token(model.RoleGate, time.Minute), reason: wire.ReasonTokenScope, text: "another role"},
		"unknown token": {token: identity.NewToken(c.ca.DER()).Text(), reason: wire.ReasonTokenInvalid, text: "not one of this control plane"},
		"old protocol": {
			token: c.token(model.RoleAgent, time.Minute), reason: wire.ReasonProtocol, text: "update the part",
			change: func(e *client.EnrollConfig) { e.Protocol = wire.Version{Major: 0, Minor: 9} },
		},
		"new protocol": {
			token: c.token(model.RoleAgent, time.Minute), reason: wire.ReasonProtocol, text: "update the control plane",
			change: func(e *client.EnrollConfig) { e.Protocol = wire.Version{Major: 1, Minor: 3} },
		},
		"bad device": {
			token: c.token(model.RoleAgent, time.Minute), reason: wire.ReasonBadRequest, text: "device id",
			change: func(e *client.EnrollConfig) { e.Device = "mac-zz" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := base
			e.Token, e.Dir = x.token, t.TempDir()
			if x.change != nil {
				x.change(&e)
			}
			err := client.Enroll(t.Context(), e)
			var r *client.Refused
			if !errors.As(err, &r) || r.Reason != x.reason || !strings.Contains(r.Message, x.text) {
				t.Errorf("got %v, want reason %s with %q", err, x.reason, x.text)
			}
			if !c.refused(x.reason) {
				t.Errorf("the control plane was not told of the refusal")
			}
			if identity.Exists(e.Dir) {
				t.Error("an identity was written")
			}
		})
	}
	t.Run("wrong CA", func(t *testing.T) {
		e := base
		e.Token, e.Dir, e.Endpoint = c.token(model.RoleAgent, time.Minute), t.TempDir(), other.addr
		if err := client.Enroll(t.Context(), e); !errors.Is(err, client.ErrWrongCA) {
			t.Errorf("got %v, want ErrWrongCA", err)
		}
		waitFor(t, "the other control plane to note it", func() bool { return other.refused(wire.ReasonNoIdentity) })
	})
	t.Run("enrolled already", func(t *testing.T) {
		e := first
		e.Token = c.token(model.RoleAgent, time.Minute)
		if err := client.Enroll(t.Context(), e); err == nil || !strings.Contains(err.Error(), "enrolled") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTwoMinorVersionsApart(t *testing.T) {
	c := newControl(t)
	c.cfg.Protocol = wire.Version{Major: 1, Minor: 2}
	c.start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, nil)
	waitFor(t, "link", func() bool { return p.Status().Up })
}

func TestOldPartIsToldByStatus(t *testing.T) {
	c := newControl(t).start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, func(cfg *client.Config) { cfg.Protocol = wire.Version{Major: 0, Minor: 1} })
	waitFor(t, "refusal", func() bool {
		s := p.Status()
		return !s.Up && s.Reason == wire.ReasonProtocol && strings.Contains(s.LastErr, "update the part")
	})
}

func TestIdentityOfAnotherControlPlane(t *testing.T) {
	c, other := newControl(t).start(), newControl(t).start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, func(cfg *client.Config) { cfg.Endpoint = other.addr })
	waitFor(t, "wrong authority", func() bool { return strings.Contains(p.Status().LastErr, "expected authority") })
	p.Submit(event(model.SeverityHigh, "secret"))
	time.Sleep(50 * time.Millisecond)
	if len(other.stored()) != 0 {
		t.Error("events went to a control plane of another authority")
	}
}

func TestRevocationAtOnce(t *testing.T) {
	c := newControl(t).start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, func(cfg *client.Config) {
		cfg.ReportEvery = time.Hour // only the waiting Watch can notice
		cfg.Sets = map[string]func(uint64, []byte) error{"policy": func(uint64, []byte) error { return nil }}
	})
	waitFor(t, "waiting Watch", func() bool { return c.srv.Stats().Watching == 1 })
	c.mu.Lock()
	c.parts[p.id.Part()].Revoked = true
	c.mu.Unlock()
	begin := time.Now()
	c.srv.Revoke(p.id.Part())
	waitFor(t, "refusal", func() bool { return p.Status().Reason == wire.ReasonRevoked })
	t.Logf("the waiting part knew after %v", time.Since(begin))
	p.Submit(event(model.SeverityCritical, "after"))
	waitFor(t, "connections to be cut", func() bool { return c.srv.Stats().Parts == 0 || time.Since(begin) > time.Second })
	time.Sleep(50 * time.Millisecond)
	if len(c.stored()) != 0 {
		t.Error("an event of a revoked part was stored")
	}
	if !c.refused(wire.ReasonRevoked) {
		t.Error("no refusal was handed on")
	}
}

func TestRenewAtTwoThirds(t *testing.T) {
	c := newControl(t)
	c.cfg.CertLife = 3 * time.Second
	c.start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, nil)
	first := p.id.NotAfter()
	if at := p.id.RenewAt(); at.Sub(time.Now()) > 2*time.Second {
		t.Errorf("renewal is due in %v of 3 s", time.Until(at))
	}
	waitFor(t, "two renewals", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.renewals >= 2 })
	if time.Now().Before(first) {
		time.Sleep(time.Until(first.Add(1100 * time.Millisecond)))
	}
	p.Submit(event(model.SeverityHigh, "with the new certificate"))
	waitFor(t, "event after the first certificate's end", func() bool { return len(c.stored()) == 1 })
	again, err := identity.Open(dir)
	if err != nil || !again.NotAfter().After(first) {
		t.Errorf("identity on disk: %v, ends %v", err, again.NotAfter())
	}
}

func TestEndedCertificateIsToldByStatus(t *testing.T) {
	c := newControl(t)
	c.cfg.CertLife = time.Second
	c.start()
	dir := t.TempDir()
	c.enroll(t, dir)
	id, err := identity.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(id.NotAfter().Add(1100 * time.Millisecond)))
	p := run(t, dir, nil)
	waitFor(t, "advice to enrol again", func() bool {
		s := p.Status()
		return !s.Up && strings.Contains(s.LastErr, "certificate has ended: enrol again")
	})
}

func TestLostLinkDrainsByImportance(t *testing.T) {
	c := newControl(t).start()
	dir := t.TempDir()
	c.enroll(t, dir)
	c.stop()
	p := run(t, dir, nil)
	for i := range 500 {
		p.Submit(event(model.Severity(i%5), fmt.Sprint(i)))
	}
	waitFor(t, "spool", func() bool { return p.Status().Spooled == 500 })
	p.stop() // a restart must not lose them
	p = run(t, dir, nil)
	c.start()
	waitFor(t, "all events", func() bool { return len(c.stored()) == 500 })
	worst := model.SeverityCritical
	for i, e := range c.stored() {
		if e.Severity > worst {
			t.Fatalf("event %d of severity %v came after one of %v", i, e.Severity, worst)
		}
		worst = e.Severity
	}
}

func TestServerRestartsMidBatch(t *testing.T) {
	c := newControl(t)
	c.failAck = 3
	c.start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, nil)
	const total = 8_000
	go func() {
		for i := range total {
			p.Submit(event(model.Severity(i%5), fmt.Sprint(i)))
			if i%50 == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}()
	for range 4 {
		time.Sleep(250 * time.Millisecond)
		c.stop()
		c.mu.Lock()
		c.failAck++
		c.mu.Unlock()
		c.start()
	}
	waitFor(t, "all events", func() bool { return len(c.stored()) >= total && p.Status().Spooled == 0 })
	seen := map[model.ID]bool{}
	for _, e := range c.stored() {
		if seen[e.ID] {
			t.Fatalf("event %s was stored twice", e.Subject)
		}
		seen[e.ID] = true
	}
	if len(seen) != total {
		t.Errorf("%d events stored, want %d", len(seen), total)
	}
	if c.again == 0 {
		t.Error("no batch came again: the test did not test")
	}
}

func TestSetsAreVerifiedKeptAndApplied(t *testing.T) {
	c := newControl(t).start()
	dir := t.TempDir()
	c.enroll(t, dir)
	var mu sync.Mutex
	got := map[string][]string{}
	take := func(name string) func(uint64, []byte) error {
		return func(v uint64, b []byte) error {
			mu.Lock()
			defer mu.Unlock()
			sum := sha256.Sum256(b)
			got[name] = append(got[name], fmt.Sprintf("%d:%d:%s", v, len(b), hex.EncodeToString(sum[:2])))
			return nil
		}
	}
	sets := func(cfg *client.Config) {
		cfg.Sets = map[string]func(uint64, []byte) error{"policy": take("policy"), "rules": take("rules")}
	}
	count := func(name string) int { mu.Lock(); defer mu.Unlock(); return len(got[name]) }
	p := run(t, dir, sets)
	info := func(name string, v uint64) identity.SetInfo {
		return identity.SetInfo{Name: name, Version: v, Issued: time.Now(), Expires: time.Now().Add(time.Hour)}
	}
	waitFor(t, "waiting Watch", func() bool { return c.srv.Stats().Watching == 1 })
	begin := time.Now()
	c.publishSet(c.signer.SignSet(info("policy", 3), []byte("p3")))
	waitFor(t, "policy 3", func() bool { return count("policy") == 1 })
	t.Logf("a new set was applied after %v", time.Since(begin))
	large := make([]byte, server.InlineSet+1000) // goes by Fetch
	c.publishSet(c.signer.SignSet(info("rules", 1), large))
	waitFor(t, "large set", func() bool { return count("rules") == 1 })
	waitFor(t, "versions in the state", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		s := c.states[p.id.Part()]
		return s != nil && s.Sets["policy"] == 3 && s.Sets["rules"] == 1
	})

	forged := newControl(t).signer.SignSet(info("policy", 9), []byte("evil"))
	c.publishSet(forged)
	waitFor(t, "Watch to fetch the forged set", func() bool { return c.srv.Stats().Watching == 0 })
	time.Sleep(50 * time.Millisecond)
	if count("policy") != 1 {
		t.Errorf("a forged set was applied: %v", got["policy"])
	}
	p.stop()
	c.stop()
	run(t, dir, sets) // no control plane: from disk
	waitFor(t, "sets from disk", func() bool { return count("policy") == 2 && count("rules") == 2 })
	if got["policy"][0] != got["policy"][1] {
		t.Errorf("from disk %s, before %s", got["policy"][1], got["policy"][0])
	}
}

func TestForeignDeviceIsRefused(t *testing.T) {
	c := newControl(t).start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, nil)
	e := event(model.SeverityHigh, "lie")
	e.Device = "mac-020000000b02"
	p.Submit(e)
	waitFor(t, "refusal", func() bool { return c.refused(wire.ReasonForeign) })
	if len(c.stored()) != 0 {
		t.Error("the event was stored")
	}
	waitFor(t, "the count", func() bool { return p.Status().Dropped == 1 && p.Status().Spooled == 0 })
	waitFor(t, "the event that tells it", func() bool {
		return slices.ContainsFunc(c.stored(), func(e model.Event) bool { return e.Kind == model.KindSpoolDropped && e.Count == 1 })
	})
}

// TestFullControlPlaneIsNoLostLink has the control plane refuse batches for
// want of room: the part keeps them, and does not take the link for lost.
func TestFullControlPlaneIsNoLostLink(t *testing.T) {
	c := newControl(t)
	c.full = 4
	c.start()
	dir := t.TempDir()
	c.enroll(t, dir)
	p := run(t, dir, nil)
	waitFor(t, "the link", func() bool { return p.Status().Up })
	since := p.Status().Since
	p.Submit(event(model.SeverityHigh, "a"))
	waitFor(t, "the event", func() bool { return len(c.stored()) == 1 })
	if s := p.Status(); !s.Up || !s.Since.Equal(since) || s.Dropped != 0 {
		t.Errorf("status %+v, up at first since %v", s, since)
	}
	if c.refused(wire.ReasonBusy) {
		t.Error("a busy moment is told as a refusal")
	}
}

func TestIdentityFileIsPrivate(t *testing.T) {
	c := newControl(t).start()
	dir := filepath.Join(t.TempDir(), "state")
	c.enroll(t, dir)
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "identity.pem"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v (%v), want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

// TestClockAheadDoesNotRenewWithoutEnd gives the part a clock that is ahead by
// more than a certificate's life.
func TestClockAheadDoesNotRenewWithoutEnd(t *testing.T) {
	c := newControl(t)
	c.cfg.CertLife = 6 * time.Second
	c.start()
	dir := t.TempDir()
	c.enroll(t, dir)
	run(t, dir, func(cfg *client.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Hour) }
	})
	waitFor(t, "a renewal", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.renewals > 0 })
	time.Sleep(time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.renewals != 1 {
		t.Errorf("%d renewals within a second of the first, want none", c.renewals-1)
	}
}
