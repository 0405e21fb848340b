package reputation

import (
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

// lookAround renews what the ledger itself concludes of networks in which many
// addresses are listed. Readers are not held up while it counts.
func (s *Service) lookAround() error {
	now := s.seconds()
	s.mu.RLock()
	claims := s.ledger.Crowded(now)
	s.mu.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	from := ledger.Crowd()
	from.Name = ownPrefix + from.Name
	imp, err := s.ledger.Import(s.ledger.Source(from), now)
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
