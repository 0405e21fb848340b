package index

import (
	"encoding/binary"
	"fmt"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// A hidden question is "MRP\x01", the number of prefixes, and the first four
// bytes of each Hash. The answer is "MRF\x01", the number of listed objects
// whose hash begins with one of them, and 36 bytes for each: the whole hash,
// score, kind, local, and the type with its highest bit set when the object
// holds for all below it. Who asks compares the hashes himself: he hashes the
// expressions of what he looks for, and takes an object of the host's names or
// folders only if it holds below.

// Bounds of hidden questions.
const (
	MaxPrefixes = 1000 // in a request
	maxEach     = 64   // objects answered to one prefix; by chance there is hardly ever a second
	fullSize    = 36
)

// AppendPrefixes appends a hidden question to dst. Errors are ErrBatch.
func AppendPrefixes(dst []byte, prefixes [][4]byte) ([]byte, error) {
	if len(prefixes) > MaxPrefixes {
		return dst, fmt.Errorf("%w: %d prefixes, at most %d are answered", ErrBatch, len(prefixes), MaxPrefixes)
	}
	dst = append(dst, "MRP\x01"...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(prefixes)))
	for _, p := range prefixes {
		dst = append(dst, p[:]...)
	}
	return dst, nil
}

// AnswerPrefixes answers a hidden question and appends the response to dst.
// Errors are ErrBatch; dst is then as it was.
func (x *Index) AnswerPrefixes(dst, request []byte) ([]byte, error) {
	n, rest, err := batchStart(request, "MRP\x01", MaxPrefixes)
	if err != nil {
		return dst, err
	}
	if len(rest) != 4*n {
		return dst, fmt.Errorf("%w: %d prefixes in %d bytes", ErrBatch, n, len(rest))
	}
	start := len(dst)
	out := append(dst, "MRF\x01\x00\x00\x00\x00"...)
	count := uint32(0)
	for ; len(rest) > 0; rest = rest[4:] {
		each := 0
		x.Prefixes([4]byte(rest), func(f Full) bool {
			typ := byte(f.Type)
			if f.Below {
				typ |= 128
			}
			out = append(append(out, f.Hash[:]...), f.Brief.Score, byte(f.Brief.Kind), byte(f.Brief.Local), typ)
			count++
			each++
			return each < maxEach
		})
	}
	binary.LittleEndian.PutUint32(out[start+4:], count)
	return out, nil
}

// ReadFull gives the objects of a response to a hidden question. Errors are
// ErrBatch.
func ReadFull(response []byte) ([]Full, error) {
	n, rest, err := batchStart(response, "MRF\x01", MaxPrefixes*maxEach)
	if err != nil {
		return nil, err
	}
	if len(rest) != n*fullSize {
		return nil, fmt.Errorf("%w: %d objects in %d bytes", ErrBatch, n, len(rest))
	}
	out := make([]Full, n)
	for i := range out {
		b := rest[i*fullSize:]
		out[i] = Full{
			Hash:  [32]byte(b),
			Brief: reputation.Brief{Score: b[32], Kind: reputation.Kind(b[33]), Local: reputation.Local(b[34] & 3)},
			Type:  reputation.Type(b[35] & 127),
			Below: b[35]&128 != 0,
		}
	}
	return out, nil
}
