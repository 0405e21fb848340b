package flow

import "github.com/masugata/masugata/internal/inspect/packet"

const maxWScale = 14

// timestamps notes the timestamp option of a packet that begins a half.
func (h *half) timestamps(p *packet.Packet) {
	h.lastTS = p.TSVal
	h.lastTSat = p.Time
	if p.TSVal == 0 {
		h.flags |= halfZeroTS
	}
}

// beginSyn begins a session as it should begin.
func (t *Table) beginSyn(slot int32, e *entry, p *packet.Packet) bool {
	s := t.open(slot, e, p)
	if s == nil {
		return true
	}
	t.setState(s, TCPSynSent)
	t.takeSyn(s, p)
	if s.flags&sessFastOpen != 0 && len(p.Payload) > 0 {
		t.segment(e, s, p)
	}
	return true
}

// takeSyn notes what the client's SYN says.
func (t *Table) takeSyn(s *session, p *packet.Packet) {
	c, v := &s.half[0], &s.half[1]
	c.begin(p.Seq)
	v.window = uint32(p.Window)
	s.flags &^= sessTimestamp | sessFastOpen | sessTFOData
	c.flags &^= halfWScale
	if p.HasTS {
		s.flags |= sessTimestamp
		c.timestamps(p)
	}
	if p.WScale > 0 {
		v.wscale = min(p.WScale-1, maxWScale)
		c.flags |= halfWScale
	}
	if fastOpen(p) {
		s.flags |= sessFastOpen
		if len(p.Payload) > 0 {
			s.flags |= sessTFOData
			c.nextSeq += uint32(len(p.Payload))
		}
	}
}

// beginSynack picks a session up at its SYN/ACK.
func (t *Table) beginSynack(slot int32, e *entry, p *packet.Packet) bool {
	if t.out.Dir == packet.ToServer {
		t.swap(e, nil)
		t.out.Dir = packet.ToClient
	}
	s := t.open(slot, e, p)
	if s == nil {
		return true
	}
	t.stats.Midstream++
	e.flow.Flags |= FlagMidstream
	s.flags |= sessMidstream | sessMidSynack
	if t.cfg.Stream.AsyncOneside {
		s.flags |= sessAsync
		e.flow.Flags |= FlagOneSided
	}
	t.setState(s, TCPSynRecv)
	c, v := &s.half[0], &s.half[1]
	v.begin(p.Seq)
	c.begin(p.Ack - 1)
	c.window = uint32(p.Window)
	if p.WScale > 0 {
		c.wscale, v.wscale = min(p.WScale-1, maxWScale), maxWScale
		c.flags |= halfWScale
	}
	c.nextWin = c.lastAck + c.window
	v.window = 0xffff << v.wscale
	v.nextWin = v.lastAck + v.window
	if p.HasTS {
		s.flags |= sessTimestamp
		v.timestamps(p)
		v.flags |= halfTimestamp
		c.flags |= halfTimestamp
		c.lastTS = p.TSEcr
		if c.lastTS == 0 {
			c.flags |= halfZeroTS
		}
	}
	return true
}

// beginMiddle picks a session up at a segment of it.
func (t *Table) beginMiddle(slot int32, e *entry, p *packet.Packet) bool {
	if s := t.middle(slot, e, p); s != nil {
		t.segment(e, s, p)
	}
	return true
}

// middle makes a session of which a segment is all that is known, or nil when
// there is no room.
func (t *Table) middle(slot int32, e *entry, p *packet.Packet) *session {
	s := t.open(slot, e, p)
	if s == nil {
		return nil
	}
	t.stats.Midstream++
	e.flow.Flags |= FlagMidstream
	s.flags |= sessMidstream | sessMidEstablished
	if t.cfg.Stream.AsyncOneside {
		s.flags |= sessAsync
		e.flow.Flags |= FlagOneSided
	}
	t.setState(s, TCPEstablished)
	c, v := &s.half[t.out.Dir], &s.half[t.out.Dir.Other()]
	c.begin(p.Seq - 1)
	c.nextSeq = p.Seq + uint32(len(p.Payload))
	v.begin(p.Ack - 1)
	c.wscale, v.wscale = maxWScale, maxWScale
	c.window = uint32(p.Window) << maxWScale
	v.window = c.window
	c.nextWin = c.lastAck + c.window
	v.nextWin = v.lastAck + v.window
	if p.HasTS {
		c.timestamps(p)
		c.flags |= halfTimestamp
		v.flags |= halfTimestamp
		v.lastTS = p.TSEcr
		if p.TSEcr == 0 {
			v.flags |= halfZeroTS
		}
	}
	return s
}

// clearOthers forgets other SYNs and SYN/ACKs.
func (t *Table) clearOthers(s *session) {
	for i := s.queue; i >= 0; {
		next := t.others.at(i).next
		t.others.give(i)
		i = next
	}
	s.queue, s.queued = -1, 0
}

// other finds a queued SYN or SYN/ACK.
func (t *Table) other(s *session, want func(*otherSyn) bool) *otherSyn {
	for i := s.queue; i >= 0; i = t.others.at(i).next {
		if q := t.others.at(i); want(q) {
			return q
		}
	}
	return nil
}

// queueOther remembers a SYN or SYN/ACK that differs from the first, up to most
// of them; false when that many are queued.
func (t *Table) queueOther(s *session, p *packet.Packet, most int) bool {
	same := t.other(s, func(q *otherSyn) bool {
		return q.seq == p.Seq && q.ack == p.Ack && q.win == p.Window && q.hasTS == p.HasTS && q.wscale == p.WScale
	})
	if same != nil {
		same.ts = p.TSVal
		return true
	}
	if int(s.queued) >= most {
		return false
	}
	i := t.others.take()
	*t.others.at(i) = otherSyn{seq: p.Seq, ack: p.Ack, ts: p.TSVal, hasTS: p.HasTS, win: p.Window, wscale: p.WScale, next: s.queue}
	s.queue = i
	s.queued++
	return true
}
