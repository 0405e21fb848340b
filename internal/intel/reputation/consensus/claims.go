package consensus

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// round is to how many seconds times are rounded before they leave.
const round = 300

// Claims says what is listed now, in the order of the objects' text, and
// forgets what is old. The service calls it every minute or so.
func (c *Consensus) Claims(now uint32) []reputation.Claim {
	c.forget(now)
	q := c.quorum(now)
	var claims []reputation.Claim
	for i := range c.store.entries {
		e := &c.store.entries[i]
		if int(e.owners) < c.cfg.MinOwners {
			e.listed = false
			continue
		}
		t := c.tally(e, now)
		if !c.holds(e, t, q, now) || c.cfg.Protected(e.object) {
			e.listed = false
			continue
		}
		if !e.listed {
			e.listed = true
			c.credit(e)
		}
		claims = append(claims, c.claim(e, t, q))
	}
	slices.SortFunc(claims, func(a, b reputation.Claim) int {
		return cmp.Or(cmp.Compare(a.Object.Type, b.Object.Type), a.Object.Prefix.Compare(b.Object.Prefix), cmp.Compare(a.Object.Text, b.Object.Text))
	})
	return claims
}

// holds says whether an entry is listed: what is listed already stays until
// half of the weight is left, so that it does not come and go. The owners must
// be as many as before: else those who are hostile could keep listed what
// others stopped to see.
func (c *Consensus) holds(e *entry, t tally, q quorum, now uint32) bool {
	weight := q.weight
	if e.listed {
		weight /= 2
	}
	return t.owners >= q.owners && t.sites >= q.owners && t.weight >= weight && since(t.first, now) >= c.cfg.MinSpan
}

// credit lets the sites agree that saw it before it was listed.
func (c *Consensus) credit(e *entry) {
	for v := e.votes; v != none; v = c.store.votes[v].entryNext {
		x := &c.store.votes[v]
		if s := &c.sites[x.site]; !speaksFor(x.kind) && s.agree < 255 {
			s.agree++
		}
	}
}

func (c *Consensus) claim(e *entry, t tally, q quorum) reputation.Claim {
	atLeast := 1
	for atLeast*2 <= t.owners {
		atLeast *= 2
	}
	return reputation.Claim{
		Object: e.object, Source: c.cfg.Source, Kind: t.kind,
		// 50 at half the quorum, where a listed one goes, 100 at twice the quorum.
		Confidence: uint8(min(50+(max(t.weight-q.weight/2, 0))*100/(3*q.weight), 100)),
		First:      t.first - t.first%round,
		Last:       t.last - t.last%round,
		Until:      t.last - t.last%round + 2*c.cfg.HalfLife,
		Note:       "seen by " + strconv.Itoa(atLeast) + " or more independent sites",
	}
}

// forget drops votes that weigh nothing more. Each owner's votes are in the
// order of their last sighting as the service took them in.
func (c *Consensus) forget(now uint32) {
	st := &c.store
	for o := range st.owners {
		for {
			v := st.owners[o].oldest
			if v == none || since(st.votes[v].last, now)/c.cfg.HalfLife < 4 {
				break
			}
			st.drop(v)
		}
	}
}

// Candidate is an object on its way to be listed. It is for the operator's own
// eyes: k-anonymity does not hold for it.
type Candidate struct {
	Object        reputation.Object
	Kind          reputation.Kind
	Owners, Sites int    // that saw it; of an owner's sites at most two are counted
	Count         int    // sightings
	Weight        int    // in per mille of the weight that it needs
	NeedOwners    int    // owners that must see it
	First, Last   uint32 // seconds since 1970
	Listed        bool
}

// Each calls yield with each object that is kept until yield says false.
func (c *Consensus) Each(now uint32, yield func(Candidate) bool) {
	q := c.quorum(now)
	for i := range c.store.entries {
		e := &c.store.entries[i]
		if e.owners == 0 {
			continue
		}
		t := c.tally(e, now)
		if t.first > t.last {
			t.first = 0
		}
		if !yield(Candidate{Object: e.object, Kind: t.kind, Owners: t.owners, Sites: t.sites, Count: t.count,
			Weight: int(t.weight * 1000 / q.weight), NeedOwners: q.owners, First: t.first, Last: t.last, Listed: e.listed}) {
			return
		}
	}
}

// Stats says how much is kept.
type Stats struct{ Sites, Owners, Objects, Votes, Bytes int }

// Stats counts what is kept now.
func (c *Consensus) Stats() Stats {
	return Stats{Sites: len(c.sites), Owners: len(c.store.owners), Objects: len(c.store.byObject), Votes: len(c.store.byPair), Bytes: c.store.bytes}
}
