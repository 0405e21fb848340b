package control

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// setLife is how long a signed set may be used after it was signed; it is
// signed again at half of it.
const setLife = 7 * 24 * time.Hour

// The names of the sets that this version sends. What stands behind an @ is
// not on the wire: agents get other sets of that name than gates. Each agent
// gets an action set of its own, cut out of the one kept here of all that agents
// carry out.
const (
	setPolicy       = "policy"
	setActions      = "actions"
	setAgentActions = "actions@agent"
	setRules        = "rules"
)

// setStore keeps the newest version of each set over a restart.
type setStore interface {
	SaveSet(ctx context.Context, set model.SignedSet) error
	Set(ctx context.Context, name string) (model.SignedSet, error)
	Content(ctx context.Context, sha256 [32]byte) ([]byte, error)
}

// setBook holds the newest signed sets in memory and tells waiting parts when
// one changed. It is what the link server asks. Safe for concurrent use.
type setBook struct {
	signer *identity.Signer
	store  setStore

	publishing sync.Mutex // held over the store's work, so that waiting parts need not wait for it

	mu      sync.RWMutex
	sets    map[string]*wire.SignedSet
	issued  map[string]time.Time
	agents  *agentSets // cut out of sets[setAgentActions]; nil while there is none
	changed chan struct{}

	lineages map[string]*lineage // of the sets that know differences; never changed
}

// newSetBook reads the sets that were kept. Actions in them that this version
// cannot read are left out of what agents are given, and logged.
func newSetBook(ctx context.Context, signer *identity.Signer, store setStore, log *slog.Logger) (*setBook, error) {
	b := &setBook{signer: signer, store: store, sets: make(map[string]*wire.SignedSet),
		issued: make(map[string]time.Time), changed: make(chan struct{}), lineages: make(map[string]*lineage)}
	for _, name := range []string{setPolicy, setActions, setAgentActions, setRules, setReputation, setReputationTails, setAgentReputation} {
		if d := differOf(name); d != nil {
			b.lineages[name] = newLineage(d)
		}
		s, err := store.Set(ctx, name)
		if errors.Is(err, model.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("load set %s: %w", name, err)
		}
		b.sets[name] = &wire.SignedSet{Name: wireName(name), Version: s.Version, Payload: s.Payload, Minisig: s.Minisig,
			SHA256: s.SHA256[:], Size: uint64(len(s.Payload))}
		b.issued[name] = s.Issued
		if h := b.lineages[name]; h != nil {
			h.advance(step{next: version{number: s.Version, whole: s.Payload}})
		}
		if name != setAgentActions {
			continue
		}
		info := identity.SetInfo{Name: wireName(name), Version: s.Version, Issued: s.Issued, Expires: s.Expires}
		if b.agents, err = cutForAgents(signer, info, s.Payload); err != nil {
			log.Error("actions are left out of what agents are given", "set", name, "version", s.Version, "error", err)
		}
	}
	return b, nil
}

// wireName is the name a part knows the set by.
func wireName(name string) string {
	name, _, _ = strings.Cut(name, "@")
	return name
}

// keptName is the name of the set that a part knows by the given one.
func keptName(part model.PartID, name string) string {
	if strings.HasPrefix(string(part), string(model.RoleAgent)+"-") {
		switch name {
		case setActions:
			return setAgentActions
		case setReputation:
			return setAgentReputation
		}
	}
	return name
}

// named is the payload of a set to be published.
type named struct {
	name    string
	payload []byte
}

// publish signs each payload as the next version of its set, keeps it, and
// wakes all that wait, once all are in force together. A payload equal to the
// newest one that is not yet at half its life is left as it is. Versions are
// the time in milliseconds, or one above the last: after an old backup was
// brought back they are still above those that parts hold, which take nothing
// else.
func (b *setBook) publish(ctx context.Context, now time.Time, payloads ...named) error {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	var all []ready
	var failed error // what was kept before is put in force all the same
	for _, p := range payloads {
		r, err := b.prepare(ctx, p, now)
		if err != nil {
			failed = err
			break
		}
		if r.signed != nil {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return failed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range all {
		if r.lineage != nil {
			r.lineage.advance(r.step)
		}
		b.sets[r.name], b.issued[r.name] = r.signed, now
		if r.agents != nil {
			b.agents = r.agents
		}
	}
	close(b.changed)
	b.changed = make(chan struct{})
	return failed
}

// ready is a version of a set that is kept and has to be put in force.
type ready struct {
	name    string
	signed  *wire.SignedSet // nil: nothing is to be done
	agents  *agentSets
	lineage *lineage
	step    step
}

// prepare signs and keeps the next version of a set. Call it with publishing
// held.
func (b *setBook) prepare(ctx context.Context, p named, now time.Time) (r ready, err error) {
	sum := sha256.Sum256(p.payload)
	number := uint64(max(now.UnixMilli(), 1))
	if old, issued := b.newest(p.name); old != nil {
		if [32]byte(old.SHA256) == sum && now.Sub(issued) < setLife/2 {
			return r, nil
		}
		number = max(number, old.Version+1)
	}
	r.name = p.name
	info := identity.SetInfo{Name: wireName(p.name), Version: number, Issued: now, Expires: now.Add(setLife)}
	r.signed = b.signer.SignSet(info, p.payload)
	if p.name == setAgentActions {
		if r.agents, err = cutForAgents(b.signer, info, p.payload); err != nil {
			return r, fmt.Errorf("publish set %s: %w", p.name, err)
		}
	}
	kept := model.SignedSet{Name: p.name, Version: number, Payload: p.payload, Minisig: r.signed.Minisig, SHA256: sum,
		Issued: info.Issued, Expires: info.Expires}
	if err := b.store.SaveSet(ctx, kept); err != nil {
		return r, fmt.Errorf("keep set %s version %d: %w", p.name, number, err)
	}
	if r.lineage = b.lineages[p.name]; r.lineage != nil {
		r.step = r.lineage.prepare(version{number: number, whole: p.payload})
	}
	return r, nil
}

func (b *setBook) newest(name string) (*wire.SignedSet, time.Time) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sets[name], b.issued[name]
}

// Latest implements the link server's Sets.
func (b *setBook) Latest(part model.PartID, device model.DeviceID, name string) *wire.SignedSet {
	if name = keptName(part, name); name == setAgentActions {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.agents == nil {
			return nil
		}
		return b.agents.of(device)
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sets[name]
}

// Difference implements the link server's Sets.
func (b *setBook) Difference(ctx context.Context, part model.PartID, name string, s *wire.SignedSet, base uint64) []byte {
	h := b.lineages[keptName(part, name)]
	if h == nil {
		return nil
	}
	return h.difference(ctx, s.Version, base)
}

// Changed implements the link server's Sets.
func (b *setBook) Changed() <-chan struct{} {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.changed
}

// Content implements the link server's Sets. A version that was replaced while
// a part asked for it comes out of the store.
func (b *setBook) Content(ctx context.Context, sum []byte) ([]byte, error) {
	if payload := b.held(sum); payload != nil {
		return payload, nil
	}
	for _, h := range b.lineages {
		if difference := h.content([32]byte(sum)); difference != nil {
			return difference, nil
		}
	}
	payload, err := b.store.Content(ctx, [32]byte(sum))
	if errors.Is(err, model.ErrNotFound) {
		return nil, nil
	}
	return payload, err
}

func (b *setBook) held(sum []byte) []byte {
	b.mu.RLock()
	defer b.mu.RUnlock()
	known := []map[string]*wire.SignedSet{b.sets}
	if b.agents != nil {
		known = append(known, b.agents.signed)
	}
	for _, sets := range known {
		for _, s := range sets {
			if string(s.SHA256) == string(sum) {
				return s.Payload
			}
		}
	}
	return nil
}
