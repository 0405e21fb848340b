package zstd

// The predefined distributions (RFC 8878, section 3.1.1.3.2.2).
var (
	literalShares = []int8{4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1}
	matchShares   = []int8{1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1}
	offsetShares = []int8{1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1}
)

// Where the values of each code begin, and how many more bits tell which it is
// (section 3.1.1.3.2.1.1).
var (
	literalBase = [...]uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 40, 48, 64,
		128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536}
	literalBits = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	matchBase   = [...]uint32{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34,
		35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539}
	matchBits = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
)

// codeOf gives the last code that begins at n or below.
func codeOf(base []uint32, n uint32) uint32 {
	lo, hi := 0, len(base)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; base[mid] <= n {
			lo = mid
		} else {
			hi = mid
		}
	}
	return uint32(lo)
}

func literalCode(n uint32) uint32 { return codeOf(literalBase[:], n) }
func matchCode(n uint32) uint32   { return codeOf(matchBase[:], n) }

// tables are the three that sequences are written with.
type tables struct {
	literals, lengths, offsets table
}

func newTables() *tables {
	return &tables{newTable(literalShares, 6), newTable(matchShares, 6), newTable(offsetShares, 5)}
}

// table codes symbols by finite states (section 4.1). The states of a symbol
// lie together in order, so that a state and the symbol after it tell how many
// low bits are written and which state follows.
type table struct {
	log    uint
	size   uint32
	states []uint32 // grouped by symbol; values from size to 2*size-1
	first  []uint32 // by symbol: its first place in states
	count  []uint32 // by symbol: its places
}

func newTable(shares []int8, log uint) table {
	t := table{log: log, size: 1 << log, states: make([]uint32, 1<<log),
		first: make([]uint32, len(shares)), count: make([]uint32, len(shares))}
	at, high := uint32(0), t.size
	symbols := make([]int, t.size)
	for s, n := range shares {
		t.first[s], t.count[s] = at, uint32(max(n, -n))
		at += t.count[s]
		if n < 0 { // less than one: a place at the end
			high--
			symbols[high] = s
		}
	}
	place := uint32(0)
	for s, n := range shares {
		for range max(n, 0) {
			symbols[place] = s
			for place = t.step(place); place >= high; {
				place = t.step(place)
			}
		}
	}
	used := make([]uint32, len(shares))
	for i, s := range symbols {
		t.states[t.first[s]+used[s]] = t.size + uint32(i)
		used[s]++
	}
	return t
}

func (t *table) step(place uint32) uint32 {
	return (place + t.size>>1 + t.size>>3 + 3) & (t.size - 1)
}

// state is where the coding of one of the three stands.
type state struct{ value uint32 }

// begin takes the state from which the last symbol is read with the fewest bits.
func (s *state) begin(t *table, symbol uint32) { s.value = t.states[t.first[symbol]] }

// next writes what leads from the state of symbol to the present one.
func (s *state) next(t *table, symbol uint32, w *stream) {
	n := t.count[symbol]
	low := uint(0)
	for s.value>>low >= 2*n {
		low++
	}
	w.add(s.value&(1<<low-1), low)
	s.value = t.states[t.first[symbol]+s.value>>low-n]
}

// stream gathers bits, the first written in the lowest places.
type stream struct {
	out  []byte
	held uint64
	n    uint
}

// add takes the low n bits of v, at most 32.
func (w *stream) add(v uint32, n uint) {
	w.held |= uint64(v) & (1<<n - 1) << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.held))
		w.held >>= 8
	}
}

// close marks the end with a one and fills the last byte.
func (w *stream) close() []byte {
	w.add(1, 1)
	if w.n > 0 {
		w.add(0, 8-w.n)
	}
	return w.out
}
