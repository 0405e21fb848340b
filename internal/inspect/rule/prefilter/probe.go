package prefilter

import "encoding/binary"

// Words of the bit sets, which are arrays of fixed size so that the loops below
// need no bounds checks: 2 KiB, 32 KiB, and one bit for each pair of bytes.
// Unrolled loops were measured and are slower.
const (
	smallSet, smallShift = 1 << 8, 32 - 14
	largeSet, largeShift = 1 << 12, 32 - 18
	pairSet              = 1 << 10
)

const mask3 = 0xffffff

func word(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// mask keeps the bytes of a gram.
func (c *class) mask() uint32 {
	if c.q == 3 {
		return mask3
	}
	return 1<<32 - 1
}

func (c *class) scanSmall(p *pure, data []byte, s *Scratch) {
	bits, stride, mask := (*[smallSet]uint64)(c.bits), c.stride, c.mask()
	i := 0
	for last := len(data) - 4; i <= last; i += stride {
		g := (word(data[i:]) | fold4) & mask
		h := hashOf(g) >> smallShift
		if bits[h>>6]&(1<<(h&63)) != 0 {
			c.hit(p, data, i, g, s)
		}
	}
	c.tail(p, data, i, s)
}

func (c *class) scanLarge(p *pure, data []byte, s *Scratch) {
	bits, stride, mask := (*[largeSet]uint64)(c.bits), c.stride, c.mask()
	i := 0
	for last := len(data) - 4; i <= last; i += stride {
		g := (word(data[i:]) | fold4) & mask
		h := hashOf(g) >> largeShift
		if bits[h>>6]&(1<<(h&63)) != 0 {
			c.hit(p, data, i, g, s)
		}
	}
	c.tail(p, data, i, s)
}

// tail probes the last gram when it has three bytes.
func (c *class) tail(p *pure, data []byte, i int, s *Scratch) {
	if c.q != 3 || i+3 != len(data) {
		return
	}
	g := (uint32(data[i]) | uint32(data[i+1])<<8 | uint32(data[i+2])<<16 | fold4) & mask3
	c.hit(p, data, i, g, s)
}

const fold2 = 0x2020

// scanPairs probes pairs of bytes; the pair itself is the index of its bit.
func (c *class) scanPairs(p *pure, data []byte, s *Scratch) {
	bits, stride := (*[pairSet]uint64)(c.bits), c.stride
	for i, last := 0, len(data)-2; i <= last; i += stride {
		g := uint32(binary.LittleEndian.Uint16(data[i:]) | fold2)
		if bits[g>>6]&(1<<(g&63)) != 0 {
			c.hit(p, data, i, g, s)
		}
	}
}
