package http

import (
	"encoding/binary"
	"errors"
)

// errMemory says that a stream wants a larger dictionary than is allowed.
var errMemory = errors.New("http: the compressed data want too much memory")

const (
	lzmaSymbolInput = 20 // no symbol takes more input
	lzmaHeader      = 13
	lzmaProbInit    = 1 << 10
	lzmaStates      = 12
	lzmaTop         = 1 << 24
)

// lzmaReader undoes the .lzma format (LZMA "alone") piece by piece. It decodes
// a symbol only once as much input is there as the longest one takes, or the
// input has ended. Of larger dictionaries only limit bytes are kept; copies from
// farther back are refused.
type lzmaReader struct {
	limit      int
	in         []byte
	pos        int
	ready      bool
	ended      bool
	unknown    bool // the size is not given: an end mark closes the stream
	left       uint64
	lc, lp, pb uint
	rng, code  uint32
	dict       []byte
	dictPos    int
	total      uint64
	flushed    int // dictPos up to which output was handed on
	state      uint
	rep        [4]uint32

	literal                       []uint16
	isMatch                       [lzmaStates << 4]uint16
	isRep, isRep0, isRep1, isRep2 [lzmaStates]uint16
	isRep0Long                    [lzmaStates << 4]uint16
	slot                          [4][64]uint16
	special                       [128]uint16
	align                         [16]uint16
	matchLen, repLen              lzmaLength
}

// lzmaLength is the model of a length.
type lzmaLength struct {
	choice   [2]uint16
	low, mid [16][8]uint16
	high     [256]uint16
}

func (z *lzmaReader) reset() {
	z.in, z.pos, z.ready, z.ended = z.in[:0], 0, false, false
}

// write takes the next input and calls emit with what comes out.
func (z *lzmaReader) write(data []byte, emit func([]byte) error) error {
	z.in = append(z.in[:copy(z.in, z.in[z.pos:])], data...)
	z.pos = 0
	return z.decode(lzmaSymbolInput, emit)
}

// finish decodes what is left when no more input will come.
func (z *lzmaReader) finish(emit func([]byte) error) error {
	z.in = append(z.in[:copy(z.in, z.in[z.pos:])], make([]byte, lzmaSymbolInput)...)
	z.pos = 0
	return z.decode(lzmaSymbolInput, emit)
}

func (z *lzmaReader) decode(need int, emit func([]byte) error) error {
	if !z.ready {
		if len(z.in) < lzmaHeader+5 {
			return nil
		}
		if err := z.begin(); err != nil {
			return err
		}
	}
	for !z.ended && len(z.in)-z.pos >= need {
		if z.dictPos == len(z.dict) {
			if err := z.flush(emit); err != nil {
				return err
			}
			z.dictPos, z.flushed = 0, 0
		}
		if err := z.symbol(emit); err != nil {
			z.ended = true
			return errors.Join(z.flush(emit), err)
		}
	}
	return z.flush(emit)
}

func (z *lzmaReader) flush(emit func([]byte) error) error {
	if z.flushed == z.dictPos {
		return nil
	}
	b := z.dict[z.flushed:z.dictPos]
	z.flushed = z.dictPos
	return emit(b)
}

// begin reads the header and sets the models up.
func (z *lzmaReader) begin() error {
	p := uint(z.in[0])
	if p >= 9*5*5 {
		return errBroken
	}
	z.lc, z.lp, z.pb = p%9, p/9%5, p/45
	size := binary.LittleEndian.Uint32(z.in[1:])
	if z.lc+z.lp > 4 && 0x300<<(z.lc+z.lp) > z.limit {
		return errMemory
	}
	size = min(size, uint32(z.limit))
	z.left = binary.LittleEndian.Uint64(z.in[5:])
	z.unknown = z.left == 1<<64-1
	if n := max(int(size), 4096); cap(z.dict) < n {
		z.dict = make([]byte, n)
	} else {
		z.dict = z.dict[:n]
	}
	clear(z.dict)
	z.dictPos, z.flushed, z.total, z.state, z.rep = 0, 0, 0, 0, [4]uint32{}
	z.initModels()
	if z.in[lzmaHeader] != 0 {
		return errBroken
	}
	z.rng, z.code = 1<<32-1, binary.BigEndian.Uint32(z.in[lzmaHeader+1:])
	z.pos = lzmaHeader + 5
	z.ready = true
	return nil
}

func fill(p []uint16) {
	for i := range p {
		p[i] = lzmaProbInit
	}
}

func (z *lzmaReader) initModels() {
	n := 0x300 << (z.lc + z.lp)
	if cap(z.literal) < n {
		z.literal = make([]uint16, n)
	}
	z.literal = z.literal[:n]
	for _, p := range [][]uint16{z.literal, z.isMatch[:], z.isRep[:], z.isRep0[:], z.isRep1[:], z.isRep2[:], z.isRep0Long[:], z.special[:], z.align[:]} {
		fill(p)
	}
	for i := range z.slot {
		fill(z.slot[i][:])
	}
	for _, l := range []*lzmaLength{&z.matchLen, &z.repLen} {
		fill(l.choice[:])
		fill(l.high[:])
		for i := range l.low {
			fill(l.low[i][:])
			fill(l.mid[i][:])
		}
	}
}

func (z *lzmaReader) normalize() {
	if z.rng < lzmaTop {
		z.rng <<= 8
		z.code = z.code<<8 | uint32(z.in[z.pos])
		z.pos++
	}
}

func (z *lzmaReader) bit(p *uint16) uint {
	bound := z.rng >> 11 * uint32(*p)
	var b uint
	if z.code < bound {
		*p += (1<<11 - *p) >> 5
		z.rng = bound
	} else {
		*p -= *p >> 5
		z.code -= bound
		z.rng -= bound
		b = 1
	}
	z.normalize()
	return b
}

func (z *lzmaReader) direct(n uint) uint32 {
	var v uint32
	for ; n > 0; n-- {
		z.rng >>= 1
		z.code -= z.rng
		t := 0 - z.code>>31
		z.code += z.rng & t
		z.normalize()
		v = v<<1 + t + 1
	}
	return v
}

func (z *lzmaReader) tree(p []uint16, bits uint) uint {
	m := uint(1)
	for range bits {
		m = m<<1 + z.bit(&p[m])
	}
	return m - 1<<bits
}

func (z *lzmaReader) reverse(p []uint16, bits uint) uint {
	m, sym := uint(1), uint(0)
	for i := range bits {
		b := z.bit(&p[m])
		m = m<<1 + b
		sym |= b << i
	}
	return sym
}

func (z *lzmaReader) length(l *lzmaLength, pos uint) uint {
	if z.bit(&l.choice[0]) == 0 {
		return z.tree(l.low[pos][:], 3)
	}
	if z.bit(&l.choice[1]) == 0 {
		return 8 + z.tree(l.mid[pos][:], 3)
	}
	return 16 + z.tree(l.high[:], 8)
}
