package reputation

import (
	"context"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/effect"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/model"
)

// knowledge is what the service knows, for its packages: it implements
// replica.Knowledge and effect.Knowledge.
type knowledge struct{ s *Service }

// Serial implements replica.Knowledge.
func (k knowledge) Serial() (uint32, bool) {
	return k.s.table.Load().serial, k.s.restored.Load()
}

// Read implements replica.Knowledge.
func (k knowledge) Read(f func(*ledger.Ledger)) {
	k.s.mu.LongRLock()
	defer k.s.mu.LongRUnlock()
	f(k.s.ledger)
}

// Explain implements effect.Knowledge.
func (k knowledge) Explain(o intel.Object) intel.Verdict {
	k.s.mu.RLock()
	defer k.s.mu.RUnlock()
	return k.s.ledger.Explain(o, k.s.seconds())
}

// Sources implements effect.Knowledge.
func (k knowledge) Sources() []intel.Source {
	k.s.mu.RLock()
	defer k.s.mu.RUnlock()
	return k.s.ledger.Sources()
}

// Index implements effect.Knowledge.
func (k knowledge) Index() (x *index.Index, ports, ready bool) {
	t := k.s.table.Load()
	return t.Index, t.byType[intel.TypeEndpoint.String()] > 0, k.s.restored.Load()
}

// Follow has the service look at what devices did, for what-if questions and to
// tell of devices that spoke with what is listed since: call it once, before
// Run. least is the least score that counts, by policy, 0 for the default; tell
// takes the events. Neither may wait.
func (s *Service) Follow(h effect.History, least func() uint8, tell func(*model.Event)) {
	s.effect.Follow(h, least, tell)
	s.told = append(s.told, s.effect.Renewed)
}

// Hits implements the console's ReputationEffect.
func (s *Service) Hits(days int) rest.ReputationHits { return s.effect.Hits(days) }

// Reports implements the console's ReputationEffect.
func (s *Service) Reports(state string) []rest.ReputationReport { return s.effect.Reports(state) }

// AddReport implements the console's ReputationEffect.
func (s *Service) AddReport(ctx context.Context, r rest.ReputationReport) (rest.ReputationReport, error) {
	r, err := s.effect.AddReport(r)
	if err != nil {
		return r, err
	}
	return r, s.allowReported(ctx, r.Allow, &r, r.By)
}

// DecideReport implements the console's ReputationEffect.
func (s *Service) DecideReport(ctx context.Context, id model.ID, d rest.ReputationDecision) (rest.ReputationReport, error) {
	r, err := s.effect.DecideReport(id, d)
	if err != nil {
		return r, err
	}
	return r, s.allowReported(ctx, d.Allow, &r, d.By)
}

// allowReported puts a reported object on the operator's allow list.
func (s *Service) allowReported(ctx context.Context, allow bool, r *rest.ReputationReport, by string) error {
	if !allow {
		return nil
	}
	_, err := s.SetEntry(ctx, rest.ReputationEntry{Object: r.Object, List: "allow", Note: "reported as a false alarm", By: by, Time: s.now().UTC()})
	return err
}
