package rest

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/alexedwards/scs/v2"
	"github.com/danielgtaylor/huma/v2"

	"github.com/masugata/masugata/internal/model"
)

// SetupState says whether the first user is still to be made.
type SetupState struct {
	Needed bool `json:"needed"`
}

type setupInput struct {
	Body struct {
		SetupToken string `json:"setup_token" maxLength:"256" doc:"From the address that the control plane prints at its first start"`
		User       string `json:"user" minLength:"1" maxLength:"64"`
		Password   string `json:"password" minLength:"12" maxLength:"256"`
	}
}

type signInInput struct {
	Body struct {
		User     string `json:"user" maxLength:"64"`
		Password string `json:"password" maxLength:"256"`
	}
}

type passwordInput struct {
	Body struct {
		Old string `json:"old" maxLength:"256"`
		New string `json:"new" minLength:"12" maxLength:"256"`
	}
}

// What a session holds.
const (
	keyUser  = "user"
	keySince = "since" // UnixNano of the sign-in
	keySeen  = "seen"  // UnixNano of a recent request
)

func newSessions(c *Config) *scs.SessionManager {
	m := scs.New()
	m.Store = c.Sessions
	m.HashTokenInStore = true
	// Idle sessions are ended by fromSession: the manager would write each
	// session to the disk with every request.
	m.Lifetime = c.SessionLife
	m.Cookie.Name, m.Cookie.Path = "masugata", "/"
	m.Cookie.HttpOnly, m.Cookie.Secure = true, c.Secure
	m.Cookie.SameSite = http.SameSiteStrictMode
	m.Cookie.Persist = false
	if c.Secure {
		m.Cookie.Name = "__Host-masugata"
	}
	log := c.Log
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		log.ErrorContext(r.Context(), "session store failed", "error", err)
		writeProblem(w, http.StatusServiceUnavailable, "sessions cannot be read or kept now; try again")
	}
	return m
}

func (s *server) registerSession() {
	add(s, op{id: "get-setup", method: http.MethodGet, path: "/setup", tag: "session", summary: "Is the first user still to be made?"}, s.getSetup)
	add(s, op{id: "finish-setup", method: http.MethodPost, path: "/setup", tag: "session", summary: "Make the first user, an admin, and sign in", status: http.StatusCreated}, s.finishSetup)
	add(s, op{id: "sign-in", method: http.MethodPost, path: "/session", tag: "session", summary: "Sign in"}, s.signIn)
	add(s, op{id: "get-session", method: http.MethodGet, path: "/session", tag: "session", summary: "Who is signed in"}, s.getSession)
	addQuiet(s, op{id: "sign-out", method: http.MethodDelete, path: "/session", tag: "session", summary: "Sign out"}, func(ctx context.Context, _ *nothing) error {
		return s.sessions.Destroy(ctx)
	})
	addQuiet(s, op{id: "change-password", method: http.MethodPost, path: "/session/password", tag: "session", summary: "Change one's own password; ends all other sessions"}, s.changePassword)
}

func (s *server) getSetup(ctx context.Context, _ *nothing) (SetupState, error) {
	users, err := s.People.Users(ctx)
	return SetupState{Needed: len(users) == 0}, err
}

func (s *server) finishSetup(ctx context.Context, in *setupInput) (SessionView, error) {
	address := addressOf(ctx)
	if wait := s.throttle.take("setup", address, s.Now()); wait > 0 {
		return SessionView{}, tooOften(wait)
	}
	if s.SetupToken == "" || subtle.ConstantTimeCompare([]byte(in.Body.SetupToken), []byte(s.SetupToken)) != 1 {
		return SessionView{}, huma.Error403Forbidden("body.setup_token is not the one that the control plane printed at its first start")
	}
	s.throttle.succeeded("setup", address)
	u, err := s.People.CreateFirstUser(ctx, in.Body.User, in.Body.Password)
	if err != nil {
		return SessionView{}, err
	}
	noteCaller(ctx, caller{user: u.Name, access: u.Access})
	noteObject(ctx, u.Name)
	return s.begin(ctx, u)
}

// signIn answers a wrong name and a wrong password alike, after the same time.
func (s *server) signIn(ctx context.Context, in *signInInput) (SessionView, error) {
	user, address := in.Body.User, addressOf(ctx)
	noteObject(ctx, user)
	if wait := s.throttle.take(user, address, s.Now()); wait > 0 {
		s.metrics.logins.WithLabelValues("throttled").Inc()
		return SessionView{}, tooOften(wait)
	}
	u, err := s.People.CheckPassword(ctx, user, in.Body.Password)
	if errors.Is(err, model.ErrLogin) {
		s.metrics.logins.WithLabelValues("refused").Inc()
		if s.OnLoginFailed != nil {
			s.OnLoginFailed(user, address)
		}
		return SessionView{}, huma.Error401Unauthorized("the user name or the password is wrong")
	}
	if err != nil {
		return SessionView{}, err
	}
	s.throttle.succeeded(user, address)
	s.metrics.logins.WithLabelValues("ok").Inc()
	noteCaller(ctx, caller{user: u.Name, access: u.Access})
	return s.begin(ctx, u)
}

// begin gives the caller a new session.
func (s *server) begin(ctx context.Context, u model.User) (SessionView, error) {
	if err := s.sessions.RenewToken(ctx); err != nil {
		return SessionView{}, err
	}
	s.sessions.Put(ctx, keyUser, u.Name)
	now := s.Now().UnixNano()
	s.sessions.Put(ctx, keySince, now)
	s.sessions.Put(ctx, keySeen, now)
	return SessionView{User: u.Name, Access: u.Access, Expires: s.sessions.Deadline(ctx).UTC()}, nil
}

func (s *server) getSession(ctx context.Context, _ *nothing) (SessionView, error) {
	c := callerOf(ctx)
	v := SessionView{User: c.user, Access: c.access}
	if !c.token {
		v.Expires = s.sessions.Deadline(ctx).UTC()
	}
	return v, nil
}

func (s *server) changePassword(ctx context.Context, in *passwordInput) error {
	c := callerOf(ctx)
	if c.token {
		return huma.Error403Forbidden("a password is changed by its owner, signed in, and not with an API token")
	}
	if wait := s.throttle.take(c.user, addressOf(ctx), s.Now()); wait > 0 {
		return tooOften(wait)
	}
	u, err := s.People.CheckPassword(ctx, c.user, in.Body.Old)
	if errors.Is(err, model.ErrLogin) {
		return fieldProblem("body.old", nil, "is not your password")
	}
	if err != nil {
		return err
	}
	s.throttle.succeeded(c.user, addressOf(ctx))
	if err := s.People.SetPassword(ctx, c.user, in.Body.New); err != nil {
		return err
	}
	_, err = s.begin(ctx, u) // the caller's own; the old ones are older than the password
	return err
}
