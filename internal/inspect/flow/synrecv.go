package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// synRecv handles a packet after the SYN/ACK; false when it is invalid.
func (t *Table) synRecv(e *entry, s *session, p *packet.Packet) bool {
	switch flags := p.TCPFlags; {
	case flags&packet.RST != 0:
		return t.synRecvReset(e, s, p)
	case flags&packet.FIN != 0:
		if !t.validTimestamp(s, p) {
			return false
		}
		return t.fin(e, s, p)
	case flags&(packet.SYN|packet.ACK) == packet.SYN|packet.ACK:
		return t.synackAgain(s, p)
	case flags&packet.SYN != 0:
		if t.out.Dir == packet.ToClient {
			t.event(Ev3whsSynToclientOnSynRecv)
			return false
		}
		if p.Seq != s.half[0].isn {
			t.event(Ev3whsSynResendDiffSeqOnSynRecv)
			return false
		}
		return true
	case flags&packet.ACK != 0:
		return t.handshakeAck(e, s, p)
	}
	return true
}

func (t *Table) synRecvReset(e *entry, s *session, p *packet.Packet) bool {
	if !t.validReset(s, p) {
		return false
	}
	if s.flags&sessEvasion != 0 {
		// Somebody tried to get past us during the handshake: only the reset that
		// the receiver would believe ends the session.
		h := &s.half[t.out.Dir]
		if p.Seq != h.nextSeq && p.Seq != h.lastAck {
			return true
		}
	}
	t.closeByReset(s, t.out.Dir)
	t.segment(e, s, p)
	return true
}

// synackAgain handles another SYN/ACK.
func (t *Table) synackAgain(s *session, p *packet.Packet) bool {
	c, v := &s.half[0], &s.half[1]
	if t.out.Dir == packet.ToServer {
		t.event(Ev3whsSynackToserverOnSynRecv)
		return false
	}
	if p.Ack != c.isn+1 && p.Ack != c.lastAck && p.Ack != c.nextSeq {
		t.event(Ev3whsSynackResendDiffAck)
		return false
	}
	if p.Seq == v.isn {
		return true
	}
	t.event(Ev3whsSynackResendDiffSeq)
	if !t.queueOther(s, p, t.cfg.Stream.MaxSynackQueued) {
		t.event(Ev3whsSynackFlood)
		return false
	}
	return true
}

// chooseSynack finds, of several SYN/ACKs, the one that the client's ACK takes.
func (t *Table) chooseSynack(s *session, p *packet.Packet) {
	q := t.other(s, func(q *otherSyn) bool { return p.Ack == q.seq+1 })
	if q == nil || p.Ack == s.half[1].isn+1 {
		return
	}
	c, v := &s.half[0], &s.half[1]
	v.begin(q.seq)
	c.window = uint32(q.win)
	c.lastAck = q.ack
	c.nextWin = c.lastAck + c.window
	v.nextWin = v.lastAck + v.window
	if q.hasTS && s.flags&sessTimestamp != 0 {
		v.lastTS = q.ts
		v.flags |= halfTimestamp
		c.flags |= halfTimestamp
	}
	t.clearOthers(s)
}

// handshakeAck is the ACK that ends the handshake, or what passes for it.
func (t *Table) handshakeAck(e *entry, s *session, p *packet.Packet) bool {
	d := t.out.Dir
	if s.queue >= 0 && d == packet.ToServer {
		t.chooseSynack(s, p)
	}
	if !t.validTimestamp(s, p) {
		return false
	}
	c, v := &s.half[0], &s.half[1]
	if s.flags&sess4whs != 0 && d == packet.ToClient {
		return t.crossedAck(e, s, p)
	}
	if d == packet.ToClient {
		// The client's ACK may have been lost on its way to us.
		right := p.Seq == v.nextSeq && p.Ack == c.nextSeq
		switch {
		case s.flags&sessAsync != 0:
		case s.flags&sessMidSynack != 0:
			if p.Seq != v.nextSeq || seqLEQ(p.Ack, c.nextSeq) {
				t.event(Ev3whsWrongSeqWrongAck)
				return false
			}
		case !right:
			t.event(Ev3whsAckInWrongDir)
			return false
		}
		if right && len(p.Payload) > 0 && s.flags&(sessFastOpen|sessAsync|sessMidSynack) == 0 {
			t.event(Ev3whsAckDataInject)
		}
		t.establish(e, s, p)
		return true
	}
	switch {
	case p.Seq == c.nextSeq && p.Ack == v.nextSeq:
		s.flags |= sessConfirmed
	case s.flags&sessTFOIgnored != 0 && p.Ack == v.nextSeq:
		s.flags |= sessConfirmed
	case s.flags&sessFastOpen != 0 && p.Ack == v.isn+1 && seqGEQ(p.Seq, c.isn+1):
		s.flags |= sessConfirmed
	case s.flags&sessMidSynack != 0 || s.flags&sessAsync != 0:
		if s.flags&sessMidSynack != 0 && p.Seq != c.nextSeq && seqLT(p.Seq, c.nextSeq) {
			t.event(Ev3whsWrongSeqWrongAck)
			return false
		}
	case seqGT(p.Seq, c.nextSeq) && seqLEQ(p.Seq, c.nextWin) && seqGEQ(p.Ack, v.nextSeq):
		// Some of the client's packets were not seen.
	case p.Seq == c.nextSeq:
		t.event(Ev3whsRightSeqWrongAckEvasion)
		s.flags |= sessEvasion
		return false
	default:
		t.event(Ev3whsWrongSeqWrongAck)
		return false
	}
	t.establish(e, s, p)
	return true
}

// crossedAck is the last packet of a handshake of four.
func (t *Table) crossedAck(e *entry, s *session, p *packet.Packet) bool {
	if p.Seq != s.half[1].nextSeq {
		t.event(Ev4whsWrongSeq)
		return false
	}
	if !t.validAck(s, p) {
		t.event(Ev4whsInvalidAck)
		return false
	}
	t.establish(e, s, p)
	return true
}

// establish ends the handshake with the packet and takes its bytes.
func (t *Table) establish(e *entry, s *session, p *packet.Packet) {
	d := t.out.Dir
	h, o := &s.half[d], &s.half[d.Other()]
	if seqGT(p.Ack, o.lastAck) {
		o.lastAck = p.Ack
	}
	o.window = uint32(p.Window) << o.wscale
	o.nextWin = o.lastAck + o.window
	if n := p.Seq + uint32(len(p.Payload)); seqGT(n, h.nextSeq) {
		h.nextSeq = n
	}
	if seqGT(p.Ack, o.nextSeq) && s.flags&(sessAsync|sessMidstream) != 0 {
		o.nextSeq = p.Ack
	}
	if h.nextWin == 0 || seqLT(h.nextWin, h.lastAck+h.window) {
		h.nextWin = h.lastAck + h.window
	}
	if len(p.Payload) > 0 {
		t.out.Established = true // its bytes already belong to an established session
	}
	t.setState(s, TCPEstablished)
	t.clearOthers(s)
	t.segment(e, s, p)
}
