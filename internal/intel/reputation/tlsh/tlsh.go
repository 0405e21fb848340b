// Package tlsh computes and compares TLSH digests, by which files that are
// alike (builds of one bot, versions of one firmware) are found. It follows
// Oliver, Cheng, Chen, "TLSH - A Locality Sensitive Hash" (CTC 2013), with 128
// buckets and one byte of checksum, as version 4 of the published tool writes
// it ("T1" and 70 hexadecimal digits). It knows bytes and digests only, not
// where files come from nor what is listed; agents, the sandbox of downloads
// and the reputation service call it.
//
// Nothing here may be called on one Hasher or Set from several goroutines at
// once, except Set.Nearest.
package tlsh

import (
	"encoding/hex"
	"errors"
	"math"
	"math/bits"
	"slices"
	"strings"
)

const (
	codeBytes = 32
	buckets   = 4 * codeBytes
	window    = 5
	// MinLen is the least number of bytes that can have a digest.
	MinLen = 50
	// Alike is the distance up to which two files are taken for alike unless
	// the caller knows better. The paper's tables show what each distance finds
	// and what it confuses; this one is on the careful side.
	Alike = 40
)

// Digest is a TLSH digest: checksum, length, quartile ratios, and two bits a
// bucket, in the order in which they are written.
type Digest [3 + codeBytes]byte

// Why there is no digest.
var (
	ErrShort = errors.New("tlsh: less than 50 bytes have no digest")
	ErrPlain = errors.New("tlsh: bytes so much alike have no digest")
	ErrText  = errors.New(`tlsh: not a digest: write "T1" and 70 hexadecimal digits`)
)

// Parse reads a digest, with or without the "T1" of newer writers.
func Parse(s string) (Digest, error) {
	var d Digest
	if len(s) == 2+2*len(d) && strings.EqualFold(s[:2], "T1") {
		s = s[2:]
	}
	if len(s) != 2*len(d) {
		return Digest{}, ErrText
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, ErrText
	}
	return d, nil
}

// String is "T1" and 70 upper-case hexadecimal digits.
func (d Digest) String() string { return "T1" + strings.ToUpper(hex.EncodeToString(d[:])) }

// Of is the digest of a file's bytes.
func Of(data []byte) (Digest, error) {
	var h Hasher
	_, _ = h.Write(data)
	return h.Sum()
}

// Hasher takes bytes as they come. Its zero value is ready.
type Hasher struct {
	count    [256]uint32
	last     [window - 1]byte // newest first
	checksum byte
	n        uint64
}

// Write implements io.Writer; it never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	c1, c2, c3, c4 := h.last[0], h.last[1], h.last[2], h.last[3]
	sum, seen := h.checksum, h.n
	for _, c0 := range p {
		if seen++; seen >= window {
			sum = mix(saltSum, c0, c1, sum)
			h.count[mix(salt2, c0, c1, c2)]++
			h.count[mix(salt3, c0, c1, c3)]++
			h.count[mix(salt5, c0, c2, c3)]++
			h.count[mix(salt7, c0, c2, c4)]++
			h.count[mix(salt11, c0, c1, c4)]++
			h.count[mix(salt13, c0, c3, c4)]++
		}
		c1, c2, c3, c4 = c0, c1, c2, c3
	}
	h.last = [window - 1]byte{c1, c2, c3, c4}
	h.checksum, h.n = sum, seen
	return len(p), nil
}

// Sum is the digest of what was written: ErrShort or ErrPlain when it has none.
func (h *Hasher) Sum() (Digest, error) {
	if h.n < MinLen {
		return Digest{}, ErrShort
	}
	sorted := [buckets]uint32(h.count[:buckets])
	slices.Sort(sorted[:])
	q1, q2, q3 := sorted[buckets/4-1], sorted[buckets/2-1], sorted[buckets*3/4-1]
	if sorted[buckets/2-1] == 0 { // no more than half of them are used
		return Digest{}, ErrPlain
	}
	var d Digest
	d[0] = swap(h.checksum)
	d[1] = swap(lengthByte(h.n))
	d[2] = ratio(q1, q3)<<4 | ratio(q2, q3)
	for i := range codeBytes {
		code := byte(0)
		for j := range 4 {
			switch k := h.count[4*i+j]; {
			case k > q3:
				code |= 3 << (2 * j)
			case k > q2:
				code |= 2 << (2 * j)
			case k > q1:
				code |= 1 << (2 * j)
			}
		}
		d[len(d)-1-i] = code
	}
	return d, nil
}

// lengthByte is the logarithm of a length, with the three bases of the paper.
func lengthByte(n uint64) byte {
	l := math.Log(float64(n))
	switch {
	case n <= 656:
		l /= 0.4054651 // ln 1.5
	case n <= 3199:
		l = l/0.26236426 - 8.72777 // ln 1.3
	default:
		l = l/0.09531018 - 62.5472 // ln 1.1
	}
	return byte(int(l))
}

func ratio(q, q3 uint32) byte { return byte(uint32(float32(uint64(q)*100)/float32(q3)) % 16) }

func swap(b byte) byte { return b<<4 | b>>4 }

// Distance says how unlike two files are: 0 is the same or nearly, above 200
// nothing in common.
func Distance(a, b *Digest) int {
	d := header(a, b)
	for i := 3; i < len(a); i += 8 {
		d += pairs(word(a[i:]), word(b[i:]))
	}
	return d
}

// header is the part of the distance that length, quartiles and checksum make.
func header(a, b *Digest) int {
	d := 0
	if l := ring(int(swap(a[1])), int(swap(b[1])), 256); l <= 1 {
		d += l
	} else {
		d += 12 * l
	}
	for _, q := range [...]int{ring(int(a[2]>>4), int(b[2]>>4), 16), ring(int(a[2]&15), int(b[2]&15), 16)} {
		if q <= 1 {
			d += q
		} else {
			d += 12 * (q - 1)
		}
	}
	if a[0] != b[0] {
		d++
	}
	return d
}

// ring is the shorter way between two numbers on a ring.
func ring(a, b, size int) int {
	d := a - b
	if d < 0 {
		d = -d
	}
	return min(d, size-d)
}

func word(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// pairs adds the differences of 32 pairs of bits: 0, 1, 2, and 6 for 3. With
// the bits of the exclusive or, 01 is 1 apart, 10 is 2 apart, and 11 is 1 apart
// when the bits of a pair differ from each other (1 and 2), else 3 (0 and 3).
func pairs(a, b uint64) int {
	const low = 0x5555555555555555
	x := a ^ b
	high, one := x>>1&low, x&low
	both, mixed := high&one, (a>>1^a)&low
	return bits.OnesCount64(one&^high) + 2*bits.OnesCount64(high&^one) +
		bits.OnesCount64(both&mixed) + 6*bits.OnesCount64(both&^mixed)
}
