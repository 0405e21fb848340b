package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// urgent takes a segment's bytes into the stream, its urgent byte as the
// settings say (RFC 6093, section 3.1: one byte, out of band or in line). Only
// a segment next in order is treated so; others are in line. It is false when
// there is no room.
func (t *Table) urgent(e *entry, s *session, h *half, seq uint32, data []byte) bool {
	c, p := &t.cfg.Stream, t.cur
	at := int(p.Urgent) - 1
	if p.TCPFlags&packet.URG == 0 || at < 0 || at >= len(data) || c.Urgent == UrgentInline {
		return t.insert(e, s, h, seq, data)
	}
	policy := c.Urgent
	if policy == UrgentOOB && int(h.urgent) >= c.UrgentOOBLimit {
		t.event(EvUrgentOOBLimit)
		policy = c.UrgentOOBPolicy
	}
	switch {
	case policy == UrgentDrop:
		t.out.Drop = true
		return true
	case policy == UrgentInline || seq != h.baseSeq || h.segOOO >= 0:
		return t.insert(e, s, h, seq, data)
	}
	if at > 0 && !t.insert(e, s, h, seq, data[:at]) {
		return false
	}
	if policy == UrgentOOB {
		h.urgent++
		h.baseSeq++ // the byte has a sequence number and no place in the stream
	}
	if at+1 == len(data) {
		return true
	}
	return t.insert(e, s, h, seq+uint32(at)+1, data[at+1:])
}
