package edge

import "math/bits"

// lines is a sorted list of numbers of at most 32 bits, each with a tier, in lines of
// sixteen that are as large as a line of the processor's cache: a look-up costs one
// miss. Numbers come from a hash, so the number itself says in which line it is;
// what finds no room there spills into the next.
type lines struct {
	words []uint64 // eight a line: two slots each, the tier in the highest bits of a slot
	count uint64   // lines that numbers lead to; those after them hold what spilled
	wide  uint8    // bits of a number
	n     int
}

const (
	lineWords = 8
	lineSlots = 2 * lineWords
	lineFull  = 10 // numbers in a line on average
	slotBits  = 32 - tierBits
	lowMask   = (1<<slotBits - 1) * 0x0000000100000001
)

// newLines takes what merged gives, of numbers that are wide bits long.
func newLines(values []uint64, wide uint8) lines {
	l := lines{count: uint64(len(values)/lineFull + 1), wide: wide, n: len(values)}
	l.words = make([]uint64, (l.count+1)*lineWords)
	end := 0 // the slot after the last
	for _, v := range values {
		end = max(end, int(l.line(uint32(v>>tierBits)))*lineSlots)
		if end/2 == len(l.words) {
			l.words = append(l.words, make([]uint64, len(l.words)/8+lineWords)...)
		}
		slot := v>>tierBits&(1<<slotBits-1) | v&(1<<tierBits-1)<<slotBits
		l.words[end/2] |= slot << (end % 2 * 32)
		end++
	}
	size := max(int(l.count)+1, end/lineSlots+2) * lineWords // the last line is never full
	if size > len(l.words) {
		l.words = append(l.words, make([]uint64, size-len(l.words))...)
	}
	l.words = l.words[:size:size]
	return l
}

// line is the line that a number leads to.
func (l *lines) line(v uint32) uint64 { return uint64(v) * l.count >> l.wide }

func (l *lines) bytes() int { return len(l.words) * 8 }

// match finds the slots of one line that hold v: slot 2*i at bit i, slot 2*i+1 at bit
// 32+i. A slot of odd number may be there wrongly, and an empty one when v ends in
// zeros: the slot shows it. full says that the next line goes on.
func (l *lines) match(line uint64, v uint32) (m uint64, full bool) {
	w := (*[lineWords]uint64)(l.words[line*lineWords:])
	want := uint64(v&(1<<slotBits-1)) * 0x0000000100000001
	for i := range w {
		x := (w[i] ^ want) & lowMask
		m |= (x - 0x0000000100000001) &^ x & 0x8000000080000000 >> 31 << i
	}
	return m, w[lineWords-1]>>32 != 0
}

// slot gives the slot of a match's lowest bit.
func (l *lines) slot(line, m uint64) (at int, low uint32, t Tier) {
	bit := bits.TrailingZeros64(m)
	i, odd := bit&31, bit>>5
	at = int(line)*lineSlots + 2*i + odd
	s := uint32(l.words[at/2] >> (odd * 32))
	return at, s & (1<<slotBits - 1), Tier(s >> slotBits)
}

// each gives the place and tier of all numbers in their order.
func (l *lines) each(yield func(at int, t Tier)) {
	for at := range 2 * len(l.words) {
		if t := Tier(l.words[at/2] >> (at % 2 * 32) & (1<<32 - 1) >> slotBits); t != TierNone {
			yield(at, t)
		}
	}
}
