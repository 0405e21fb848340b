package reputation

import (
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/index"
)

// ownThings are the operator's own addresses and names, which a good feed does
// not list.
type ownThings struct {
	inside *index.Index
	all    []intel.Object
}

func newOwnThings(texts []string) (*ownThings, error) {
	b := index.NewBuilder(len(texts))
	own := &ownThings{}
	for _, text := range texts {
		o, err := canon.Guess(text)
		if err != nil {
			return nil, err
		}
		o = canon.Widen(o)
		own.all = append(own.all, o)
		if err := b.Add(o, intel.Brief{Local: intel.LocalAllow, Kind: intel.KindBenign}); err != nil {
			return nil, err
		}
	}
	var err error
	own.inside, err = b.Build()
	return own, err
}

// has says whether an object is, lies inside or holds something of the
// operator's.
func (w *ownThings) has(o *intel.Object) bool {
	if len(w.all) == 0 {
		return false
	}
	if b, _ := w.inside.Object(*o); b.Listed() {
		return true
	}
	if o.Type == intel.TypePrefix && !o.Prefix.IsSingleIP() {
		for i := range w.all {
			if w.all[i].Type == intel.TypePrefix && w.all[i].Prefix.Overlaps(o.Prefix) {
				return true
			}
		}
	}
	return false
}
