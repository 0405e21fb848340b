package flow

// expireFragments forgets datagrams that were not completed in time.
func (t *Table) expireFragments() {
	x := &t.frags
	for x.first >= 0 && t.now-x.trackers.at(x.first).begun > int64(x.cfg.Timeout) {
		t.loseFragments(x.first)
	}
}

func (t *Table) loseFragments(n int32) {
	for i := t.frags.trackers.at(n).first; i >= 0; i = t.frags.pieces.at(i).next {
		t.stats.FragmentsLost++
	}
	t.frags.forget(n)
}

// forget frees a datagram and its pieces.
func (x *fragments) forget(n int32) {
	k := x.trackers.at(n)
	for i := k.first; i >= 0; {
		g := x.pieces.at(i)
		next := g.next
		x.arena.give(g.blk)
		x.pieces.give(i)
		i = next
	}
	x.arena.give(k.head)
	at := &x.buckets[k.hash&uint32(len(x.buckets)-1)]
	for *at != n {
		at = &x.trackers.at(*at).chain
	}
	*at = k.chain
	if k.prev >= 0 {
		x.trackers.at(k.prev).next = k.next
	} else {
		x.first = k.next
	}
	if k.next >= 0 {
		x.trackers.at(k.next).prev = k.prev
	} else {
		x.last = k.prev
	}
	x.trackers.give(n)
}

func (x *fragments) clear() {
	for x.first >= 0 {
		x.forget(x.first)
	}
}
