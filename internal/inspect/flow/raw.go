package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// rawLag is how far raw inspection may stay behind before it is given up.
const rawLag = 1 << 18

// keepsRaw says whether bytes of the half have to be kept for raw inspection.
func (t *Table) keepsRaw(e *entry, h *half) bool {
	if t.cfg.Stream.NoRaw || e.flow.Flags&(FlagNoRaw|FlagBypassed) != 0 {
		return false
	}
	return e.flow.Flags&FlagNoPayload == 0 || h.flags&halfLastRaw != 0
}

func (t *Table) chunk(e *entry, h *half) uint64 {
	if e.sess >= 0 && h == &t.sessions.at(e.sess).half[packet.ToClient] {
		return uint64(t.cfg.Stream.ToClientChunk)
	}
	return uint64(t.cfg.Stream.ToServerChunk)
}

// rawLeft is the offset before which raw inspection needs no bytes any more.
func (t *Table) rawLeft(e *entry, h *half) uint64 {
	if t.cfg.Stream.Inline {
		if keep := max(t.chunk(e, h), uint64(h.inspect)); h.next > keep {
			return h.next - keep
		}
		return 0
	}
	if h.app > h.raw+rawLag {
		h.raw = h.app - rawLag
	}
	left := h.raw
	if keep := uint64(h.inspect); keep > 0 {
		if h.app < keep {
			return 0
		}
		left = min(left, h.app-keep)
	}
	return left
}

// rawEdge is the offset up to which the raw stream may be inspected.
func (t *Table) rawEdge(s *session, h *half) uint64 {
	to := t.edge(s, h)
	if h.gapLen > 0 && h.raw < h.gapAt {
		to = min(to, h.gapAt)
	}
	return to
}

// rawDue says whether the raw stream is to be inspected with this packet.
func (t *Table) rawDue(e *entry, s *session, d packet.Direction, p *packet.Packet) bool {
	h := &s.half[d]
	if !t.keepsRaw(e, h) {
		return false
	}
	if t.cfg.Stream.Inline {
		return len(p.Payload) > 0 && t.out.InStream
	}
	to := t.rawEdge(s, h)
	if to <= h.raw {
		return false
	}
	if h.flags&(halfTriggerRaw|halfLastRaw|halfDepth|halfEnded|halfClosing) != 0 || h.gapLen > 0 && to == h.gapAt {
		return true
	}
	return to-h.raw >= t.chunk(e, h)
}

// Raw gives the raw stream bytes in d that are to be inspected now: data[fresh:]
// was not inspected before, data[:fresh] is what was before it. offset is the
// stream offset of data[0]. It is empty when nothing is there. Bytes on both
// sides of a gap are never given together: after RawDone, Raw gives the next
// part. The slice is valid until the next call of a method of the table.
func (t *Table) Raw(f *Flow, d packet.Direction) (data []byte, offset uint64, fresh int) {
	e := t.entries.at(f.Slot)
	if e.sess < 0 {
		return nil, 0, 0
	}
	s := t.sessions.at(e.sess)
	h := &s.half[d]
	if !t.keepsRaw(e, h) {
		return nil, 0, 0
	}
	if t.cfg.Stream.Inline {
		return t.rawInline(e, h)
	}
	if h.flags&halfClosing != 0 && h.raw >= h.next && h.segOOO >= 0 {
		t.skipHole(h)
	}
	to := t.rawEdge(s, h)
	from := h.raw
	if h.gapLen > 0 && from >= h.gapAt {
		from = max(from, h.gapAt+h.gapLen)
	}
	begin := from
	if h.inspect > 0 {
		begin = min(begin, h.app-min(h.app, uint64(h.inspect)))
		begin = max(begin, h.bufOff)
		if h.gapLen > 0 && from >= h.gapAt+h.gapLen {
			begin = max(begin, h.gapAt+h.gapLen)
		}
	}
	if to <= from {
		return nil, 0, 0
	}
	h.rawTarget = to
	return t.window(h, begin, to), begin, int(from - begin)
}

// skipHole goes on behind bytes that never came, at the end of the flow: what
// lies there is no part of the stream for the protocol, because nobody has
// acknowledged it, but is inspected raw.
func (t *Table) skipHole(h *half) {
	t.cut(h, h.next)
	first := t.segments.at(h.segOOO).off
	h.baseSeq += uint32(first - h.next)
	h.next, h.app, h.raw, h.bufOff, h.gapLen = first, first, first, first, 0
	t.absorb(h)
	h.app = h.next
}

// rawInline gives the packet's own bytes with those around them, one chunk long.
func (t *Table) rawInline(e *entry, h *half) ([]byte, uint64, int) {
	end := h.rawTarget
	if end == 0 {
		return nil, 0, 0 // done with this packet
	}
	if end > h.next {
		for i := h.segOOO; i >= 0; i = t.segments.at(i).next {
			if g := t.segments.at(i); g.off < end && end <= g.end() {
				return t.arena.bytes(g.blk)[:g.len], g.off, 0
			}
		}
		return nil, 0, 0
	}
	end = h.next
	begin := h.bufOff
	if keep := max(t.chunk(e, h), uint64(h.inspect), end-min(end, h.raw)); end > keep {
		begin = max(begin, end-keep)
	}
	if h.gapLen > 0 && begin < h.gapAt+h.gapLen && end > h.gapAt {
		begin = h.gapAt + h.gapLen
	}
	if begin >= end {
		return nil, 0, 0
	}
	return t.window(h, begin, end), begin, int(max(begin, min(h.raw, end)) - begin)
}

// RawDone says that what Raw gave was inspected.
func (t *Table) RawDone(f *Flow, d packet.Direction) {
	e := t.entries.at(f.Slot)
	if e.sess < 0 {
		return
	}
	h := &t.sessions.at(e.sess).half[d]
	if t.cfg.Stream.Inline {
		h.raw, h.rawTarget = max(h.raw, h.next), 0
	} else {
		h.raw = max(h.raw, min(h.rawTarget, h.next))
		if h.gapLen > 0 && h.raw == h.gapAt {
			h.raw = h.gapAt + h.gapLen
		}
		if h.raw >= h.app {
			h.flags &^= halfTriggerRaw
		}
	}
	h.flags &^= halfLastRaw
	t.trim(e, h)
}

// TriggerRaw says that a message has ended in d, so that the raw stream is to
// be inspected with the next packet in d though no chunk is full.
func (t *Table) TriggerRaw(f *Flow, d packet.Direction) {
	if e := t.entries.at(f.Slot); e.sess >= 0 {
		t.sessions.at(e.sess).half[d].flags |= halfTriggerRaw
	}
}

// SetInspectWindow has Raw give n bytes before the right edge again with each
// inspection in d, so that a pattern may lie across messages.
func (t *Table) SetInspectWindow(f *Flow, d packet.Direction, n uint32) {
	if e := t.entries.at(f.Slot); e.sess >= 0 {
		t.sessions.at(e.sess).half[d].inspect = n
	}
}

// SetDepth gives one flow another stream depth than the settings do; 0 is
// unlimited. It counts for bytes not yet taken.
func (t *Table) SetDepth(f *Flow, depth uint64) {
	if e := t.entries.at(f.Slot); e.sess >= 0 {
		s := t.sessions.at(e.sess)
		s.half[0].depth, s.half[1].depth = depth+1, depth+1
	}
}

// SetFlags sets flags of a flow: FlagNoApp ends delivery of bytes, FlagNoRaw
// and FlagBypassed free what is kept for inspection, FlagDropped has every
// further packet dropped.
func (t *Table) SetFlags(f *Flow, flags Flags) {
	f.Flags |= flags
}

// HidePayload sets FlagNoPayload. What was taken of the raw streams before is
// inspected once more in each direction, with its next packet.
func (t *Table) HidePayload(f *Flow) {
	if f.Flags&FlagNoPayload != 0 {
		return
	}
	f.Flags |= FlagNoPayload
	if e := t.entries.at(f.Slot); e.sess >= 0 {
		s := t.sessions.at(e.sess)
		s.half[0].flags |= halfLastRaw
		s.half[1].flags |= halfLastRaw
	}
}

// Swap exchanges client and server of a flow whose protocol shows that it was
// seen the wrong way round. It may be called from within Consumer.Bytes; the
// directions of the packet at hand and of all later ones are the new ones.
func (t *Table) Swap(f *Flow) {
	e := t.entries.at(f.Slot)
	if e.sess >= 0 {
		t.swap(e, t.sessions.at(e.sess))
	} else {
		t.swap(e, nil)
	}
	if t.out != nil && t.out.Flow == f {
		t.out.Dir = t.out.Dir.Other()
	}
	f.Flags ^= FlagReversed
}

func (t *Table) swap(e *entry, s *session) {
	f := &e.flow
	f.Client, f.Server = f.Server, f.Client
	f.ClientPort, f.ServerPort = f.ServerPort, f.ClientPort
	e.cp, e.sp = e.sp, e.cp
	f.AppDir[0], f.AppDir[1] = f.AppDir[1], f.AppDir[0]
	f.TCPSeen[0], f.TCPSeen[1] = f.TCPSeen[1], f.TCPSeen[0]
	f.Packets[0], f.Packets[1] = f.Packets[1], f.Packets[0]
	f.Bytes[0], f.Bytes[1] = f.Bytes[1], f.Bytes[0]
	f.StreamBytes[0], f.StreamBytes[1] = f.StreamBytes[1], f.StreamBytes[0]
	f.Delivered[0], f.Delivered[1] = f.Delivered[1], f.Delivered[0]
	e.seen = e.seen>>1 | e.seen&1<<1
	const depths, gaps = FlagDepth0 | FlagDepth1, FlagGap0 | FlagGap1
	if x := f.Flags & depths; x != 0 && x != depths {
		f.Flags ^= depths
	}
	if x := f.Flags & gaps; x != 0 && x != gaps {
		f.Flags ^= gaps
	}
	if s != nil {
		s.half[0], s.half[1] = s.half[1], s.half[0]
	}
}
