package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// stateVersion begins what AppendState writes.
const stateVersion = 1

// Least bytes that a site, an owner's list and a vote take, against which
// counts are held before room is made for them.
const (
	leastSite  = 7
	leastEntry = 4
	leastVote  = 7
)

// Marks of a vote.
const (
	markMore = 1 << iota
	markForgeable
)

// AppendState appends all sightings and what is known of the sites, in a form
// that Restore reads. Who saw what is in it: it must not leave the service's own
// folder.
func (c *Consensus) AppendState(dst []byte) []byte {
	dst = append(dst, stateVersion)
	owners := make([]uint32, len(c.store.owners)) // their numbers by index
	for id, o := range c.byOwner {
		owners[o-1] = id
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.bySite)))
	place := make([]uint64, len(c.sites)) // of a site in the file
	n := uint64(0)
	for i := range c.sites {
		s := &c.sites[i]
		if c.bySite[s.id] != int32(i) {
			continue
		}
		place[i] = n
		n++
		for _, v := range [...]uint32{s.id, owners[s.owner], s.since, s.heard, s.disputed, uint32(s.agree), uint32(s.against)} {
			dst = binary.AppendUvarint(dst, uint64(v))
		}
	}
	entries := make([]uint64, len(c.store.entries))
	dst = binary.AppendUvarint(dst, uint64(len(c.store.byObject)))
	n = 0
	for i := range c.store.entries {
		e := &c.store.entries[i]
		if e.owners == 0 {
			continue
		}
		entries[i] = n
		n++
		dst = appendObject(dst, &e.object, e.listed)
	}
	n = 0
	c.eachVote(func(*vote) { n++ })
	dst = binary.AppendUvarint(dst, n)
	c.eachVote(func(v *vote) {
		mark := uint64(0)
		if v.more {
			mark |= markMore
		}
		if v.forgeable {
			mark |= markForgeable
		}
		for _, x := range [...]uint64{entries[v.entry], place[v.site], uint64(v.first), uint64(v.last), uint64(v.count), uint64(v.kind), mark} {
			dst = binary.AppendUvarint(dst, x)
		}
	})
	return dst
}

// eachVote gives the votes of each owner, oldest first; not those whose site's
// place another owner has taken.
func (c *Consensus) eachVote(yield func(*vote)) {
	for o := range c.store.owners {
		for i := c.store.owners[o].oldest; i != none; i = c.store.votes[i].ownerNext {
			if v := &c.store.votes[i]; c.sites[v.site].owner == int32(o) {
				yield(v)
			}
		}
	}
}

func appendObject(dst []byte, o *reputation.Object, listed bool) []byte {
	mark := byte(0)
	if listed {
		mark = 1
	}
	dst = append(dst, byte(o.Type), mark)
	text := []byte(o.Text)
	if o.Type == reputation.TypePrefix {
		text = o.Prefix.Addr().AsSlice()
	}
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}

// ErrState is wrapped by the errors of Restore.
var ErrState = errors.New("not the sightings of a consensus")

// Restore takes up what AppendState wrote, into a Consensus that New just made
// with a bound at least as high; times after now become now. The error, which
// wraps ErrState, says at which byte the state is wrong; the Consensus must then
// be thrown away.
func (c *Consensus) Restore(state []byte, now uint32) error {
	if len(c.sites) != 0 || len(c.store.byObject) != 0 {
		return errors.New("a consensus can be restored only while it is empty")
	}
	r := &stateReader{left: state, size: len(state), now: now}
	if v := r.byte(); r.problem == "" && v != stateVersion {
		r.fail(fmt.Sprintf("version %d is unknown here", v))
	}
	for range r.count("sites", leastSite) {
		c.restoreSite(r)
	}
	entries := make([]int32, 0, r.count("objects", leastEntry))
	for range cap(entries) {
		entries = append(entries, c.restoreEntry(r))
	}
	for range r.count("sightings", leastVote) {
		c.restoreVote(r, entries)
	}
	c.store.dropUnseen(entries)
	if len(r.left) > 0 {
		r.fail("something follows the last sighting")
	}
	if r.problem != "" {
		return fmt.Errorf("%w: byte %d: %s", ErrState, r.size-len(r.left), r.problem)
	}
	c.store.shrink(c.cfg.MaxBytes)
	return nil
}

func (c *Consensus) restoreSite(r *stateReader) {
	s := site{id: r.number(), since: 0}
	owner := r.number()
	s.since, s.heard, s.disputed = r.time(), r.time(), r.time()
	s.agree, s.against = uint8(min(r.number(), 255)), uint8(min(r.number(), 255))
	if r.problem != "" {
		return
	}
	if _, double := c.bySite[s.id]; double {
		r.fail("a site is there twice")
		return
	}
	i, out := c.enroll(s.id, owner, s.since, s.heard)
	if out != Counted {
		r.fail("a site that cannot be: " + out.String())
		return
	}
	c.sites[i].disputed, c.sites[i].agree, c.sites[i].against = s.disputed, s.agree, s.against
}

func (c *Consensus) restoreEntry(r *stateReader) int32 {
	o, listed := r.object()
	if r.problem != "" {
		return none
	}
	if _, double := c.store.byObject[o]; double {
		r.fail("an object is there twice")
		return none
	}
	e := c.store.find(o)
	c.store.entries[e].listed = listed
	return e
}

func (c *Consensus) restoreVote(r *stateReader, entries []int32) {
	entry, at := r.number(), r.number()
	v := vote{first: r.time(), last: r.time(), count: r.number()}
	kind, mark := r.number(), r.number()
	switch {
	case r.problem != "":
		return
	case int(entry) >= len(entries) || int(at) >= len(c.sites) || kind == 0 || kind >= uint32(reputation.NumKinds) ||
		v.last == 0 || v.first > v.last || mark > markMore|markForgeable:
		r.fail("a sighting that cannot be")
		return
	}
	e, owner := entries[entry], c.sites[at].owner
	if _, double := c.store.byPair[pair(e, owner)]; double {
		r.fail("a sighting is there twice")
		return
	}
	x := &c.store.votes[c.store.add(e, owner)]
	x.site, x.first, x.last, x.count = int32(at), v.first, v.last, v.count
	x.kind, x.more, x.forgeable = reputation.Kind(kind), mark&markMore != 0, mark&markForgeable != 0
}

// stateReader reads a state; after the first problem it gives zeros.
type stateReader struct {
	left    []byte
	size    int
	now     uint32
	problem string
}

func (r *stateReader) fail(problem string) {
	if r.problem == "" {
		r.problem = problem
	}
}

func (r *stateReader) byte() byte {
	if r.problem != "" || len(r.left) == 0 {
		r.fail("it ends too early")
		return 0
	}
	b := r.left[0]
	r.left = r.left[1:]
	return b
}

func (r *stateReader) number() uint32 {
	v, n := binary.Uvarint(r.left)
	if r.problem != "" || n <= 0 || v > 1<<32-1 {
		r.fail("no number, or one that is too large")
		return 0
	}
	r.left = r.left[n:]
	return uint32(v)
}

func (r *stateReader) time() uint32 { return min(r.number(), r.now) }

// count reads how many things follow, each of at least so many bytes.
func (r *stateReader) count(what string, least int) int {
	n := int(r.number())
	if n > len(r.left)/least {
		r.fail("more " + what + " than there is room for")
	}
	if r.problem != "" {
		return 0
	}
	return n
}

func (r *stateReader) object() (o reputation.Object, listed bool) {
	o.Type = reputation.Type(r.byte())
	mark := r.byte()
	n := int(r.number())
	if r.problem != "" || n > len(r.left) || n > maxText || mark > 1 {
		r.fail("an object that cannot be")
		return o, false
	}
	text := r.left[:n]
	r.left = r.left[n:]
	if o.Type == reputation.TypePrefix {
		a, ok := netip.AddrFromSlice(text)
		bits := a.BitLen()
		if a.Is6() {
			bits = 64
		}
		if o.Prefix = netip.PrefixFrom(a, bits).Masked(); !ok || o.Prefix.Addr() != a {
			r.fail("an address that cannot be")
		}
	} else {
		o.Text = string(text)
	}
	if same, ok := subject(o); !ok || same != o {
		r.fail("an object that sensors do not list")
	}
	return o, mark == 1
}
