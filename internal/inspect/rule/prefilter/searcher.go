package prefilter

import (
	"errors"
	"fmt"
	"slices"
)

// Pattern is one literal to look for. Several patterns may share an ID; the ID
// is then reported once when any of them occurs.
type Pattern struct {
	ID     uint32
	Bytes  []byte // 1 to MaxPattern bytes; kept by the Searcher, so it must not change
	NoCase bool   // ASCII letters match in both cases
	Offset int    // the match must begin at this byte of the buffer or later
	Depth  int    // the match must end within the first Depth bytes of the buffer; 0: no limit
}

// MaxPattern is the longest pattern that Build takes. Rules with longer
// literals give a part of them, which is as selective.
const MaxPattern = 255

// farAway stands for every base beyond all bounds.
const farAway = 1 << 40

// MaxID is the highest pattern ID: ids index a bit set in Scratch.
const MaxID = 1<<22 - 1

// Searcher is a compiled set of patterns. It never changes after Build and is
// shared by goroutines; each of them scans with a Scratch of its own.
type Searcher interface {
	// Scan appends to s.Hits the IDs of the patterns that occur in data, each
	// once a scan, in no particular order. It keeps no reference to data.
	Scan(data []byte, s *Scratch)
	// ScanWindow is Scan for a part of a buffer that begins base bytes behind
	// the buffer's own begin, from which Offset and Depth count.
	ScanWindow(data []byte, base uint64, s *Scratch)
	// Size is the memory of the Searcher in bytes, about.
	Size() int
}

// Scratch is the memory of one goroutine for scans. The zero value is ready.
// Any number of Searchers may use it in turn.
type Scratch struct {
	// Hits gathers IDs. The caller empties it (s.Hits = s.Hits[:0]) when it
	// has dealt with them; IDs stay unique between two calls of Scan only.
	Hits []uint32

	seen  []uint64 // ids reported in this scan; cleared through Hits at its end
	start int      // where this scan's part of Hits begins
	base  int      // of the window under scan
	native
}

// Build compiles patterns. freq tells how often grams occur in ordinary
// traffic, nil for the built-in table. It gives the fastest Searcher of this
// build: Hyperscan with the build tag hyperscan, else the one of BuildPure.
func Build(patterns []Pattern, freq *Frequencies) (Searcher, error) {
	if err := check(patterns); err != nil {
		return nil, err
	}
	return buildBest(possible(patterns), freq)
}

// BuildPure compiles patterns for the pure-Go search, which every build has.
func BuildPure(patterns []Pattern, freq *Frequencies) (Searcher, error) {
	if err := check(patterns); err != nil {
		return nil, err
	}
	return buildPure(possible(patterns), freq)
}

var errEmpty = errors.New("prefilter: empty pattern")

func check(patterns []Pattern) error {
	for i := range patterns {
		p := &patterns[i]
		switch {
		case len(p.Bytes) == 0:
			return errEmpty
		case len(p.Bytes) > MaxPattern:
			return fmt.Errorf("prefilter: pattern of %d bytes, the longest is %d", len(p.Bytes), MaxPattern)
		case p.ID > MaxID:
			return fmt.Errorf("prefilter: pattern id %d, the highest is %d", p.ID, MaxID)
		case p.Offset < 0 || p.Depth < 0:
			return fmt.Errorf("prefilter: pattern id %d: negative offset or depth", p.ID)
		}
	}
	return nil
}

// possible leaves out patterns that do not fit where they must lie.
func possible(patterns []Pattern) []Pattern {
	never := func(p Pattern) bool { return p.Depth > 0 && p.Depth < p.Offset+len(p.Bytes) }
	if !slices.ContainsFunc(patterns, never) {
		return patterns
	}
	return slices.DeleteFunc(slices.Clone(patterns), never)
}

// begin starts a scan of the window at base whose ids are at most maxID.
func (s *Scratch) begin(maxID uint32, base uint64) {
	s.base = int(min(base, farAway))
	if need := int(maxID>>6) + 1; len(s.seen) < need {
		s.seen = make([]uint64, need)
	}
	s.start = len(s.Hits)
}

// report adds id unless this scan has reported it.
func (s *Scratch) report(id uint32) {
	w, b := id>>6, uint64(1)<<(id&63)
	if s.seen[w]&b == 0 {
		s.seen[w] |= b
		s.Hits = append(s.Hits, id)
	}
}

// end forgets which ids this scan has reported.
func (s *Scratch) end() {
	for _, id := range s.Hits[s.start:] {
		s.seen[id>>6] = 0
	}
}
