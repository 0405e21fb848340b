package rule

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/memory"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
)

// transport numbers the groups that payloads are searched with.
type transport uint8

const (
	byTCP transport = iota
	byUDP
	byOther
	numTransports
)

func (t transports) group() transport {
	switch t {
	case overTCP:
		return byTCP
	case overUDP:
		return byUDP
	}
	return byOther
}

// Set is a compiled set of rules. It never changes and is shared by goroutines.
type Set struct {
	metas  []Meta
	rules  []rule
	names  *memory.Names
	memory memoryTables
	headerTable

	chains []payload.Chain
	frames []string
	hashes protocol.Hashes
	magic  bool // some rule looks at file.magic

	packets [numTransports][2]portGroups // payloads of packets, by direction
	streams [2]portGroups
	always  [numTransports][2]ruleList // rules about packets without a pattern
	alwaysS [2][]uint32                // rules about streams without a pattern
	broken  []uint32                   // rules with decode-event, for packets without IP
	ipOnly  ruleList
	rare    rareIndex
	apps    []uint32

	scans  []fieldScan
	plans  [protocol.NumIDs][2]txPlan
	framed [protocol.NumIDs][]uint32

	rawApps appSet // protocols of which rules inspect the raw stream
	rawAny  bool
}

// fieldScan is the search of one field in one direction.
type fieldScan struct {
	field protocol.Field
	chain uint16
	stage protocol.Stage
	kind  protocol.Kind
	multi bool
	group *group
	pair  [2]uint16 // scans that this one does together; equal when there are none
}

// txPlan is what is done with transactions of a protocol in one direction.
type txPlan struct {
	scans  []uint16 // indexes into Set.scans, by stage
	always []uint32 // rules without a pattern
}

// Rules are the rules that were loaded, in the order of evaluation.
func (s *Set) Rules() []Meta { return s.metas }

// Hashes are the digests of files that some rule looks at.
func (s *Set) Hashes() protocol.Hashes { return s.hashes }

// WantsFrames says whether some rule inspects frames of a protocol.
func (s *Set) WantsFrames(id protocol.ID) bool {
	return int(id) < len(s.framed) && len(s.framed[id]) > 0
}

// WantsMagic says whether some rule asks what kind a file is, so that records
// say it too.
func (s *Set) WantsMagic() bool { return s.magic }

// WantsRaw says whether some rule may inspect the raw stream of a flow; while
// its protocol is not known, rules of every protocol count.
func (s *Set) WantsRaw(f *flow.Flow) bool {
	if f.Proto != 6 {
		return false
	}
	if s.rawAny || f.App == protocol.Unknown {
		return s.rawAny || s.rawApps != 0
	}
	return s.rawApps&(1<<f.App) != 0
}

// Settled says that no rule can match on a flow any more (its payload is
// encrypted from here on, its transactions are done): it may be bypassed.
func (s *Set) Settled(f *flow.Flow) bool {
	if f.Flags&flow.FlagNoApp == 0 || s.WantsRaw(f) {
		return false
	}
	t := byOther
	switch f.Proto {
	case 6:
		t = byTCP
	case 17:
		t = byUDP
	}
	for d := range 2 {
		g := &s.packets[t][d]
		if s.always[t][d].size() > 0 || g.of(f.App) != nil || g.dst.of(f.ServerPort) != nil || g.src.of(f.ServerPort) != nil ||
			g.dst.of(f.ClientPort) != nil || g.src.of(f.ClientPort) != nil {
			return false
		}
	}
	return true
}

// dirsOf goes over a set of directions; an empty set is d alone.
func dirsOf(s protocol.Dirs, d packet.Direction) func(yield func(packet.Direction) bool) {
	if s == 0 {
		s = 1 << d
	}
	return func(yield func(packet.Direction) bool) {
		for _, d := range [2]packet.Direction{packet.ToServer, packet.ToClient} {
			if s.Has(d) && !yield(d) {
				return
			}
		}
	}
}
