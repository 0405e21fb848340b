package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
)

// watch waits for newer sets, for as long as ctx lasts.
func (c *Client) watch(ctx context.Context) {
	if len(c.cfg.Sets) == 0 {
		return
	}
	for ctx.Err() == nil {
		c.retry(ctx, "watch for sets", c.watchOnce)
	}
}

func (c *Client) watchOnce(ctx context.Context) error {
	c.mu.Lock()
	have := maps.Clone(c.seen)
	c.mu.Unlock()
	for name := range c.cfg.Sets {
		have[name] += 0 // every wanted set is named
	}
	var res wire.WatchResponse
	err := c.call(ctx, "Watch", &wire.WatchRequest{Have: have, WaitMs: uint32(watchFor.Milliseconds()),
		Differences: slices.Sorted(maps.Keys(c.cfg.Differences))}, &res, watchFor+callTimeout)
	if err != nil {
		return err
	}
	// A set that is in force is written while the next one is taken: the disk may
	// be slow. A part that ends in between begins with what it had and is sent
	// the newer one again.
	var failed error
	saved := make(chan error, 1)
	saved <- nil
	for i := range res.Sets { // one bad set does not keep the others out
		s := &res.Sets[i]
		if err := c.take(ctx, s); err != nil {
			failed = err
			continue
		}
		failed = cmp.Or(<-saved, failed)
		go func() { saved <- identity.SaveSet(c.cfg.Identity.Dir(), s) }()
	}
	return cmp.Or(<-saved, failed)
}

// take verifies a set that came and puts it into force.
func (c *Client) take(ctx context.Context, s *wire.SignedSet) error {
	if c.cfg.Sets[s.Name] == nil {
		return fmt.Errorf("a set %.40q that was not asked for", s.Name)
	}
	if s.Size > c.cfg.MaxSet {
		return fmt.Errorf("set %s version %d has %d bytes, at most %d are taken", s.Name, s.Version, s.Size, c.cfg.MaxSet)
	}
	if err := c.complete(ctx, s); err != nil {
		return err
	}
	c.mu.Lock()
	held := c.seen[s.Name]
	c.mu.Unlock()
	info, err := identity.VerifySet(c.key, s.Name, held, s.Payload, s.Minisig, c.cfg.Now())
	if err != nil {
		return err
	}
	c.apply(s.Name, info.Version, s.Payload)
	return nil
}

// apply puts a verified set into force.
func (c *Client) apply(name string, version uint64, payload []byte) {
	err := c.cfg.Sets[name](version, payload)
	c.mu.Lock()
	c.seen[name] = version
	if err == nil {
		c.applied[name] = version
	}
	c.mu.Unlock()
	if err != nil {
		c.log.Error("a set cannot be put into force; the one before stays", "set", name, "version", version, "error", err)
		return
	}
	c.log.Info("set in force", "set", name, "version", version)
	c.Nudge()
}

// loadSets puts the sets on disk into force, as far as they still hold.
func (c *Client) loadSets() {
	for name := range c.cfg.Sets {
		if err := c.loadSet(name); err != nil {
			c.log.Warn("the set on disk is not used", "set", name, "error", err)
		}
	}
}

func (c *Client) loadSet(name string) error {
	s, err := identity.LoadSet(c.cfg.Identity.Dir(), name)
	if err != nil || s == nil {
		return err
	}
	set, err := identity.VerifySet(c.key, name, 0, s.Payload, s.Minisig, c.cfg.Now())
	if errors.Is(err, identity.ErrSetExpired) {
		c.mu.Lock()
		c.seen[name] = set.Version // only a newer one may replace it
		c.mu.Unlock()
	}
	if err != nil {
		return err
	}
	c.apply(name, set.Version, s.Payload)
	return nil
}
