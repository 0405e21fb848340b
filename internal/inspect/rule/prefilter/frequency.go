package prefilter

// Frequencies tells how often a pair of bytes occurs in ordinary traffic.
// Upper-case ASCII letters are counted as lower-case ones.
type Frequencies struct {
	pair [1 << 16]uint32
}

// Learn counts the pairs of a sample of traffic.
func (f *Frequencies) Learn(sample []byte) {
	for i := 0; i+1 < len(sample); i++ {
		f.pair[pairOf(sample[i], sample[i+1])]++
	}
}

func pairOf(a, b byte) uint16 { return uint16(lower(a)) | uint16(lower(b))<<8 }

func lower(c byte) byte {
	if c-'A' < 26 {
		c |= 0x20
	}
	return c
}
