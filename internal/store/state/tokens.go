package state

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// API tokens: mgp_ and 32 random bytes. Their hash needs no salt and no cost:
// nobody guesses 256 random bits.
const apiTokenPrefix = "mgp_"

// useNoted is how exact the time of an API token's last use is; each note
// waits for the disk.
const useNoted = time.Minute

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// CreateAPIToken makes a token for t.User with t's Name, Access and Expires.
// The text is kept nowhere. A token without a user belongs to the machine
// that the control plane runs on.
func (s *Store) CreateAPIToken(ctx context.Context, t model.APIToken) (text string, made model.APIToken, err error) {
	if !t.Access.Valid() {
		return "", made, fmt.Errorf("access %q is not one of partner, viewer, operator, admin: %w", t.Access, model.ErrInvalid)
	}
	text = apiTokenPrefix + base64.RawURLEncoding.EncodeToString(randomBytes(32))
	t.ID, t.Created, t.LastUsed = model.NewID(s.now()), fromNanos(nanos(s.now())), time.Time{}
	err = s.tx(ctx, func(q *sqldb.Queries) error {
		if t.User != "" {
			if _, err := q.GetUser(ctx, t.User); err != nil {
				return wrap(err, "API token for %q", t.User)
			}
		}
		return wrap(q.InsertAPIToken(ctx, sqldb.InsertAPITokenParams{
			ID: t.ID.String(), Hash: hashHex([]byte(text)), Name: t.Name, UserName: t.User,
			Access: string(t.Access), Created: nanos(t.Created), Expires: nanos(t.Expires),
		}), "API token for %q", t.User)
	})
	if err != nil {
		return "", made, err
	}
	return text, t, nil
}

// CheckAPIToken gives the token, with its access cut to what its user may do
// now, or model.ErrLogin.
func (s *Store) CheckAPIToken(ctx context.Context, text string) (model.APIToken, error) {
	row, err := s.db().GetAPITokenByHash(ctx, hashHex([]byte(text)))
	if errors.Is(err, sql.ErrNoRows) {
		return model.APIToken{}, model.ErrLogin
	}
	if err != nil {
		return model.APIToken{}, wrap(err, "API token")
	}
	t, err := apiToken(row)
	if err != nil {
		return model.APIToken{}, err
	}
	now := s.now()
	if !t.Expires.IsZero() && !now.Before(t.Expires) {
		return model.APIToken{}, model.ErrLogin
	}
	if t.User != "" {
		u, err := s.User(ctx, t.User)
		if errors.Is(err, model.ErrNotFound) {
			return model.APIToken{}, model.ErrLogin
		}
		if err != nil {
			return model.APIToken{}, err
		}
		if !u.Access.Allows(t.Access) {
			t.Access = u.Access
		}
	}
	if now.Sub(t.LastUsed) >= useNoted {
		t.LastUsed = fromNanos(nanos(now))
		err = sqldb.New(s.write).NoteAPITokenUse(ctx, sqldb.NoteAPITokenUseParams{ID: row.ID, LastUsed: nanos(now)})
	}
	return t, wrap(err, "API token %s", row.ID)
}

func apiToken(r sqldb.ApiToken) (model.APIToken, error) {
	id, err := model.ParseID(r.ID)
	return model.APIToken{
		ID: id, Name: r.Name, User: r.UserName, Access: model.Access(r.Access), Created: fromNanos(r.Created),
		Expires: fromNanos(r.Expires), LastUsed: fromNanos(r.LastUsed),
	}, wrap(err, "API token %q", r.ID)
}

// APITokens lists the tokens of one user, or of all when user is empty, the
// newest first.
func (s *Store) APITokens(ctx context.Context, user string) ([]model.APIToken, error) {
	rows, err := s.db().ListAPITokens(ctx, user)
	if err != nil {
		return nil, wrap(err, "API tokens")
	}
	list := make([]model.APIToken, len(rows))
	for i, r := range rows {
		if list[i], err = apiToken(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// DeleteAPIToken removes a token; model.ErrNotFound.
func (s *Store) DeleteAPIToken(ctx context.Context, id model.ID) error {
	n, err := sqldb.New(s.write).DeleteAPIToken(ctx, id.String())
	return wrap(orNone(n, err), "API token %s", id)
}

// CreateEnrollToken makes a token with t's Role, Name, Uses, Expires and
// Author and gives its text, which is kept nowhere:
// mgt1.<base64url of 24 random bytes>.<caPin>. caPin is the first 16 hex
// digits of the SHA-256 of the CA certificate.
func (s *Store) CreateEnrollToken(ctx context.Context, t model.EnrollToken, caPin string) (text string, made model.EnrollToken, err error) {
	switch {
	case t.Role != model.RoleAgent && t.Role != model.RoleGate:
		return "", made, fmt.Errorf("role %q is not one of agent, gate: %w", t.Role, model.ErrInvalid)
	case t.Uses < 1:
		return "", made, fmt.Errorf("uses must be 1 or more: %w", model.ErrInvalid)
	case !t.Expires.After(s.now()):
		return "", made, fmt.Errorf("the end of the token's life must be in the future: %w", model.ErrInvalid)
	}
	secret := randomBytes(24)
	t.ID, t.Used, t.Created = model.NewID(s.now()), 0, fromNanos(nanos(s.now()))
	err = sqldb.New(s.write).InsertEnrollToken(ctx, sqldb.InsertEnrollTokenParams{
		ID: t.ID.String(), Hash: hashHex(secret), Role: string(t.Role), Name: t.Name, Uses: int64(t.Uses),
		Created: nanos(t.Created), Expires: nanos(t.Expires), Author: t.Author,
	})
	if err != nil {
		return "", made, wrap(err, "enrolment token")
	}
	return "mgt1." + base64.RawURLEncoding.EncodeToString(secret) + "." + caPin, t, nil
}

// EnrollTokens lists the newest 1,000 tokens, also used and expired ones.
func (s *Store) EnrollTokens(ctx context.Context) ([]model.EnrollToken, error) {
	rows, err := s.db().ListEnrollTokens(ctx)
	if err != nil {
		return nil, wrap(err, "enrolment tokens")
	}
	list := make([]model.EnrollToken, len(rows))
	for i, r := range rows {
		if list[i], err = enrollToken(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func enrollToken(r sqldb.EnrollToken) (model.EnrollToken, error) {
	id, err := model.ParseID(r.ID)
	return model.EnrollToken{
		ID: id, Role: model.Role(r.Role), Name: r.Name, Uses: int(r.Uses), Used: int(r.Used),
		Created: fromNanos(r.Created), Expires: fromNanos(r.Expires), Author: r.Author,
	}, wrap(err, "enrolment token %q", r.ID)
}

// DeleteEnrollToken takes a token back; model.ErrNotFound.
func (s *Store) DeleteEnrollToken(ctx context.Context, id model.ID) error {
	n, err := sqldb.New(s.write).DeleteEnrollToken(ctx, id.String())
	return wrap(orNone(n, err), "enrolment token %s", id)
}

// UseEnrollTokenHash takes one use of the token whose 24 secret bytes have
// the given SHA-256 (lower-case hex), for a part of the given role. Of two
// callers at once with a token for one use, one gets model.ErrTokenUsed. The
// other errors are model.ErrTokenUnknown, ErrTokenExpired and ErrTokenRole.
func (s *Store) UseEnrollTokenHash(ctx context.Context, hash string, role model.Role, now time.Time) (model.EnrollToken, error) {
	var out model.EnrollToken
	err := s.tx(ctx, func(q *sqldb.Queries) error {
		row, err := q.GetEnrollTokenByHash(ctx, hash)
		if errors.Is(err, sql.ErrNoRows) {
			return model.ErrTokenUnknown
		}
		if err != nil {
			return wrap(err, "enrolment token")
		}
		t, err := enrollToken(row)
		switch {
		case err != nil:
			return err
		case t.Role != role:
			return fmt.Errorf("%w: it is for %s, not %s", model.ErrTokenRole, t.Role, role)
		case t.Used >= t.Uses:
			return model.ErrTokenUsed
		case !now.Before(t.Expires):
			return fmt.Errorf("%w, at %s", model.ErrTokenExpired, t.Expires.Format(time.RFC3339))
		}
		n, err := q.TakeEnrollToken(ctx, row.ID)
		if err != nil {
			return wrap(err, "enrolment token %s", row.ID)
		}
		if n == 0 {
			return model.ErrTokenUsed
		}
		t.Used++
		out = t
		_, err = s.audit(ctx, q, auditLine("", "enroll-token.used", row.ID, string(role), now))
		return err
	})
	return out, err
}
