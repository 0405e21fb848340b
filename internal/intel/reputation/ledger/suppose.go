package ledger

import (
	"slices"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Suppose is the ledger as it would be after Commit, for asking what that would
// change: Brief and Explain of it answer so. It shares the memory of the ledger
// and is good until the next call that writes to it; nothing may be written
// through it.
func (m *Import) Suppose() *Ledger {
	replaced := m.source
	if m.partial || m.done {
		replaced = 0
	}
	view := m.ledger.Without(replaced)
	if !m.done {
		view.editions[m.edition].state = live
	}
	return view
}

// Without is the ledger as it would be if a source said nothing, on the same
// terms as Import.Suppose.
func (l *Ledger) Without(id reputation.SourceID) *Ledger {
	view := *l
	view.editions = slices.Clone(l.editions)
	if id != 0 && int(id) < len(l.sources) {
		if e := l.sources[id].live; e != 0 {
			view.editions[e].state = dead
		}
	}
	return &view
}
