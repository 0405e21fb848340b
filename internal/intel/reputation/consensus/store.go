package consensus

import "github.com/masugata/masugata/internal/intel/reputation"

// none is the index of nothing.
const none = int32(-1)

// What a vote and an entry take, with their part of the maps.
const voteBytes = 72 + 48

// vote is what one owner says of one entry. Votes hang in two lists: those of
// their entry and, oldest first, those of their owner.
type vote struct {
	owner, entry         int32
	entryPrev, entryNext int32
	ownerPrev, ownerNext int32
	site                 int32 // the one that weighs most of those that saw it
	first, last, count   uint32
	kind                 reputation.Kind
	more                 bool // other sites of the owner saw it too
	forgeable            bool // no sighting of it was proven
}

// entry is an object with its votes.
type entry struct {
	object reputation.Object
	votes  int32 // first of the list
	owners int32 // length of the list
	listed bool
}

// owner is who answers for sites.
type owner struct {
	oldest, newest int32 // votes
	cost           int   // bytes
}

// store holds entries and votes within a bound; everything refers by index.
type store struct {
	entries     []entry
	votes       []vote
	owners      []owner
	byObject    map[reputation.Object]int32
	byPair      map[uint64]int32 // entry, owner
	freeEntries []int32
	freeVotes   []int32
	bytes       int
}

func newStore() store {
	return store{byObject: make(map[reputation.Object]int32), byPair: make(map[uint64]int32)}
}

func pair(entry, owner int32) uint64 { return uint64(uint32(entry))<<32 | uint64(uint32(owner)) }

func (s *store) cost(e int32) int { return voteBytes + len(s.entries[e].object.Text) }

// take gives an index of a slice, used before or new.
func take[T any](list *[]T, free *[]int32) int32 {
	if n := len(*free); n > 0 {
		i := (*free)[n-1]
		*free = (*free)[:n-1]
		return i
	}
	var zero T
	*list = append(*list, zero)
	return int32(len(*list) - 1)
}

// find gives an object's entry, made when there is none.
func (s *store) find(o reputation.Object) int32 {
	if e, ok := s.byObject[o]; ok {
		return e
	}
	e := take(&s.entries, &s.freeEntries)
	s.entries[e] = entry{object: o, votes: none}
	s.byObject[o] = e
	return e
}

// add hangs a new vote of an owner on an entry.
func (s *store) add(e, o int32) int32 {
	v := take(&s.votes, &s.freeVotes)
	en, ow := &s.entries[e], &s.owners[o]
	s.votes[v] = vote{owner: o, entry: e, entryPrev: none, entryNext: en.votes, ownerPrev: ow.newest, ownerNext: none}
	if en.votes != none {
		s.votes[en.votes].entryPrev = v
	}
	en.votes = v
	en.owners++
	if ow.newest != none {
		s.votes[ow.newest].ownerNext = v
	} else {
		ow.oldest = v
	}
	ow.newest = v
	c := s.cost(e)
	ow.cost += c
	s.bytes += c
	s.byPair[pair(e, o)] = v
	return v
}

// drop takes a vote away, and its entry with the last one.
func (s *store) drop(v int32) {
	x := s.votes[v]
	en, ow := &s.entries[x.entry], &s.owners[x.owner]
	if x.entryPrev != none {
		s.votes[x.entryPrev].entryNext = x.entryNext
	} else {
		en.votes = x.entryNext
	}
	if x.entryNext != none {
		s.votes[x.entryNext].entryPrev = x.entryPrev
	}
	s.unchain(&x)
	c := s.cost(x.entry)
	ow.cost -= c
	s.bytes -= c
	delete(s.byPair, pair(x.entry, x.owner))
	s.freeVotes = append(s.freeVotes, v)
	if en.owners--; en.owners == 0 {
		delete(s.byObject, en.object)
		*en = entry{votes: none}
		s.freeEntries = append(s.freeEntries, x.entry)
	}
}

// dropUnseen takes entries without a vote away.
func (s *store) dropUnseen(entries []int32) {
	for _, e := range entries {
		if e == none || s.entries[e].owners > 0 {
			continue
		}
		delete(s.byObject, s.entries[e].object)
		s.entries[e] = entry{votes: none}
		s.freeEntries = append(s.freeEntries, e)
	}
}

// unchain takes a vote out of its owner's list.
func (s *store) unchain(x *vote) {
	ow := &s.owners[x.owner]
	if x.ownerPrev != none {
		s.votes[x.ownerPrev].ownerNext = x.ownerNext
	} else {
		ow.oldest = x.ownerNext
	}
	if x.ownerNext != none {
		s.votes[x.ownerNext].ownerPrev = x.ownerPrev
	} else {
		ow.newest = x.ownerPrev
	}
}

// fresh moves a vote to the young end of its owner's list.
func (s *store) fresh(v int32) {
	x := &s.votes[v]
	ow := &s.owners[x.owner]
	if ow.newest == v {
		return
	}
	s.unchain(x)
	s.votes[ow.newest].ownerNext = v
	x.ownerPrev, x.ownerNext = ow.newest, none
	ow.newest = v
}

// shrink drops the oldest votes of whoever holds most until the bound holds,
// with some to spare so that the search for him is rare.
func (s *store) shrink(most int) {
	if s.bytes <= most {
		return
	}
	goal := most - most/64
	for s.bytes > goal {
		worst := int32(0)
		for i := range s.owners {
			if s.owners[i].cost > s.owners[worst].cost {
				worst = int32(i)
			}
		}
		for range 64 {
			if s.owners[worst].oldest == none || s.bytes <= goal {
				break
			}
			s.drop(s.owners[worst].oldest)
		}
	}
}
