package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/masugata/masugata/internal/model"
)

// ReputationConfig is what the API of a reputation service without a control
// plane needs.
type ReputationConfig struct {
	Reputation Reputation
	Effect     ReputationEffect // optional
	Sharing    Sharing          // optional: without it, other fleets can read nothing
	Secure     bool             // served over TLS
	// CheckToken says for whom an API token acts; model.ErrLogin when for nobody.
	CheckToken func(ctx context.Context, text string) (model.APIToken, error)
	// Healthy says what is wrong now; nil when nothing is, and as a function: never.
	Healthy func(ctx context.Context) error
	// ReadOnly is why nothing can be changed here; empty: everything can.
	ReadOnly string
	Metrics  *prometheus.Registry
	Log      *slog.Logger
	Now      func() time.Time
}

// NewReputation builds the handler of a reputation service that runs alone: the
// operations under /api/v1/reputation, with API tokens only. Changes go to the
// log instead of an audit trail.
func NewReputation(c ReputationConfig) (http.Handler, error) {
	if c.Healthy == nil {
		c.Healthy = func(context.Context) error { return nil }
	}
	s := &server{readOnly: c.ReadOnly, Config: Config{Reputation: c.Reputation, Sharing: c.Sharing, Secure: c.Secure, Tokens: onlyTokens{check: c.CheckToken}, Audit: loggedAudit{c.Log},
		Metrics: c.Metrics, Log: c.Log, Now: c.Now, Healthy: c.Healthy}, strangers: allowance{most: strangersPerMinute}}
	if s.Effect = c.Effect; s.Effect == nil {
		s.Effect = noEffect{}
	}
	mux, err := s.mount(NewLive(), s.registerReputation)
	if err != nil {
		return nil, err
	}
	mux.HandleFunc("/", s.noSuchPath)
	return s.secured(withAddress(http.NewCrossOriginProtection().Handler(mux))), nil
}

// onlyTokens checks tokens and keeps none.
type onlyTokens struct {
	check func(ctx context.Context, text string) (model.APIToken, error)
}

var errOneToken = errors.New("this service has one token, in a file of its data folder")

// CheckAPIToken implements Tokens.
func (o onlyTokens) CheckAPIToken(ctx context.Context, text string) (model.APIToken, error) {
	return o.check(ctx, text)
}

// CreateAPIToken implements Tokens.
func (onlyTokens) CreateAPIToken(context.Context, model.APIToken) (string, model.APIToken, error) {
	return "", model.APIToken{}, errOneToken
}

// APITokens implements Tokens.
func (onlyTokens) APITokens(context.Context, string) ([]model.APIToken, error) {
	return nil, errOneToken
}

// DeleteAPIToken implements Tokens.
func (onlyTokens) DeleteAPIToken(context.Context, model.ID) error { return errOneToken }

// loggedAudit writes what people change to the log.
type loggedAudit struct{ log *slog.Logger }

// AppendAudit implements Audit.
func (l loggedAudit) AppendAudit(_ context.Context, e model.AuditEntry) (model.AuditEntry, error) {
	l.log.Info("changed by hand", "actor", e.Actor, "operation", e.Operation, "object", e.Object, "detail", e.Detail, "address", e.Address)
	return e, nil
}

// Audit implements Audit.
func (loggedAudit) Audit(context.Context, model.Page) ([]model.AuditEntry, string, error) {
	return nil, "", nil
}
