package flow

import (
	"slices"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// Flows stand in one list by kind of protocol and state, the longest silent
// first, so that each list runs out from its front.
const (
	numLists     = 16
	listBypassed = 3
)

type list struct{ first, last int32 }

func listOf(f *Flow) uint8 {
	class := uint8(0)
	switch f.Proto {
	case protoTCP:
		class = 1
	case protoUDP:
		class = 2
	case protoICMP, protoICMPv6:
		class = 3
	}
	if f.Flags&FlagBypassed != 0 {
		return class*4 + listBypassed
	}
	return class*4 + uint8(f.State)
}

func (t *Table) enlist(slot int32, e *entry, n uint8) {
	l := &t.lists[n]
	e.list, e.prev, e.next = n, l.last, -1
	if l.last >= 0 {
		t.entries.at(l.last).next = slot
	} else {
		l.first = slot
	}
	l.last = slot
}

func (t *Table) delist(e *entry) {
	l := &t.lists[e.list]
	if e.prev >= 0 {
		t.entries.at(e.prev).next = e.next
	} else {
		l.first = e.next
	}
	if e.next >= 0 {
		t.entries.at(e.next).prev = e.prev
	} else {
		l.last = e.prev
	}
}

// relist puts the flow at the end of the list of its present state.
func (t *Table) relist(slot int32, e *entry) {
	n := listOf(&e.flow)
	if n == e.list && e.next < 0 {
		return
	}
	t.delist(e)
	t.enlist(slot, e, n)
}

// due is how long the flow may be silent.
func (t *Table) due(e *entry) int64 {
	d := t.timeouts[e.list]
	if t.cfg.EmergencyAt > 0 && t.entries.used*100 >= t.cfg.MaxFlows*t.cfg.EmergencyAt {
		d /= 10
	}
	return d
}

// backwards is from where on a time before the last one means that another
// capture begins rather than that packets overtook each other.
const backwards = 60e9

// tick takes the time of a packet. It goes back only where captures of
// different times stand one behind the other.
func (t *Table) tick(now int64) {
	if now > t.now || t.now-now > backwards {
		t.now = now
	}
}

// Advance finishes flows and forgets fragments whose time has run out, at most
// Config.MaxExpired flows a call, list by list and the longest silent first.
// now is in nanoseconds since 1970.
func (t *Table) Advance(now int64) {
	t.tick(now)
	t.expireFragments()
	left := t.cfg.MaxExpired
	for n := range t.lists {
		for slot := t.lists[n].first; slot >= 0 && left > 0; slot = t.lists[n].first {
			e := t.entries.at(slot)
			if t.now-e.flow.Last <= t.due(e) {
				break
			}
			t.finish(slot, ReasonTimeout)
			left--
		}
	}
}

// Evict order, told in Stats: closed flows first, then new ones, then bypassed
// ones, then established ones; within these the longest silent of all kinds of
// protocol. A flow that is being worked on is never evicted.
func (t *Table) evict() bool {
	for _, state := range [4]int{int(StateClosed), int(StateNew), listBypassed, int(StateEstablished)} {
		best := int32(-1)
		for class := range 4 {
			slot := t.lists[class*4+state].first
			if slot >= 0 && !t.entries.at(slot).finishing &&
				(best < 0 || t.entries.at(slot).flow.Last < t.entries.at(best).flow.Last) {
				best = slot
			}
		}
		if best >= 0 {
			t.stats.Evicted[min(state, 3)]++
			t.finish(best, ReasonForced)
			return true
		}
	}
	return false
}

// Close finishes all flows in the order in which they were made. The table is
// empty afterwards and may be used on.
func (t *Table) Close() {
	var live []int32
	for i := range int32(len(t.entries.chunks) * chunkSize) {
		if t.entries.at(i).live {
			live = append(live, i)
		}
	}
	slices.SortFunc(live, func(a, b int32) int {
		if t.entries.at(a).order < t.entries.at(b).order {
			return -1
		}
		return 1
	})
	for _, slot := range live {
		t.finish(slot, ReasonShutdown)
	}
	t.frags.clear()
}

// finish hands on what is left of the flow's streams, says good-bye, and frees
// the slot.
func (t *Table) finish(slot int32, why Reason) {
	e := t.entries.at(slot)
	if !e.live || e.finishing {
		return
	}
	e.finishing = true
	rest := func(d packet.Direction) {
		if e.sess >= 0 && e.flow.Flags&FlagBypassed == 0 {
			t.drain(e, t.sessions.at(e.sess), d)
		}
	}
	rest(packet.ToServer)
	t.sink.Drained(&e.flow, packet.ToServer)
	rest(packet.ToClient)
	rest(packet.ToServer) // again: directions may have been swapped
	t.sink.Drained(&e.flow, packet.ToClient)
	t.sink.Finish(&e.flow, why)
	t.stats.Finished[why]++
	if e.sess >= 0 {
		t.freeSession(e)
	}
	t.unchain(slot, e)
	t.delist(e)
	e.live = false
	t.entries.give(slot)
}

func (t *Table) unchain(slot int32, e *entry) {
	at := &t.buckets[e.hash&uint32(len(t.buckets)-1)]
	for *at != slot {
		at = &t.entries.at(*at).chain
	}
	*at = e.chain
}
