package model

import (
	"net/netip"
	"time"
)

// Action is something that gates or agents do about a threat. Every action
// has an author, a reason, a scope, a time to live and an undo.
type Action struct {
	ID       ID               `json:"id"`
	Kind     ActionKind       `json:"kind"`
	Mode     Mode             `json:"mode"`
	Scope    Scope            `json:"scope"`
	Shape    Shape            `json:"shape"`             // what traffic: drop and rate_limit
	PPS      uint32           `json:"pps,omitempty"`     // rate_limit: packets per second let through
	Process  *ProcessEvidence `json:"process,omitempty"` // kill_process: which
	Author   string           `json:"author"`            // "correlator", "gate:<part>", "user:<name>"
	Reason   string           `json:"reason"`
	Events   []ID             `json:"events,omitempty"` // the events that led to it
	Incident ID               `json:"incident,omitzero"`
	Created  time.Time        `json:"created"`
	Expires  time.Time        `json:"expires"`
	State    ActionState      `json:"state"`
	Ended    time.Time        `json:"ended,omitzero"` // when it was undone, retired or expired; zero before
	EndedBy  string           `json:"ended_by,omitempty"`
	Parts    []PartStatus     `json:"parts,omitempty"` // what each part says of it
	Packets  uint64           `json:"packets"`         // stopped so far, all parts together
	Bytes    uint64           `json:"bytes"`
	LastHit  time.Time        `json:"last_hit,omitzero"`
}

// ActionKind says what an action does.
type ActionKind string

// The kinds of this version.
const (
	ActionDrop        ActionKind = "drop"         // gates drop matching packets
	ActionRateLimit   ActionKind = "rate_limit"   // gates let PPS matching packets a second through, per device
	ActionKillProcess ActionKind = "kill_process" // the agent of Scope.Device ends the process
)

// Mode says how far an action goes. Policy sets it per kind and scope.
type Mode string

// The modes.
const (
	ModeObserve Mode = "observe" // count what it would have stopped
	ModePropose Mode = "propose" // wait for a person to approve
	ModeEnforce Mode = "enforce"
	ModeOff     Mode = "off" // inspection only: do not even look
)

// ActionState is where an action stands.
type ActionState string

// The states. proposed → pending → active | failed → undone | retired | expired.
const (
	ActionProposed ActionState = "proposed" // waits for approval
	ActionPending  ActionState = "pending"  // sent, no part has answered
	ActionActive   ActionState = "active"   // at least one part enforces (or observes) it
	ActionFailed   ActionState = "failed"   // every part that answered failed
	ActionUndone   ActionState = "undone"   // a person took it back
	ActionRetired  ActionState = "retired"  // its cause is gone
	ActionExpired  ActionState = "expired"  // its time to live ended
)

// Live says whether parts should hold the action now.
func (s ActionState) Live() bool { return s == ActionPending || s == ActionActive || s == ActionFailed }

// Scope says where an action holds. Empty fields mean all.
type Scope struct {
	Device DeviceID `json:"device,omitempty"`
	Gate   PartID   `json:"gate,omitempty"`
}

// PartStatus is what one part says of one action.
type PartStatus struct {
	Part    PartID    `json:"part"`
	Applied bool      `json:"applied"`
	Error   string    `json:"error,omitempty"`
	At      time.Time `json:"at"` // when it was applied or failed
	Packets uint64    `json:"packets"`
	Bytes   uint64    `json:"bytes"`
	LastHit time.Time `json:"last_hit,omitzero"`
}

// Shape describes traffic from the protected network outward by what an
// inline filter can see of one packet. Zero fields match anything.
type Shape struct {
	Proto    uint8        `json:"proto,omitempty"` // IP protocol number: 1, 6, 17, 58
	Dst      netip.Prefix `json:"dst,omitzero"`    // the zero Prefix matches any address
	DstPort  uint16       `json:"dst_port,omitempty"`
	SrcPort  uint16       `json:"src_port,omitempty"`
	LenMin   uint16       `json:"len_min,omitempty"`   // IP total length in bytes, both ends included
	LenMax   uint16       `json:"len_max,omitempty"`   // 0 means no upper end
	TCPFlags uint8        `json:"tcp_flags,omitempty"` // these flags set …
	TCPMask  uint8        `json:"tcp_mask,omitempty"`  // … among these; mask 0 matches any
	// Spoofed matches only packets whose source address is not one of the
	// sending device's own network.
	Spoofed bool `json:"spoofed,omitempty"`
}

// TCP flag bits as in the TCP header (RFC 9293, section 3.1).
const (
	TCPFin uint8 = 1 << iota
	TCPSyn
	TCPRst
	TCPPsh
	TCPAck
	TCPUrg
)
