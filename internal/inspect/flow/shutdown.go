package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// fin handles the first FIN of a session. States are named as seen from the
// server: its own FIN leads to FIN-WAIT-1, the client's to CLOSE-WAIT.
func (t *Table) fin(e *entry, s *session, p *packet.Packet) bool {
	d := t.out.Dir
	h := &s.half[d]
	n := uint32(len(p.Payload))
	if !t.validAck(s, p) {
		t.event(EvFinInvalidAck)
		return false
	}
	if !t.slack(s) {
		if seqLT(p.Seq+n, h.lastAck) || seqGT(p.Seq, h.lastAck+max(h.window, 1)) {
			t.event(EvFinOutOfWindow)
			return false
		}
	}
	if p.TCPFlags&packet.SYN != 0 {
		t.event(EvFinSyn)
		return false
	}
	if seqGT(p.Seq+n, h.nextSeq) {
		h.nextSeq = p.Seq + n
	}
	h.takeFin(p.Seq + n)
	t.takeAck(s, p)
	t.missed(s, p)
	if d == packet.ToServer {
		t.setState(s, TCPCloseWait)
	} else {
		t.setState(s, TCPFinWait1)
	}
	t.segment(e, s, p)
	return true
}

// missed notes that the other side has sent what we have not seen, because it
// is acknowledged.
func (t *Table) missed(s *session, p *packet.Packet) {
	if o := &s.half[t.out.Dir.Other()]; p.TCPFlags&packet.ACK != 0 && seqLT(o.nextSeq, p.Ack) {
		o.nextSeq = p.Ack
	}
}

func (h *half) takeFin(seq uint32) {
	if h.flags&halfFin == 0 {
		h.flags |= halfFin
		h.finSeq = seq
		if seqLT(seq, h.nextSeq) {
			h.finSeq = h.nextSeq // what was sent before counts
		}
	}
}

// closingEvents are the events of one state while a session shuts down.
type closingEvents struct{ finSeq, ackSeq, ack, before StreamEvent }

func eventsOf(state TCPState) closingEvents {
	switch state {
	case TCPFinWait1:
		return closingEvents{EvFin1FinWrongSeq, EvFin1AckWrongSeq, EvFin1InvalidAck, EvFin1AckWrongSeq}
	case TCPFinWait2:
		return closingEvents{EvFin2FinWrongSeq, EvFin2AckWrongSeq, EvFin2InvalidAck, EvFin2AckWrongSeq}
	case TCPCloseWait:
		return closingEvents{EvClosewaitFinOutOfWindow, EvClosewaitAckOutOfWindow, EvClosewaitInvalidAck, EvClosewaitPktBeforeLastAck}
	case TCPClosing:
		return closingEvents{EvClosingAckWrongSeq, EvClosingAckWrongSeq, EvClosingInvalidAck, EvClosingAckWrongSeq}
	case TCPLastAck:
		return closingEvents{EvLastackAckWrongSeq, EvLastackAckWrongSeq, EvLastackInvalidAck, EvLastackAckWrongSeq}
	}
	return closingEvents{EvTimewaitAckWrongSeq, EvTimewaitAckWrongSeq, EvTimewaitInvalidAck, EvTimewaitAckWrongSeq}
}

// shutdown handles a packet after the first FIN.
func (t *Table) shutdown(e *entry, s *session, p *packet.Packet, state TCPState) bool {
	switch flags := p.TCPFlags; {
	case flags&packet.RST != 0:
		return t.reset(e, s, p)
	case !t.validTimestamp(s, p):
		return false
	case flags&packet.SYN != 0:
		t.event(EvShutdownSynResend)
		return false
	case flags&packet.FIN != 0:
		t.again(&s.half[t.out.Dir], p)
		return t.finAgain(e, s, p, state)
	case flags&packet.ACK != 0:
		t.again(&s.half[t.out.Dir], p)
		return t.closingAck(e, s, p, state)
	}
	return true
}

// finAgain handles a FIN after a FIN: the same sent again, or the other side's.
func (t *Table) finAgain(e *entry, s *session, p *packet.Packet, state TCPState) bool {
	d := t.out.Dir
	h := &s.half[d]
	ev := eventsOf(state)
	n := uint32(len(p.Payload))
	again := h.flags&halfFin != 0 && p.Seq+n == h.finSeq
	if state == TCPLastAck || state == TCPTimeWait || state == TCPClosing {
		if !again && !t.loose(s) && p.Seq+n != h.nextSeq && p.Seq+n != h.nextSeq+1 {
			t.event(ev.finSeq)
			return false
		}
	} else if !again && !t.slack(s) &&
		(seqLT(p.Seq+n, h.nextSeq) || seqGT(p.Seq, h.lastAck+max(h.window, 1))) {
		t.event(ev.finSeq)
		return false
	}
	if !t.validAck(s, p) {
		t.event(ev.ack)
		return false
	}
	if !again {
		h.advance(p.Seq, n)
		h.takeFin(p.Seq + n)
		switch state {
		case TCPFinWait1:
			if p.TCPFlags&packet.ACK != 0 {
				t.setState(s, TCPTimeWait)
			} else {
				t.setState(s, TCPClosing)
			}
		case TCPFinWait2:
			t.setState(s, TCPTimeWait)
		case TCPCloseWait:
			if d == packet.ToClient {
				t.setState(s, TCPLastAck)
			}
		}
	}
	t.takeAck(s, p)
	t.missed(s, p)
	t.segment(e, s, p)
	return true
}

// closingAck handles a segment without FIN after a FIN.
func (t *Table) closingAck(e *entry, s *session, p *packet.Packet, state TCPState) bool {
	d := t.out.Dir
	h, o := &s.half[d], &s.half[d.Other()]
	ev := eventsOf(state)
	n := uint32(len(p.Payload))
	old := n > 0 && seqLEQ(p.Seq+n, h.lastAck)
	if !t.validAck(s, p) {
		t.event(ev.ack)
		return false
	}
	slack, loose := t.slack(s), t.loose(s)
	switch state {
	case TCPFinWait1, TCPFinWait2:
		if !slack && seqGT(p.Seq+n, h.nextWin) {
			t.event(ev.ackSeq)
			return false
		}
	case TCPCloseWait:
		if old && !loose {
			t.event(ev.before)
			return false
		}
		if !slack && seqGT(p.Seq, h.lastAck+max(h.window, 1)) {
			t.event(ev.ackSeq)
			return false
		}
	default:
		if !loose && !old && !seqLT(p.Seq, h.nextSeq) && p.Seq != h.nextSeq && p.Seq != h.nextSeq+1 {
			t.event(ev.ackSeq)
			return false
		}
	}
	h.advance(p.Seq, n)
	finAcked := o.flags&halfFin != 0 && seqGT(p.Ack, o.finSeq)
	switch {
	case old:
	case state == TCPFinWait1 && finAcked:
		t.setState(s, TCPFinWait2)
	case state == TCPClosing && finAcked:
		t.setState(s, TCPTimeWait)
	case (state == TCPLastAck || state == TCPTimeWait) && finAcked && seqGEQ(p.Seq, h.nextSeq):
		t.setState(s, TCPClosed)
	}
	t.takeAck(s, p)
	t.missed(s, p)
	t.segment(e, s, p)
	return true
}
