package consensus

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// site is a place with sensors.
type site struct {
	id       uint32
	owner    int32
	since    uint32 // enrolled
	heard    uint32 // last sign of life
	disputed uint32 // last time that a dispute counted
	agree    uint8  // sightings before others that were listed then
	against  uint8  // sightings of what must not be listed
}

// Consensus keeps sightings and says what they amount to. Make it with New.
type Consensus struct {
	cfg     Config
	store   store
	sites   []site
	bySite  map[uint32]int32
	byOwner map[uint32]int32
}

// New makes an empty Consensus.
func New(c Config) *Consensus {
	return &Consensus{cfg: c.withDefaults(), store: newStore(), bySite: make(map[uint32]int32), byOwner: make(map[uint32]int32)}
}

// Enroll says that a site of an owner takes part since a time and was alive at
// another; the quorum is a share of all enrolled. The service enrols its whole
// fleet at the start and from time to time: sites that were not heard for 30
// days weigh nothing and do not count. Sightings of sites that are not enrolled
// enrol them.
func (c *Consensus) Enroll(id, ownerID, since, heard uint32) Outcome {
	_, out := c.enroll(id, ownerID, since, heard)
	return out
}

func (c *Consensus) enroll(id, ownerID, since, heard uint32) (int32, Outcome) {
	if id == 0 || ownerID == 0 || heard == 0 {
		return none, BadSighting
	}
	if i, ok := c.bySite[id]; ok {
		s := &c.sites[i]
		if c.byOwner[ownerID] != s.owner+1 {
			return none, WrongOwner
		}
		s.heard = max(s.heard, heard)
		if since != 0 {
			s.since = min(s.since, since)
		}
		return i, Counted
	}
	i := c.place(heard)
	if i == none {
		return none, TooManySites
	}
	o, ok := c.byOwner[ownerID] // one more than the index
	if !ok {
		c.store.owners = append(c.store.owners, owner{oldest: none, newest: none})
		o = int32(len(c.store.owners))
		c.byOwner[ownerID] = o
	}
	if since == 0 {
		since = heard
	}
	c.sites[i] = site{id: id, owner: o - 1, since: since, heard: heard}
	c.bySite[id] = i
	return i, Counted
}

// place gives room for a site: when all is taken, that of one that was silent
// so long that its sightings are forgotten.
func (c *Consensus) place(now uint32) int32 {
	if len(c.sites) < c.cfg.MaxSites {
		c.sites = append(c.sites, site{})
		return int32(len(c.sites) - 1)
	}
	for i := range c.sites {
		if s := &c.sites[i]; since(s.heard, now) > silence && since(s.heard, now)/4 >= c.cfg.HalfLife {
			c.forget(now)
			delete(c.bySite, s.id)
			return int32(i)
		}
	}
	return none
}

// Observe takes a sighting in.
func (c *Consensus) Observe(s Sighting) Outcome {
	if s.Kind == reputation.KindNone || s.Kind >= reputation.NumKinds || s.At == 0 || len(s.Object.Text) > maxText {
		return BadSighting
	}
	object, ok := subject(s.Object)
	if !ok {
		return NotPublic
	}
	at, out := c.enroll(s.Site, s.Owner, 0, s.At)
	if out != Counted {
		return out
	}
	against := speaksFor(s.Kind)
	if !against && c.cfg.Protected(object) {
		c.dispute(at, s.At)
		return Protected
	}
	c.vote(at, object, s)
	c.store.shrink(c.cfg.MaxBytes)
	return Counted
}

// speaksFor says whether a kind speaks for an object.
func speaksFor(k reputation.Kind) bool {
	return k == reputation.KindBenign || k == reputation.KindKnown
}

// dispute notes that a site spoke against a protected object: at most once an
// hour, because forged packets make honest sites do that.
func (c *Consensus) dispute(i int32, at uint32) {
	s := &c.sites[i]
	if s.against < 255 && at-s.disputed >= 3600 {
		s.against++
		s.disputed = at
	}
}

func (c *Consensus) vote(at int32, o reputation.Object, s Sighting) {
	st := &c.store
	e, known := st.byObject[o]
	if !known {
		o.Text = strings.Clone(o.Text)
		e = st.find(o)
	}
	who := c.sites[at].owner
	i, ok := st.byPair[pair(e, who)]
	if !ok {
		i = st.add(e, who)
		v := &st.votes[i]
		v.site, v.first, v.last, v.kind, v.forgeable = at, s.At, s.At, s.Kind, s.Forgeable
	}
	v := &st.votes[i]
	if v.site != at {
		v.more = true
		if c.weight(at, s.At) > c.weight(v.site, s.At) {
			v.site = at
		}
	}
	switch {
	case speaksFor(s.Kind) != speaksFor(v.kind):
		v.kind, v.forgeable = s.Kind, s.Forgeable // the owner thinks otherwise now
	case s.Kind > v.kind:
		v.kind = s.Kind
	}
	v.forgeable = v.forgeable && s.Forgeable
	v.first, v.last = min(v.first, s.At), max(v.last, s.At)
	v.count += min(max(s.Count, 1), ^uint32(0)-v.count)
	st.fresh(i)
}
