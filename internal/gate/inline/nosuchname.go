package inline

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/datapath"
)

// Numbers of DNS.
const (
	dnsHeader   = 12
	dnsResponse = 0x80   // QR, in the third byte
	dnsKept     = 0x79   // opcode and "recursion desired", there
	dnsNoName   = 3      // NXDOMAIN, in the fourth byte
	dnsMayAsk   = 0x80   // "recursion available", there
	dnsKept4    = 0x10   // "checking disabled", there
	maxQuestion = 255    // bytes of a name
	ednsVersion = 41     // type of the OPT record (RFC 6891)
	ednsPayload = 1232   // bytes that we say we take
	ednsReason  = 15     // option of extended errors (RFC 8914)
	ednsBlocked = 15     // its code for what the operator of the server blocks
	ednsRecord  = 11 + 6 // bytes of an OPT record with that option
)

// noSuchName writes the frame that answers a DNS query over UDP with "no such
// name" (RFC 1035, section 4.1.1) into buf, with the reason where the query
// shows that it is understood (RFC 8914); of an answer, the one that says so in
// its place, which goes on where that went (back is false). It is nil for what
// has not one question.
func noSuchName(buf, frame []byte, h *heads) (out []byte, back bool) {
	q := frame[h.payload:h.end]
	if h.proto != protoUDP || len(q) < dnsHeader || binary.BigEndian.Uint16(q[4:]) != 1 {
		return nil, false
	}
	end := questionEnd(q)
	if end < 0 {
		return nil, false
	}
	back = q[2]&dnsResponse == 0
	reason := back && binary.BigEndian.Uint16(q[6:])|binary.BigEndian.Uint16(q[8:]) == 0 && binary.BigEndian.Uint16(q[10:]) > 0 && isOPT(q[end:])
	n := 8 + end
	if reason {
		n += ednsRecord
	}
	if h.l3+headerOf(h)+n > len(buf) {
		return nil, false
	}
	out = shell(buf, frame, h, back, protoUDP, n)
	l4 := out[h.l3+headerOf(h):]
	copy(l4, frame[h.l4:h.l4+4])
	if back {
		copy(l4, frame[h.l4+2:h.l4+4])
		copy(l4[2:], frame[h.l4:h.l4+2])
	}
	binary.BigEndian.PutUint16(l4[4:], uint16(n))
	d := l4[8:]
	copy(d, q[:end])
	d[2], d[3] = dnsResponse|q[2]&dnsKept, dnsMayAsk|q[3]&dnsKept4|dnsNoName
	clear(d[6:dnsHeader])
	if reason {
		d[11] = 1
		putReason(d[end:])
	}
	src, dst := h.addresses(out)
	seal(l4, 6, protoUDP, src, dst)
	if l4[6]|l4[7] == 0 {
		l4[6], l4[7] = 0xff, 0xff // 0 would mean that there is none (RFC 768)
	}
	return out, back
}

// questionEnd is where the one question of a query ends, -1 when it is broken
// or uses compression, which nothing before it could serve.
func questionEnd(q []byte) int {
	at := dnsHeader
	for at < len(q) && at-dnsHeader < maxQuestion {
		n := int(q[at])
		switch {
		case n == 0 && at+5 <= len(q):
			return at + 5
		case n == 0 || n > 63:
			return -1
		}
		at += 1 + n
	}
	return -1
}

// isOPT says whether a record is an OPT record.
func isOPT(b []byte) bool {
	return len(b) >= 11 && b[0] == 0 && binary.BigEndian.Uint16(b[1:]) == ednsVersion
}

func putReason(b []byte) {
	clear(b[:ednsRecord])
	binary.BigEndian.PutUint16(b[1:], ednsVersion)
	binary.BigEndian.PutUint16(b[3:], ednsPayload)
	binary.BigEndian.PutUint16(b[9:], 6)
	binary.BigEndian.PutUint16(b[11:], ednsReason)
	binary.BigEndian.PutUint16(b[13:], 2)
	binary.BigEndian.PutUint16(b[15:], ednsBlocked)
}

// deny answers a query that is stopped, or has an answer that is stopped say
// "no such name". Where that cannot be made, nothing is sent, nor to whoever
// asks from outside: the address may be forged, and who is asked not there.
func (w *worker) deny(side datapath.Side, frame []byte) {
	h, ok := readHeads(frame)
	if !ok || frame[0]&1 != 0 { // nobody answers from a group's address
		return
	}
	out, back := noSuchName(w.buf[:], frame, &h)
	switch {
	case out == nil || back && side == datapath.Outside:
		return
	case back:
		w.send(side, out)
	default:
		w.send(side^1, out)
	}
	w.stats.Denied++
}
