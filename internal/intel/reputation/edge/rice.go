package edge

import (
	"encoding/binary"
	"math/bits"
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
	for w.have += n; w.have >= 8; w.have -= 8 {
		w.b = append(w.b, byte(w.acc))
		w.acc >>= 8
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

func (w *bitWriter) end() []byte {
	if w.have > 0 {
		w.b = append(w.b, byte(w.acc))
		w.acc, w.have = 0, 0
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

// riceBits is what the gaps cost with k, in bits.
func riceBits(gaps []uint64, k uint) (sum uint64) {
	for _, g := range gaps {
		if q := g >> k; q < riceEscape {
			sum += q + 1 + uint64(k)
		} else {
			sum += riceEscape + 64
		}
	}
	return sum
}

// bestRice finds the k that costs least, trying around the one that the mean
// gap suggests.
func bestRice(gaps []uint64) uint {
	if len(gaps) == 0 {
		return 0
	}
	var sum float64
	for _, g := range gaps {
		sum += float64(g)
	}
	guess := bits.Len64(uint64(sum / float64(len(gaps))))
	best, cost := uint(0), ^uint64(0)
	for k := max(0, guess-6); k <= min(guess+1, 63); k++ {
		if c := riceBits(gaps, uint(k)); c < cost {
			best, cost = uint(k), c
		}
	}
	return best
}
