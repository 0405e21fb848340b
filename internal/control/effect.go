package control

import (
	"context"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/effect"
	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// history is what devices did, out of the event store.
type history struct{ store event.Store }

// Contacts implements effect.History.
func (h history) Contacts(ctx context.Context, from, to time.Time, most int, yield func(*effect.Contact)) error {
	q, err := query.Parse("kind:" + string(model.KindContact))
	if err != nil {
		return err
	}
	return h.store.Groups(ctx, q, from, to, most, func(g event.Group) bool {
		if c, ok := effect.ContactOf(g.Device, g.Observables); ok {
			c.Flows, c.First, c.Last = g.Total, g.First, g.Last
			yield(&c)
		}
		return true
	})
}

// consoleEffect is what reputation did as the console knows it: nothing when
// the service is switched off.
func (p *plane) consoleEffect() rest.ReputationEffect {
	if p.reputation == nil {
		return nil
	}
	return p.reputation
}

// reputationScore is the least score that counts by the policy in force; 0 when
// it says nothing.
func (d *desk) reputationScore() uint8 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.policy.Reputation.Score
}
