package server

import (
	"context"
	"errors"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// Batch is one batch of events of one part, checked by wire.Scan.
type Batch struct {
	Part     model.PartID
	Role     model.Role
	Device   model.DeviceID // agents: the device they run on
	Epoch    uint64
	Seq      uint64 // ≥ 1
	Received time.Time
	Events   []byte // serialised linkv1.EventBatch, uncompressed
	Summary  wire.Summary
}

// Errors that Sink.Publish returns, wrapped or not, when the part shall know.
// With any other the part tries again too, and the server's log tells it.
var (
	// ErrBusy means that there is no room now: the part keeps the batch and
	// tries again.
	ErrBusy = errors.New("the control plane has no room for events now")
	// ErrMalformed means that the batch will never be taken.
	ErrMalformed = errors.New("the batch is malformed")
)

// Sink makes batches durable. Publish returns nil only once the batch will
// survive the death of any process, and does not keep Events after it
// returned. The same (Part, Epoch, Seq) may come again: the sink or what is
// behind it drops it. Called from many goroutines at once, never for one
// (Part, Epoch) at once unless the part misbehaves.
type Sink interface {
	Publish(ctx context.Context, b Batch) error
}

// Errors that Tokens.UseToken returns (wrapped or not).
var (
	ErrTokenInvalid = errors.New("the token is not one of this control plane")
	ErrTokenUsed    = errors.New("the token was used already")
	ErrTokenExpired = errors.New("the token has expired")
	ErrTokenScope   = errors.New("the token is for another role")
)

// Tokens spends enrolment tokens.
type Tokens interface {
	// UseToken spends one use of the token with the given secret hash
	// (identity.Token.Hash) for a part of the given role, atomically: of two
	// callers at once with a token for one use, one gets ErrTokenUsed. It
	// returns the name that the token's maker gave, which may be empty.
	UseToken(ctx context.Context, hash string, role model.Role, now time.Time) (name string, err error)
}

// ErrUnknownPart is returned by Parts.Part for a part that never enrolled.
var ErrUnknownPart = errors.New("part is not registered")

// Certificate is what is kept of a certificate that was issued.
type Certificate struct {
	Serial    string // lower-case hex
	SHA256    string // of the DER form, lower-case hex
	NotBefore time.Time
	NotAfter  time.Time
}

// Parts is the register of parts. Answers are cached by the server for
// CacheFor; Server.Revoke drops the cached answer at once.
type Parts interface {
	// Register keeps a new part and its first certificate.
	Register(ctx context.Context, p model.Part, c Certificate) error
	// Renewed keeps a further certificate of a part.
	Renewed(ctx context.Context, part model.PartID, c Certificate) error
	// Part gives a part (ID, Role, Device, Revoked are used) or ErrUnknownPart.
	Part(ctx context.Context, part model.PartID) (model.Part, error)
}

// States takes what parts say of themselves with every state report. Calls
// for one part may overlap when connections are replaced; the last one wins.
type States interface {
	State(ctx context.Context, part model.PartID, received time.Time, s *wire.PartState) error
}

// Sets gives the signed sets that parts run on. Latest must answer from
// memory: every waiting part asks at every change.
type Sets interface {
	// Latest gives the newest version of the named set for a part, nil if
	// there is none; device is the one that the part runs on, "" for none. The
	// server does not change it. A payload above InlineSet bytes is left out of
	// the answer and fetched by the part.
	Latest(part model.PartID, device model.DeviceID, name string) *wire.SignedSet
	// Difference gives what turns version base of the named set into the version
	// s, which Latest gave the part, or nil when there is none that is much
	// smaller. Many parts ask for the same at once. The server does not change it.
	Difference(ctx context.Context, part model.PartID, name string, s *wire.SignedSet, base uint64) []byte
	// Changed gives a channel that is closed at the next change of any set.
	Changed() <-chan struct{}
	// Content gives a payload or a difference by its SHA-256, nil if it is not
	// known.
	Content(ctx context.Context, sha256 []byte) ([]byte, error)
}

// Refusal is one call that was refused; the control plane makes events of them.
type Refusal struct {
	Time   time.Time
	Reason wire.Reason
	Call   string       // Enroll, Renew, Report, Watch, Fetch, or "tls"
	Remote string       // address and port of the caller
	Part   model.PartID // empty when not known
	Detail string       // what the caller was told
}

// Config is what a Server needs. CA, SigningKey, Tokens, Parts, Sink, States
// and Sets are required; the rest has defaults.
type Config struct {
	CA         *identity.CA
	SigningKey string // minisign public key of the signed sets, handed out at enrolment
	Tokens     Tokens
	Parts      Parts
	Sink       Sink
	States     States
	Sets       Sets
	Refused    func(Refusal) // called without locks held; must not block; throttled to RefusedPerSecond
	CertLife   time.Duration // default 30 days
	CacheFor   time.Duration // how long a registered part is trusted without asking Parts; default 30 s
	Protocol   wire.Version  // default wire.Protocol()
	Now        func() time.Time
}

// Limits of the server.
const (
	InlineSet        = 256 << 10 // bytes of a payload or a difference that Watch carries inline
	MaxWait          = 60 * time.Second
	MaxCallsPerPart  = 12 // at once
	MaxEnrolments    = 16 // at once
	RefusedPerSecond = 50 // calls of Config.Refused; the rest is only counted
	FailedPerMinute  = 6  // log lines about calls that failed; the rest is counted in the next one

	maxRequestBytes = 6 << 20  // one request, compressed
	maxStrangeBytes = 64 << 10 // one request of somebody without a certificate
	maxSetContent   = 64 << 20
)

// Stats are counts since the server was made.
type Stats struct {
	Connections int    // open now
	Parts       int    // with a connection now
	Watching    int    // waiting Watch calls now
	Batches     uint64 // published
	Events      uint64 // in them
	Refused     uint64
	Differences uint64 // sets that were sent as differences
}
