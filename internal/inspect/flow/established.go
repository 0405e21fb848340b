package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// follow handles a packet of a session; false when it is invalid.
func (t *Table) follow(e *entry, s *session, p *packet.Packet) bool {
	if t.unshaken(s, p) {
		slot := s.flow
		t.freeSession(e)
		return t.beginMiddle(slot, e, p)
	}
	h := &s.half[t.out.Dir]
	if s.state >= TCPEstablished && p.TCPFlags&(packet.SYN|packet.FIN|packet.RST) == 0 {
		if t.keepAlive(s, p) {
			return true
		}
		if t.badWindowUpdate(s, p) {
			t.event(EvPktBadWindowUpdate)
			return false
		}
		if n := uint32(len(p.Payload)); n > 0 && s.state != TCPClosed && seqLEQ(p.Seq+n, h.lastAck) {
			t.event(EvPktSpuriousRetransmission)
			if h.offset(p.Seq+n) <= int64(h.next) {
				return true // nothing in it is new to anybody
			}
		}
	}
	h.tcpFlags |= p.TCPFlags
	return t.dispatch(e, s, p, s.state)
}

func (t *Table) dispatch(e *entry, s *session, p *packet.Packet, state TCPState) bool {
	switch state {
	case TCPSynSent:
		return t.synSent(e, s, p)
	case TCPSynRecv:
		return t.synRecv(e, s, p)
	case TCPEstablished:
		return t.established(e, s, p)
	case TCPClosed:
		return t.closed(e, s, p)
	default:
		return t.shutdown(e, s, p, state)
	}
}

// established handles a packet of an established session.
func (t *Table) established(e *entry, s *session, p *packet.Packet) bool {
	switch flags := p.TCPFlags; {
	case flags&packet.RST != 0:
		return t.reset(e, s, p)
	case flags&packet.FIN != 0:
		if !t.validTimestamp(s, p) {
			return false
		}
		return t.fin(e, s, p)
	case flags&(packet.SYN|packet.ACK) == packet.SYN|packet.ACK:
		return t.establishedSynack(s, p)
	case flags&packet.SYN != 0:
		switch {
		case t.out.Dir == packet.ToClient:
			t.event(EvEstSynToclient)
		case p.Seq != s.half[0].isn:
			t.event(EvEstSynResendDiffSeq)
		default:
			t.event(EvEstSynResend)
		}
		return false
	case flags&packet.ACK != 0:
		return t.data(e, s, p)
	}
	return true
}

func (t *Table) establishedSynack(s *session, p *packet.Packet) bool {
	c, v := &s.half[0], &s.half[1]
	switch {
	case t.out.Dir == packet.ToServer:
		t.event(EvEstSynackToserver)
	case p.Ack != c.isn+1:
		t.event(EvEstSynackResendDiffAck)
	case p.Seq != v.isn:
		t.event(EvEstSynackResendDiffSeq)
	case s.flags&sessConfirmed != 0:
		t.event(EvEstSynackResend)
	default:
		return true // sent again because the ACK was lost on its way
	}
	return false
}

// data handles an ordinary segment of an established session.
func (t *Table) data(e *entry, s *session, p *packet.Packet) bool {
	d := t.out.Dir
	h, o := &s.half[d], &s.half[d.Other()]
	n := uint32(len(p.Payload))
	if !t.validTimestamp(s, p) {
		return false
	}
	if !t.validAck(s, p) {
		t.event(EvEstInvalidAck)
		return false
	}
	if seqLT(p.Seq+n, h.lastAck) {
		switch {
		case s.flags&sessAsync != 0:
		case t.loose(s): // the acknowledgement may not have reached the sender
		case t.cfg.Stream.AsyncOneside && h.lastAck == h.isn+1:
			s.flags |= sessAsync
			e.flow.Flags |= FlagOneSided
			h.nextSeq = p.Seq
		default:
			t.event(EvEstPktBeforeLastAck)
			return false
		}
	}
	probe := n == 1 && p.Seq == h.nextSeq && h.window == 0
	if !probe && seqGT(p.Seq+n, h.nextWin) && !t.slack(s) {
		t.event(EvEstPacketOutOfWindow)
		return false
	}
	if s.flags&sessMidEstablished != 0 && d == packet.ToClient {
		h.window = max(h.window, uint32(p.Window)<<h.wscale)
		s.flags &^= sessMidEstablished
	}
	h.advance(p.Seq, n)
	t.takeAck(s, p)
	if s.flags&sessAsync != 0 {
		if seqGT(p.Ack, o.nextSeq) {
			o.nextSeq = p.Ack
		}
		if seqGT(p.Seq, h.lastAck) {
			h.lastAck = p.Seq
		}
		h.nextWin = h.lastAck + max(h.window, 0xffff)
	}
	t.segment(e, s, p)
	return true
}

// advance notes the sequence numbers that a segment used.
func (h *half) advance(seq, n uint32) {
	end := seq + n
	switch {
	case seq == h.nextSeq,
		seqLT(seq, h.nextSeq) && seqGT(end, h.nextSeq),
		seqLT(h.nextSeq, h.lastAck) && seqGT(end, h.nextSeq):
		h.nextSeq = end
	}
}

// takeAck takes the packet's acknowledgement, window and timestamp.
func (t *Table) takeAck(s *session, p *packet.Packet) {
	d := t.out.Dir
	o := &s.half[d.Other()]
	o.window = uint32(p.Window) << o.wscale
	if p.TCPFlags&packet.ACK != 0 && seqGT(p.Ack, o.lastAck) {
		o.lastAck = p.Ack
	}
	if win := o.lastAck + o.window; seqGT(win, o.nextWin) || o.nextWin == 0 {
		o.nextWin = win
	}
	t.takeTimestamp(s, p)
}

// again notes bytes that come again while the session shuts down.
func (t *Table) again(h *half, p *packet.Packet) {
	if n := uint32(len(p.Payload)); n > 0 && (seqLT(p.Seq, h.lastAck) || seqLEQ(p.Seq+n, h.nextSeq)) {
		t.event(EvPktRetransmission)
	}
}

// reset handles a reset in a session that is or was established.
func (t *Table) reset(e *entry, s *session, p *packet.Packet) bool {
	if !t.validReset(s, p) {
		return false
	}
	d := t.out.Dir
	h := &s.half[d]
	h.advance(p.Seq, uint32(len(p.Payload)))
	o := &s.half[d.Other()]
	if ack := t.mostAcked(o, p.Ack); p.TCPFlags&packet.ACK != 0 && seqGT(ack, o.lastAck) {
		o.lastAck = ack
	}
	// What the side sent before its reset counts as received.
	if ack := t.mostAcked(h, p.Seq); seqGT(ack, h.lastAck) {
		h.lastAck = ack
	}
	t.closeByReset(s, d)
	t.takeTimestamp(s, p)
	t.segment(e, s, p)
	return true
}

// mostAcked is the acknowledgement, but no more than what was sent.
func (t *Table) mostAcked(h *half, ack uint32) uint32 {
	end := h.next
	if h.segOOO >= 0 {
		end = t.segments.at(h.segLast).end()
	}
	if seq := h.baseSeq + uint32(end-h.next); seqLT(seq, ack) {
		return seq
	}
	return ack
}

func (t *Table) closeByReset(s *session, by packet.Direction) {
	s.flags |= sessReset
	if s.state != TCPClosed {
		s.prev = s.state
	}
	if s.prev != TCPSynRecv {
		s.half[by].flags |= halfReset
	}
	t.setState(s, TCPClosed)
}

// closed handles a packet after the end. When it comes from the side whose
// reset closed the session, that reset was not the side's own.
func (t *Table) closed(e *entry, s *session, p *packet.Packet) bool {
	d := t.out.Dir
	if p.TCPFlags&packet.RST != 0 || s.flags&sessReset == 0 || s.half[d].flags&halfReset == 0 ||
		s.half[d.Other()].flags&halfReset != 0 {
		return true
	}
	t.event(EvSuspectedRstInject)
	t.setState(s, s.prev)
	s.flags &^= sessReset
	for i := range s.half {
		s.half[i].flags &^= halfReset | halfEnded
	}
	if !t.dispatch(e, s, p, s.state) {
		s.half[d].flags |= halfReset
		s.flags |= sessReset
		t.setState(s, TCPClosed)
		return false
	}
	return true
}
