package model

import "time"

// Access says what a person or a program may do at the console.
type Access string

// The access levels; each may do all that the ones before it may.
const (
	AccessPartner  Access = "partner"  // read what is shared with other fleets, nothing else
	AccessViewer   Access = "viewer"   // look
	AccessOperator Access = "operator" // act: approve, undo, close, name devices, enrol parts
	AccessAdmin    Access = "admin"    // change policy, users, tokens, revoke parts
)

// Allows says whether this level includes what least asks for. An unknown
// level allows nothing.
func (a Access) Allows(least Access) bool { return a.rank() >= least.rank() && a.rank() > 0 }

func (a Access) rank() int {
	switch a {
	case AccessPartner:
		return 1
	case AccessViewer:
		return 2
	case AccessOperator:
		return 3
	case AccessAdmin:
		return 4
	}
	return 0
}

// Valid says whether the level is one of the four.
func (a Access) Valid() bool { return a.rank() > 0 }

// User is a person who may sign in. The password is not part of it.
type User struct {
	Name        string    `json:"name"`
	Access      Access    `json:"access"`
	Created     time.Time `json:"created"`
	LastLogin   time.Time `json:"last_login,omitzero"`
	PasswordSet time.Time `json:"password_set"` // sessions begun before it are void
}

// APIToken lets a program act for a user. Only the hash of its secret is kept.
type APIToken struct {
	ID       ID        `json:"id"`
	Name     string    `json:"name"`
	User     string    `json:"user"`
	Access   Access    `json:"access"` // never more than the user's own at the time of use
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"` // zero: never
	LastUsed time.Time `json:"last_used,omitzero"`
}

// EnrollToken lets new parts enrol. Only the hash of its secret is kept.
type EnrollToken struct {
	ID      ID        `json:"id"`
	Role    Role      `json:"role"`
	Name    string    `json:"name"` // the name that the enrolled part gets; empty leaves it to the part
	Uses    int       `json:"uses"` // how many parts may enrol with it
	Used    int       `json:"used"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Author  string    `json:"author"` // "user:<name>" or "setup"
}

// Certificate is one certificate that the control plane gave to a part.
type Certificate struct {
	Serial    string    `json:"serial"` // lower-case hex
	Part      PartID    `json:"part"`
	SHA256    string    `json:"sha256"` // of the DER form, lower-case hex
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// AuditEntry is one line of the audit trail: who did what to which thing.
// Entries form a chain: Hash is SHA-256 over Previous and the content.
type AuditEntry struct {
	Seq       uint64    `json:"seq"` // from 1 without a gap
	Time      time.Time `json:"time"`
	Actor     string    `json:"actor"`     // "user:<name>", "correlator", "part:<id>", "setup"
	Operation string    `json:"operation"` // such as "action.undone", "user.created"
	Object    string    `json:"object"`    // what it was done to
	Detail    string    `json:"detail,omitempty"`
	Address   string    `json:"address,omitempty"` // where the actor called from
	Previous  string    `json:"previous"`          // Hash of the entry before, lower-case hex; 64 zeros for the first
	Hash      string    `json:"hash"`
}

// SignedSet is one version of a signed document that parts act on.
type SignedSet struct {
	Name    string    `json:"name"` // policy, actions, rules, reputation
	Version uint64    `json:"version"`
	Payload []byte    `json:"payload"`
	Minisig string    `json:"minisig"`
	SHA256  [32]byte  `json:"-"` // of Payload
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
}

// PolicyText is one version of the policy as its author wrote it.
type PolicyText struct {
	Version uint64    `json:"version"`
	Text    string    `json:"text"`
	Author  string    `json:"author"`
	Time    time.Time `json:"time"`
}
