package prefilter

import "math"

// Frequencies tells how often bytes and pairs of bytes occur in traffic.
// Upper-case ASCII letters are counted as lower-case ones.
type Frequencies struct {
	pair  [1 << 16]uint32
	char  [256]uint32
	total uint64
}

// Learn counts the bytes and pairs of a sample of traffic.
func (f *Frequencies) Learn(sample []byte) {
	for i := range sample {
		f.char[lower(sample[i])]++
		if i+1 < len(sample) {
			f.pair[pairOf(sample[i], sample[i+1])]++
		}
	}
	f.total += uint64(len(sample))
}

func pairOf(a, b byte) uint16 { return uint16(lower(a)) | uint16(lower(b))<<8 }

func lower(c byte) byte {
	if c-'A' < 26 {
		c |= 0x20
	}
	return c
}

// byteShare is the share of a byte among all.
func (f *Frequencies) byteShare(c byte) float64 {
	return (float64(f.char[lower(c)]) + 0.5) / (float64(f.total) + 128)
}

// follows estimates how often byte a is followed by byte c.
func (f *Frequencies) follows(a, c byte) float64 {
	return (float64(f.pair[pairOf(a, c)]) + 0.02) / (float64(f.char[lower(a)]) + 5)
}

// Ordinary is the built-in table: counts of a mixed sample of home, office and
// factory traffic, see gen_ordinary.go. Who builds many Searchers gives it to
// each rather than nil, so that it is unpacked once.
func Ordinary() *Frequencies {
	f := &Frequencies{}
	for i, c := range []byte(ordinaryBytes) {
		f.char[i] = level(c)
		f.total += uint64(f.char[i])
	}
	for i := 0; i+2 < len(ordinaryPairs); i += 3 {
		f.pair[pairOf(ordinaryPairs[i], ordinaryPairs[i+1])] = level(ordinaryPairs[i+2])
	}
	return f
}

// level is the count that a byte of the table stands for: a quarter of an
// octave a step.
func level(c byte) uint32 { return uint32(math.Exp2(float64(c) / 4)) }
