package reputation

// Band is a range of scores with one meaning for whoever acts on it.
type Band uint8

// The bands.
const (
	BandNone    Band = iota // nothing against it: 0 to 19
	BandLow                 // 20 to 49: worth a note
	BandMedium              // 50 to 74: worth a look, a challenge or a limit
	BandHigh                // 75 to 89: to be blocked by default
	BandCertain             // 90 to 100: to be blocked everywhere
)

// DefaultBlock is the score from which gates and devices block unless their
// policy says otherwise.
const DefaultBlock = 75

// BandOf gives a score's band.
func BandOf(score uint8) Band {
	switch {
	case score >= 90:
		return BandCertain
	case score >= DefaultBlock:
		return BandHigh
	case score >= 50:
		return BandMedium
	case score >= 20:
		return BandLow
	}
	return BandNone
}

// String is the band's word.
func (b Band) String() string {
	return [...]string{"none", "low", "medium", "high", "certain", "certain", "certain", "certain"}[b&7]
}

// Brief is what an index knows of an object without explaining it: small
// enough to be kept for millions.
type Brief struct {
	Score uint8
	Kind  Kind  // the worst that is said of it
	Local Local // a list of the operator decides
}

// Listed says whether something is known of the object.
func (b Brief) Listed() bool { return b.Score > 0 || b.Kind != KindNone || b.Local != LocalNo }

// Verdict is a Brief with its reasons.
type Verdict struct {
	Object     Object   `json:"object"` // as asked
	Match      Object   `json:"match"`  // what is listed: the object, a prefix, a name above it, an expression
	Score      uint8    `json:"score"`
	Band       Band     `json:"band"`
	Kind       Kind     `json:"kind"`
	Local      Local    `json:"local,omitempty"`
	Held       bool     `json:"held,omitempty"` // others use it widely, so that its score stays below the block
	Confidence uint8    `json:"confidence"`     // 0 to 100: how much independent evidence the score rests on
	First      uint32   `json:"first_seen,omitempty"`
	Last       uint32   `json:"last_seen,omitempty"`
	Reasons    []Reason `json:"reasons,omitempty"` // what weighs most first
	Words      string   `json:"words"`             // the verdict in a sentence or two
}

// Reason is what one claim adds to a verdict.
type Reason struct {
	Source string `json:"source"`
	Owner  string `json:"owner"`
	Kind   Kind   `json:"kind"`
	Note   string `json:"note,omitempty"`
	First  uint32 `json:"first_seen,omitempty"`
	Last   uint32 `json:"last_seen,omitempty"`
	// Weight is the share, -100 to 100, that the claim has after trust, confidence
	// and age; negative speaks for the object.
	Weight int8 `json:"weight"`
}
