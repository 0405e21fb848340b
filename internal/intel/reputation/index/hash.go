package index

import "math/bits"

// The multipliers are odd numbers without a pattern: digits of pi.
const (
	mulA = 0x243F6A8885A308D3
	mulB = 0x13198A2E03707345
)

// mix folds the 128-bit product of two words into one.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^mulA, b^mulB)
	return hi ^ lo
}

// word reads eight bytes of s from i on.
func word(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// hashText goes on from h over the bytes of s and its length.
func hashText(h uint64, s string) uint64 {
	n := len(s)
	i := 0
	for ; i+8 < n; i += 8 {
		h = mix(h, word(s, i))
	}
	return mix(h^uint64(n)<<56, last(s, i))
}

// last reads the last bytes of s, those from i on and, where there are fewer
// than eight, some before them once more.
func last(s string, i int) uint64 {
	n := len(s)
	switch {
	case n >= 8:
		return word(s, n-8)
	case n >= 4:
		return half(s, 0)<<32 | half(s, n-4)
	}
	var tail uint64
	for ; i < n; i++ {
		tail = tail<<8 | uint64(s[i])
	}
	return tail
}

// half reads four bytes of s from i on.
func half(s string, i int) uint64 {
	s = s[i : i+4]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// hashName hashes a name by its labels from the right, so that the hash of
// every name above it is met on the way.
func hashName(h uint64, name string) uint64 {
	end := len(name)
	for i := end - 1; i >= 0; i-- {
		if name[i] == '.' {
			h = hashText(h, name[i+1:end])
			end = i
		}
	}
	return hashText(h, name[:end])
}

// salts keep the key spaces of the tables apart.
type salts struct{ name, path, exact uint64 }

func newSalts(seed uint64) salts {
	return salts{name: mix(seed, 1), path: mix(seed, 2), exact: mix(seed, 3)}
}
