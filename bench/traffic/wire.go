package main

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// frame is an Ethernet frame with its time in nanoseconds.
type frame struct {
	at   int64
	data []byte
}

// ends are the addresses of a flow, client first.
type ends struct {
	ip   [2][4]byte
	port [2]uint16
}

// message is bytes that one side sends, delay after what came before.
type message struct {
	fromServer bool
	delay      int64 // nanoseconds
	data       []byte
}

const (
	mss         = 1460
	millisecond = int64(1e6)
)

// wire turns messages into frames as a host's stack does.
type wire struct {
	rng    *rand.Rand
	ends   ends
	at     int64
	rtt    int64
	stamps bool // TCP timestamps
	seq    [2]uint32
	id     [2]uint16
	frames []frame
}

func newWire(rng *rand.Rand, e ends, at int64) *wire {
	return &wire{
		rng: rng, ends: e, at: at, rtt: int64(2+rng.ExpFloat64()*15) * millisecond, stamps: rng.IntN(2) == 0,
		seq: [2]uint32{rng.Uint32(), rng.Uint32()}, id: [2]uint16{uint16(rng.Uint32()), uint16(rng.Uint32())},
	}
}

// checksum is the Internet checksum of b, added to start.
func checksum(start uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		start += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		start += uint32(b[0]) << 8
	}
	for start > 0xffff {
		start = start>>16 + start&0xffff
	}
	return ^uint16(start)
}

// packet puts IP and Ethernet headers before a transport segment, whose
// checksum field is at sumAt.
func (w *wire) packet(from int, proto byte, segment []byte, sumAt int) []byte {
	src, dst := w.ends.ip[from], w.ends.ip[1-from]
	pseudo := uint32(proto) + uint32(len(segment))
	for i := 0; i < 4; i += 2 {
		pseudo += uint32(binary.BigEndian.Uint16(src[i:])) + uint32(binary.BigEndian.Uint16(dst[i:]))
	}
	sum := checksum(pseudo, segment)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(segment[sumAt:], sum)
	b := make([]byte, 0, 34+len(segment))
	b = append(b, 2, 0, dst[0], dst[1], dst[2], dst[3], 2, 0, src[0], src[1], src[2], src[3], 8, 0)
	w.id[from]++
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(segment)))
	b = binary.BigEndian.AppendUint16(b, w.id[from])
	b = append(b, 0x40, 0, 64, proto, 0, 0)
	b = append(append(b, src[:]...), dst[:]...)
	binary.BigEndian.PutUint16(b[24:], checksum(0, b[14:34]))
	return append(b, segment...)
}

// segment makes a TCP segment and moves the sender's sequence number.
func (w *wire) segment(from int, flags byte, data []byte) []byte {
	var options []byte
	switch {
	case flags&2 != 0:
		options = []byte{2, 4, mss >> 8, mss & 0xff, 4, 2, 1, 3, 3, 7, 1, 1}
		if w.stamps {
			options = append(options[:6], 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7)
			w.stamp(options[8:])
		}
	case w.stamps:
		options = []byte{1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0}
		w.stamp(options[4:])
	}
	s := make([]byte, 0, 20+len(options)+len(data))
	s = binary.BigEndian.AppendUint16(s, w.ends.port[from])
	s = binary.BigEndian.AppendUint16(s, w.ends.port[1-from])
	s = binary.BigEndian.AppendUint32(s, w.seq[from])
	ack := w.seq[1-from]
	if flags&16 == 0 {
		ack = 0
	}
	s = binary.BigEndian.AppendUint32(s, ack)
	s = append(s, byte((20+len(options))/4)<<4, flags, 0xfa, 0xf0, 0, 0, 0, 0)
	s = append(append(s, options...), data...)
	w.seq[from] += uint32(len(data))
	if flags&3 != 0 {
		w.seq[from]++
	}
	return w.packet(from, 6, s, 16)
}

func (w *wire) stamp(at []byte) {
	binary.BigEndian.PutUint32(at, uint32(w.at/millisecond))
	binary.BigEndian.PutUint32(at[4:], uint32((w.at-w.rtt)/millisecond))
}

func (w *wire) send(data []byte) { w.frames = append(w.frames, frame{w.at, data}) }

// tcp plays a conversation from handshake to end.
func (w *wire) tcp(messages []message) []frame {
	w.send(w.segment(0, 2, nil))
	w.at += w.rtt
	w.send(w.segment(1, 18, nil))
	w.at += 40_000
	w.send(w.segment(0, 16, nil))
	cwnd := [2]int{10, 10}
	for _, m := range messages {
		from := 0
		if m.fromServer {
			from = 1
		}
		w.at += m.delay + w.rtt/2
		w.message(from, m.data, &cwnd[from])
	}
	w.at += millisecond
	if w.rng.IntN(30) == 0 {
		w.send(w.segment(0, 20, nil))
	} else {
		w.send(w.segment(0, 17, nil))
		w.at += w.rtt
		w.send(w.segment(1, 17, nil))
		w.at += 40_000
		w.send(w.segment(0, 16, nil))
	}
	return w.disturb()
}

// message sends bytes in bursts of the congestion window, acknowledged every
// second segment.
func (w *wire) message(from int, data []byte, cwnd *int) {
	room := mss
	if w.stamps {
		room -= 12
	}
	for len(data) > 0 {
		for n := 0; n < *cwnd && len(data) > 0; n++ {
			part := data[:min(room, len(data))]
			data = data[len(part):]
			flags := byte(16)
			if len(data) == 0 {
				flags |= 8
			}
			w.send(w.segment(from, flags, part))
			w.at += int64(len(part))*8 + 700
			if n%2 == 1 || len(data) == 0 {
				w.at += 3000
				w.send(w.segment(1-from, 16, nil))
			}
		}
		*cwnd = min(*cwnd*2, 64)
		if len(data) > 0 {
			w.at += w.rtt
		}
	}
}

// disturb reorders and repeats a few segments and cuts a few packets into
// fragments.
func (w *wire) disturb() []frame {
	out := make([]frame, 0, len(w.frames)+4)
	last := w.frames[len(w.frames)-1].at
	for i, f := range w.frames {
		big := len(f.data) > 600
		switch n := w.rng.IntN(1000); {
		case !big || n > 5:
		case n < 2 && i+1 < len(w.frames): // arrives after its successor
			f.at = min(w.frames[i+1].at+1000, last)
		case n < 4: // sent again
			out = append(out, frame{min(f.at+w.rtt+w.rtt/2, last), f.data})
		default:
			out = append(out, fragments(f)...)
			continue
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b frame) int { return int(a.at - b.at) })
	return out
}

// fragments cuts an IPv4 packet in two.
func fragments(f frame) []frame {
	const cut = 552
	part := func(from, to int, more uint16) frame {
		b := append(slices.Clone(f.data[:34]), f.data[34+from:34+to]...)
		binary.BigEndian.PutUint16(b[16:], uint16(20+to-from))
		binary.BigEndian.PutUint16(b[20:], more<<13|uint16(from/8))
		b[24], b[25] = 0, 0
		binary.BigEndian.PutUint16(b[24:], checksum(0, b[14:34]))
		return frame{f.at, b}
	}
	return []frame{part(0, cut, 1), part(cut, len(f.data)-34, 0)}
}

// udp sends one datagram.
func (w *wire) udp(from int, data []byte) {
	s := make([]byte, 0, 8+len(data))
	s = binary.BigEndian.AppendUint16(s, w.ends.port[from])
	s = binary.BigEndian.AppendUint16(s, w.ends.port[1-from])
	s = binary.BigEndian.AppendUint16(s, uint16(8+len(data)))
	s = append(append(s, 0, 0), data...)
	w.send(w.packet(from, 17, s, 6))
}
