package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/masugata/masugata/internal/model"
)

// People keeps users. store/state satisfies it.
type People interface {
	User(ctx context.Context, name string) (model.User, error)
	Users(ctx context.Context) ([]model.User, error)
	CreateUser(ctx context.Context, name string, access model.Access, password string) (model.User, error)
	CreateFirstUser(ctx context.Context, name, password string) (model.User, error)
	CheckPassword(ctx context.Context, name, password string) (model.User, error)
	SetPassword(ctx context.Context, name, password string) error
	DeleteUser(ctx context.Context, name string) error
}

// Tokens keeps API tokens. store/state satisfies it.
type Tokens interface {
	CreateAPIToken(ctx context.Context, t model.APIToken) (text string, made model.APIToken, err error)
	CheckAPIToken(ctx context.Context, text string) (model.APIToken, error)
	APITokens(ctx context.Context, user string) ([]model.APIToken, error)
	DeleteAPIToken(ctx context.Context, id model.ID) error
}

// Audit keeps the audit trail. store/state satisfies it.
type Audit interface {
	AppendAudit(ctx context.Context, e model.AuditEntry) (model.AuditEntry, error)
	Audit(ctx context.Context, p model.Page) (list []model.AuditEntry, next string, err error)
}

// Inventory reads what is known of parts and devices. store/state satisfies it.
type Inventory interface {
	Parts(ctx context.Context) ([]model.Part, error)
	Part(ctx context.Context, id model.PartID) (model.Part, error)
	Device(ctx context.Context, id model.DeviceID) (model.Device, error)
	Devices(ctx context.Context, words string, p model.Page) (list []model.Device, next string, err error)
	NameDevice(ctx context.Context, id model.DeviceID, name, kind *string) (model.Device, error)
	Counts(ctx context.Context) (model.Counts, error)
}

// Enrolment keeps enrolment tokens. store/state satisfies it.
type Enrolment interface {
	CreateEnrollToken(ctx context.Context, t model.EnrollToken, caPin string) (text string, made model.EnrollToken, err error)
	EnrollTokens(ctx context.Context) ([]model.EnrollToken, error)
	DeleteEnrollToken(ctx context.Context, id model.ID) error
}

// Cases reads incidents and actions. store/state satisfies it.
type Cases interface {
	Incident(ctx context.Context, id model.ID) (model.Incident, error)
	Incidents(ctx context.Context, f model.IncidentFilter, p model.Page) (list []model.Incident, next string, err error)
	OpenIncidents(ctx context.Context) ([]model.Incident, error)
	Action(ctx context.Context, id model.ID) (model.Action, error)
	Actions(ctx context.Context, f model.ActionFilter, p model.Page) (list []model.Action, next string, err error)
}

// Events searches the event store. q is a text of the query language; an
// error that wraps model.ErrInvalid is shown to the caller as it reads.
// Events given back are not changed by the console.
type Events interface {
	Event(ctx context.Context, id model.ID) (*model.Event, error)
	Search(ctx context.Context, q string, limit int, before string) (list []*model.Event, next string, err error)
	// Histogram counts events in steps from from (at most 2,000 buckets); by
	// is a field name of the query language, empty for the plain count.
	Histogram(ctx context.Context, q string, from, to time.Time, step time.Duration, by string) ([]Bucket, error)
	Top(ctx context.Context, q, field string, n int) ([]TopEntry, error)
	// Matcher compiles q into a filter for live events, safe for concurrent use.
	Matcher(q string) (func(*model.Event) bool, error)
}

// ActionDesk carries out what people decide about actions. by is
// "user:<name>". Errors: model.ErrNotFound, ErrConflict, ErrInvalid.
type ActionDesk interface {
	// CreateAction takes an action with Kind, Mode, Scope, Shape, PPS,
	// Process, Reason, Incident, Author, Created and Expires filled in; it
	// gives it its ID, State and, where policy allows less, its Mode.
	CreateAction(ctx context.Context, a model.Action) (model.Action, error)
	ApproveAction(ctx context.Context, id model.ID, by string) (model.Action, error)
	UndoAction(ctx context.Context, id model.ID, by, reason string) (model.Action, error)
}

// IncidentDesk closes incidents.
type IncidentDesk interface {
	CloseIncident(ctx context.Context, id model.ID, by, note string) (model.Incident, error)
}

// PartDesk ends the trust in parts, at once.
type PartDesk interface {
	RevokePart(ctx context.Context, id model.PartID, by, reason string) (model.Part, error)
}

// PolicyDesk reads, checks and sets the policy.
type PolicyDesk interface {
	Policy(ctx context.Context) (model.PolicyText, error)
	// SetPolicy stores, signs and sends the text. With problems, nothing is
	// changed and the version is 0.
	SetPolicy(ctx context.Context, text, by string) (version uint64, problems []PolicyProblem, err error)
	// DryRun says what the text would decide about the last hours.
	DryRun(ctx context.Context, text string, since time.Duration) (DryRun, error)
}

// Config is what the console needs. All fields without "optional" must be set.
type Config struct {
	Version string // of the software
	Secure  bool   // served over TLS: cookies are marked Secure and HSTS is sent

	People    People
	Tokens    Tokens
	Sessions  scs.Store // store/state satisfies it
	Audit     Audit
	Inventory Inventory
	Enrolment Enrolment
	Cases     Cases
	Events    Events
	Actions   ActionDesk
	Incidents IncidentDesk
	Parts     PartDesk
	Policy    PolicyDesk
	// Reputation is optional: without it, all that is asked of it is not found.
	Reputation Reputation
	// Effect is optional: without it, what reputation did is not known.
	Effect ReputationEffect
	// Sharing is optional: without it, other fleets can read nothing.
	Sharing Sharing
	Live    *Live // made with NewLive; control publishes to it

	// CAPin is the first 16 hex digits of the SHA-256 of the CA certificate.
	CAPin string
	// SetupToken opens the first sign-up. It is asked for until there is a user.
	SetupToken string
	// LinkAddress is what parts enrol at, shown with a new token, such as
	// "control.example:7443". Optional.
	LinkAddress string
	// EventRate gives the events a second that reach the store now.
	EventRate func() float64
	// Coverage gives the protections of the control plane itself. Optional.
	Coverage func() []model.Coverage
	// Healthy says what is wrong now; nil when nothing is.
	Healthy func(ctx context.Context) error
	// Status gives the state of the inner parts by name, such as "bus": "ok,
	// 12 messages waiting". Optional.
	Status func(ctx context.Context) map[string]string
	// OnLoginFailed is told of each refused sign-in, not of the secret.
	// Optional; must not block.
	OnLoginFailed func(user, address string)

	Metrics   *prometheus.Registry // shown at /metrics, and where the console registers its own
	Dashboard http.Handler         // everything outside /api, /healthz and /metrics
	Log       *slog.Logger
	Now       func() time.Time // optional

	// SessionLife is how long a sign-in holds at most, SessionIdle how long
	// without a request. Optional: 12 h and 2 h.
	SessionLife, SessionIdle time.Duration
	// PartOfflineAfter is how long a part may be silent. Optional: 15 s.
	PartOfflineAfter time.Duration
	// PingEvery is the time between pings on live streams. Optional: 15 s.
	PingEvery time.Duration

	started time.Time
}

// complete fills in what is optional and names what is missing.
func (c *Config) complete() error {
	var missing []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"People", c.People != nil},
		{"Tokens", c.Tokens != nil},
		{"Sessions", c.Sessions != nil},
		{"Audit", c.Audit != nil},
		{"Inventory", c.Inventory != nil},
		{"Enrolment", c.Enrolment != nil},
		{"Cases", c.Cases != nil},
		{"Events", c.Events != nil},
		{"Actions", c.Actions != nil},
		{"Incidents", c.Incidents != nil},
		{"Parts", c.Parts != nil},
		{"Policy", c.Policy != nil},
		{"Live", c.Live != nil},
		{"EventRate", c.EventRate != nil},
		{"Healthy", c.Healthy != nil},
		{"Metrics", c.Metrics != nil},
		{"Dashboard", c.Dashboard != nil},
		{"Log", c.Log != nil},
	} {
		if !f.set {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("console: the configuration lacks %s", strings.Join(missing, ", "))
	}
	if c.Reputation == nil {
		c.Reputation = noReputation{}
	}
	if c.Effect == nil {
		c.Effect = noEffect{}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Coverage == nil {
		c.Coverage = func() []model.Coverage { return nil }
	}
	orDuration(&c.SessionLife, 12*time.Hour)
	orDuration(&c.SessionIdle, 2*time.Hour)
	orDuration(&c.PartOfflineAfter, 15*time.Second)
	orDuration(&c.PingEvery, 15*time.Second)
	c.started = c.Now().UTC()
	return nil
}

func orDuration(d *time.Duration, fallback time.Duration) {
	if *d == 0 {
		*d = fallback
	}
}
