package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Names in the headers of link calls.
const (
	// HeaderProtocol carries MAJOR.MINOR of the sender in every request and
	// every answer.
	HeaderProtocol = "Masugata-Protocol"
	// HeaderReason carries a Reason in refusals, for programs; the message of
	// the Connect error says the same to people.
	HeaderReason = "Masugata-Reason"
)

// Protocol gives the version of the link that this build speaks.
func Protocol() Version { return Version{Major: 1, Minor: 0} }

// MinorSpan is how many minor versions apart two sides may be.
const MinorSpan = 2

// Version is a version of the link protocol.
type Version struct{ Major, Minor int }

// String gives MAJOR.MINOR.
func (v Version) String() string { return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) }

// ParseVersion reads MAJOR.MINOR, each at most three digits.
func ParseVersion(s string) (Version, error) {
	major, minor, ok := strings.Cut(s, ".")
	a, errA := strconv.ParseUint(major, 10, 10)
	b, errB := strconv.ParseUint(minor, 10, 10)
	if !ok || errA != nil || errB != nil {
		return Version{}, fmt.Errorf("header %s is %.20q, want MAJOR.MINOR such as %s", HeaderProtocol, s, Protocol())
	}
	return Version{int(a), int(b)}, nil
}

// Compatible checks the header value that the other side (named by peer, such
// as "control plane") sent against what this side speaks. The error says who
// must be updated.
func Compatible(own Version, header, ownName, peer string) error {
	if header == "" {
		return fmt.Errorf("the %s sent no %s header: it is too old, or not Masugata; update it to speak protocol %s", peer, HeaderProtocol, own)
	}
	v, err := ParseVersion(header)
	if err != nil {
		return err
	}
	newer := v.Major > own.Major || v.Major == own.Major && v.Minor > own.Minor
	if v.Major == own.Major && v.Minor-own.Minor <= MinorSpan && own.Minor-v.Minor <= MinorSpan {
		return nil
	}
	stale := peer
	if newer {
		stale = ownName
	}
	return fmt.Errorf("the %s speaks link protocol %s, the %s %s: update the %s", peer, v, ownName, own, stale)
}

// Reason says why a call was refused.
type Reason string

// The reasons of this version.
const (
	ReasonProtocol     Reason = "protocol"      // versions too far apart
	ReasonNoIdentity   Reason = "no_identity"   // no client certificate
	ReasonUnknownPart  Reason = "unknown_part"  // certificate of a part that is not registered
	ReasonRevoked      Reason = "revoked"       // the part was revoked
	ReasonTokenInvalid Reason = "token_invalid" // not a token of this control plane
	ReasonTokenUsed    Reason = "token_used"
	ReasonTokenExpired Reason = "token_expired"
	ReasonTokenScope   Reason = "token_scope" // token for another role
	ReasonBadRequest   Reason = "bad_request"
	ReasonForeign      Reason = "foreign_device" // events about a device the part may not speak for
	ReasonBusy         Reason = "busy"           // too many calls of one part at once
)
