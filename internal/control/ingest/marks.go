package ingest

import (
	"strings"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

type markKey struct {
	part  model.PartID
	epoch uint64
}

// markName is the part as it stands in the store's marks. Each lane of the bus
// has marks of its own, since a part's batches may overtake each other on
// different lanes. A part's name has no space.
func markName(part model.PartID, lane string) model.PartID {
	if lane == "" {
		return part
	}
	return part + " " + model.PartID(lane)
}

// marks knows the highest batch taken of each part's epoch on one lane. It runs
// ahead of the store by the blocks that are not committed yet.
type marks struct{ seq map[markKey]uint64 }

func newMarks(stored []event.Mark, lane string) *marks {
	m := &marks{seq: make(map[markKey]uint64, len(stored))}
	for _, s := range stored {
		part, of, _ := strings.Cut(string(s.Part), " ")
		if of != lane {
			continue
		}
		k := markKey{model.PartID(part), s.Epoch}
		m.seq[k] = max(m.seq[k], s.Seq)
	}
	return m
}

// advance takes a batch and says whether it is new, and how many batches are
// missing before it. Those went by another lane, or else something was lost or
// the store is an older copy than what parts remember.
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
