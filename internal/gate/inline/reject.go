package inline

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/inspect/engine"
)

// TCP flags.
const (
	flagFIN = 1
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

// answer writes a frame that refuses the given one into buf: to its sender
// when back is set, else to its receiver. It is nil for what cannot be refused:
// a reset, and UDP towards its receiver.
func answer(buf, frame []byte, h *heads, back bool) []byte {
	switch {
	case h.proto == protoTCP && frame[h.l4+13]&flagRST == 0:
		return reset(buf, frame, h, back)
	case h.proto == protoUDP && back:
		return unreachable(buf, frame, h)
	}
	return nil
}

// reset makes a RST that the connection takes (RFC 9293, section 3.10.7).
func reset(buf, frame []byte, h *heads, back bool) []byte {
	t := frame[h.l4:h.payload]
	seq, ack, flags := binary.BigEndian.Uint32(t[4:]), binary.BigEndian.Uint32(t[8:]), t[13]
	next := seq + uint32(h.end-h.payload)
	if flags&flagSYN != 0 {
		next++
	}
	if flags&flagFIN != 0 {
		next++
	}
	out := shell(buf, frame, h, back, protoTCP, 20)
	l4 := out[h.l3+headerOf(h):]
	clear(l4)
	copy(l4, t[:4])
	if back {
		copy(l4, t[2:4])
		copy(l4[2:], t[:2])
		seq, ack = 0, next
		if flags&flagACK != 0 {
			seq = binary.BigEndian.Uint32(t[8:])
		}
	}
	binary.BigEndian.PutUint32(l4[4:], seq)
	binary.BigEndian.PutUint32(l4[8:], ack)
	l4[12], l4[13] = 5<<4, flagRST|flagACK
	src, dst := h.addresses(out)
	seal(l4, 16, protoTCP, src, dst)
	return out
}

// quoted is how many bytes of a refused packet are sent back.
const quoted = 48

// unreachable makes "administratively prohibited": RFC 1812, section 5.2.7.1,
// and RFC 4443, section 3.1.
func unreachable(buf, frame []byte, h *heads) []byte {
	body := frame[h.l3:min(h.end, h.l4+quoted)]
	proto, kind, code := uint8(protoICMP), byte(3), byte(13)
	if h.version == 6 {
		proto, kind, code = protoICM6, 1, 1
	}
	out := shell(buf, frame, h, true, proto, 8+len(body))
	l4 := out[h.l3+headerOf(h):]
	clear(l4[:8])
	l4[0], l4[1] = kind, code
	copy(l4[8:], body)
	if h.version == 4 {
		binary.BigEndian.PutUint16(l4[2:], fold(add(0, l4)))
		return out
	}
	src, dst := h.addresses(out)
	seal(l4, 2, proto, src, dst)
	return out
}

// headerOf is the length of the IP header that shell writes.
func headerOf(h *heads) int {
	if h.version == 4 {
		return 20
	}
	return 40
}

// shell writes the frame's Ethernet header, tags and a plain IP header, turned
// round when back is set, and leaves room for n bytes behind them.
func shell(buf, frame []byte, h *heads, back bool, proto uint8, n int) []byte {
	size := headerOf(h)
	out := buf[:h.l3+size+n]
	copy(out, frame[:h.l3])
	ip := out[h.l3:]
	clear(ip[:size])
	src, dst := h.addresses(frame)
	if back {
		copy(out, frame[6:12])
		copy(out[6:], frame[:6])
		src, dst = dst, src
	}
	to, from := h.addresses(out)
	copy(to, src)
	copy(from, dst)
	if h.version == 6 {
		ip[0], ip[6], ip[7] = 6<<4, proto, 64
		binary.BigEndian.PutUint16(ip[4:], uint16(n))
		return out
	}
	ip[0], ip[8], ip[9] = 4<<4|5, 64, proto
	binary.BigEndian.PutUint16(ip[2:], uint16(size+n))
	binary.BigEndian.PutUint16(ip[6:], 0x4000)
	binary.BigEndian.PutUint16(ip[10:], fold(add(0, ip[:20])))
	return out
}

// reject refuses a frame towards the ends that are to be told.
func (w *worker) reject(side datapath.Side, frame []byte, to engine.Tell) {
	h, ok := readHeads(frame)
	if !ok {
		return
	}
	w.stats.Rejected++
	if to&engine.TellSender != 0 {
		w.send(side, answer(w.buf[:], frame, &h, true))
	}
	if to&engine.TellReceiver != 0 {
		w.send(side^1, answer(w.buf[:], frame, &h, false))
	}
}

// send sends a frame of our own, if there is one.
func (w *worker) send(side datapath.Side, frame []byte) {
	if frame != nil {
		w.crossing.Send(side, frame)
	}
}
