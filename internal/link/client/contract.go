package client

import (
	"errors"
	"time"

	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/link/wire"
)

// Config is what a Client needs. Identity and Spool are required.
type Config struct {
	Endpoint    string // HOST:PORT of the control plane; default: where the identity was enrolled
	Identity    *identity.Store
	Spool       *spool.Spool
	Software    string        // version of this part
	Log         Log           // nil: nothing is logged
	ReportEvery time.Duration // state reports; default 1 s
	// State gives what the part says of itself now. Software, sets, spooled
	// and dropped are filled in by the client. Called from one goroutine at a
	// time; the client changes and drops what it returns.
	State func() *wire.PartState
	// Sets names the signed sets the part wants and who takes them. The
	// function is called, one at a time, at the start of Run with what is on
	// disk and then for each newer verified version. An error keeps the old
	// version in the state report; the set is tried again after a restart or
	// when a newer one comes.
	Sets map[string]func(version uint64, payload []byte) error
	// Differences gives, by a set's name, the function that makes a newer payload
	// out of an older one and what came between them; sets that are not named
	// are fetched as a whole, and so is one of which the function gives an error
	// or another outcome than the control plane signed. It must stand any input
	// and keep neither argument.
	Differences map[string]func(payload, difference []byte) ([]byte, error)
	// OnAck, when set, sees each batch that the control plane acknowledged,
	// before the spool lets go of it; a process killed in between sees the
	// batch again. One goroutine a lane calls it; the batch is valid during the
	// call.
	OnAck func(b *spool.Batch)
	// MaxSet bounds one set's payload in bytes; default 8 MiB.
	MaxSet   uint64
	Protocol wire.Version // default wire.Protocol()
	Now      func() time.Time
}

// Log takes what people should know; *slog.Logger is one. It is an interface
// because log/slog costs a small device's program 0.2 MB.
type Log interface {
	Info(message string, keysAndValues ...any)
	Warn(message string, keysAndValues ...any)
	Error(message string, keysAndValues ...any)
}

// silent is the Log that nobody reads.
type silent struct{}

func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// Status is how the link stands.
type Status struct {
	Endpoint string            `json:"endpoint"`
	Up       bool              `json:"up"`
	Since    time.Time         `json:"since"`            // when Up last changed
	LastErr  string            `json:"error,omitempty"`  // why it is down, and what would mend it
	Reason   wire.Reason       `json:"reason,omitempty"` // set when the control plane refused
	Spooled  uint64            `json:"spooled"`          // events waiting
	Dropped  uint64            `json:"dropped"`          // events dropped since the start: no room in the spool, or refused for what they are
	Sent     uint64            `json:"sent"`             // events acknowledged since the start
	Sets     map[string]uint64 `json:"sets"`             // versions in force
	NotAfter time.Time         `json:"not_after"`        // end of the certificate
	Skew     time.Duration     `json:"skew"`             // the control plane's clock minus ours
}

// Refused is a refusal by the control plane: trying again the same way will
// not help. Other errors of calls are passing ones.
type Refused struct {
	Reason  wire.Reason
	Code    string // Connect code, such as permission_denied
	Message string
}

// Error gives the message of the control plane.
func (r *Refused) Error() string { return r.Message }

// unable is the answer of a control plane that knows the part and cannot do
// what was asked now.
type unable struct {
	code, message string
	busy          bool // it has no room now
}

// Error gives the message of the control plane.
func (u *unable) Error() string { return u.message + " (" + u.code + ")" }

// ErrWrongCA means that the other side is not the control plane that the
// token or the identity is from.
var ErrWrongCA = errors.New("the control plane's certificate is not from the expected authority")

// EnrollConfig says how a part enrols.
type EnrollConfig struct {
	Endpoint string // HOST:PORT
	Token    string
	Dir      string // where the identity goes; made with mode 0700
	Role     string // agent or gate
	Name     string // for people; default: the host name
	Device   string // agents: the device id
	Software string
	Replace  bool // replace an identity that is there
	Protocol wire.Version
}
