package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// MaxFrame is the largest frame that is read, in bytes: the largest snapshot
// length that capture programs use.
const MaxFrame = 256 << 10

const bufferSize = 2 * MaxFrame

// Frame is one captured frame.
type Frame struct {
	Data      []byte // valid until the next call of Next
	Time      int64  // nanoseconds since 1970; 0 when the file does not tell
	Link      packet.LinkType
	OrigLen   int    // length on the wire; len(Data) is what was captured
	Interface int    // pcapng: number of the interface within its section; else 0
	Comment   []byte // pcapng: the first comment of the frame; valid as Data is
}

// Error says where and why a file cannot be read on. All frames before it have
// been given out.
type Error struct {
	Offset    int64  // of the record or block with the fault, in bytes from the start
	Frames    uint64 // frames given out before
	Problem   string
	Truncated bool // the file ends within a record
}

// Error gives offset and problem.
func (e *Error) Error() string {
	return fmt.Sprintf("capture: at byte %d, after %d frames: %s", e.Offset, e.Frames, e.Problem)
}

// Reader reads frames from a stream. It is not safe for concurrent use.
type Reader struct {
	in     *bufio.Reader
	order  binary.ByteOrder
	offset int64 // of the next unread byte
	frames uint64
	end    error // what Next returns from now on

	next func() (Frame, error)

	nano   bool            // pcap
	extra  int             // pcap: bytes of the record header beyond 16
	link   packet.LinkType // pcap
	minor  uint16          // pcap: of the version; before 2.3 the lengths of a record stood the other way round
	ifaces []iface         // pcapng: of this section
}

// NewReader reads the file header. The error is an *Error, or that of the
// underlying reader.
func NewReader(r io.Reader) (*Reader, error) {
	c := &Reader{in: bufio.NewReaderSize(r, bufferSize)}
	head, err := c.in.Peek(4)
	if err != nil {
		return nil, c.short(err, len(head), 4, "file header")
	}
	switch binary.BigEndian.Uint32(head) {
	case 0xa1b2c3d4:
		c.order = binary.BigEndian
	case 0xd4c3b2a1:
		c.order = binary.LittleEndian
	case 0xa1b23c4d:
		c.order, c.nano = binary.BigEndian, true
	case 0x4d3cb2a1:
		c.order, c.nano = binary.LittleEndian, true
	case 0xa1b2cd34:
		c.order, c.extra = binary.BigEndian, 8
	case 0x34cdb2a1:
		c.order, c.extra = binary.LittleEndian, 8
	case blockSection:
		c.next = c.nextBlockFrame
		return c, nil
	default:
		return nil, c.fault("neither a pcap nor a pcapng file (magic number %#08x)", binary.BigEndian.Uint32(head))
	}
	c.next = c.nextRecord
	return c, c.pcapHeader()
}

// Offset is how many bytes of the file have been read: for progress.
func (c *Reader) Offset() int64 { return c.offset }

// Next gives the next frame, io.EOF after the last, or an *Error.
func (c *Reader) Next() (Frame, error) {
	if c.end != nil {
		return Frame{}, c.end
	}
	f, err := c.next()
	if err != nil {
		c.end = err
		return Frame{}, err
	}
	c.frames++
	return f, nil
}

func (c *Reader) fault(format string, args ...any) error {
	return &Error{Offset: c.offset, Frames: c.frames, Problem: fmt.Sprintf(format, args...)}
}

// short turns a failed read of want bytes that gave got into an error.
func (c *Reader) short(err error, got, want int, what string) error {
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("capture: at byte %d: %w", c.offset, err)
	}
	return &Error{
		Offset: c.offset, Frames: c.frames, Truncated: true,
		Problem: fmt.Sprintf("the file ends within a %s (%d of %d bytes)", what, got, want),
	}
}

// peek shows the next n bytes without taking them.
func (c *Reader) peek(n int, what string) ([]byte, error) {
	b, err := c.in.Peek(n)
	if err != nil {
		return nil, c.short(err, len(b), n, what)
	}
	return b, nil
}

// take drops n bytes, which need not have been peeked.
func (c *Reader) take(n int, what string) error {
	got, err := c.in.Discard(n)
	if err != nil {
		return c.short(err, got, n, what)
	}
	c.offset += int64(n)
	return nil
}

// pcapHeader reads the file header of a pcap file.
func (c *Reader) pcapHeader() error {
	h, err := c.peek(24, "file header")
	if err != nil {
		return err
	}
	if major := c.order.Uint16(h[4:]); major != 2 {
		return c.fault("pcap version %d.%d is not known", major, c.order.Uint16(h[6:]))
	}
	c.minor = c.order.Uint16(h[6:])
	c.link = packet.LinkType(c.order.Uint32(h[20:]) & 0x03ffffff)
	return c.take(24, "file header")
}

// nextRecord reads a record of a pcap file.
func (c *Reader) nextRecord() (f Frame, err error) {
	if _, err = c.in.Peek(1); errors.Is(err, io.EOF) {
		return f, io.EOF
	}
	head := 16 + c.extra
	h, err := c.peek(head, "record header")
	if err != nil {
		return f, err
	}
	n, wire := c.order.Uint32(h[8:]), c.order.Uint32(h[12:])
	if c.minor < 3 || c.minor == 3 && n > wire {
		n, wire = wire, n
	}
	if n > MaxFrame {
		return f, c.fault("a record of %d bytes is longer than %d", n, MaxFrame)
	}
	b, err := c.peek(head+int(n), "record")
	if err != nil {
		return f, err
	}
	fraction := int64(c.order.Uint32(b[4:]))
	if !c.nano {
		fraction *= 1000
	}
	f = Frame{
		Data: b[head:], Time: int64(c.order.Uint32(b))*1e9 + fraction,
		Link: c.link, OrigLen: int(wire),
	}
	return f, c.take(len(b), "record")
}
