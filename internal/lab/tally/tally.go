// Package tally counts what the lab's ordinary traffic achieved and lost. It
// knows names and numbers, not what is counted; every role of the lab keeps
// one, and the demonstration compares two readings of all of them.
package tally

import (
	"maps"
	"sync"
)

// Count is what one kind of traffic did. Each unit (a frame, a message, a
// request) is counted once, when its fate is known.
type Count struct {
	Total uint64 `json:"total"`
	Lost  uint64 `json:"lost"`            // never arrived, or arrived too late to be of use
	Wrong uint64 `json:"wrong,omitempty"` // arrived with the wrong content, twice or out of order
	Note  string `json:"note,omitempty"`  // the last thing that went wrong
}

// Bad is how many units did not do what they were for.
func (c Count) Bad() uint64 { return c.Lost + c.Wrong }

// Tally holds counts by name. It is safe for concurrent use.
type Tally struct {
	mu     sync.Mutex
	counts map[string]Count
}

// New gives an empty tally.
func New() *Tally { return &Tally{counts: map[string]Count{}} }

// Good counts n units that did well.
func (t *Tally) Good(name string, n uint64) { t.add(name, Count{Total: n}) }

// Lost counts n units that were lost, and why.
func (t *Tally) Lost(name string, n uint64, why string) {
	if n > 0 {
		t.add(name, Count{Total: n, Lost: n, Note: why})
	}
}

// Wrong counts n units that arrived wrong, and how.
func (t *Tally) Wrong(name string, n uint64, why string) {
	if n > 0 {
		t.add(name, Count{Total: n, Wrong: n, Note: why})
	}
}

// Result counts one unit by its error.
func (t *Tally) Result(name string, err error) {
	if err != nil {
		t.Lost(name, 1, err.Error())
		return
	}
	t.Good(name, 1)
}

func (t *Tally) add(name string, c Count) {
	t.mu.Lock()
	defer t.mu.Unlock()
	have := t.counts[name]
	have.Total += c.Total
	have.Lost += c.Lost
	have.Wrong += c.Wrong
	if c.Note != "" {
		have.Note = c.Note
	}
	t.counts[name] = have
}

// Read gives a copy of all counts.
func (t *Tally) Read() map[string]Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// Since gives what was counted between two readings.
func Since(before, after map[string]Count) map[string]Count {
	d := map[string]Count{}
	for name, a := range after {
		b := before[name]
		c := Count{Total: a.Total - b.Total, Lost: a.Lost - b.Lost, Wrong: a.Wrong - b.Wrong}
		if c.Bad() > 0 {
			c.Note = a.Note
		}
		d[name] = c
	}
	return d
}
