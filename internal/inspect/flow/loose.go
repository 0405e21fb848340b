package flow

import "github.com/masugata/masugata/internal/inspect/packet"

// Missed says that packets may have gone by that the table was not given, as
// when the one who feeds it stood still. With StreamConfig.Live, sessions that
// began before are no longer held to what was seen of them.
func (t *Table) Missed() { t.misses++ }

// loose says whether parts of the session may have gone by unseen: sequence
// numbers and windows that do not fit then say nothing against a segment. What
// the receiver acknowledges tells how far its stream is; a segment's own number
// never moves it, or a sender could have the bytes before it go unread.
func (t *Table) loose(s *session) bool {
	return t.cfg.Stream.Live && (s.flags&sessMidstream != 0 || s.misses != t.misses)
}

// slack says whether the session's windows are only guessed: it was picked up
// in its middle, one side is not seen, or it is loose.
func (t *Table) slack(s *session) bool {
	return s.flags&(sessMidstream|sessAsync) != 0 || t.loose(s)
}

// unshaken says whether the handshake that the table waits for has gone by
// unseen, because the packet already belongs to what comes after it.
func (t *Table) unshaken(s *session, p *packet.Packet) bool {
	if s.state >= TCPEstablished || p.TCPFlags&(packet.SYN|packet.FIN|packet.RST|packet.ACK) != packet.ACK || !t.loose(s) {
		return false
	}
	h, o := &s.half[t.out.Dir], &s.half[t.out.Dir.Other()]
	return s.state == TCPSynSent || p.Seq != h.nextSeq || p.Ack != o.nextSeq
}

// beginFin picks a session up at the first FIN of it. A receiver gets every
// FIN again until it has answered, so dropping them would keep the ends waiting.
func (t *Table) beginFin(slot int32, e *entry, p *packet.Packet) bool {
	if p.TCPFlags&(packet.SYN|packet.ACK) != packet.ACK || !t.pickup(e) {
		return false
	}
	s := t.middle(slot, e, p)
	return s == nil || t.fin(e, s, p)
}
