package flow

import (
	"encoding/binary"
	"net/netip"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// tcp follows the packet's session and streams.
func (t *Table) tcp(slot int32, e *entry, p *packet.Packet, out *Outcome) {
	if p.BadL4Sum {
		t.stats.InvalidChecksum++
		return
	}
	t.cur, t.out = p, out
	t.countFlags(p.TCPFlags)
	if p.TCPFlags&packet.ACK == 0 && p.Ack != 0 {
		t.event(EvPktBrokenAck)
	}
	var ok bool
	if e.sess < 0 {
		ok = t.begin(slot, e, p)
	} else {
		ok = t.follow(e, t.sessions.at(e.sess), p)
	}
	if !ok {
		t.stats.Invalid++
		if t.cfg.Stream.Inline && t.cfg.Stream.DropInvalid {
			out.Drop = true
		}
	}
	if e.sess >= 0 {
		t.measure(e, t.sessions.at(e.sess))
		out.RawDue = t.rawDue(e, t.sessions.at(e.sess), out.Dir, p)
	}
	t.cur, t.out = nil, nil
}

// measure notes how much of the sequence space both sides have used.
func (t *Table) measure(e *entry, s *session) {
	for d := range s.half {
		if h := &s.half[d]; h.nextSeq != h.isn {
			e.flow.StreamBytes[d] = uint64(max(h.offset(h.nextSeq), 0)) + 1
		}
	}
}

func (t *Table) countFlags(flags uint8) {
	switch {
	case flags&(packet.SYN|packet.ACK) == packet.SYN|packet.ACK:
		t.stats.SYNACK++
	case flags&packet.SYN != 0:
		t.stats.SYN++
	}
	if flags&packet.RST != 0 {
		t.stats.RST++
	}
}

func (t *Table) event(n StreamEvent) {
	if t.out != nil {
		t.out.Events.Set(n)
	}
}

// begin handles a packet of a flow that has no session.
func (t *Table) begin(slot int32, e *entry, p *packet.Packet) bool {
	switch {
	case p.TCPFlags&packet.RST != 0:
		t.event(EvRstButNoSession)
		return t.cfg.Stream.Live // it may end a connection that is older than the table
	case p.TCPFlags&packet.FIN != 0:
		t.except(e, t.cfg.Stream.MidstreamPolicy)
		t.event(EvFinButNoSession)
		return t.cfg.Stream.Live && t.beginFin(slot, e, p)
	case p.TCPFlags&(packet.SYN|packet.ACK) == packet.SYN|packet.ACK:
		if !t.pickup(e) {
			return true
		}
		return t.beginSynack(slot, e, p)
	case p.TCPFlags&packet.SYN != 0:
		return t.beginSyn(slot, e, p)
	case p.TCPFlags&packet.ACK != 0:
		// What was bypassed begins in its middle whatever the settings say.
		if e.flow.Flags&FlagReopened == 0 && !t.pickup(e) {
			return true
		}
		return t.beginMiddle(slot, e, p)
	}
	return true
}

// pickup says whether a session may begin in its middle, and applies the
// policy for those that do.
func (t *Table) pickup(e *entry) bool {
	t.except(e, t.cfg.Stream.MidstreamPolicy)
	return t.cfg.Stream.Midstream || t.cfg.Stream.AsyncOneside
}

// except applies an exception policy to the packet and its flow.
func (t *Table) except(e *entry, policy Policy) {
	f, out := &e.flow, t.out
	switch policy {
	case PolicyPassPacket:
		out.Pass = true
	case PolicyPassFlow:
		f.Flags |= FlagNoInspect
		out.Pass = true
	case PolicyDropPacket:
		out.Drop = true
	case PolicyDropFlow:
		f.Flags |= FlagDropped | FlagNoInspect
		out.Drop = true
	case PolicyReject:
		f.Flags |= FlagDropped | FlagNoInspect
		out.Drop, out.Reject = true, true
	case PolicyBypass:
		f.Flags |= FlagBypassed
	}
}

// open makes the flow's session, or gives nil and applies the policy when there
// is no room.
func (t *Table) open(slot int32, e *entry, p *packet.Packet) *session {
	if most := t.cfg.Stream.MaxSessions; most > 0 && t.sessions.used >= most {
		t.stats.SessionMemcap++
		t.except(e, t.cfg.Stream.MemcapPolicy)
		return nil
	}
	e.sess = t.sessions.take()
	s := t.sessions.at(e.sess)
	*s = session{flow: slot, queue: -1, misses: t.misses, used: true}
	for d := range s.half {
		h := &s.half[d]
		h.segFirst, h.segLast, h.segOOO = -1, -1, -1
		h.os = t.hostOS(e, packet.Direction(d))
	}
	t.stats.Sessions++
	return s
}

// hostOS finds the family of the host that receives the bytes sent in d.
func (t *Table) hostOS(e *entry, d packet.Direction) OS {
	to := e.flow.Server
	if d == packet.ToClient {
		to = e.flow.Client
	}
	return t.osOf(to, e.flow.IPVersion)
}

func (t *Table) osOf(to packet.Addr, version uint8) OS {
	a := netip.AddrFrom16(to)
	if version == 4 {
		a = a.Unmap()
	}
	best, bits := OSNone, -1
	for i := range t.cfg.Hosts {
		h := &t.cfg.Hosts[i]
		if h.Prefix.Bits() > bits && h.Prefix.Contains(a) {
			best, bits = h.OS, h.Prefix.Bits()
		}
	}
	return best
}

// freeSession returns all that the flow's session holds.
func (t *Table) freeSession(e *entry) {
	s := t.sessions.at(e.sess)
	for d := range s.half {
		t.dropHeld(&s.half[d])
	}
	t.clearOthers(s)
	s.used = false
	t.sessions.give(e.sess)
	e.sess = -1
}

// reused says whether the packet begins another session on the flow's
// addresses and ports: a handshake with a new sequence number after the end.
func (t *Table) reused(s *session, p *packet.Packet, d packet.Direction) bool {
	if p.Has&packet.HasTCP == 0 || p.TCPFlags&packet.SYN == 0 || p.TCPFlags&(packet.RST|packet.FIN) != 0 {
		return false
	}
	switch s.state {
	case TCPLastAck, TCPCloseWait, TCPClosing, TCPClosed, TCPNone:
	default:
		return false
	}
	if p.TCPFlags&packet.ACK != 0 {
		return t.cfg.Stream.Midstream && p.Seq != s.half[d].isn && p.Ack != s.half[d.Other()].isn+1
	}
	if d == packet.ToServer && p.Seq == s.half[0].isn {
		return false
	}
	t.stats.Reused++
	return true
}

// fastOpen says whether a SYN carries the fast open option (RFC 7413, also in
// its experimental form).
func fastOpen(p *packet.Packet) bool {
	if p.L4Header <= 20 || p.L4Header > len(p.L4) {
		return false
	}
	o := p.L4[20:p.L4Header]
	for len(o) > 0 {
		switch {
		case o[0] == 0:
			return false
		case o[0] == 1:
			o = o[1:]
			continue
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return false
		case o[0] == 34:
			return true
		case o[0] >= 253 && o[1] >= 4 && binary.BigEndian.Uint16(o[2:]) == 0xf989:
			return true
		}
		o = o[o[1]:]
	}
	return false
}
