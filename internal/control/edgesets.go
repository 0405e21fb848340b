package control

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
)

// setReputation is what gates search: addresses, names, URLs and files of a
// score of 50 or more.
const setReputation = "reputation"

// edgeEvery is the least time between two sets: gates take each as a whole.
const edgeEvery = time.Minute

// edgeSets sends what the reputation service knows as the signed set
// "reputation" when it changed, and again at half the set's life.
type edgeSets struct {
	known func(yield func(reputation.Object, reputation.Brief) bool)
	sets  *setBook
	log   *slog.Logger

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
		if err := e.refresh(ctx, time.Now()); err != nil {
			e.log.Error("send reputation set; the former one holds", "error", err)
		}
		select { // others that come meanwhile go with the next
		case <-ctx.Done():
			return
		case <-time.After(edgeEvery):
		}
	}
}

// refresh builds the set and publishes it unless the one before says the same
// and is not yet at half its life. Without anything to say none is begun.
func (e *edgeSets) refresh(ctx context.Context, now time.Time) error {
	c := edge.Config{Header: edge.Header{Class: edge.ClassLarge, Version: uint64(max(now.UnixMilli(), 1)),
		Issued: uint32(now.Unix()), Expires: uint32(now.Add(setLife).Unix())}}
	old, issued := e.sets.newest(setReputation)
	if old != nil {
		if h, err := edge.ReadHeader(old.Payload); err == nil {
			c.Key, c.Before, c.Version = h.Key, h.Version, max(c.Version, h.Version+1)
		}
	}
	if c.Key == (edge.Key{}) {
		_, _ = rand.Read(c.Key[:]) // never fails, see crypto/rand
	}
	snap, err := edge.Build(e.known, c)
	if err != nil {
		return err
	}
	if old == nil && snap.Kept == 0 || old != nil && now.Sub(issued) < setLife/2 && edge.SameEntries(old.Payload, snap.Payload) {
		return nil
	}
	if err := e.sets.publish(ctx, setReputation, snap.Payload, now); err != nil {
		return err
	}
	e.log.Info("reputation set sent", "entries", snap.Kept, "below_50", snap.Low, "no_room", snap.NoRoom, "bytes", len(snap.Payload))
	return nil
}
