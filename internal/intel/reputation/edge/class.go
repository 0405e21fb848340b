package edge

import "github.com/masugata/masugata/internal/intel/reputation"

// Class is how much memory a set may take where it is searched.
type Class uint8

// The classes.
const (
	ClassSmall  Class = 1 + iota // 256 KB: devices
	ClassMedium                  // 2 MB: small routers, larger devices
	ClassLarge                   // 20 MB: gates
)

var classes = [...]struct {
	name  string
	bytes int
}{{}, {"small", 256 << 10}, {"medium", 2 << 20}, {"large", 20 << 20}}

// Bytes is the most that a set of the class takes in memory, and on the wire.
// The tails come on top.
func (c Class) Bytes() int {
	if int(c) < len(classes) {
		return classes[c].bytes
	}
	return 0
}

// String is the class's word.
func (c Class) String() string {
	if int(c) < len(classes) {
		return classes[c].name
	}
	return ""
}

// hashBits is how many bits of a hash are in a set. Large ones are carried with
// their tails, which make up for the two bits less on the wire.
func (c Class) hashBits() uint8 {
	if c == ClassLarge {
		return 30
	}
	return 32
}

// lined says whether the class affords lists that are found with one look into memory.
func (c Class) lined() bool { return c == ClassLarge }

// filtered says whether the class affords a filter before its lists.
func (c Class) filtered() bool { return c == ClassMedium }

// Tier is what a set says of an entry, coarser than its score, so that a score
// may change without a change of the set.
type Tier uint8

// The tiers. Allow and Deny are the operator's own lists and win.
const (
	TierNone    Tier = iota
	TierAllow        // must not be stopped
	TierMedium       // score 50 to 74
	TierHigh         // score 75 to 89
	TierCertain      // score 90 to 100
	TierDeny         // the operator denies it
	numTiers
)

// TierOf gives the tier of a Brief; TierNone when it has no place in a set.
func TierOf(b reputation.Brief) Tier {
	switch b.Local {
	case reputation.LocalAllow:
		return TierAllow
	case reputation.LocalDeny:
		return TierDeny
	}
	switch reputation.BandOf(b.Score) {
	case reputation.BandMedium:
		return TierMedium
	case reputation.BandHigh:
		return TierHigh
	case reputation.BandCertain:
		return TierCertain
	}
	return TierNone
}

// Score is the least score that the tier stands for.
func (t Tier) Score() uint8 {
	return [8]uint8{TierMedium: 50, TierHigh: 75, TierCertain: 90, TierDeny: 100}[t&7]
}

// LeastTier is the lowest tier in which everything has at least the score:
// TierMedium, TierHigh or TierCertain.
func LeastTier(score uint8) Tier {
	for t := TierMedium; t < TierCertain; t++ {
		if score <= t.Score() {
			return t
		}
	}
	return TierCertain
}

// String is the tier's word.
func (t Tier) String() string {
	return [8]string{"none", "allow", "medium", "high", "certain", "deny"}[t&7]
}

func (t Tier) local() bool { return t == TierAllow || t == TierDeny }

// over gives the tier that holds where a more and a less exact entry meet: the
// operator's word wins, the more exact one first, then the worse.
func over(exact, wide Tier) Tier {
	switch {
	case exact.local():
		return exact
	case wide.local():
		return wide
	}
	return max(exact, wide)
}
