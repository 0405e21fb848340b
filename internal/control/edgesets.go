package control

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/link/wire"
)

// The sets of what has a score of 50 or more: gates search addresses, names,
// URLs and files, agents only addresses, which are all that they refuse
// connections by.
// Beside their set gates get its tails, by which each match is sure.
const (
	setReputation      = wire.SetReputation
	setReputationTails = wire.SetReputationTails
	setAgentReputation = setReputation + "@agent"
)

// edgeKinds say which set is made for whom.
var edgeKinds = [...]struct {
	name  string
	tails string // name of the set of its tails; "" when nobody needs them
	class edge.Class
	takes func(reputation.Type) bool
}{
	{setReputation, setReputationTails, edge.ClassLarge, func(reputation.Type) bool { return true }},
	{setAgentReputation, "", edge.ClassSmall, func(t reputation.Type) bool { return t == reputation.TypePrefix }},
}

// What an operator allows is to reach gates soon, and making sets is not to
// take more than a tenth of a core: the pause after each is ten times what it
// took, within bounds.
const (
	edgePause    = 10
	edgePauseMin = 2 * time.Second
	edgePauseMax = time.Minute
)

// edgeSource is what the sets are made of.
type edgeSource interface {
	Each(yield func(reputation.Object, reputation.Brief) bool)
	// Near ranks objects of one score, 0 to 255; where there is no room for all,
	// the nearest are kept.
	Near(reputation.Object, reputation.Brief) uint8
}

// edgeSets sends what the reputation service knows as signed sets when it
// changed, and again at half a set's life.
type edgeSets struct {
	source edgeSource
	sets   *setBook
	log    *slog.Logger

	changed chan struct{}
}

func newEdgeSets(sets *setBook, log *slog.Logger) *edgeSets {
	return &edgeSets{sets: sets, log: log, changed: make(chan struct{}, 1)}
}

// notice says that something changed; it never waits.
func (e *edgeSets) notice() {
	select {
	case e.changed <- struct{}{}:
	default: // it is known already
	}
}

// run sends sets until ctx ends.
func (e *edgeSets) run(ctx context.Context) {
	hour := time.NewTicker(time.Hour)
	defer hour.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hour.C:
		case <-e.changed:
		}
		start := time.Now()
		if err := e.refresh(ctx, start); err != nil {
			e.log.Error("send reputation set; the former one holds", "error", err)
		}
		select { // others that come meanwhile go with the next
		case <-ctx.Done():
			return
		case <-time.After(min(max(edgePause*time.Since(start), edgePauseMin), edgePauseMax)):
		}
	}
}

// refresh sends every set that has to be sent; one that fails does not keep
// the others back.
func (e *edgeSets) refresh(ctx context.Context, now time.Time) error {
	var errs []error
	for i := range edgeKinds {
		errs = append(errs, e.send(ctx, i, now))
	}
	return errors.Join(errs...)
}

// send builds a set and publishes it unless the one before says the same and is
// not yet at half its life. Without anything to say none is begun.
func (e *edgeSets) send(ctx context.Context, kind int, now time.Time) error {
	k := &edgeKinds[kind]
	c := edge.Config{Near: e.source.Near, Header: edge.Header{Class: k.class, Version: uint64(max(now.UnixMilli(), 1)),
		Issued: uint32(now.Unix()), Expires: uint32(now.Add(setLife).Unix())}}
	old, issued := e.sets.newest(k.name)
	if old != nil {
		if h, err := edge.ReadHeader(old.Payload); err == nil {
			c.Key, c.Before, c.Version = h.Key, h.Version, max(c.Version, h.Version+1)
		}
	}
	if c.Key == (edge.Key{}) {
		_, _ = rand.Read(c.Key[:]) // never fails, see crypto/rand
	}
	snap, err := edge.Build(func(yield func(reputation.Object, reputation.Brief) bool) {
		e.source.Each(func(o reputation.Object, b reputation.Brief) bool { return !k.takes(o.Type) || yield(o, b) })
	}, c)
	if err != nil {
		return err
	}
	if old == nil && snap.Kept == 0 ||
		old != nil && now.Sub(issued) < setLife/2 && edge.SameEntries(old.Payload, snap.Payload) && e.hasTails(k.tails, old.Payload) {
		return nil
	}
	all := []named{{k.name, snap.Payload}}
	if k.tails != "" {
		all = append(all, named{k.tails, snap.Tails})
	}
	if err := e.sets.publish(ctx, now, all...); err != nil {
		return err
	}
	e.log.Info("reputation set sent", "set", k.name, "entries", snap.Kept, "below_50", snap.Low, "no_room", snap.NoRoom, "bytes", len(snap.Payload))
	return nil
}

// hasTails says whether the newest tails are those of a set. They are not when
// an earlier version made the set, or when the process ended between the two.
func (e *edgeSets) hasTails(name string, payload []byte) bool {
	if name == "" {
		return true
	}
	tails, _ := e.sets.newest(name)
	return tails != nil && edge.TailsFit(payload, tails.Payload)
}
