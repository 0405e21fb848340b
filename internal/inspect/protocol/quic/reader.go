package quic

import "encoding/binary"

// reader takes values off a packet; once one is missing it is bad and gives
// zeros.
type reader struct {
	b   []byte
	bad bool
}

func (c *reader) take(n int) []byte {
	if n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *reader) takeLong(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	return c.take(int(n))
}

func (c *reader) u8() int {
	if v := c.take(1); v != nil {
		return int(v[0])
	}
	return 0
}

func (c *reader) u32() uint64 {
	if v := c.take(4); v != nil {
		return uint64(binary.BigEndian.Uint32(v))
	}
	return 0
}

// varint reads a variable-length integer (RFC 9000 section 16).
func (c *reader) varint() uint64 {
	if len(c.b) == 0 {
		c.bad = true
		return 0
	}
	n := 1 << (c.b[0] >> 6)
	b := c.take(n)
	if b == nil {
		return 0
	}
	v := uint64(b[0] & 0x3f)
	for _, x := range b[1:] {
		v = v<<8 | uint64(x)
	}
	return v
}

// ack passes over an ACK frame (RFC 9000 section 19.3).
func (c *reader) ack(ecn bool) {
	c.varint()
	c.varint()
	count := c.varint()
	c.varint()
	for ; count > 0 && !c.bad; count-- {
		c.varint()
		c.varint()
	}
	if ecn {
		c.varint()
		c.varint()
		c.varint()
	}
}

const (
	maxCrypto = 64 << 10 // bytes of a hello
	maxRanges = 128      // pieces that do not touch each other
)

// assembly puts the CRYPTO frames of one direction in order.
type assembly struct {
	buf    []byte
	ranges []span // what has come, in order, none touching another
}

type span struct{ from, to uint64 }

func (a *assembly) reset() {
	if cap(a.buf) > 8<<10 {
		a.buf = nil
	}
	a.buf, a.ranges = a.buf[:0], a.ranges[:0]
}

// add takes a piece; it is false when the piece is beyond the bound.
func (a *assembly) add(offset uint64, data []byte) bool {
	if len(data) == 0 {
		return true
	}
	end := offset + uint64(len(data))
	if end > maxCrypto || len(a.ranges) >= maxRanges {
		return false
	}
	if uint64(len(a.buf)) < end {
		a.buf = append(a.buf, make([]byte, end-uint64(len(a.buf)))...)
	}
	copy(a.buf[offset:end], data)
	a.merge(span{offset, end})
	return true
}

func (a *assembly) merge(s span) {
	kept := a.ranges[:0]
	at := 0
	for _, r := range a.ranges {
		if r.to < s.from {
			at++
		}
		if r.to >= s.from && r.from <= s.to {
			s = span{min(s.from, r.from), max(s.to, r.to)}
			continue
		}
		kept = append(kept, r)
	}
	a.ranges = append(kept, span{})
	copy(a.ranges[at+1:], a.ranges[at:])
	a.ranges[at] = s
}

// whole is what has come without a gap from the beginning.
func (a *assembly) whole() []byte {
	if len(a.ranges) == 0 || a.ranges[0].from != 0 {
		return nil
	}
	return a.buf[:a.ranges[0].to]
}
