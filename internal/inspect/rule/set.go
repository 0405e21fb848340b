package rule

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Set is a compiled set of rules. It never changes and is shared by goroutines.
type Set struct {
	metas []Meta
}

// Compile turns rules into a Set. Rules that cannot be honoured are left out
// and returned as refusals, in the order of the sources; an error means that
// no Set could be made at all.
func Compile(sources []Source, o Options) (*Set, []Refusal, error) {
	return &Set{}, nil, nil
}

// Rules are the rules that were loaded, in the order of evaluation.
func (s *Set) Rules() []Meta { return s.metas }

// Hashes are the digests of files that some rule looks at.
func (s *Set) Hashes() protocol.Hashes { return 0 }

// WantsFrames says whether some rule inspects frames of a protocol.
func (s *Set) WantsFrames(id protocol.ID) bool { return false }

// WantsRaw says whether some rule may inspect the raw stream of a flow; while
// its protocol is not known, rules of every protocol count.
func (s *Set) WantsRaw(f *flow.Flow) bool { return true }

// Settled says that no rule can match on a flow any more (its payload is
// encrypted from here on, its transactions are done): it may be bypassed.
func (s *Set) Settled(f *flow.Flow) bool { return false }
