package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/console/web"
	"github.com/masugata/masugata/internal/control/ingest"
	"github.com/masugata/masugata/internal/control/reputation"
	"github.com/masugata/masugata/internal/decide/correlate"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/server"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
	"github.com/masugata/masugata/internal/store/event/duckdb"
	"github.com/masugata/masugata/internal/store/state"
)

// plane is the wired control plane.
type plane struct {
	cfg     Config
	version string
	log     *slog.Logger

	state      *state.Store
	events     event.Store
	bus        *bus.Bus
	ca         *identity.CA
	live       *rest.Live
	sets       *setBook
	rules      *agentRules
	desk       *desk
	register   *register
	own        *ownEvents
	pipes      []*ingest.Pipeline
	link       *server.Server
	console    http.Handler
	reputation *reputation.Service // nil: switched off
	edge       *edgeSets           // what it knows, for gates
	setup      string              // token of the first sign-up
	rate       rate
	coverage   coverage
}

// open opens the stores and wires everything; nothing runs yet.
func open(ctx context.Context, cfg Config, version string, log *slog.Logger) (p *plane, err error) {
	p = &plane{cfg: cfg, version: version, log: log, live: rest.NewLive()}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if err := p.openStores(ctx); err != nil {
		return nil, err
	}
	p.verifyAudit(ctx)
	p.measureCoverage(ctx)
	if err := p.openDesk(ctx); err != nil {
		return nil, err
	}
	if err := p.openPipes(); err != nil {
		return nil, err
	}
	if err := p.openLink(); err != nil {
		return nil, err
	}
	if cfg.Reputation.Enabled {
		p.edge = newEdgeSets(p.sets, log)
		if p.reputation, err = reputation.Open(cfg.Reputation, filepath.Join(cfg.Data, reputationFolder), log, time.Now, p.edge.notice); err != nil {
			return nil, err
		}
		p.edge.source = p.reputation
		if err := p.reputation.Publish(p.sets.signer); err != nil {
			return nil, err
		}
		if cfg.Reputation.Shared {
			if err := p.reputation.Share(p.state, instanceName()); err != nil {
				return nil, err
			}
		}
		p.reputation.Watch(fleet{p.state})
		p.reputation.Follow(history{p.events}, p.desk.reputationScore, p.own.submit)
	}
	if err := p.openConsole(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *plane) openStores(ctx context.Context) (err error) {
	dir := func(name string) string { return filepath.Join(p.cfg.Data, name) }
	if p.state, err = state.Open(ctx, state.Config{URL: p.cfg.stateURL(), Log: p.log}); err != nil {
		return err
	}
	events, err := duckdb.Open(ctx, duckdb.Config{Dir: dir("events"), MemoryLimit: int64(p.cfg.Events.MemoryMB) << 20, Log: p.log})
	if err != nil {
		return err
	}
	p.events = events
	p.bus, err = bus.Open(ctx, bus.Config{Dir: dir("bus"), MaxBytes: int64(p.cfg.Bus.MaxDiskMB) << 20, Log: p.log})
	return err
}

func (p *plane) openDesk(ctx context.Context) (err error) {
	ca := filepath.Join(p.cfg.Data, "ca")
	if p.ca, err = identity.OpenCA(ca, time.Now()); err != nil {
		return err
	}
	signer, err := identity.OpenSigner(ca)
	if err != nil {
		return err
	}
	if p.sets, err = newSetBook(ctx, signer, p.state, p.log); err != nil {
		return err
	}
	p.rules = &agentRules{patterns: p.cfg.Agents.Rules, sets: p.sets, log: p.log}
	if err := p.rules.refresh(ctx, time.Now()); err != nil {
		return err
	}
	policies := &policyDesk{store: p.state, now: time.Now}
	current, err := policies.current(ctx)
	if err != nil {
		return err
	}
	p.desk = newDesk(p.state, p.sets, p.live,
		correlate.New(correlate.Config{EndAfter: p.cfg.Incidents.EndAfter, RetireAfter: p.cfg.Incidents.RetireAfter}, current), p.log)
	p.own = newOwnEvents(p.bus.Aggregator(), p.log)
	p.desk.onLeftOut = p.own.actionLeftOut
	if err := p.restore(ctx); err != nil {
		return err
	}
	return p.desk.setPolicy(ctx, current)
}

// restore hands the correlator what it held when the control plane last ran.
func (p *plane) restore(ctx context.Context) error {
	incidents, err := p.state.OpenIncidents(ctx)
	if err != nil {
		return err
	}
	actions, err := p.state.LiveActions(ctx)
	if err != nil {
		return err
	}
	for _, i := range incidents {
		undone, _, err := p.state.Actions(ctx, model.ActionFilter{Incident: i.ID, States: []model.ActionState{model.ActionUndone}}, model.Page{Limit: 1000})
		if err != nil {
			return err
		}
		actions = append(actions, undone...)
	}
	p.desk.c.Restore(incidents, actions, time.Now()) // nothing else runs yet
	return nil
}

func (p *plane) openPipes() error {
	for n := range p.bus.Shards() {
		pipe, err := ingest.New(ingest.Config{Source: p.bus.Consumer(n), Sink: p.events, Log: p.log,
			OnEvents: func(events []*model.Event) {
				p.desk.events(events)
				if p.reputation != nil {
					p.reputation.Events(events)
				}
				for _, e := range events {
					p.live.Event(e)
				}
			}})
		if err != nil {
			return err
		}
		p.pipes = append(p.pipes, pipe)
	}
	p.register = newRegister(p.state, p.desk, p.log)
	return nil
}

func (p *plane) openLink() (err error) {
	p.link, err = server.New(server.Config{
		CA: p.ca, SigningKey: p.sets.signer.PublicKey().String(), Tokens: p.register, Parts: p.register,
		Sink: noticing{ingest.LinkSink{Bus: p.bus.Aggregator()}, p.register}, States: p.register, Sets: p.sets,
		Refused: p.own.refused, CertLife: p.cfg.Link.CertificateLife,
	}, p.log)
	return err
}

func (p *plane) openConsole() (err error) {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	pin := sha256.Sum256(p.ca.DER())
	var secret [24]byte
	_, _ = rand.Read(secret[:]) // never fails, see crypto/rand
	p.setup = hex.EncodeToString(secret[:])
	p.console, err = rest.New(rest.Config{
		Version: p.version, Secure: !p.cfg.Console.Plain,
		People: people{p.state, p.setupFile()}, Tokens: p.state, Sessions: p.state, Audit: p.state, Inventory: p.state, Enrolment: p.state, Cases: p.state,
		Events:  &searcher{store: p.events, devices: p.state, now: time.Now},
		Actions: p.desk, Incidents: p.desk, Parts: partDesk{p.state, p.link},
		Policy:     &policyDesk{store: p.state, desk: p.desk, now: time.Now},
		Reputation: p.consoleReputation(), Effect: p.consoleEffect(), Sharing: p.consoleSharing(),
		Live: p.live, CAPin: hex.EncodeToString(pin[:8]), SetupToken: p.setup, LinkAddress: p.cfg.Link.Advertise,
		EventRate: p.rate.now, Healthy: p.healthy, Status: p.status, Coverage: p.coverage.list, OnLoginFailed: p.own.loginFailed,
		Metrics: metrics, Dashboard: web.Handler(), Log: p.log,
	})
	return err
}

// partDesk revokes parts for the console: in the register first, so that a
// restart does not bring them back, then on the wire.
type partDesk struct {
	store interface {
		RevokePart(ctx context.Context, id model.PartID, by, reason string) (model.Part, error)
	}
	link interface{ Revoke(part model.PartID) }
}

// RevokePart implements the console's PartDesk.
func (d partDesk) RevokePart(ctx context.Context, id model.PartID, by, reason string) (model.Part, error) {
	p, err := d.store.RevokePart(ctx, id, by, reason)
	if err == nil {
		d.link.Revoke(id)
	}
	return p, err
}

// firstStart writes the administrator's token for this machine once, and says
// where the first user is made while there is none.
func (p *plane) firstStart(ctx context.Context, addr string) error {
	path := filepath.Join(p.cfg.Data, "admin.token")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		text, _, err := p.state.CreateAPIToken(ctx, model.APIToken{Name: "local administrator", Access: model.AccessAdmin})
		if err != nil {
			return fmt.Errorf("make the local administrator's token: %w", err)
		}
		if err := identity.WriteFile(path, []byte(text+"\n")); err != nil {
			return err
		}
	}
	setup := p.setupFile()
	users, err := p.state.Users(ctx)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		if err := os.Remove(setup); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	url := p.consoleURL(addr) + "/setup#" + p.setup
	if err := identity.WriteFile(setup, []byte(url+"\n")); err != nil {
		return err
	}
	p.log.Warn("no user yet: open this address once to make the first one", "address", url)
	return nil
}

// setupFile is where the one-time address is kept while there is no user.
func (p *plane) setupFile() string { return filepath.Join(p.cfg.Data, "setup.url") }

// people are the users of the state store; with the first one the one-time
// address goes.
type people struct {
	*state.Store
	setup string
}

// CreateFirstUser implements the console's People.
func (p people) CreateFirstUser(ctx context.Context, name, password string) (model.User, error) {
	u, err := p.Store.CreateFirstUser(ctx, name, password)
	if err == nil {
		_ = os.Remove(p.setup) // it opens nothing any more; the next start tries again
	}
	return u, err
}

// healthy says what keeps the control plane from its work.
func (p *plane) healthy(ctx context.Context) error {
	if err := p.state.Ping(ctx); err != nil {
		return fmt.Errorf("state store: %w", err)
	}
	if _, err := p.bus.Usage(ctx); err != nil {
		return err
	}
	for _, pipe := range p.pipes {
		if err := pipe.Problem(); err != nil {
			return fmt.Errorf("events wait on the bus and cannot be stored: %w", err)
		}
	}
	return nil
}

func (p *plane) status(ctx context.Context) map[string]string {
	out := map[string]string{}
	if u, err := p.bus.Usage(ctx); err == nil {
		out["bus"] = fmt.Sprintf("%d messages, %d bytes of %d wait", u.Messages, u.Bytes, u.MaxBytes)
	} else {
		out["bus"] = err.Error()
	}
	if u, err := p.events.Usage(ctx); err == nil {
		out["events"] = fmt.Sprintf("%d stored, %d bytes in %d files", u.Events, u.Bytes, u.Files)
	} else {
		out["events"] = err.Error()
	}
	s := p.link.Stats()
	out["link"] = fmt.Sprintf("%d parts connected, %d calls waiting, %d batches, %d events, %d refused, %d sets sent as differences", s.Parts, s.Watching, s.Batches, s.Events, s.Refused, s.Differences)
	return out
}

func (p *plane) stored() (n uint64) {
	for _, pipe := range p.pipes {
		n += pipe.Stats().Events
	}
	return n
}

func (p *plane) close() {
	if p.bus != nil {
		p.bus.Close()
	}
	if p.events != nil {
		if err := p.events.Close(); err != nil {
			p.log.Error("close the event store", "error", err)
		}
	}
	if p.state != nil {
		if err := p.state.Close(); err != nil {
			p.log.Error("close the state store", "error", err)
		}
	}
}

// rate measures a growing count as a speed over the last seconds. Safe for
// concurrent use.
type rate struct {
	mu    sync.Mutex
	last  uint64
	at    time.Time
	speed float64
}

func (r *rate) tick(total uint64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() {
		if s := now.Sub(r.at).Seconds(); s > 0 {
			r.speed = 0.7*r.speed + 0.3*float64(total-r.last)/s
		}
	}
	r.last, r.at = total, now
}

func (r *rate) now() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.speed
}
