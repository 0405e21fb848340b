package http

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/andybalholm/brotli"
)

// encoding is a content encoding.
type encoding uint8

const (
	encodingNone encoding = iota
	encodingGzip
	encodingDeflate
	encodingLZMA
	encodingBrotli
)

// maxLayers bounds the content encodings of one body, whatever is configured.
const maxLayers = 16

// bombRatio is how many times its size a body may grow before it is a bomb.
const bombRatio = 2048

// errStop ends decoding without an event.
var errStop = errors.New("http: nothing more is wanted")

// layer undoes one content encoding. What comes out goes to next.
type layer struct {
	declared encoding
	format   format
	head     []byte // input seen while nothing has come out, to begin again
	trial    []byte // output of formatRaw, held back until it is surely right
	gzip     gzipHeader
	sum      uint32 // of what came out of a gzip member
	size     uint32 // of what came out of a gzip member
	checked  bool   // the trailer was looked at
	inflate  *inflater
	pool     *pool // where the inflater comes from, nil for nowhere
	brotli   *brotliReader
	lzma     *lzmaReader
	memory   int   // what lzma may use
	tried    uint8 // formats that failed, as bits
	started  bool  // something has come out
	output   func([]byte) error
	next     func([]byte) error
	failed   func(memory bool) // raises the event
}

// format is how a layer's input is really packed.
type format uint8

const (
	formatUnknown format = iota
	formatGzip
	formatZlib
	formatRaw // DEFLATE without a frame
	formatBrotli
	formatLZMA
	formatPlain // not packed at all: handed on as it is
)

// maxHead bounds the input that is kept to begin again in another format.
const maxHead = 8 << 10

func (l *layer) reset(e encoding) {
	l.declared, l.format, l.tried, l.started = e, formatUnknown, 0, false
	l.head, l.trial = l.head[:0], l.trial[:0]
	l.gzip = gzipHeader{}
}

// write takes the next input.
func (l *layer) write(data []byte) error {
	if l.format == formatPlain {
		return l.next(data)
	}
	if l.started || len(l.head) > maxHead {
		return l.run(data)
	}
	l.head = append(l.head, data...)
	if l.format == formatUnknown {
		if !l.choose(l.head) {
			return nil
		}
		data = l.head
	}
	return l.run(data)
}

// finish is called when no more input will come: input that gave nothing is
// handed on as it is.
func (l *layer) finish() error {
	if l.started || len(l.head) == 0 || l.format != formatUnknown && l.format != formatRaw {
		return nil
	}
	if len(l.trial) > 0 && (l.inflate.state == inflateDone || l.declared == encodingDeflate) {
		return l.commit()
	}
	l.failed(false)
	l.format = formatPlain
	return l.next(l.head)
}

// choose picks the format from the first bytes, false when there are too few.
func (l *layer) choose(b []byte) bool {
	switch l.declared {
	case encodingBrotli:
		l.open(formatBrotli)
		return true
	case encodingLZMA:
		l.open(formatLZMA)
		return true
	}
	if len(b) < 2 {
		return false
	}
	switch {
	case b[0] == 0x1f && b[1] == 0x8b:
		l.open(formatGzip)
	case isZlib(b):
		l.open(formatZlib)
	default:
		l.open(formatRaw)
	}
	return true
}

// isZlib says whether b begins with a zlib header (RFC 1950 section 2.2).
func isZlib(b []byte) bool {
	return b[0]&15 == 8 && b[0]>>4 <= 7 && b[1]&0x20 == 0 && (int(b[0])<<8|int(b[1]))%31 == 0
}

func (l *layer) open(f format) {
	l.format, l.trial = f, l.trial[:0]
	l.sum, l.size, l.checked = 0, 0, false
	switch f {
	case formatBrotli:
		if l.brotli == nil {
			l.brotli = newBrotliReader()
		}
		l.brotli.reset()
	case formatLZMA:
		if l.lzma == nil {
			l.lzma = &lzmaReader{limit: l.memory}
		}
		l.lzma.reset()
	default:
		if l.inflate == nil {
			l.inflate = l.pool.inflater()
		}
		l.inflate.reset()
		l.gzip = gzipHeader{}
		if f == formatZlib {
			l.gzip.skip = 2
		}
		l.gzip.done = f == formatRaw
	}
}

// run decodes data in the chosen format. When that fails before anything came
// out, the other formats are tried on all input so far; then it is handed on
// as it is.
func (l *layer) run(data []byte) error {
	err := l.decode(data)
	if !errors.Is(err, errBroken) && !errors.Is(err, errMemory) {
		return err
	}
	if !l.started && len(l.head) <= maxHead && l.format <= formatRaw && l.format != formatUnknown {
		l.tried |= 1 << l.format
		for _, f := range [...]format{formatRaw, formatZlib, formatGzip} {
			if l.tried&(1<<f) != 0 || f == formatZlib && (len(l.head) < 2 || l.head[0]&15 != 8) {
				continue
			}
			l.open(f)
			return l.run(l.head)
		}
	}
	l.failed(errors.Is(err, errMemory))
	if !l.started && len(l.head) >= len(data) && len(l.head) <= maxHead {
		data = l.head
	}
	l.format = formatPlain
	return l.next(data)
}

func (l *layer) decode(data []byte) error {
	switch l.format {
	case formatBrotli:
		return l.brotli.write(data, l.output)
	case formatLZMA:
		return l.lzma.write(data, l.output)
	}
	if !l.gzip.done {
		if l.format == formatZlib {
			data = l.gzip.drop(data)
		} else {
			n, err := l.gzip.parse(data)
			if err != nil {
				return err
			}
			data = data[n:]
		}
		if !l.gzip.done {
			return nil
		}
	}
	err := l.inflate.write(data, l.output)
	if err != nil || l.inflate.state != inflateDone {
		return err
	}
	if len(l.trial) > 0 {
		return l.commit()
	}
	l.checkGzip()
	return nil
}

// checkGzip raises the event once when the trailer or the flags of a gzip
// member are wrong. What was decoded is handed on all the same, as browsers do.
func (l *layer) checkGzip() {
	if l.format != formatGzip || l.checked || l.inflate.trailed < len(l.inflate.trailer) {
		return
	}
	l.checked = true
	t := l.inflate.trailer[:]
	if binary.LittleEndian.Uint32(t) != l.sum || binary.LittleEndian.Uint32(t[4:]) != l.size || l.gzip.flags&0xe0 != 0 || l.gzip.wrong {
		l.failed(false)
	}
}

// maxTrial is how much output shows that data without a frame are packed.
const maxTrial = 8 << 10

// emit hands on what came out. Raw DEFLATE has no mark of its own and plain
// text may pass for it for a while: its first output is held back.
func (l *layer) emit(b []byte) error {
	if l.format == formatGzip {
		l.sum = crc32.Update(l.sum, crc32.IEEETable, b)
		l.size += uint32(len(b))
	}
	if l.format != formatRaw || l.started {
		l.started = true
		return l.next(b)
	}
	l.trial = append(l.trial, b...)
	if len(l.trial) < maxTrial {
		return nil
	}
	return l.commit()
}

// commit hands on the output that was held back.
func (l *layer) commit() error {
	l.started = true
	err := l.next(l.trial)
	l.trial = l.trial[:0]
	return err
}

// gzipHeader reads the header of a gzip member (RFC 1952 section 2.3) piece by
// piece.
type gzipHeader struct {
	done  bool
	state uint8
	flags byte
	skip  int // bytes to leave out
	fixed int // bytes of the fixed part seen
	extra int
	sum   uint32 // of the header so far
	want  uint32 // its checksum as sent
	wrong bool   // they differ
}

// drop leaves out the first skip bytes.
func (g *gzipHeader) drop(data []byte) []byte {
	n := min(g.skip, len(data))
	g.skip -= n
	g.done = g.skip == 0
	return data[n:]
}

// parse takes the header from data and says how many bytes it took.
func (g *gzipHeader) parse(data []byte) (int, error) {
	i := 0
	for ; i < len(data) && !g.done; i++ {
		c := data[i]
		switch g.state {
		case 0:
			if g.fixed == 2 && c != 8 {
				return i, errBroken
			}
			if g.fixed == 3 {
				g.flags = c
			}
			if g.fixed++; g.fixed == 10 {
				g.next()
			}
		case 1, 2:
			g.extra |= int(c) << (8 * (g.state - 1))
			if g.state++; g.state == 3 && g.extra == 0 {
				g.next()
			}
		case 3:
			if g.extra--; g.extra == 0 {
				g.next()
			}
		case 4, 5:
			if c == 0 {
				g.next()
			}
		case 6, 7:
			g.want |= uint32(c) << (8 * (g.state - 6))
			if g.state++; g.state == 8 {
				g.done, g.wrong = true, g.want != g.sum&0xffff
			}
			continue
		}
		g.sum = crc32.Update(g.sum, crc32.IEEETable, data[i:i+1])
	}
	return i, nil
}

// next moves to the next part that the flags announce.
func (g *gzipHeader) next() {
	switch {
	case g.state < 1 && g.flags&4 != 0:
		g.state = 1
	case g.state < 4 && g.flags&8 != 0:
		g.state = 4
	case g.state < 5 && g.flags&16 != 0:
		g.state = 5
	case g.state < 6 && g.flags&2 != 0:
		g.state = 6
	default:
		g.done = true
	}
}

// brotliReader undoes Brotli (RFC 7932) piece by piece.
type brotliReader struct {
	in  bytes.Reader
	r   *brotli.Reader
	out [8 << 10]byte
}

// errMore is what the brotli reader's source answers at the end of a piece.
var errMore = errors.New("http: more input is wanted")

func newBrotliReader() *brotliReader {
	b := new(brotliReader)
	b.r = brotli.NewReader(b)
	return b
}

func (b *brotliReader) reset() { b.r.Reset(b) }

// Read gives the reader the present piece.
func (b *brotliReader) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	if errors.Is(err, io.EOF) {
		return n, errMore
	}
	return n, err
}

func (b *brotliReader) write(data []byte, emit func([]byte) error) error {
	b.in.Reset(data)
	for {
		n, err := b.r.Read(b.out[:])
		if n > 0 {
			if e := emit(b.out[:n]); e != nil {
				return e
			}
		}
		switch {
		case errors.Is(err, errMore):
			return nil
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errBroken
		case n == 0:
			return nil
		}
	}
}
