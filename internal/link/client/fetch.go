package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
)

// slowest is how fast a link must at least be, in bytes a second, for content
// to come in time.
const slowest = 16 << 10

// complete gets a set's payload, if it did not come along: by the difference to
// the one on disk where there is one, else as a whole. What differences are
// used for besides is dropped, so that it is not kept.
func (c *Client) complete(ctx context.Context, s *wire.SignedSet) error {
	if len(s.Payload) == 0 && s.Size > 0 {
		payload, err := c.differ(ctx, s)
		if err != nil && ctx.Err() == nil {
			c.log.Info("a set's difference is not used; the whole is fetched", "set", s.Name, "version", s.Version, "reason", err)
		}
		if payload == nil {
			if payload, err = c.fetch(ctx, s.SHA256, s.Size); err != nil {
				return fmt.Errorf("fetch set %s: %w", s.Name, err)
			}
		}
		s.Payload = payload
	}
	s.Base, s.Difference, s.DifferenceSHA256, s.DifferenceSize = 0, nil, nil, 0
	return nil
}

// fetch gets content of a known size by its digest.
func (c *Client) fetch(ctx context.Context, sum []byte, size uint64) ([]byte, error) {
	var res wire.FetchResponse
	wait := callTimeout + time.Duration(size/slowest)*time.Second
	if err := c.call(ctx, "Fetch", &wire.FetchRequest{SHA256: sum}, &res, wait); err != nil {
		return nil, err
	}
	if !isSum(res.Content, sum) {
		return nil, errors.New("the content is another than was asked for")
	}
	return res.Content, nil
}

func isSum(b, sum []byte) bool {
	got := sha256.Sum256(b)
	return string(got[:]) == string(sum)
}

// differ makes a set's payload of the one on disk and the difference; nil, with
// the reason if there is one to tell, when it must be fetched as a whole.
func (c *Client) differ(ctx context.Context, s *wire.SignedSet) ([]byte, error) {
	apply := c.cfg.Differences[s.Name]
	if apply == nil || s.Base == 0 {
		return nil, nil
	}
	if s.DifferenceSize > c.cfg.MaxSet {
		return nil, fmt.Errorf("it has %d bytes, at most %d are taken", s.DifferenceSize, c.cfg.MaxSet)
	}
	old, err := identity.LoadSet(c.cfg.Identity.Dir(), s.Name)
	if err != nil {
		return nil, err
	}
	if old == nil || old.Version != s.Base {
		return nil, fmt.Errorf("it is from version %d, which is not on disk", s.Base)
	}
	difference := s.Difference
	if len(difference) == 0 {
		if difference, err = c.fetch(ctx, s.DifferenceSHA256, s.DifferenceSize); err != nil {
			return nil, err
		}
	}
	payload, err := apply(old.Payload, difference)
	if err != nil {
		return nil, err
	}
	if uint64(len(payload)) != s.Size || !isSum(payload, s.SHA256) {
		return nil, errors.New("it gives another set than the control plane signed")
	}
	return payload, nil
}
