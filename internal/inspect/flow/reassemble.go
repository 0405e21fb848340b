package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// segment hands on what the packet's acknowledgement made due, takes the
// packet's own bytes, and hands those on when they are due.
func (t *Table) segment(e *entry, s *session, p *packet.Packet) {
	theirs, own := t.sides(s, p)
	if theirs {
		t.update(e, s, t.out.Dir.Other())
	} else if t.cfg.Stream.Inline {
		t.trim(e, &s.half[t.out.Dir.Other()])
	}
	h := &s.half[t.out.Dir]
	if len(p.Payload) > 0 && h.flags&(halfDepth|halfEnded) == 0 {
		seq, data := p.Seq, p.Payload
		if p.TCPFlags&packet.SYN != 0 {
			seq++
		}
		before := h.flags
		if t.urgent(e, s, h, seq, data) {
			t.out.InStream = true
			h.flags |= halfHasData
		} else {
			t.except(e, t.cfg.Stream.ReassemblyPolicy)
		}
		own = own || (before^h.flags)&halfDepth != 0
	}
	if own {
		t.update(e, s, t.out.Dir)
	}
}

// sides says which directions' streams the packet moves: in IDS mode what it
// acknowledges, and its own as well when it ends the session; inline its own.
func (t *Table) sides(s *session, p *packet.Packet) (theirs, own bool) {
	switch {
	case t.cfg.Stream.Inline, p.TCPFlags&packet.RST != 0:
		return false, true
	case p.TCPFlags&packet.FIN != 0 && (s.state == TCPLastAck || s.state == TCPCloseWait || s.state == TCPClosing || s.state == TCPClosed):
		return p.TCPFlags&packet.ACK != 0, true
	}
	return true, s.state == TCPClosed
}

// due is the stream offset up to which bytes may be handed on.
func (t *Table) edge(s *session, h *half) uint64 {
	if t.cfg.Stream.Inline || h.flags&halfClosing != 0 && (s.state != TCPClosed || s.flags&sessReset != 0) {
		return h.next
	}
	return min(h.acked(), h.next)
}

// update hands on what is due of the stream in d: bytes, gaps, its end.
func (t *Table) update(e *entry, s *session, d packet.Direction) {
	for {
		h := &s.half[d]
		to := t.edge(s, h)
		if h.app < to {
			reversed := e.flow.Flags & FlagReversed
			t.deliver(e, h, d, to)
			if reversed != e.flow.Flags&FlagReversed {
				d = d.Other()
			}
			continue
		}
		if h.flags&halfDepth == 0 && h.segOOO >= 0 && h.app == h.next {
			if first := t.segments.at(h.segOOO).off; h.acked() > h.app {
				t.gap(e, h, d, min(first, h.acked())-h.app)
				continue
			}
		}
		t.endIfDue(e, s, h, d)
		t.trim(e, &s.half[d])
		return
	}
}

func (t *Table) deliver(e *entry, h *half, d packet.Direction, to uint64) {
	from := h.app
	h.app = to
	e.flow.Delivered[d] = to
	t.dropDelivered(h)
	if e.flow.Flags&(FlagNoApp|FlagBypassed) == 0 {
		if data := t.window(h, from, to); len(data) > 0 {
			t.sink.Bytes(&e.flow, d, data)
		}
	}
}

// gap gives up n bytes at the right edge, which the receiver has.
func (t *Table) gap(e *entry, h *half, d packet.Direction, n uint64) {
	t.event(EvSeqGap)
	t.stats.Gaps++
	t.stats.GapBytes += n
	e.flow.Flags |= FlagGap0 << d
	if h.gapLen > 0 && h.next == h.gapAt+h.gapLen {
		h.gapLen += n // the gap goes on
	} else {
		if h.gapLen > 0 {
			t.cut(h, h.gapAt+h.gapLen)
			h.raw = max(h.raw, h.bufOff)
		}
		h.gapAt, h.gapLen = h.next, n
	}
	h.next += n
	h.baseSeq += uint32(n)
	h.app = h.next
	if h.bufLen == 0 {
		h.bufOff, h.gapLen = h.next, 0
		h.raw = max(h.raw, h.next)
	}
	e.flow.Delivered[d] = h.app
	t.absorb(h)
	if e.flow.Flags&(FlagNoApp|FlagBypassed) == 0 {
		t.sink.Gap(&e.flow, d, n)
	}
}

// endIfDue says that no more comes, once. Of a direction without a byte it is
// said when the flow ends.
func (t *Table) endIfDue(e *entry, s *session, h *half, d packet.Direction) {
	if h.flags&halfEnded != 0 {
		return
	}
	over := h.flags&halfClosing != 0 ||
		(s.state == TCPClosed && h.next > 0 || h.flags&halfDepth != 0) && h.app == h.next && h.segOOO < 0
	if !over {
		return
	}
	h.flags |= halfEnded
	if e.flow.Flags&(FlagNoApp|FlagBypassed) == 0 {
		t.sink.End(&e.flow, d)
	}
}

// drain hands on all that is left in d when the flow ends.
func (t *Table) drain(e *entry, s *session, d packet.Direction) {
	h := &s.half[d]
	h.flags |= halfClosing
	t.update(e, s, d)
}

// insert takes the segment's bytes into the stream; false when there is no room.
func (t *Table) insert(e *entry, s *session, h *half, seq uint32, data []byte) bool {
	off := h.offset(seq)
	skip := 0
	if off < 0 {
		skip = int(min(-off, int64(len(data))))
		off = 0
	}
	data = data[skip:]
	start := uint64(off)
	if len(data) == 0 {
		t.tooOld()
		return true
	}
	if data = t.withinDepth(e, h, start, data); len(data) == 0 {
		return true
	}
	end := start + uint64(len(data))
	h.rawTarget = end
	if e.flow.Flags&FlagNoApp != 0 && !t.keepsRaw(e, h) {
		t.skim(h, end)
		return true
	}
	if start == h.next && h.segOOO < 0 {
		return t.append(h, data)
	}
	if end <= h.bufOff && end <= h.app {
		t.tooOld()
		return true
	}
	return t.merge(s, h, start, data, skip)
}

// tooOld notes bytes before all that is kept, unless it is known already that
// they came again for nothing.
func (t *Table) tooOld() {
	if t.out != nil && !t.out.Events.Has(EvPktSpuriousRetransmission) {
		t.event(EvSegmentBeforeBaseSeq)
	}
}

// withinDepth cuts off what is beyond the stream depth.
func (t *Table) withinDepth(e *entry, h *half, start uint64, data []byte) []byte {
	depth := t.depthOf(h)
	if depth == 0 || start+uint64(len(data)) <= depth {
		return data
	}
	if t.cfg.Stream.Live && start > h.next && h.acked() < depth {
		// The receiver may not take it: it must not end the reading of what is before.
		return data[:max(int64(depth)-int64(start), 0)]
	}
	h.flags |= halfDepth
	t.stats.DepthReached++
	t.event(EvDepthReached)
	d := t.out.Dir
	e.flow.Flags |= FlagDepth0 << d
	if t.cfg.Stream.BypassOnDepth {
		e.flow.Flags |= FlagBypassed
	}
	if start >= depth {
		return nil
	}
	return data[:depth-start]
}

func (t *Table) depthOf(h *half) uint64 {
	if h.depth > 0 {
		return h.depth - 1
	}
	return t.cfg.Stream.Depth
}

// skim follows a stream whose bytes nobody wants.
func (t *Table) skim(h *half, end uint64) {
	if h.segFirst >= 0 || h.bufLen > 0 {
		t.dropHeld(h)
	}
	if end > h.next {
		h.baseSeq += uint32(end - h.next)
		h.next = end
	}
	h.app, h.raw, h.bufOff, h.gapLen = h.next, h.next, h.next, 0
}

// append takes bytes that are next in order.
func (t *Table) append(h *half, data []byte) bool {
	if !t.cfg.Stream.Inline {
		at := t.newSegment(h.next, uint32(len(data)))
		t.link(h, at, t.lastInOrder(h))
	}
	if !t.store(h, data) {
		if !t.cfg.Stream.Inline {
			t.unlink(h, t.lastInOrder(h))
		}
		t.stats.StreamMemcap++
		t.event(EvInsertMemcap)
		return false
	}
	h.next += uint64(len(data))
	h.baseSeq += uint32(len(data))
	return true
}

// absorb takes segments that came out of order and are next now.
func (t *Table) absorb(h *half) {
	for h.segOOO >= 0 {
		i := h.segOOO
		g := t.segments.at(i)
		if g.off != h.next {
			return
		}
		kept := t.store(h, t.arena.bytes(g.blk)[:g.len])
		h.segCount--
		h.segBytes -= g.len
		t.arena.give(g.blk)
		g.blk = block{}
		h.segOOO = g.next
		if !kept { // it is lost: a gap when it is acknowledged
			t.stats.StreamMemcap++
			t.event(EvInsertMemcap)
			t.unlink(h, i)
			return
		}
		h.next += uint64(g.len)
		h.baseSeq += g.len
		if t.cfg.Stream.Inline {
			t.unlink(h, i)
		}
	}
}
