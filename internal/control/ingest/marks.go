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

// advance takes a batch and says whether it is new.
func (m *marks) advance(k markKey, seq uint64) bool {
	if seq <= m.seq[k] {
		return false
	}
	m.seq[k] = seq
	return true
}
