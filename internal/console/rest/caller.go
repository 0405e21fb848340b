package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/masugata/masugata/internal/model"
)

// caller is who makes a request.
type caller struct {
	user   string
	access model.Access
	token  bool   // by API token
	name   string // of the token
}

// by is the form for authors of actions and the audit trail.
func (c caller) by() string {
	if c.user == "" {
		return "local"
	}
	return "user:" + c.user
}

// request is what handlers know of a request beside its input. The guard
// fills in caller; sign-in and setup do it themselves.
type request struct {
	address string
	caller  caller
	object  string // what it was about, when the path does not say
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{}
}

func callerOf(ctx context.Context) caller  { return requestOf(ctx).caller }
func addressOf(ctx context.Context) string { return requestOf(ctx).address }

// noteObject names what the audit trail shows as the object.
func noteObject(ctx context.Context, what string) { requestOf(ctx).object = what }

func noteCaller(ctx context.Context, who caller) { requestOf(ctx).caller = who }

// withAddress notes where a request comes from. No header is believed: a
// proxy in front hides the address, and the throttle then holds for the proxy.
func withAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		ctx := context.WithValue(r.Context(), requestKey{}, &request{address: host})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

var (
	errNotSignedIn = errors.New("sign in, or send an API token as Authorization: Bearer mgp_…")
	errWrongToken  = errors.New("the API token is wrong, expired or taken back")
	errNoIdentity  = errors.New("sessions and tokens cannot be read now; try again")
)

func tooLittleAccess(least, has model.Access) string {
	return "this needs the access level " + string(least) + "; yours is " + string(has)
}

// identify says who calls: by API token if one is sent, by session otherwise.
// The user is read anew each time, so that a removed user, a lowered access
// level and a changed password take effect at once.
func (s *server) identify(ctx context.Context, authorization string) (caller, error) {
	if authorization != "" {
		text, ok := strings.CutPrefix(authorization, "Bearer ")
		if !ok {
			return caller{}, errNotSignedIn
		}
		t, err := s.Tokens.CheckAPIToken(ctx, text)
		if err != nil {
			return caller{}, err
		}
		return caller{user: t.User, access: t.Access, token: true, name: t.Name}, nil
	}
	return s.fromSession(ctx)
}

// seenEvery is how exact the time of a session's last request is.
const seenEvery = time.Minute

func (s *server) fromSession(ctx context.Context) (caller, error) {
	if s.sessions == nil {
		return caller{}, errNotSignedIn
	}
	name := s.sessions.GetString(ctx, keyUser)
	if name == "" {
		return caller{}, errNotSignedIn
	}
	u, err := s.People.User(ctx, name)
	if errors.Is(err, model.ErrNotFound) {
		return caller{}, errNotSignedIn
	}
	if err != nil {
		return caller{}, err
	}
	if s.sessions.GetInt64(ctx, keySince) < u.PasswordSet.UnixNano() {
		return caller{}, errNotSignedIn
	}
	now, seen := s.Now(), time.Unix(0, s.sessions.GetInt64(ctx, keySeen))
	if now.Sub(seen) > s.SessionIdle {
		return caller{}, errNotSignedIn
	}
	if now.Sub(seen) > min(seenEvery, s.SessionIdle/2) {
		s.sessions.Put(ctx, keySeen, now.UnixNano())
	}
	return caller{user: u.Name, access: u.Access}, nil
}

// guard lets an operation run if its rule allows the caller, and writes the
// audit trail of all that is not only reading (of callers that are not signed
// in, strangersPerMinute lines).
func (s *server) guard(hc huma.Context, next func(huma.Context)) {
	operation, ctx := hc.Operation().OperationID, hc.Context()
	started := time.Now()
	s.admit(hc, operation, next)
	s.metrics.observe(operation, hc.Status(), time.Since(started))
	if hc.Method() == http.MethodGet || hc.Method() == http.MethodHead {
		return
	}
	if r, _ := ruleOf(operation); r.reads {
		return
	}
	s.record(ctx, hc, operation)
}

func (s *server) admit(hc huma.Context, operation string, next func(huma.Context)) {
	r, ok := ruleOf(operation)
	if !ok {
		s.refuse(hc, http.StatusForbidden, "this operation has no access rule")
		return
	}
	if r.public {
		next(hc)
		return
	}
	who, err := s.identify(hc.Context(), hc.Header("Authorization"))
	switch {
	case errors.Is(err, errNotSignedIn):
		s.refuse(hc, http.StatusUnauthorized, errNotSignedIn.Error())
		return
	case errors.Is(err, model.ErrLogin):
		s.refuse(hc, http.StatusUnauthorized, errWrongToken.Error())
		return
	case err != nil:
		s.Log.ErrorContext(hc.Context(), "caller cannot be identified", "operation", operation, "error", err)
		s.refuse(hc, http.StatusServiceUnavailable, errNoIdentity.Error())
		return
	}
	noteCaller(hc.Context(), who)
	if !who.access.Allows(r.least) {
		s.refuse(hc, http.StatusForbidden, tooLittleAccess(r.least, who.access))
		return
	}
	if s.readOnly != "" && !r.reads && hc.Method() != http.MethodGet && hc.Method() != http.MethodHead {
		s.refuse(hc, http.StatusConflict, s.readOnly)
		return
	}
	next(hc)
}

// refuse cannot hand on a failed write: the caller is gone then.
func (s *server) refuse(hc huma.Context, status int, text string) {
	_ = huma.WriteErr(s.api, hc, status, text)
}

func (s *server) record(ctx context.Context, hc huma.Context, operation string) {
	who := callerOf(ctx)
	actor, detail := who.by(), ""
	if who == (caller{}) {
		// Each line waits for the disk and stays for ever: whoever is not signed
		// in writes few of them.
		ok, missed := s.strangers.allow(s.Now())
		if !ok {
			return
		}
		actor = "nobody"
		if missed > 0 {
			detail = fmt.Sprintf("; %d more calls of nobody before it are not in the trail", missed)
		}
	}
	object := requestOf(ctx).object
	if object == "" {
		url := hc.URL()
		object = strings.TrimPrefix(url.Path, Base)
	}
	// The request's own context may be over; the trail is written all the same.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, err := s.Audit.AppendAudit(bounded, model.AuditEntry{
		Actor: actor, Operation: "console." + operation, Object: object,
		Detail: strconv.Itoa(hc.Status()) + " " + http.StatusText(hc.Status()) + detail, Address: addressOf(ctx),
	})
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelError, "audit trail not written",
			slog.String("operation", operation), slog.String("actor", actor), slog.Any("error", err))
	}
}
