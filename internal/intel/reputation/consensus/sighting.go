package consensus

import (
	"net/netip"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Sighting is what one site says it saw. Site and Owner come from the site's
// certificate, At from the service's clock: the sender chooses neither.
type Sighting struct {
	Site, Owner uint32 // not 0
	Object      reputation.Object
	// Kind is what the object did. KindBenign and KindKnown say that it was
	// blocked wrongly and weigh against it.
	Kind  reputation.Kind
	Count uint32 // how often; 0 counts as 1
	At    uint32 // seconds since 1970
	// Forgeable is set when nothing proves that the object itself did it: a
	// packet without a handshake may come from anybody.
	Forgeable bool
}

// Outcome is what became of a Sighting.
type Outcome uint8

// The outcomes.
const (
	Counted     Outcome = iota
	BadSighting         // no site, owner, kind or time, or a text that is too long
	NotPublic           // an address that is not public, a prefix, or a thing of no listed type
	Protected           // it must not be listed
	WrongOwner          // the site belongs to another owner
	TooManySites
	TooOld // forgotten already
)

// String is the outcome in words.
func (o Outcome) String() string {
	words := [...]string{"counted", "not a sighting", "not a public thing", "protected", "site of another owner", "too many sites", "too old"}
	if int(o) < len(words) {
		return words[o]
	}
	return "unknown"
}

// maxText is the longest text of an object that sites may report.
const maxText = 1024

// subject is the object that a sighting speaks of: IPv6 addresses stand for
// their /64, which is one network; names for themselves alone. ok is false for
// what sensors must not list.
func subject(o reputation.Object) (reputation.Object, bool) {
	o.Below = false
	switch o.Type {
	case reputation.TypePrefix:
		a := o.Prefix.Addr()
		single := o.Prefix.IsSingleIP() || a.Is6() && !a.Is4In6() && o.Prefix.Bits() >= 64
		if !single || !public(a) {
			return o, false
		}
		if a.Is6() {
			o.Prefix = netip.PrefixFrom(a, 64).Masked()
		}
	case reputation.TypeDomain, reputation.TypeURL, reputation.TypeFile, reputation.TypeTLSH, reputation.TypeCert, reputation.TypeJA4, reputation.TypeEmail:
		return o, o.Text != ""
	default:
		return o, false
	}
	return o, true
}

// public says whether an address is one that strangers can have (RFC 6890).
func public(a netip.Addr) bool {
	if !a.IsValid() || a.Is4In6() || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	if a.Is6() {
		return a.As16()[0]>>5 == 1 // 2000::/3
	}
	b := a.As4()
	switch {
	case b[0] == 0, b[0] >= 240, b[0] == 100 && b[1]&0xc0 == 64, b[0] == 192 && b[1] == 0 && b[2] == 0, b[0] == 198 && b[1]&0xfe == 18:
		return false
	}
	return true
}
