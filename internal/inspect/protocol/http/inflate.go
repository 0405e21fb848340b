package http

import "errors"

// errBroken says that compressed data make no sense.
var errBroken = errors.New("http: broken compressed data")

const (
	historySize = 32 << 10 // RFC 1951: how far back a copy may reach
	inflateBuf  = 2 * historySize
	primaryBits = 9
	maxCodeLen  = 15
)

// Where an inflater stands.
const (
	inflateBlock uint8 = iota // before a block's header
	inflateStoredLength
	inflateStored
	inflateTableSizes
	inflateCodeLengths
	inflateLengths
	inflateSymbols
	inflateDone
)

// huffman decodes one prefix code. Codes up to primaryBits long are in the
// table; longer ones are found by their canonical order.
type huffman struct {
	table   [1 << primaryBits]uint16 // symbol<<4 | length, 0 for longer codes
	count   [maxCodeLen + 1]uint16
	symbols [320]uint16 // by code
}

// build makes the decoder of the given code lengths (RFC 1951 section 3.2.2).
// Incomplete codes are taken, as zlib takes a single distance code;
// oversubscribed ones are not.
func (h *huffman) build(lengths []uint8) bool {
	clear(h.table[:])
	clear(h.count[:])
	for _, n := range lengths {
		h.count[n]++
	}
	h.count[0] = 0
	left := 1
	var next, first [maxCodeLen + 2]uint16
	for n := 1; n <= maxCodeLen; n++ {
		left = left<<1 - int(h.count[n])
		if left < 0 {
			return false
		}
		first[n+1] = first[n] + h.count[n]
		next[n+1] = (next[n] + h.count[n]) << 1
	}
	for sym, n := range lengths {
		if n == 0 {
			continue
		}
		h.symbols[first[n]] = uint16(sym)
		first[n]++
		if n <= primaryBits {
			h.fill(uint32(next[n]), uint32(n), uint16(sym))
		}
		next[n]++
	}
	return true
}

// fill enters a short code, bits reversed, at every place that begins with it.
func (h *huffman) fill(code, n uint32, sym uint16) {
	var rev uint32
	for range n {
		rev, code = rev<<1|code&1, code>>1
	}
	for i := rev; i < 1<<primaryBits; i += 1 << n {
		h.table[i] = sym<<4 | uint16(n)
	}
}

// decode reads a symbol from the low bits. It is negative when there is none:
// -1 for too few bits, -2 for no such code.
func (h *huffman) decode(bits uint64, have uint32) (sym int, n uint32) {
	if e := h.table[bits&(1<<primaryBits-1)]; e != 0 {
		if n = uint32(e & 15); n <= have {
			return int(e >> 4), n
		}
		return -1, 0
	}
	code, first, index := 0, 0, 0
	for n = 1; n <= maxCodeLen; n++ {
		if n > have {
			return -1, 0
		}
		code |= int(bits>>(n-1)) & 1
		count := int(h.count[n])
		if code-count < first {
			return int(h.symbols[index+code-first]), n
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return -2, 0
}

// inflater undoes DEFLATE (RFC 1951) piece by piece: unlike the standard
// library's reader it stops wherever the input ends and goes on with the next
// piece. The zero value is ready; it keeps 72 KiB.
type inflater struct {
	state  uint8
	last   bool
	bits   uint64
	nbits  uint32
	in     []byte
	stored int

	hlit, hdist, hclen int
	have               int
	lengths            [320]uint8
	lit, dist          huffman
	out                [inflateBuf]byte
	from, to           int     // out[from:to] is not yet handed on
	trailer            [8]byte // what follows the last block
	trailed            int
}

func (f *inflater) reset() {
	f.state, f.last, f.bits, f.nbits, f.in, f.from, f.to, f.trailed = inflateBlock, false, 0, 0, nil, 0, 0, 0
}

// refill moves input into the bit buffer.
func (f *inflater) refill() {
	for f.nbits <= 56 && len(f.in) > 0 {
		f.bits |= uint64(f.in[0]) << f.nbits
		f.nbits += 8
		f.in = f.in[1:]
	}
}

// take reads n bits, false when they are not there yet.
func (f *inflater) take(n uint32) (int, bool) {
	if f.nbits < n {
		f.refill()
		if f.nbits < n {
			return 0, false
		}
	}
	v := int(f.bits & (1<<n - 1))
	f.bits >>= n
	f.nbits -= n
	return v, true
}

// write takes the next piece of input and calls emit with what comes out of
// it. It returns emit's error, or errBroken.
func (f *inflater) write(data []byte, emit func([]byte) error) error {
	f.in = data
	for {
		more, err := f.step()
		if f.to-f.from > 0 && (!more || err != nil || f.to > inflateBuf-1024) {
			if e := f.flush(emit); e != nil {
				return e
			}
		}
		if err != nil || !more {
			f.in = nil
			return err
		}
	}
}

// flush hands on what was decoded and keeps the history.
func (f *inflater) flush(emit func([]byte) error) error {
	err := emit(f.out[f.from:f.to])
	if f.to > historySize+historySize/2 {
		copy(f.out[:], f.out[f.to-historySize:f.to])
		f.to = historySize
	}
	f.from = f.to
	return err
}

// step advances by one state; more is false when input is wanted or all is done.
func (f *inflater) step() (more bool, err error) {
	switch f.state {
	case inflateBlock:
		return f.blockHeader()
	case inflateStoredLength:
		return f.storedLength()
	case inflateStored:
		return f.copyStored(), nil
	case inflateTableSizes:
		return f.tableSizes()
	case inflateCodeLengths:
		return f.codeLengths()
	case inflateLengths:
		return f.readLengths()
	case inflateSymbols:
		return f.decodeSymbols()
	}
	f.collectTrailer()
	return false, nil
}

// collectTrailer keeps the bytes after the last block, as many as a gzip
// trailer has.
func (f *inflater) collectTrailer() {
	for f.trailed < len(f.trailer) {
		v, ok := f.take(8)
		if !ok {
			return
		}
		f.trailer[f.trailed] = byte(v)
		f.trailed++
	}
}

func (f *inflater) blockHeader() (bool, error) {
	if f.last {
		f.bits >>= f.nbits & 7
		f.nbits &^= 7
		f.state = inflateDone
		return true, nil
	}
	v, ok := f.take(3)
	if !ok {
		return false, nil
	}
	f.last = v&1 != 0
	switch v >> 1 {
	case 0:
		f.bits >>= f.nbits & 7
		f.nbits &^= 7
		f.state = inflateStoredLength
	case 1:
		f.fixedTables()
		f.state = inflateSymbols
	case 2:
		f.state = inflateTableSizes
	default:
		return false, errBroken
	}
	return true, nil
}

func (f *inflater) storedLength() (bool, error) {
	v, ok := f.take(32)
	if !ok {
		return false, nil
	}
	if v&0xffff != ^v>>16&0xffff {
		return false, errBroken
	}
	f.stored = v & 0xffff
	f.state = inflateStored
	return true, nil
}

func (f *inflater) copyStored() bool {
	for f.stored > 0 && f.nbits > 0 && f.to < inflateBuf {
		f.out[f.to] = byte(f.bits)
		f.bits, f.nbits = f.bits>>8, f.nbits-8
		f.to, f.stored = f.to+1, f.stored-1
	}
	n := copy(f.out[f.to:], f.in[:min(f.stored, len(f.in))])
	if f.nbits > 0 && f.stored > 0 {
		return true // the buffer is full: flush first
	}
	f.in = f.in[n:]
	f.to, f.stored = f.to+n, f.stored-n
	if f.stored == 0 {
		f.state = inflateBlock
		return true
	}
	return len(f.in) > 0
}

func (f *inflater) fixedTables() {
	l := f.lengths[:288]
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	f.lit.build(l)
	for i := range 30 {
		f.lengths[i] = 5
	}
	f.dist.build(f.lengths[:30])
}
