package reputation

import (
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/consensus"
)

// seenMost bounds the objects seen by the fleet that Near knows.
const seenMost = 1 << 16

// How near an object is. What the fleet itself saw counts most, then what
// devices are made to call, which is what a device can keep itself from.
const (
	nearSeen   = 128
	nearCalled = 64
	nearOpen   = 32 // nothing is said of which way it goes
)

// Near says how near an object is to the devices of this fleet, 0 to 255: of
// objects with one score a small set keeps the nearest. Safe for concurrent
// use; it allocates nothing.
func (s *Service) Near(o intel.Object, b intel.Brief) uint8 {
	near := uint8(0)
	switch b.Kind {
	case intel.KindMining, intel.KindPhishing, intel.KindBot, intel.KindDistribution, intel.KindMalware, intel.KindC2:
		near = nearCalled
	case intel.KindSuspicious, intel.KindAnonymizer:
		near = nearOpen
	}
	if seen := s.seen.Load(); seen != nil && (*seen)[o] {
		near |= nearSeen
	}
	return near
}

// show lets Near know what the sensors saw, listed or not: one gate's word
// changes which of two equally bad things is kept, and nothing else.
func (n *sensors) show() {
	seen := make(map[intel.Object]bool)
	n.consensus.Each(n.s.seconds(), func(c consensus.Candidate) bool {
		if c.Kind != intel.KindBenign && c.Kind != intel.KindKnown {
			seen[c.Object] = true
		}
		return len(seen) < seenMost
	})
	n.s.seen.Store(&seen)
}
