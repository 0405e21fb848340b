package flow

// newSegment makes a record of a held segment, not linked yet.
func (t *Table) newSegment(off uint64, n uint32) int32 {
	i := t.segments.take()
	*t.segments.at(i) = heldSegment{off: off, len: n, prev: -1, next: -1}
	return i
}

// link puts segment i after prev, or first when prev is -1.
func (t *Table) link(h *half, i, prev int32) {
	g := t.segments.at(i)
	g.prev = prev
	if prev >= 0 {
		p := t.segments.at(prev)
		g.next, p.next = p.next, i
	} else {
		g.next, h.segFirst = h.segFirst, i
	}
	if g.next >= 0 {
		t.segments.at(g.next).prev = i
	} else {
		h.segLast = i
	}
}

// unlink takes segment i out and frees its record.
func (t *Table) unlink(h *half, i int32) {
	g := t.segments.at(i)
	if g.prev >= 0 {
		t.segments.at(g.prev).next = g.next
	} else {
		h.segFirst = g.next
	}
	if g.next >= 0 {
		t.segments.at(g.next).prev = g.prev
	} else {
		h.segLast = g.prev
	}
	t.segments.give(i)
}

// lastInOrder is the last held segment that is in the buffer, or -1.
func (t *Table) lastInOrder(h *half) int32 {
	if h.segOOO >= 0 {
		return t.segments.at(h.segOOO).prev
	}
	return h.segLast
}

// dropDelivered forgets the records of segments that were handed on.
func (t *Table) dropDelivered(h *half) {
	for h.segFirst >= 0 && h.segFirst != h.segOOO {
		if t.segments.at(h.segFirst).end() > h.app {
			return
		}
		t.unlink(h, h.segFirst)
	}
}

// dropHeld frees all bytes and segments of the half.
func (t *Table) dropHeld(h *half) {
	for h.segFirst >= 0 {
		t.arena.give(t.segments.at(h.segFirst).blk)
		t.unlink(h, h.segFirst)
	}
	t.arena.give(h.buf)
	h.buf, h.bufAt, h.bufLen = block{}, 0, 0
	h.segOOO, h.segCount, h.segBytes = -1, 0, 0
	h.bufOff, h.gapLen = h.next, 0
	h.raw = max(h.raw, h.bufOff)
}

// forgetStream begins the stream anew at the byte after the SYN.
func (t *Table) forgetStream(h *half) {
	t.dropHeld(h)
	h.next, h.app, h.raw, h.bufOff, h.baseSeq = 0, 0, 0, 0, h.isn+1
	h.flags &^= halfDepth | halfHasData
}

// store adds bytes at the end of the half's buffer, making room for them.
func (t *Table) store(h *half, data []byte) bool {
	n := len(data)
	used := int(h.bufLen)
	if used+n > t.cfg.Stream.MaxPending {
		return false
	}
	if h.buf.none() {
		blk, ok := t.arena.take(n)
		if !ok {
			return false
		}
		h.buf, h.bufAt = blk, 0
	}
	b := t.arena.bytes(h.buf)
	if int(h.bufAt)+used+n > len(b) {
		if used+n > len(b) {
			blk, ok := t.arena.take(max(used+n, 2*len(b)))
			if !ok {
				if blk, ok = t.arena.take(used + n); !ok {
					return false
				}
			}
			wide := t.arena.bytes(blk)
			copy(wide, b[h.bufAt:int(h.bufAt)+used])
			t.arena.give(h.buf)
			h.buf, b = blk, wide
		} else {
			copy(b, b[h.bufAt:int(h.bufAt)+used])
		}
		h.bufAt = 0
	}
	copy(b[int(h.bufAt)+used:], data)
	h.bufLen += uint32(n)
	return true
}

// place is where the byte at a stream offset is in the buffer, from bufAt.
func (h *half) place(off uint64) uint64 {
	n := off - h.bufOff
	if h.gapLen > 0 && off > h.gapAt {
		n -= min(h.gapLen, off-h.gapAt)
	}
	return n
}

// window is the kept bytes between two stream offsets.
func (t *Table) window(h *half, from, to uint64) []byte {
	if h.buf.none() || from >= to {
		return nil
	}
	b := t.arena.bytes(h.buf)[h.bufAt : h.bufAt+h.bufLen]
	return b[h.place(from):h.place(to)]
}

// cut forgets the buffer's bytes before a stream offset.
func (t *Table) cut(h *half, off uint64) {
	if off <= h.bufOff {
		return
	}
	off = min(off, h.next)
	n := h.place(off)
	h.bufAt += uint32(n)
	h.bufLen -= uint32(n)
	h.bufOff = off
	if h.gapLen > 0 && off >= h.gapAt {
		h.bufOff = max(off, h.gapAt+h.gapLen)
		h.gapLen = 0
	}
	h.raw = max(h.raw, h.bufOff)
	if h.bufLen == 0 {
		t.arena.give(h.buf)
		h.buf, h.bufAt = block{}, 0
	}
}

// trim forgets what nobody needs any more: bytes that were handed on and, where
// the raw stream is inspected, inspected; inline also only those that the
// receiver has acknowledged, because only then can they not come again.
func (t *Table) trim(e *entry, h *half) {
	if h.bufLen == 0 {
		return
	}
	left := h.app
	if t.keepsRaw(e, h) {
		left = min(left, t.rawLeft(e, h))
	} else {
		h.raw = h.app
	}
	if t.cfg.Stream.Inline {
		left = min(left, max(h.acked(), h.bufOff))
	}
	t.cut(h, left)
}
