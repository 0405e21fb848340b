package capture

import (
	"encoding/binary"
	"errors"
	"io"
	"math/bits"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacketOld = 2
	blockSimple    = 3
	blockEnhanced  = 6
)

// maxInterfaces bounds the interfaces of a section.
const maxInterfaces = 1 << 12

// iface is an interface of the section.
type iface struct {
	link    packet.LinkType
	snaplen uint32
	mul     uint64 // nanoseconds = units * mul / div
	div     uint64
	offset  int64 // nanoseconds added
}

// nextBlockFrame reads blocks up to the next one with a frame.
func (c *Reader) nextBlockFrame() (f Frame, err error) {
	for {
		if _, err = c.in.Peek(1); errors.Is(err, io.EOF) {
			return f, io.EOF
		}
		h, err := c.peek(12, "block header")
		if err != nil {
			return f, err
		}
		if binary.BigEndian.Uint32(h) == blockSection {
			if err = c.section(); err != nil {
				return f, err
			}
			continue
		}
		if c.order == nil {
			return f, c.fault("a block comes before the section header")
		}
		kind, size := c.order.Uint32(h), c.order.Uint32(h[4:])
		if size < 12 || size%4 != 0 {
			return f, c.fault("a block of type %d has the length %d", kind, size)
		}
		switch kind {
		case blockInterface:
			err = c.interfaceBlock(int(size))
		case blockEnhanced, blockPacketOld, blockSimple:
			return c.frameBlock(kind, int(size))
		default:
			err = c.take(int(size), "block")
		}
		if err != nil {
			return f, err
		}
	}
}

// section begins a section: byte order and interfaces are new.
func (c *Reader) section() error {
	h, err := c.peek(28, "section header")
	if err != nil {
		return err
	}
	switch binary.BigEndian.Uint32(h[8:]) {
	case 0x1a2b3c4d:
		c.order = binary.BigEndian
	case 0x4d3c2b1a:
		c.order = binary.LittleEndian
	default:
		return c.fault("a section header has no valid byte order mark")
	}
	size := c.order.Uint32(h[4:])
	if size < 28 || size%4 != 0 {
		return c.fault("a section header has the length %d", size)
	}
	if major := c.order.Uint16(h[12:]); major != 1 {
		return c.fault("pcapng version %d is not known", major)
	}
	c.ifaces = c.ifaces[:0]
	return c.take(int(size), "section header")
}

// interfaceBlock adds an interface.
func (c *Reader) interfaceBlock(size int) error {
	if size < 20 || size > bufferSize || len(c.ifaces) >= maxInterfaces {
		return c.fault("an interface block of %d bytes, number %d, cannot be taken", size, len(c.ifaces))
	}
	b, err := c.peek(size, "interface block")
	if err != nil {
		return err
	}
	i := iface{link: packet.LinkType(c.order.Uint16(b[8:])), snaplen: c.order.Uint32(b[12:]), mul: 1000, div: 1}
	c.options(b[16:size-4], func(code uint16, v []byte) {
		switch {
		case code == 9 && len(v) >= 1:
			i.mul, i.div = resolution(v[0])
		case code == 14 && len(v) >= 8:
			i.offset = int64(c.order.Uint64(v)) * 1e9
		}
	})
	c.ifaces = append(c.ifaces, i)
	return c.take(size, "interface block")
}

// resolution turns if_tsresol into a fraction of nanoseconds a unit.
func resolution(v byte) (mul, div uint64) {
	if v&0x80 != 0 {
		return 1e9, 1 << min(v&0x7f, 63)
	}
	mul, div = 1, 1
	for range max(9-int(v), 0) {
		mul *= 10
	}
	for range min(max(int(v)-9, 0), 19) {
		div *= 10
	}
	return mul, div
}

// options calls yield for each option in b.
func (c *Reader) options(b []byte, yield func(code uint16, v []byte)) {
	for len(b) >= 4 {
		code, n := c.order.Uint16(b), int(c.order.Uint16(b[2:]))
		if code == 0 || 4+n > len(b) {
			return
		}
		yield(code, b[4:4+n])
		b = b[min(len(b), 4+(n+3)&^3):]
	}
}

// comment finds the first comment among the options in b.
func (c *Reader) comment(b []byte) []byte {
	for len(b) >= 4 {
		code, n := c.order.Uint16(b), int(c.order.Uint16(b[2:]))
		if code == 0 || 4+n > len(b) {
			return nil
		}
		if code == 1 {
			return b[4 : 4+n]
		}
		b = b[min(len(b), 4+(n+3)&^3):]
	}
	return nil
}

// frameBlock reads one of the three blocks that hold a frame.
func (c *Reader) frameBlock(kind uint32, size int) (f Frame, err error) {
	head := 28
	if kind == blockSimple {
		head = 12
	}
	if size < head+4 || size > bufferSize {
		return f, c.fault("a frame block has the length %d", size)
	}
	b, err := c.peek(size, "frame block")
	if err != nil {
		return f, err
	}
	switch kind {
	case blockEnhanced:
		f.Interface = int(c.order.Uint32(b[8:]))
	case blockPacketOld:
		f.Interface = int(c.order.Uint16(b[8:]))
	}
	if f.Interface >= len(c.ifaces) {
		return f, c.fault("a frame names interface %d of %d", f.Interface, len(c.ifaces))
	}
	i := &c.ifaces[f.Interface]
	f.Link = i.link
	n := size - head - 4
	if kind == blockSimple {
		f.OrigLen = int(c.order.Uint32(b[8:]))
		n = min(n, f.OrigLen)
		if i.snaplen > 0 {
			n = min(n, int(i.snaplen))
		}
		f.Data = b[head : head+n]
		return f, c.take(size, "frame block")
	}
	caplen := int(c.order.Uint32(b[20:]))
	if caplen > n || caplen > MaxFrame {
		return f, c.fault("a frame of %d bytes is in a block of %d", caplen, size)
	}
	f.Data, f.OrigLen = b[head:head+caplen], int(c.order.Uint32(b[24:]))
	f.Time = i.time(uint64(c.order.Uint32(b[12:]))<<32 | uint64(c.order.Uint32(b[16:])))
	f.Comment = c.comment(b[min(head+(caplen+3)&^3, size-4) : size-4])
	return f, c.take(size, "frame block")
}

// time turns units of the interface into nanoseconds since 1970.
func (i *iface) time(units uint64) int64 {
	hi, lo := bits.Mul64(units, i.mul)
	if hi >= i.div {
		return i.offset
	}
	q, _ := bits.Div64(hi, lo, i.div)
	return int64(q) + i.offset
}
