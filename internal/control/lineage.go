package control

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/masugata/masugata/internal/intel/reputation/edge"
)

// Bounds of what is kept of a set's former versions: those of days where feeds
// change it every hour, of a few hours where it changes every minute.
const (
	lineageVersions = 144
	lineageBytes    = 24 << 20
	lineageWhole    = 16      // every so many versions a whole one is kept
	lineageWaiting  = 8       // differences that are made or waited for at a time
	lineageMade     = 8 << 20 // bytes of differences to the newest version that are kept
)

// differ knows what lies between two versions of a set. Its functions must
// stand any input and keep no argument.
type differ struct {
	between func(old, next []byte) ([]byte, error)
	apply   func(old, difference []byte) ([]byte, error)
}

// differOf gives what knows the differences of a set; nil when nothing does.
func differOf(name string) *differ {
	switch name {
	case setReputation, setAgentReputation:
		return &differ{edge.Delta, edge.Apply}
	case setReputationTails:
		return &differ{edge.TailsDelta, edge.ApplyTails}
	}
	return nil
}

// lineage keeps former versions of one set, so that a part that holds one of
// them gets the difference to the newest. Each difference is made once, when it
// is first asked for; that from the version before is made when the newest
// comes, because nearly every part asks for it at once. What is too old, or too
// much to be kept, is not known: the part fetches the whole. Safe for
// concurrent use.
type lineage struct {
	differ

	making sync.Mutex // one difference is made at a time; taken without mu

	mu      sync.Mutex
	newest  version // whole
	link    []byte  // the difference from the last of past to newest
	past    []version
	bytes   int // of past
	made    map[uint64]*making
	waiting int // makings that are not done
	kept    int // bytes of those that are done
}

// version is one version of a set: a whole one, or what makes it of the one
// before it.
type version struct {
	number     uint64
	whole      []byte
	difference []byte
}

// making is a difference to the newest version, once done is closed.
type making struct {
	done       chan struct{}
	difference []byte // nil: it is not worth it
	sum        [32]byte
}

func newLineage(d *differ) *lineage { return &lineage{differ: *d, made: map[uint64]*making{}} }

// step is what has to be known to advance to a newer version.
type step struct {
	next version
	link []byte
}

// prepare makes the difference from the newest version to the next. It takes
// its time, during which the lineage answers as before.
func (h *lineage) prepare(next version) step {
	h.mu.Lock()
	old := h.newest
	h.mu.Unlock()
	s := step{next: next}
	if old.whole != nil {
		s.link, _ = h.between(old.whole, next.whole) // without one the lineage begins anew
	}
	return s
}

// advance makes the step; the caller prepares and advances one step at a time.
func (h *lineage) advance(s step) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old, before := h.newest, h.link
	h.newest, h.link = s.next, s.link
	h.made, h.kept = map[uint64]*making{}, 0
	if s.link == nil {
		h.past, h.bytes = nil, 0
		return
	}
	if before != nil && h.sinceWhole() < lineageWhole {
		old.whole, old.difference = nil, before
	}
	h.past = append(h.past, old)
	h.bytes += len(old.whole) + len(old.difference)
	h.trim()
	m := &making{done: make(chan struct{})}
	close(m.done)
	h.keep(m, s.link)
	h.made[old.number] = m
}

// sinceWhole is how many versions were kept since the last whole one.
func (h *lineage) sinceWhole() int {
	for i := len(h.past) - 1; i >= 0; i-- {
		if h.past[i].whole != nil {
			return len(h.past) - i
		}
	}
	return lineageWhole
}

// trim forgets the oldest versions; the first that stays is a whole one.
func (h *lineage) trim() {
	n := 0
	for left := h.bytes; n < len(h.past); n++ {
		if len(h.past)-n <= lineageVersions && left <= lineageBytes && h.past[n].whole != nil {
			break
		}
		left -= len(h.past[n].whole) + len(h.past[n].difference)
		h.bytes = left
	}
	h.past = append([]version(nil), h.past[n:]...)
}

// keep puts a difference into a making, when it is much smaller than the whole.
func (h *lineage) keep(m *making, difference []byte) {
	if len(difference) <= len(h.newest.whole)/2 && h.kept+len(difference) <= lineageMade {
		m.difference, m.sum = difference, sha256.Sum256(difference)
		h.kept += len(difference)
	}
}

// difference gives what makes version newest, if that is still the newest, of
// version base; nil when it is not known or not worth it.
func (h *lineage) difference(ctx context.Context, newest, base uint64) []byte {
	h.mu.Lock()
	if h.newest.number != newest {
		h.mu.Unlock()
		return nil
	}
	m := h.made[base]
	if m == nil {
		steps := h.steps(base)
		if steps == nil || h.waiting >= lineageWaiting {
			h.mu.Unlock()
			return nil
		}
		m = &making{done: make(chan struct{})}
		h.made[base] = m
		h.waiting++
		go h.make(m, steps, h.newest)
	}
	h.mu.Unlock()
	select {
	case <-m.done:
		return m.difference
	case <-ctx.Done():
		return nil
	}
}

// steps gives the versions from the last whole one to base. Call it with mu
// held.
func (h *lineage) steps(base uint64) []version {
	from := -1
	for i := range h.past {
		if h.past[i].whole != nil {
			from = i
		}
		if h.past[i].number == base {
			return h.past[from : i+1 : i+1]
		}
	}
	return nil
}

// make makes a difference and says that it is done.
func (h *lineage) make(m *making, steps []version, newest version) {
	h.making.Lock()
	d, err := h.overSteps(steps, newest)
	h.making.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && h.newest.number == newest.number {
		h.keep(m, d)
	}
	h.waiting--
	close(m.done)
}

func (h *lineage) overSteps(steps []version, newest version) ([]byte, error) {
	payload := steps[0].whole
	for _, s := range steps[1:] {
		var err error
		if payload, err = h.apply(payload, s.difference); err != nil {
			return nil, fmt.Errorf("version %d: %w", s.number, err)
		}
	}
	return h.between(payload, newest.whole)
}

// content gives a difference that was given by its digest; nil when it is not
// known any more.
func (h *lineage) content(sum [32]byte) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.made {
		if m.difference != nil && m.sum == sum {
			return m.difference
		}
	}
	return nil
}
