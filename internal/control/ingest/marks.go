package ingest

import (
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

type markKey struct {
	part  model.PartID
	epoch uint64
}

// marks knows the highest batch taken of each part's epoch. It runs ahead of
// the store by the blocks that are not committed yet.
type marks struct{ seq map[markKey]uint64 }

func newMarks(stored []event.Mark) *marks {
	m := &marks{seq: make(map[markKey]uint64, len(stored))}
	for _, s := range stored {
		k := markKey{s.Part, s.Epoch}
		m.seq[k] = max(m.seq[k], s.Seq)
	}
	return m
}

// advance takes a batch and says whether it is new, and how many batches are
// missing before it: always 0 unless something was lost, or the store is an
// older copy than what parts remember.
func (m *marks) advance(k markKey, seq uint64) (isNew bool, missing uint64) {
	was, known := m.seq[k]
	if seq <= was {
		return false, 0
	}
	m.seq[k] = seq
	if known {
		missing = seq - was - 1
	}
	return true, missing
}
