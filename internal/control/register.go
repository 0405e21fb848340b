package control

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/link/server"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// partStore keeps enrolled parts, their certificates and their tokens.
type partStore interface {
	UseEnrollTokenHash(ctx context.Context, hash string, role model.Role, now time.Time) (model.EnrollToken, error)
	SavePart(ctx context.Context, p model.Part, c model.Certificate) error
	SaveCertificate(ctx context.Context, c model.Certificate) error
	Part(ctx context.Context, id model.PartID) (model.Part, error)
	UpdateParts(ctx context.Context, parts []model.Part) error
	UpsertDevices(ctx context.Context, devices []model.Device) error
}

// register answers the link server's questions about parts and tokens out of
// the state store, and gathers what parts say of themselves so that many parts
// cost one write a second. Safe for concurrent use.
type register struct {
	store partStore
	desk  *desk
	log   *slog.Logger

	mu      sync.Mutex
	parts   map[model.PartID]model.Part
	devices map[model.DeviceID]model.Device
}

func newRegister(store partStore, d *desk, log *slog.Logger) *register {
	return &register{store: store, desk: d, log: log,
		parts: make(map[model.PartID]model.Part), devices: make(map[model.DeviceID]model.Device)}
}

// UseToken implements the link server's Tokens.
func (r *register) UseToken(ctx context.Context, hash string, role model.Role, now time.Time) (string, error) {
	t, err := r.store.UseEnrollTokenHash(ctx, hash, role, now)
	switch {
	case errors.Is(err, model.ErrTokenUnknown):
		err = server.ErrTokenInvalid
	case errors.Is(err, model.ErrTokenUsed):
		err = server.ErrTokenUsed
	case errors.Is(err, model.ErrTokenExpired):
		err = server.ErrTokenExpired
	case errors.Is(err, model.ErrTokenRole):
		err = server.ErrTokenScope
	}
	return t.Name, err
}

// Register implements the link server's Parts.
func (r *register) Register(ctx context.Context, p model.Part, c server.Certificate) error {
	err := r.store.SavePart(ctx, p, model.Certificate{Serial: c.Serial, Part: p.ID, SHA256: c.SHA256, NotBefore: c.NotBefore, NotAfter: c.NotAfter})
	if err == nil && p.Role == model.RoleAgent {
		r.agentOn(p.ID, p.Device, p.Enrolled)
	}
	return err
}

// Renewed implements the link server's Parts.
func (r *register) Renewed(ctx context.Context, part model.PartID, c server.Certificate) error {
	return r.store.SaveCertificate(ctx, model.Certificate{Serial: c.Serial, Part: part, SHA256: c.SHA256, NotBefore: c.NotBefore, NotAfter: c.NotAfter})
}

// Part implements the link server's Parts.
func (r *register) Part(ctx context.Context, id model.PartID) (model.Part, error) {
	p, err := r.store.Part(ctx, id)
	if errors.Is(err, model.ErrNotFound) {
		err = server.ErrUnknownPart
	}
	return p, err
}

// State implements the link server's States.
func (r *register) State(_ context.Context, part model.PartID, received time.Time, s *wire.PartState) error {
	r.mu.Lock()
	r.parts[part] = model.Part{ID: part, Version: s.Software, LastSeen: received, Coverage: s.Coverage,
		Spooled: s.Spooled, Dropped: s.Dropped, SetsSeen: s.SetVersions()}
	// Only gates see devices; an agent cannot speak of others.
	if strings.HasPrefix(string(part), string(model.RoleGate)+"-") {
		for _, d := range s.Devices {
			d.Agent = r.devices[d.ID].Agent // known by its own reports alone
			r.devices[d.ID] = d
		}
	}
	r.mu.Unlock()
	r.desk.statuses(part, s.Actions)
	return nil
}

// agentOn notes that an agent lives on a device.
func (r *register) agentOn(part model.PartID, device model.DeviceID, at time.Time) {
	if device == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.devices[device]
	d.ID, d.Agent = device, part
	if d.FirstSeen.IsZero() {
		d.FirstSeen = at
	}
	d.LastSeen = at
	r.devices[device] = d
}

// run writes what was gathered once a second until ctx ends, and then once
// more.
func (r *register) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			r.flush(last)
			return
		case <-tick.C:
			r.flush(ctx)
		}
	}
}

func (r *register) flush(ctx context.Context) {
	r.mu.Lock()
	parts, devices := values(r.parts), values(r.devices)
	clear(r.parts)
	clear(r.devices)
	r.mu.Unlock()
	if len(devices) > 0 {
		if err := r.store.UpsertDevices(ctx, devices); err != nil {
			r.log.Error("keep devices", "error", err, "count", len(devices))
			r.putBack(devices) // gates tell of a device only when it changes
		} else {
			r.desk.known(ctx, devices)
		}
	}
	if len(parts) > 0 {
		if err := r.store.UpdateParts(ctx, parts); err != nil {
			r.log.Error("keep what parts say", "error", err, "count", len(parts))
		}
	}
}

// putBack keeps devices that the store did not take for the next turn, unless
// something newer came meanwhile.
func (r *register) putBack(devices []model.Device) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range devices {
		if newer, ok := r.devices[d.ID]; !ok {
			r.devices[d.ID] = d
		} else if newer.Agent == "" {
			newer.Agent = d.Agent
			r.devices[d.ID] = newer
		}
	}
}

func values[K comparable, V any](m map[K]V) []V {
	out := make([]V, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// noticing is a link sink that notes which device an agent runs on.
type noticing struct {
	server.Sink
	register *register
}

// Publish implements the link server's Sink.
func (s noticing) Publish(ctx context.Context, b server.Batch) error {
	s.register.agentOn(b.Part, b.Device, b.Received)
	return s.Sink.Publish(ctx, b)
}

// address gives the IP of "address:port" or of an address alone.
func address(remote string) []model.Observable {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		remote = ap.Addr().Unmap().String()
	} else if _, err := netip.ParseAddr(remote); err != nil {
		return nil
	}
	return []model.Observable{{Type: model.ObservableIP, Value: remote}}
}
