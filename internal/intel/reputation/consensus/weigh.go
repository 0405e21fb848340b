package consensus

import "github.com/masugata/masugata/internal/intel/reputation"

const (
	day     = 24 * 3600
	grown   = 30 * day // age at which a site weighs all that age can give
	silence = 30 * day // after which a site does not count
	full    = 1000     // weight of 1
)

// weight of a site, 0 to full: a quarter when new and all after 30 days, times
// 0.5 to 1 by how often it agreed with what was listed (with one agreement and
// one dispute assumed at first).
func (c *Consensus) weight(i int32, now uint32) int64 {
	s := &c.sites[i]
	if since(s.heard, now) > silence {
		return 0
	}
	age := min(int64(since(s.since, now)), grown)
	w := full/4 + full*3/4*age/grown
	agree, all := int64(s.agree)+1, int64(s.agree)+int64(s.against)+2
	return w/2 + w*agree/(2*all)
}

// since is how long ago a time was; the future is now.
func since(t, now uint32) uint32 {
	if t >= now {
		return 0
	}
	return now - t
}

// fade lets a weight fall by half each half-life, in a straight line between.
func fade(w int64, age, half uint32) int64 {
	n := age / half
	if n >= 4 {
		return 0
	}
	rest := int64(age % half)
	w >>= n
	return w - w*rest/(2*int64(half))
}

// quorum is what an object needs.
type quorum struct {
	owners int
	weight int64
}

// quorum counts the fleet: owners with a site that was heard lately, each with
// the weight of its best site.
func (c *Consensus) quorum(now uint32) quorum {
	best := make([]int64, len(c.store.owners))
	for i := range c.sites {
		o := c.sites[i].owner
		best[o] = max(best[o], c.weight(int32(i), now))
	}
	var q quorum
	for _, w := range best {
		if w > 0 {
			q.owners++
			q.weight += w
		}
	}
	share := c.cfg.Share
	q.owners = max((q.owners*share+999)/1000, c.cfg.MinOwners)
	q.weight = max(q.weight*int64(share)/1000, full)
	return q
}

// tally is what an entry has.
type tally struct {
	owners, sites, count int // of those who speak against it
	proven               int
	weight               int64 // faded, less what speaks for it
	first, last          uint32
	kind                 reputation.Kind
}

func (c *Consensus) tally(e *entry, now uint32) tally {
	t := tally{first: ^uint32(0)}
	var kinds [reputation.NumKinds]int64
	var forged int64
	for v := e.votes; v != none; v = c.store.votes[v].entryNext {
		x := &c.store.votes[v]
		age := since(x.last, now)
		w := fade(c.weight(x.site, now), age, c.cfg.HalfLife)
		if speaksFor(x.kind) {
			t.weight -= w
			continue
		}
		if w == 0 {
			continue
		}
		t.owners++
		t.sites++
		if x.more {
			t.sites++
		}
		t.count += int(x.count)
		if x.forgeable {
			forged += w
		} else {
			t.proven++
			t.weight += w
		}
		kinds[x.kind] += w
		t.first, t.last = min(t.first, x.first), max(t.last, x.last)
	}
	var proven int64
	for k, w := range kinds {
		proven += w
		if w > 0 && w >= kinds[t.kind] {
			t.kind = reputation.Kind(k)
		}
	}
	t.weight += min(forged, proven-forged)
	t.owners = min(t.owners, 2*t.proven)
	return t
}
