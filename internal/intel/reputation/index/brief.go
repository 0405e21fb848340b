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

// narrowWins says whether what is said of the narrower object holds against
// what is said of the wider one that covers it: the operator's own lists first
// (the narrower one if there are two), then a narrower word that the object is
// benign, then the heavier score.
func narrowWins(wide, narrow packed) bool {
	switch w, n := wide.brief(), narrow.brief(); {
	case narrow == 0 || wide == 0:
		return wide == 0
	case n.Local != reputation.LocalNo:
		return true
	case w.Local != reputation.LocalNo:
		return false
	case n.Kind == reputation.KindBenign:
		return true
	default:
		return n.Score >= w.Score
	}
}
