package flow

import "bytes"

// merge takes bytes that are not simply next in order: it keeps what is new,
// compares what is not, and settles conflicts. Inline the bytes that came first
// stay, and the packet is rewritten; else it is as the receiver's system does.
// skip is how many bytes of the payload are before data.
func (t *Table) merge(s *session, h *half, start uint64, data []byte, skip int) bool {
	end, pos := start+uint64(len(data)), start
	if limit := t.oldEdge(h); pos < limit {
		upto := min(limit, end)
		t.compareOld(h, pos, data[:upto-pos], skip)
		pos = upto
	}
	prev, i := int32(-1), h.segFirst
	for i >= 0 && t.segments.at(i).end() <= pos {
		prev, i = i, t.segments.at(i).next
	}
	ok := true
	for pos < end && ok {
		if i < 0 || t.segments.at(i).off >= end {
			prev, ok = t.fill(h, prev, pos, data[pos-start:])
			break
		}
		g := t.segments.at(i)
		if pos < g.off {
			prev, ok = t.fill(h, prev, pos, data[pos-start:g.off-start])
			pos = g.off
			continue
		}
		upto := min(end, g.end())
		t.conflict(h, g, start, end, pos, data[pos-start:upto-start], skip+int(pos-start))
		pos, prev, i = upto, i, g.next
	}
	t.absorb(h)
	return ok
}

func (g *heldSegment) end() uint64 { return g.off + uint64(g.len) }

// oldEdge is the offset before which bytes were handed on and are no more
// replaced; inline that is all that is in order.
func (t *Table) oldEdge(h *half) uint64 {
	if t.cfg.Stream.Inline {
		return h.next
	}
	return h.app
}

// compareOld compares bytes with those handed on before, as far as these are
// still kept.
func (t *Table) compareOld(h *half, pos uint64, data []byte, skip int) {
	t.stats.Overlaps++
	if pos < h.bufOff {
		n := h.bufOff - pos
		if n >= uint64(len(data)) {
			return
		}
		data, pos, skip = data[n:], h.bufOff, skip+int(n)
	}
	for len(data) > 0 {
		n := uint64(len(data))
		if h.gapLen > 0 && pos < h.gapAt+h.gapLen {
			if pos >= h.gapAt {
				n = min(n, h.gapAt+h.gapLen-pos)
				data, pos, skip = data[n:], pos+n, skip+int(n)
				continue
			}
			n = min(n, h.gapAt-pos)
		}
		t.differ(data[:n], t.window(h, pos, pos+n), skip)
		data, pos, skip = data[n:], pos+n, skip+int(n)
	}
}

// differ notes that bytes come again in another form, and inline puts the
// first form into the packet. It says whether they differ.
func (t *Table) differ(now, before []byte, skip int) bool {
	if bytes.Equal(now, before) {
		return false
	}
	t.stats.OverlapsDiffer++
	if t.cfg.Stream.CheckOverlapDifferent {
		t.event(EvOverlapDifferentData)
	}
	if t.cfg.Stream.Inline && t.out != nil {
		if t.out.Rewrite == nil {
			t.rewrite = append(t.rewrite[:0], t.cur.Payload...)
			t.out.Rewrite = t.rewrite
			t.stats.Rewritten++
		}
		copy(t.out.Rewrite[skip:], before)
	}
	return true
}

// conflict settles bytes that overlap one held segment.
func (t *Table) conflict(h *half, g *heldSegment, start, end, pos uint64, data []byte, skip int) {
	t.stats.Overlaps++
	var before []byte
	if g.blk.none() {
		before = t.window(h, pos, pos+uint64(len(data)))
	} else {
		before = t.arena.bytes(g.blk)[pos-g.off:][:len(data)]
	}
	if !t.differ(data, before, skip) || t.cfg.Stream.Inline {
		return
	}
	if newWins(h.os, start, end, g.off, g.end()) {
		copy(before, data)
	}
}

// newWins says whether a system prefers the bytes of a segment [start, end)
// that came later to those of one [off, stop) that came before, where they
// overlap.
func newWins(os OS, start, end, off, stop uint64) bool {
	switch os {
	case OSFirst:
		return false
	case OSLast:
		return true
	}
	switch {
	case start < off:
		switch os {
		case OSVista:
			return false
		case OSSolaris, OSHPUX11:
			return end >= stop
		}
		return true
	case start == off:
		switch os {
		case OSOldLinux, OSSolaris, OSHPUX11:
			return end >= stop
		case OSLinux:
			return end > stop
		}
		return false
	}
	switch os {
	case OSSolaris, OSHPUX11:
		return end > stop
	}
	return false
}

// fill keeps bytes that no held segment covers, after segment prev.
func (t *Table) fill(h *half, prev int32, pos uint64, data []byte) (int32, bool) {
	if pos == h.next {
		if !t.append(h, data) {
			return prev, false
		}
		if t.cfg.Stream.Inline {
			return prev, true
		}
		return t.lastInOrder(h), true
	}
	c := &t.cfg.Stream
	if int(h.segCount) >= c.MaxSegments || int(h.segBytes)+len(data) > c.MaxPending {
		t.event(EvInsertLimit)
		return prev, false
	}
	blk, ok := t.arena.take(len(data))
	if !ok {
		t.stats.StreamMemcap++
		t.event(EvInsertMemcap)
		return prev, false
	}
	copy(t.arena.bytes(blk), data)
	i := t.newSegment(pos, uint32(len(data)))
	t.segments.at(i).blk = blk
	t.link(h, i, prev)
	if h.segOOO < 0 || t.segments.at(h.segOOO).off > pos {
		h.segOOO = i
	}
	h.segCount++
	h.segBytes += uint32(len(data))
	t.stats.SegmentsOutOfOrder++
	return i, true
}
