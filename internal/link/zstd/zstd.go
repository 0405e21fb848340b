// Package zstd packs bytes into Zstandard frames (RFC 8878) with little code
// and little memory: one hash table to find repeats, the standard's predefined
// tables to write them, literals as they are. It cannot unpack. Parts of the
// link use it for batches of events; a complete library would cost the agent a
// quarter of a megabyte.
package zstd

import (
	"encoding/binary"
	"math/bits"
)

// Bounds of the format and of the search.
const (
	maxBlock  = 128 << 10
	hashBits  = 12
	minMatch  = 4
	maxOffset = 1<<27 - 4 // the largest that the predefined table can tell
)

// Packer packs one text after another. The zero value is ready. It is for one
// goroutine at a time.
type Packer struct {
	seen      [1 << hashBits]uint32 // by hash of 4 bytes: where they were last, plus one
	literals  []byte
	sequences []sequence
	out       stream
	tables    *tables
}

// sequence is some literals and then a repeat of earlier bytes.
type sequence struct {
	literals, length, offset uint32
}

// Append adds one frame with what src holds to dst. src may have at most 64
// MiB; what is larger gives dst as it was, and false.
func (p *Packer) Append(dst, src []byte) ([]byte, bool) {
	if len(src) > 64<<20 {
		return dst, false
	}
	if p.tables == nil {
		p.tables = newTables()
	}
	clear(p.seen[:])
	// A single segment whose size has four bytes, and no checksum (3.1.1.1).
	dst = append(dst, 0x28, 0xb5, 0x2f, 0xfd, 2<<6|1<<5)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(src)))
	for begin := 0; ; begin += maxBlock {
		end := min(begin+maxBlock, len(src))
		dst = p.block(dst, src, begin, end)
		if end == len(src) {
			return dst, true
		}
	}
}

// block adds the block with src[begin:end] (3.1.1.2).
func (p *Packer) block(dst, src []byte, begin, end int) []byte {
	last := uint32(0)
	if end == len(src) {
		last = 1
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0)
	p.find(src, begin, end)
	kind := uint32(2)
	dst = p.write(dst)
	if len(dst)-at-3 >= end-begin {
		kind = 0 // raw
		dst = append(dst[:at+3], src[begin:end]...)
	}
	head := last | kind<<1 | uint32(len(dst)-at-3)<<3
	dst[at], dst[at+1], dst[at+2] = byte(head), byte(head>>8), byte(head>>16)
	return dst
}

func hash(v uint32) uint32 { return v * 2654435761 >> (32 - hashBits) }

// find takes src[begin:end] apart into literals and repeats, greedily.
func (p *Packer) find(src []byte, begin, end int) {
	p.literals, p.sequences = p.literals[:0], p.sequences[:0]
	done := begin // what is in literals and sequences
	for i := begin; i+minMatch <= end; {
		v := binary.LittleEndian.Uint32(src[i:])
		h := hash(v)
		from := int(p.seen[h]) - 1
		p.seen[h] = uint32(i + 1)
		if from < 0 || i-from > maxOffset || binary.LittleEndian.Uint32(src[from:]) != v {
			i += 1 + (i-done)>>6 // faster where nothing repeats
			continue
		}
		for from > 0 && i > done && src[from-1] == src[i-1] {
			from, i = from-1, i-1
		}
		n := minMatch
		for i+n < end && src[from+n] == src[i+n] {
			n++
		}
		p.literals = append(p.literals, src[done:i]...)
		p.sequences = append(p.sequences, sequence{uint32(i - done), uint32(n), uint32(i - from)})
		i += n
		done = i
		if i+2 <= end && i+2 <= len(src) && i-2 >= begin && i+minMatch <= end {
			p.seen[hash(binary.LittleEndian.Uint32(src[i-2:]))] = uint32(i - 1)
		}
	}
	p.literals = append(p.literals, src[done:end]...)
}

// write adds the literals as they are (3.1.1.3.1) and the sequences (3.1.1.3.2).
func (p *Packer) write(dst []byte) []byte {
	switch n := uint32(len(p.literals)); {
	case n < 1<<5:
		dst = append(dst, byte(n<<3))
	case n < 1<<12:
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n<<4|1<<2))
	default:
		v := n<<4 | 3<<2
		dst = append(dst, byte(v), byte(v>>8), byte(v>>16))
	}
	dst = append(dst, p.literals...)
	switch n := len(p.sequences); {
	case n < 0x80:
		dst = append(dst, byte(n))
	case n < 0x7f00:
		dst = append(dst, byte(n>>8)+0x80, byte(n))
	default:
		dst = append(dst, 0xff, byte(n-0x7f00), byte((n-0x7f00)>>8))
	}
	if len(p.sequences) == 0 {
		return dst
	}
	return p.code(append(dst, 0)) // predefined tables for all three
}

// code adds the sequences, from the last to the first, since they are read
// backwards (3.1.1.3.2.1.2).
func (p *Packer) code(dst []byte) []byte {
	t, w := p.tables, &p.out
	*w = stream{out: dst}
	var lengths, literals, offsets state
	for i := len(p.sequences) - 1; i >= 0; i-- {
		s := p.sequences[i]
		l, m := literalCode(s.literals), matchCode(s.length)
		value := s.offset + 3 // 1 to 3 mean offsets used before
		o := uint32(bits.Len32(value) - 1)
		if i == len(p.sequences)-1 {
			lengths.begin(&t.lengths, m)
			offsets.begin(&t.offsets, o)
			literals.begin(&t.literals, l)
		} else {
			offsets.next(&t.offsets, o, w)
			lengths.next(&t.lengths, m, w)
			literals.next(&t.literals, l, w)
		}
		w.add(s.literals-literalBase[l], uint(literalBits[l]))
		w.add(s.length-matchBase[m], uint(matchBits[m]))
		w.add(value-1<<o, uint(o))
	}
	w.add(lengths.value, t.lengths.log)
	w.add(offsets.value, t.offsets.log)
	w.add(literals.value, t.literals.log)
	return w.close()
}
