package reputation

// Kind is what a Claim says of its object.
type Kind uint8

// The kinds, worst last among the bad ones; the last two are said of devices only.
// KindBenign and KindKnown speak for an object.
const (
	KindNone         Kind = iota
	KindBenign            // it must not be listed (warninglist, own address): damps all that speaks against it
	KindKnown             // widely used and shared (CDN, resolver, update server): damps a little
	KindSuspicious        // no more is said
	KindAnonymizer        // Tor exit, open proxy, VPN
	KindScanner           // scans or probes
	KindSpam              // sends unwanted mail
	KindBruteForce        // tries passwords
	KindExploit           // sends exploits
	KindFlood             // takes part in floods
	KindMining            // mining pool or miner
	KindPhishing          // deceives people
	KindBot               // member of a botnet
	KindDistribution      // serves malware
	KindMalware           // is malware (files), or is made for it (names)
	KindC2                // commands malware
	KindVulnerable        // a device that has flaws which are known and used
	KindDefaultLogin      // a device that comes with passwords which everybody knows
	NumKinds
)

var kindNames = [NumKinds]string{"none", "benign", "known", "suspicious", "anonymizer", "scanner", "spam", "brute-force",
	"exploit", "flood", "mining", "phishing", "bot", "distribution", "malware", "c2", "vulnerable", "default-login"}

// String is the kind's word in APIs and files.
func (k Kind) String() string {
	if k < NumKinds {
		return kindNames[k]
	}
	return kindNames[0]
}

// ParseKind reads a kind's word; ok is false when there is none such.
func ParseKind(s string) (Kind, bool) {
	for k := KindBenign; k < NumKinds; k++ {
		if kindNames[k] == s {
			return k, true
		}
	}
	return KindNone, false
}

// SourceID is the number of a Source in the running service; 0 is none.
type SourceID uint16

// Source is a feed, a group of our own sensors, or the operator.
type Source struct {
	ID      SourceID `json:"-"`
	Name    string   `json:"name"`    // unique, short: "urlhaus"
	Owner   string   `json:"owner"`   // who answers for it; sources of one owner count as one voice
	Trust   uint8    `json:"trust"`   // 0 to 100: how often what it says is right
	Licence string   `json:"licence"` // short note, "CC0"
	Kind    Kind     `json:"kind"`    // what its entries say when they do not say themselves
	// Life is how many seconds an entry holds after it was last seen; 0 is the
	// kind's own.
	Life uint32 `json:"life"`
	// Local is set for the operator's own allow and deny lists, which win.
	Local Local `json:"local,omitempty"`
}

// Local says whether a source is one of the operator's own lists.
type Local uint8

// The lists.
const (
	LocalNo Local = iota
	LocalAllow
	LocalDeny
)

// Claim is what one source says of one object. Times are seconds since 1970;
// 0 is unknown.
type Claim struct {
	Object     Object
	Source     SourceID
	Kind       Kind
	Confidence uint8 // 1 to 100: how sure the source is of this entry; 0 is its ordinary one
	First      uint32
	Last       uint32
	Until      uint32 // it says so no longer than this; 0 is by Source.Life
	Note       string // name of the malware family, or what else is said shortly; at most 64 bytes
}
