package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// validAck says whether the other side could have sent this acknowledgement.
func (t *Table) validAck(s *session, p *packet.Packet) bool {
	if p.TCPFlags&packet.ACK == 0 || s.state > TCPSynSent && t.loose(s) {
		return true
	}
	o := &s.half[t.out.Dir.Other()]
	switch ack := p.Ack; {
	case ack == o.lastAck, seqGT(ack, o.lastAck) && seqLEQ(ack, o.nextWin):
		return true
	case seqLT(ack, o.lastAck):
		if o.window == 0 || seqGEQ(ack, o.lastAck-o.window) {
			return true
		}
	case s.flags&sessAsync != 0:
		return true
	case s.state > TCPSynSent && seqGT(ack, o.nextWin):
	case s.state == TCPSynSent && t.out.Dir == packet.ToClient && p.TCPFlags&packet.RST != 0 && (ack == o.isn+1 || ack == o.nextSeq):
		return true
	}
	t.event(EvPktInvalidAck)
	return false
}

// validReset says whether the receiver would believe the reset, which depends
// on its operating system.
func (t *Table) validReset(s *session, p *packet.Packet) bool {
	d := t.out.Dir
	h := &s.half[d]
	if !t.validTimestamp(s, p) {
		return false
	}
	if s.flags&sessAsync != 0 || s.state > TCPSynSent && t.loose(s) {
		return seqGEQ(p.Seq, h.lastAck)
	}
	if p.TCPFlags&packet.ACK != 0 && s.state > TCPSynRecv && !t.validAck(s, p) {
		t.event(EvRstInvalidAck)
		return false
	}
	if s.state == TCPSynSent && d == packet.ToClient {
		return true // its sequence number is anything: the ACK was looked at
	}
	n := uint32(len(p.Payload))
	switch h.os {
	case OSHPUX11:
		return seqGEQ(p.Seq, h.nextSeq)
	case OSOldLinux, OSLinux, OSSolaris:
		return seqGEQ(p.Seq+n, h.lastAck) && seqLEQ(p.Seq, h.nextSeq+max(h.window, 1))
	}
	return p.Seq == h.nextSeq || p.Seq == h.lastAck && s.half[d].flags&halfFin == 0 && h.nextSeq == h.lastAck ||
		h.flags&halfFin != 0 && p.Seq == h.finSeq+1
}

const pawsIdle = 24 * 24 * 3600 * int64(1e9) // after which an old timestamp says nothing (RFC 7323, section 5.5)

// validTimestamp is the protection against old segments by their timestamps
// (RFC 7323), as the receiver's system does it.
func (t *Table) validTimestamp(s *session, p *packet.Packet) bool {
	h := &s.half[t.out.Dir]
	if !p.HasTS || h.flags&halfTimestamp == 0 {
		return true
	}
	os := h.os
	if t.cfg.Stream.LiberalTimestamps {
		os = OSLinux
	}
	ts, last := p.TSVal, h.lastTS
	if h.flags&halfZeroTS != 0 {
		switch os {
		case OSLinux, OSWindows2K3:
			// These begin to count with the first one that is not zero.
			h.flags &^= halfZeroTS
			h.lastTS, last = ts, ts
			h.lastTSat = p.Time
		case OSOldLinux, OSWindows, OSVista:
			h.flags &^= halfZeroTS
			if s.state == TCPSynRecv {
				last = ts
				h.lastTS, h.lastTSat = ts, p.Time
			}
		}
	}
	diff := int32(ts - last)
	if os == OSLinux {
		diff = int32(ts - last + 1)
	}
	if diff >= 0 || last == 0 || p.Time-h.lastTSat > pawsIdle {
		return true
	}
	t.event(EvPktInvalidTimestamp)
	return false
}

// takeTimestamp notes the timestamp of an accepted segment.
func (t *Table) takeTimestamp(s *session, p *packet.Packet) {
	h := &s.half[t.out.Dir]
	if !p.HasTS || h.flags&halfTimestamp == 0 {
		return
	}
	if seqLEQ(p.Seq, h.lastAck) || p.Seq == h.nextSeq || p.Seq+uint32(len(p.Payload)) == h.nextSeq {
		if int32(p.TSVal-h.lastTS) >= 0 || p.Time-h.lastTSat > pawsIdle {
			h.lastTS, h.lastTSat = p.TSVal, p.Time
		}
	}
}

// keepAlive says whether the packet only keeps the session alive, or answers
// one that does.
func (t *Table) keepAlive(s *session, p *packet.Packet) bool {
	d := t.out.Dir
	h, o := &s.half[d], &s.half[d.Other()]
	if p.TCPFlags&packet.ACK == 0 || len(p.Payload) > 1 {
		return false
	}
	if p.Seq == h.nextSeq-1 && p.Ack == o.lastAck && s.state == TCPEstablished {
		h.flags |= halfKeepAlive
		return true
	}
	if o.flags&halfKeepAlive != 0 {
		o.flags &^= halfKeepAlive
		if len(p.Payload) == 0 && p.Seq == h.nextSeq && p.Ack == o.nextSeq && p.Ack == o.lastAck {
			return true
		}
	}
	return false
}

// badWindowUpdate finds segments that shrink the window while they speak of
// bytes that nobody sent.
func (t *Table) badWindowUpdate(s *session, p *packet.Packet) bool {
	d := t.out.Dir
	h, o := &s.half[d], &s.half[d.Other()]
	if s.state < TCPEstablished || s.state == TCPClosed || len(p.Payload) > 0 || p.TCPFlags&packet.ACK == 0 || t.slack(s) {
		return false
	}
	if o.flags&halfFin != 0 && p.Ack == o.finSeq+1 {
		return false
	}
	win := uint32(p.Window) << o.wscale
	return win < o.window && seqGT(p.Ack, o.nextSeq) && seqGT(p.Seq, h.nextSeq) && seqGT(p.Seq, h.lastAck)
}
