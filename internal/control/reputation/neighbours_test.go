package reputation

import (
	"testing"

	intel "github.com/masugata/masugata/internal/intel/reputation"
)

func TestNeighbours(t *testing.T) {
	web := newSite(t)
	web.set("/bots", addresses(30))
	c := botnet(web)
	for _, on := range []bool{false, true} {
		c.Neighbours = on
		s := open(t, t.TempDir(), c)
		s.mustFetch(t, "bots", stateOK)
		if err := s.rebuild(); err != nil {
			t.Fatal(err)
		}
		got := s.score(t, "198.18.0.99")
		if on != (got > 0) || got >= intel.DefaultBlock {
			t.Errorf("neighbours %v: an address that no feed names scores %d", on, got)
		}
	}
}
