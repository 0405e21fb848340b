package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// synSent handles a packet after the client's SYN; false when it is invalid.
func (t *Table) synSent(e *entry, s *session, p *packet.Packet) bool {
	if p.TCPFlags&(packet.RST|packet.FIN|packet.SYN) != 0 && !t.validEcho(s, p) {
		return false
	}
	switch flags := p.TCPFlags; {
	case flags&packet.RST != 0:
		return t.synSentReset(s, p)
	case flags&packet.FIN != 0:
		return true
	case flags&(packet.SYN|packet.ACK) == packet.SYN|packet.ACK:
		if s.flags&sess4whs != 0 && t.out.Dir == packet.ToServer {
			return t.crossedSynack(s, p)
		}
		return t.synack(e, s, p)
	case flags&packet.SYN != 0:
		return t.secondSyn(e, s, p)
	case flags&packet.ACK != 0:
		return t.oneSidedAck(e, s, p)
	}
	return true
}

// validEcho says whether the server gives back the timestamp of a SYN. What
// does not is sent by somebody who has not seen it.
func (t *Table) validEcho(s *session, p *packet.Packet) bool {
	if t.out.Dir == packet.ToServer || !p.HasTS || p.TSEcr == 0 {
		return true
	}
	if s.flags&sessTimestamp != 0 && p.TSEcr == s.half[0].lastTS || t.other(s, func(q *otherSyn) bool { return q.hasTS && q.ts == p.TSEcr }) != nil {
		return true
	}
	t.event(EvPktInvalidTimestamp)
	return false
}

func (t *Table) synSentReset(s *session, p *packet.Packet) bool {
	if !t.validReset(s, p) {
		return false
	}
	c := &s.half[0]
	if t.out.Dir == packet.ToServer {
		if p.Seq != c.isn || p.Window != 0 || p.Ack != c.isn+1 {
			return true
		}
	} else if p.Ack != c.isn+1 && p.Ack != c.nextSeq && p.Ack != 0 {
		return true
	}
	t.closeByReset(s, t.out.Dir)
	return true
}

// crossedSynack is the third packet of a handshake of four: SYN, SYN,
// SYN/ACK, ACK (simultaneous or split open).
func (t *Table) crossedSynack(s *session, p *packet.Packet) bool {
	c, v := &s.half[0], &s.half[1]
	if p.Ack != v.isn+1 {
		t.event(Ev4whsSynackWithWrongAck)
		return false
	}
	if p.Seq != c.isn {
		t.event(Ev4whsSynackWithWrongSyn)
		return false
	}
	t.setState(s, TCPSynRecv)
	v.window = uint32(p.Window) << v.wscale
	v.lastAck = p.Ack
	v.nextWin = v.lastAck + v.window
	c.nextWin = c.lastAck + c.window
	return true
}

// synack handles the answer to the SYN.
func (t *Table) synack(e *entry, s *session, p *packet.Packet) bool {
	c := &s.half[0]
	if t.out.Dir == packet.ToServer {
		t.event(Ev3whsSynackInWrongDirection)
		return false
	}
	switch {
	case p.Ack == c.nextSeq:
	case s.flags&sessFastOpen != 0 && p.Ack == c.isn+1:
		if c.nextSeq != c.isn+1 {
			t.event(Ev3whsSynackTFODataIgnored)
			s.flags |= sessTFOIgnored
			t.forgetStream(c)
		}
		c.nextSeq = c.isn + 1
	case t.answersOther(s, p):
	default:
		t.event(Ev3whsSynackWithWrongAck)
		return false
	}
	t.takeSynack(s, p)
	t.clearOthers(s)
	if len(p.Payload) > 0 && s.flags&sessFastOpen != 0 {
		s.half[1].nextSeq += uint32(len(p.Payload))
		t.segment(e, s, p)
	}
	if s.flags&sessFastOpen != 0 {
		t.setState(s, TCPEstablished) // both may send data now
	}
	return true
}

// answersOther finds the SYN, of several, that the SYN/ACK answers.
func (t *Table) answersOther(s *session, p *packet.Packet) bool {
	q := t.other(s, func(q *otherSyn) bool { return p.Ack == q.seq+1 })
	if q == nil {
		return false
	}
	c, v := &s.half[0], &s.half[1]
	c.begin(q.seq)
	v.window = uint32(q.win)
	if q.wscale > 0 {
		v.wscale = min(q.wscale-1, maxWScale)
		c.flags |= halfWScale
	} else {
		c.flags &^= halfWScale
	}
	s.flags &^= sessTimestamp
	if q.hasTS {
		s.flags |= sessTimestamp
		c.lastTS = q.ts
	}
	return true
}

// takeSynack notes what the server's SYN/ACK says.
func (t *Table) takeSynack(s *session, p *packet.Packet) {
	t.setState(s, TCPSynRecv)
	c, v := &s.half[0], &s.half[1]
	v.begin(p.Seq)
	c.window = uint32(p.Window)
	if s.flags&sessTimestamp != 0 && p.HasTS {
		c.flags |= halfTimestamp
		v.flags |= halfTimestamp
		v.timestamps(p)
	} else {
		c.flags &^= halfZeroTS | halfTimestamp
		v.flags &^= halfTimestamp
	}
	c.lastAck = p.Ack
	if c.flags&halfWScale != 0 && p.WScale > 0 {
		c.wscale = min(p.WScale-1, maxWScale)
	} else {
		c.wscale, v.wscale = 0, 0
	}
	v.lastAck = v.isn + 1
	c.nextWin = c.lastAck + c.window
	v.nextWin = v.lastAck + v.window
	s.flags &^= sessMidSynack
}

// secondSyn handles a SYN after the SYN: sent again, another one, or the far
// side's own (a handshake of four).
func (t *Table) secondSyn(e *entry, s *session, p *packet.Packet) bool {
	c, v := &s.half[0], &s.half[1]
	if t.out.Dir == packet.ToClient {
		s.flags |= sess4whs
		v.begin(p.Seq)
		c.window = uint32(p.Window)
		c.wscale = 0
		if p.WScale > 0 {
			c.wscale = min(p.WScale-1, maxWScale)
		}
		if s.flags&sessTimestamp != 0 && p.HasTS {
			v.timestamps(p)
			v.flags |= halfTimestamp
			c.flags |= halfTimestamp
		}
		return true
	}
	if p.Seq == c.isn {
		return true
	}
	if !t.queueOther(s, p, t.cfg.Stream.MaxSynQueued) {
		t.event(Ev3whsSynFlood)
		return false
	}
	return true
}

// oneSidedAck is the client's next packet when the server's are not seen.
func (t *Table) oneSidedAck(e *entry, s *session, p *packet.Packet) bool {
	if !t.cfg.Stream.AsyncOneside {
		return true
	}
	c, v := &s.half[0], &s.half[1]
	if p.Seq != c.nextSeq {
		t.event(Ev3whsAsyncWrongSeq)
		return false
	}
	s.flags |= sessAsync
	e.flow.Flags |= FlagOneSided
	t.setState(s, TCPEstablished)
	c.window = uint32(p.Window) << maxWScale
	c.nextWin = c.lastAck + c.window
	v.begin(p.Ack - 1)
	v.window = uint32(p.Window)
	v.nextWin = v.lastAck + v.window
	c.nextSeq = p.Seq + uint32(len(p.Payload))
	c.wscale, v.wscale = maxWScale, maxWScale
	c.flags &^= halfTimestamp
	v.flags &^= halfTimestamp
	if s.flags&sessTimestamp != 0 && p.HasTS {
		c.timestamps(p)
		c.flags |= halfTimestamp
	}
	t.segment(e, s, p)
	return true
}
