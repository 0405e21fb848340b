package index

import "github.com/masugata/masugata/internal/intel/reputation"

// packed is a Brief in 16 bits: score 7, kind 5, local 2, and a bit that is
// always set, so that 0 is none.
type packed uint16

const packedSet = 1 << 14

func pack(b reputation.Brief) packed {
	return packed(min(b.Score, 100)) | packed(b.Kind&31)<<7 | packed(b.Local&3)<<12 | packedSet
}

func (p packed) brief() reputation.Brief {
	if p == 0 {
		return reputation.Brief{}
	}
	return reputation.Brief{Score: uint8(p & 127), Kind: reputation.Kind(p >> 7 & 31), Local: reputation.Local(p >> 12 & 3)}
}

// secondWins says whether the second word on one object replaces the first:
// the operator's own lists before all, then the heavier score.
func secondWins(first, second packed) bool {
	a, b := first.brief(), second.brief()
	if (a.Local == reputation.LocalNo) != (b.Local == reputation.LocalNo) {
		return b.Local != reputation.LocalNo
	}
	return b.Score > a.Score
}
