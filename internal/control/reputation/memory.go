package reputation

import (
	"os"
	"runtime"
	"runtime/debug"

	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/index"
)

// newIndex makes an index of what the ledger holds and shows the type and the
// brief of each object.
func (s *Service) newIndex(hint int, seen func(intel.Type, intel.Brief)) (*index.Index, error) {
	b := index.NewBuilder(hint)
	b.Prefixes = true
	b.Seed = uint64(s.now().UnixNano())
	var failed error
	s.mu.LongRLock()
	s.tune()
	s.ledger.EachLent(s.seconds(), func(o intel.Object, brief intel.Brief) bool {
		if failed = b.Add(o, brief); failed != nil {
			return false
		}
		seen(o.Type, brief)
		return true
	})
	s.mu.LongRUnlock()
	if failed != nil {
		return nil, failed
	}
	return b.Build()
}

// tidyFrom is the size of an index, in objects, from which the memory for two
// of them is worth a collection: the tables hold no pointers, so that it takes
// milliseconds.
const tidyFrom = 200_000

// tidy makes room for a second index, and returns what gives the first one's
// memory back. Without it the collector would let garbage grow to the size of
// all that is known before it looks.
func (s *Service) tidy() (after func()) {
	old := s.table.Load()
	if old != nil && old.Size() >= tidyFrom {
		runtime.GC()
	}
	return func() {
		if now := s.table.Load(); now != nil && now.Size() >= tidyFrom {
			debug.FreeOSMemory()
		}
	}
}

const (
	// garbage is how much garbage a thrifty service lets lie before it is
	// collected, in bytes.
	garbage = 24 << 20
	// leastPercent and mostPercent bound what that is of all that is known.
	leastPercent = 7
	mostPercent  = 100
)

// Thrifty has the collector of this process let little garbage lie, however much
// is known: without it, it lets as much grow as there is. For processes that run
// nothing but the service; call it before Run. GOGC in the environment wins.
func (s *Service) Thrifty() {
	if os.Getenv("GOGC") == "" {
		s.percent.Store(mostPercent)
	}
}

// tune sets what the collector lets lie by what is known now. The caller holds
// mu, if only for reading.
func (s *Service) tune() {
	old := s.percent.Load()
	if old == 0 {
		return // not thrifty
	}
	known := s.ledger.Bytes() + 1
	if t := s.table.Load(); t != nil {
		known += t.Bytes()
	}
	now := int64(min(max(100*garbage/known, leastPercent), mostPercent))
	if d := now - old; (d > 4 || d < -4 || now == leastPercent && d != 0) && s.percent.CompareAndSwap(old, now) {
		debug.SetGCPercent(int(now))
	}
}
