package ledger

import (
	"github.com/masugata/masugata/internal/intel/reputation"
)

// fewLost is how many claims of dead editions never are worth a sweep.
const fewLost = 1 << 12

// bury makes an edition dead; 0 is none.
func (l *Ledger) bury(e uint16) {
	if e == 0 {
		return
	}
	x := &l.editions[e]
	l.stale = l.stale || x.good > 0
	l.lost += x.entries
	*x = edition{source: x.source, state: dead, entries: x.entries}
	if x.entries == 0 {
		*x = edition{}
	}
}

// sweepIfWorth sweeps when dead claims take a good part of the room.
func (l *Ledger) sweepIfWorth() {
	if l.lost > max(fewLost, int(l.claims.used)/4) || l.notes.crowded() {
		l.sweep(sweeping{})
	}
}

// Expire drops claims whose time is over and objects of which nothing is said
// any more, and says how many claims went.
func (l *Ledger) Expire(now uint32) int { return l.sweep(sweeping{now: now}) }

// sweeping says what a sweep does besides dropping dead claims.
type sweeping struct {
	now      uint32 // drop what is over by then; 0 is nothing
	from, to uint16 // hand the claims of one edition to another, where that has none of its own
}

// sweep walks all objects; it says how many claims in force went.
func (l *Ledger) sweep(s sweeping) int {
	used := make([]bool, len(l.notes.text))
	gone := 0
	for id := uint32(1); id < l.objects.used; id++ {
		if o := l.objects.at(id); o.size != 0 {
			gone += l.sweepObject(id, o, s, used)
		}
	}
	l.notes.keep(used)
	if s.from != 0 {
		l.editions[s.from] = edition{}
	}
	for i := range l.editions {
		if l.editions[i].state == dead {
			l.editions[i] = edition{}
		}
	}
	l.lost = 0
	return gone
}

func (l *Ledger) sweepObject(id uint32, o *object, s sweeping, used []bool) (gone int) {
	t := typeOf(l.keyOf(o))
	merged := s.from != 0 && l.has(o, s.to)
	link := &o.claims
	for *link != 0 {
		i := *link
		c := l.claims.at(i)
		e := &l.editions[c.edition]
		drop := e.state == dead
		if s.from != 0 && c.edition == s.from {
			if drop = merged; !drop {
				c.edition = s.to
				e = &l.editions[s.to]
				e.entries++
				e.good += int(l.good(c))
			}
		}
		if s.now != 0 && e.state == live && expired(c, &l.sources[e.source], t, s.now) {
			drop = true
			gone++
			e.entries--
			l.revise(e.source)
			good := l.good(c)
			e.good -= int(good)
			l.stale = l.stale || good > 0
		}
		if !drop {
			used[c.note] = true
			link = &c.next
			continue
		}
		*link = c.next
		*c = claim{next: l.claims.unused}
		l.claims.unused = i
	}
	if o.claims == 0 {
		l.remove(id)
	}
	return gone
}

func (l *Ledger) has(o *object, e uint16) bool {
	for i := o.claims; i != 0; {
		c := l.claims.at(i)
		if c.edition == e {
			return true
		}
		i = c.next
	}
	return false
}

// good is 1 for a claim that speaks for its object.
func (l *Ledger) good(c *claim) uint8 {
	if reputation.Kind(c.kind) == reputation.KindBenign || l.sources[l.editions[c.edition].source].Local == reputation.LocalAllow {
		return 1
	}
	return 0
}
