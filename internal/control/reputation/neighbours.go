package reputation

import (
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

// lookAround renews what the ledger itself concludes of networks in which many
// addresses are listed. Readers are not held up while it counts.
func (s *Service) lookAround() error {
	now := s.seconds()
	s.mu.LongRLock()
	claims := s.ledger.Crowded(now)
	s.mu.LongRUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	from := ledger.Crowd()
	from.Name = ownPrefix + from.Name
	return s.replace(s.ledger.Source(from), now, claims)
}

// replace has a source say what claims say and nothing else; a claim that the
// ledger refuses leaves what it said before. Call it with mu held.
func (s *Service) replace(id intel.SourceID, now uint32, claims []intel.Claim) error {
	imp, err := s.ledger.Import(id, now)
	if err != nil {
		return err
	}
	for i := range claims {
		if err := imp.Add(&claims[i]); err != nil {
			imp.Abort()
			return err
		}
	}
	imp.Commit()
	return nil
}
