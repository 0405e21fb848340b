package state

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// The methods below make Store a session store for alexedwards/scs. The
// caller hashes the session tokens (HashTokenInStore).

// FindCtx gives the data of a session that has not expired.
func (s *Store) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	data, err = s.db().GetSession(ctx, sqldb.GetSessionParams{Token: token, Expires: nanos(s.now())})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, wrap(err, "session")
}

// CommitCtx stores a session, and removes those that have expired.
func (s *Store) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	return s.tx(ctx, func(q *sqldb.Queries) error {
		if err := q.DeleteSessionsBefore(ctx, nanos(s.now())); err != nil {
			return wrap(err, "expired sessions")
		}
		return wrap(q.PutSession(ctx, sqldb.PutSessionParams{Token: token, Data: data, Expires: nanos(expiry)}), "session")
	})
}

// DeleteCtx removes a session; one that is not there is no error.
func (s *Store) DeleteCtx(ctx context.Context, token string) error {
	return wrap(sqldb.New(s.write).DeleteSession(ctx, token), "session")
}

// Find is FindCtx without a context, as scs.Store asks for.
func (s *Store) Find(token string) (data []byte, found bool, err error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a context, as scs.Store asks for.
func (s *Store) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx without a context, as scs.Store asks for.
func (s *Store) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }
