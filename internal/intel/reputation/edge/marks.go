package edge

// marks is a Bloom filter whose bits for one number lie in one word (F. Putze,
// P. Sanders, J. Singler: "Cache-, Hash- and Space-Efficient Bloom Filters", 2007):
// most numbers that are not listed are known by one look into a table that is small
// enough to stay in the cache. It passes about one foreign number in a hundred.
type marks struct {
	words []uint64
	wide  uint8
}

const marksBits = 12 // for each number

// newMarks takes what merged gives, of numbers that are wide bits long.
func newMarks(values []uint64, wide uint8) marks {
	m := marks{make([]uint64, len(values)*marksBits/64+1), wide}
	for _, v := range values {
		at, bits := m.place(uint32(v >> tierBits))
		m.words[at] |= bits
	}
	return m
}

// place is the word of a number and its four bits there. Numbers that differ in a low
// bit only are in the same word.
func (m *marks) place(v uint32) (at, bits uint64) {
	x := uint64(v) * 0x9e3779b97f4a7c15
	return uint64(v) * uint64(len(m.words)) >> m.wide, 1<<(x>>58) | 1<<(x>>52&63) | 1<<(x>>46&63) | 1<<(x>>40&63)
}

func (m *marks) has(v uint32) bool {
	at, bits := m.place(v)
	return m.words[at]&bits == bits
}

func (m *marks) bytes() int { return len(m.words) * 8 }
