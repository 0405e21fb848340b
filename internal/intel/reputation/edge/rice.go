package edge

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// bitWriter appends bits, the lowest of a byte first.
type bitWriter struct {
	b    []byte
	acc  uint64
	have uint
}

func (w *bitWriter) put(v uint64, n uint) {
	for n > 32 {
		w.put(v&0xffffffff, 32)
		v, n = v>>32, n-32
	}
	w.acc |= v & (1<<n - 1) << w.have
	if w.have += n; w.have >= 32 {
		w.b = binary.LittleEndian.AppendUint32(w.b, uint32(w.acc))
		w.acc >>= 32
		w.have -= 32
	}
}

func (w *bitWriter) rice(v uint64, k uint) {
	q := v >> k
	if q >= riceEscape {
		w.put(1<<riceEscape-1, riceEscape)
		w.put(v, 64)
		return
	}
	w.put(1<<q-1, uint(q)+1)
	w.put(v, k)
}

// gaps writes the gaps of sorted numbers.
func (w *bitWriter) gaps(sorted []uint64, step uint64, k uint) {
	b, acc, have, before, mask := w.b, w.acc, w.have, uint64(0), uint64(1)<<k-1
	for _, v := range sorted {
		gap := v - before
		before = v + step
		q := gap >> k
		n := uint(q) + 1 + k
		if q >= riceEscape || n > 32 {
			w.b, w.acc, w.have = b, acc, have
			w.rice(gap, k)
			b, acc, have = w.b, w.acc, w.have
			continue
		}
		acc |= (1<<q - 1 | gap&mask<<(q+1)) << have
		if have += n; have >= 32 {
			b = binary.LittleEndian.AppendUint32(b, uint32(acc))
			acc >>= 32
			have -= 32
		}
	}
	w.b, w.acc, w.have = b, acc, have
}

func (w *bitWriter) end() []byte {
	for ; w.have > 0; w.have -= min(8, w.have) {
		w.b = append(w.b, byte(w.acc))
		w.acc >>= 8
	}
	return w.b
}

// riceEscape is the run of ones after which a number follows in full, so that
// one wide gap costs 96 bits and not its size.
const riceEscape = 32

// bitReader reads what a bitWriter wrote. After bad or no more input bad is
// set and it reads zeros.
type bitReader struct {
	b   []byte
	at  uint // in bits
	bad bool
}

// peek gives the next bits, at least 56 of them, zeros after the end.
func (r *bitReader) peek() uint64 {
	i := r.at >> 3
	if i+8 <= uint(len(r.b)) {
		return binary.LittleEndian.Uint64(r.b[i:]) >> (r.at & 7)
	}
	var last [8]byte
	if i < uint(len(r.b)) {
		copy(last[:], r.b[i:])
	}
	return binary.LittleEndian.Uint64(last[:]) >> (r.at & 7)
}

func (r *bitReader) skip(n uint) {
	if r.at += n; r.at > uint(len(r.b))*8 {
		r.bad = true
	}
}

func (r *bitReader) take(n uint) uint64 {
	if n > 32 {
		low := r.take(32)
		return low | r.take(n-32)<<32
	}
	v := r.peek() & (1<<n - 1)
	r.skip(n)
	return v
}

func (r *bitReader) rice(k uint) uint64 {
	q := uint(bits.TrailingZeros64(^r.peek()))
	if q >= riceEscape {
		r.skip(riceEscape)
		return r.take(64)
	}
	r.skip(q + 1)
	return uint64(q)<<k | r.take(k)
}

// gaps reads as many gaps as to has room for.
func (r *bitReader) gaps(k uint, to []uint64) {
	b, at, mask := r.b, r.at, uint64(1)<<k-1
	for i := range to {
		j := at >> 3
		if k <= 24 && j+8 <= uint(len(b)) { // all of a short one is in one look
			w := binary.LittleEndian.Uint64(b[j:]) >> (at & 7)
			if q := uint(bits.TrailingZeros64(^w)); q < riceEscape {
				to[i] = uint64(q)<<k | w>>((q+1)&63)&mask
				at += q + 1 + k
				continue
			}
		}
		r.at = at
		to[i] = r.rice(k)
		at = r.at
	}
	r.at = at
}

// bestRice finds the k with which the gaps of sorted numbers cost least, trying
// around the one that the mean gap suggests, and that cost in bits. step is taken
// from each gap but the first.
func bestRice(sorted []uint64, step uint64) (best uint, cost uint64) {
	if len(sorted) == 0 {
		return 0, 0
	}
	guess := bits.Len64(uint64(gapSum(sorted, step) / float64(len(sorted))))
	least, most := uint(max(0, guess-6)), uint(min(guess+1, 63))
	// How many gaps have which quotient with the least k; from one k to the next
	// two neighbours become one.
	var count [riceEscape<<7 + 1]uint32
	top := uint64(riceEscape) << (most - least)
	before := uint64(0)
	for _, v := range sorted {
		count[min((v-before)>>least, top)]++
		before = v + step
	}
	cost = ^uint64(0)
	for k := least; k <= most; k++ {
		sum, short := uint64(0), uint64(0)
		for q, n := range count[:riceEscape] {
			sum += uint64(n) * uint64(q+1+int(k))
			short += uint64(n)
		}
		if sum += (uint64(len(sorted)) - short) * (riceEscape + 64); sum < cost {
			best, cost = k, sum
		}
		top /= 2
		for q := range top {
			count[q] = count[2*q] + count[2*q+1]
		}
	}
	return best, cost
}

// gapSum is the sum of the gaps as numbers of 53 bits.
func gapSum(sorted []uint64, step uint64) (sum float64) {
	if last := sorted[len(sorted)-1]; last < 1<<53 {
		return float64(last - step*uint64(len(sorted)-1))
	}
	before := uint64(0)
	for _, v := range sorted {
		sum += float64(v - before)
		before = v + step
	}
	return sum
}

// appendGaps writes sorted numbers as their gaps: count, Rice parameter, length,
// stream. step is taken from each gap but the first; low are bits that follow
// each, lowBits of them; nil: none do.
func appendGaps(b []byte, sorted []uint64, step uint64, low []uint64, lowBits uint) []byte {
	k, cost := bestRice(sorted, step)
	size := (cost + uint64(len(low))*uint64(lowBits) + 7) / 8
	b = binary.AppendUvarint(b, uint64(len(sorted)))
	b = binary.AppendUvarint(append(b, byte(k)), size)
	w := bitWriter{b: slices.Grow(b, int(size))}
	if low == nil {
		w.gaps(sorted, step, k)
		return w.end()
	}
	before := uint64(0)
	for i, v := range sorted {
		w.rice(v-before, k)
		w.put(low[i], lowBits)
		before = v + step
	}
	return w.end()
}
