package video

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pion/rtp"
)

// RTP constants of the stream (RFC 3551, RFC 2435).
const (
	PayloadType = 26
	ClockRate   = 90000
	rtpPayload  = 1400 // bytes of payload in a packet, headers of RFC 2435 included
	typeYUV420  = 1
	quantInband = 255
)

// Sender turns JPEG frames into RTP packets. It is not safe for concurrent use.
type Sender struct {
	SSRC uint32
	seq  uint16
}

// Packets cuts one baseline 4:2:0 JPEG into RTP packets with the given media
// time stamp. The packets refer to nothing of data.
func (s *Sender) Packets(data []byte, timestamp uint32) ([][]byte, error) {
	tables, scan, err := splitJPEG(data)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for off := 0; off < len(scan); {
		head := []byte{0, byte(off >> 16), byte(off >> 8), byte(off), typeYUV420, quantInband, Width / 8, Height / 8}
		if off == 0 {
			head = append(head, 0, 0, byte(len(tables)>>8), byte(len(tables)))
			head = append(head, tables...)
		}
		n := min(rtpPayload-len(head), len(scan)-off)
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: PayloadType, SequenceNumber: s.seq, Timestamp: timestamp,
			SSRC: s.SSRC, Marker: off+n == len(scan)}, Payload: append(head, scan[off:off+n]...)}
		raw, err := p.Marshal()
		if err != nil {
			return nil, fmt.Errorf("rtp packet: %w", err)
		}
		out = append(out, raw)
		s.seq++
		off += n
	}
	return out, nil
}

// splitJPEG gives the two quantisation tables (zigzag order, 64 bytes each)
// and the entropy-coded data of a baseline JPEG.
func splitJPEG(data []byte) (tables, scan []byte, err error) {
	if len(data) < 4 || data[0] != 0xff || data[1] != 0xd8 {
		return nil, nil, errors.New("jpeg: no start of image")
	}
	for off := 2; off+4 <= len(data); {
		if data[off] != 0xff {
			return nil, nil, fmt.Errorf("jpeg: no marker at byte %d", off)
		}
		marker, size := data[off+1], int(binary.BigEndian.Uint16(data[off+2:]))
		if size < 2 || off+2+size > len(data) {
			return nil, nil, fmt.Errorf("jpeg: segment at byte %d is cut", off)
		}
		body := data[off+4 : off+2+size]
		off += 2 + size
		switch marker {
		case 0xdb:
			for ; len(body) >= 65; body = body[65:] {
				tables = append(tables, body[1:65]...)
			}
		case 0xda:
			if len(tables) != 128 || len(data)-off < 3 {
				return nil, nil, fmt.Errorf("jpeg: %d bytes of quantisation tables, want 128", len(tables))
			}
			return tables, data[off : len(data)-2], nil
		}
	}
	return nil, nil, errors.New("jpeg: no scan")
}

// maxHeld is how many packets wait for one that was overtaken on its way
// before it is given up: two to three frames.
const maxHeld = 8

// Receiver puts RTP packets together to JPEG frames again. Packets that
// overtook each other are put back in order (RFC 3550, section 6.4.1, counts
// them as no loss). It is not safe for concurrent use.
type Receiver struct {
	// Lost counts packets missing from the sequence, Overtaken those that came
	// after a later one.
	Lost, Overtaken uint64

	started bool
	next    uint16
	held    map[uint16]*rtp.Packet // later than next
	stamp   uint32
	broken  bool // the frame at hand misses a packet
	tables  []byte
	scan    []byte
}

// Push takes one packet and gives the frames that it completes, in order;
// broken frames are left out. The frames are the caller's.
func (r *Receiver) Push(raw []byte) (frames [][]byte, err error) {
	p := new(rtp.Packet)
	if err := p.Unmarshal(bytes.Clone(raw)); err != nil {
		return nil, fmt.Errorf("rtp packet: %w", err)
	}
	if p.PayloadType != PayloadType || len(p.Payload) < 8 {
		return nil, fmt.Errorf("rtp packet: payload type %d with %d bytes, want JPEG (%d)", p.PayloadType, len(p.Payload), PayloadType)
	}
	if !r.started {
		r.started, r.next, r.held = true, p.SequenceNumber, make(map[uint16]*rtp.Packet, maxHeld)
	}
	ahead := p.SequenceNumber - r.next
	if ahead >= 1<<15 {
		return nil, nil // came twice, or after it was given up
	}
	if ahead == 0 && len(r.held) > 0 {
		r.Overtaken++
	}
	r.held[p.SequenceNumber] = p
	if len(r.held) > maxHeld {
		r.giveUp()
	}
	return r.drain()
}

// giveUp goes on with the earliest packet there is.
func (r *Receiver) giveUp() {
	gap := uint16(1<<16 - 1)
	for seq := range r.held {
		gap = min(gap, seq-r.next)
	}
	r.Lost += uint64(gap)
	r.next += gap
	r.broken = r.broken || gap > 0
}

// drain takes what is next in the sequence, as far as it goes.
func (r *Receiver) drain() (frames [][]byte, err error) {
	for {
		p := r.held[r.next]
		if p == nil {
			return frames, err
		}
		delete(r.held, r.next)
		r.next++
		frame, bad := r.add(p)
		if bad != nil && err == nil {
			err = bad
		}
		if frame != nil {
			frames = append(frames, frame)
		}
	}
}

// add takes the next packet of the sequence. It gives a frame when the packet
// completes one.
func (r *Receiver) add(p *rtp.Packet) (frame []byte, err error) {
	off := int(p.Payload[1])<<16 | int(p.Payload[2])<<8 | int(p.Payload[3])
	body := p.Payload[8:]
	if off == 0 {
		if len(body) < 132 || p.Payload[4] != typeYUV420 || p.Payload[5] != quantInband || binary.BigEndian.Uint16(body[2:]) != 128 {
			r.broken = true
			return nil, errors.New("rtp/jpeg: want type 1 with two quantisation tables in the packet")
		}
		r.broken, r.stamp = false, p.Timestamp
		r.tables = append(r.tables[:0], body[4:132]...)
		r.scan, body = r.scan[:0], body[132:]
	}
	if off != len(r.scan) || p.Timestamp != r.stamp {
		r.broken = true
	}
	if r.broken {
		return nil, nil
	}
	r.scan = append(r.scan, body...)
	if !p.Marker {
		return nil, nil
	}
	r.broken = true // until the next frame begins
	return joinJPEG(int(p.Payload[6])*8, int(p.Payload[7])*8, r.tables, r.scan), nil
}

// joinJPEG rebuilds a file as RFC 2435, appendix B.
func joinJPEG(width, height int, tables, scan []byte) []byte {
	b := make([]byte, 0, len(scan)+700)
	b = append(b, 0xff, 0xd8)
	for i := range 2 {
		b = append(b, 0xff, 0xdb, 0, 67, byte(i))
		b = append(b, tables[i*64:(i+1)*64]...)
	}
	b = append(b, 0xff, 0xc0, 0, 17, 8, byte(height>>8), byte(height), byte(width>>8), byte(width), 3,
		1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1)
	for i, t := range huffman() {
		b = append(b, 0xff, 0xc4, 0, byte(3+len(t.counts)+len(t.values)), byte(i&1<<4|i>>1))
		b = append(b, t.counts...)
		b = append(b, t.values...)
	}
	b = append(b, 0xff, 0xda, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0)
	b = append(b, scan...)
	return append(b, 0xff, 0xd9)
}

type huffmanTable struct{ counts, values []byte }

// huffman gives the tables of ITU-T T.81, annex K.3: luminance DC and AC,
// chrominance DC and AC.
func huffman() [4]huffmanTable {
	dc := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	return [4]huffmanTable{
		{[]byte{0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0}, dc},
		{[]byte{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d}, []byte(
			"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08" +
				"\x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28" +
				"\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59" +
				"\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89" +
				"\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6" +
				"\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2" +
				"\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa")},
		{[]byte{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0}, dc},
		{[]byte{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77}, []byte(
			"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91" +
				"\xa1\xb1\xc1\x09\x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26" +
				"\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58" +
				"\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87" +
				"\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4" +
				"\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda" +
				"\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa")},
	}
}
