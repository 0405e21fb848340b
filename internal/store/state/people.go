package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// CreateUser adds a user; model.ErrExists, model.ErrInvalid (the name is 1 to
// 64 letters, digits and ._-@, the password 12 to 256 bytes).
func (s *Store) CreateUser(ctx context.Context, name string, access model.Access, password string) (model.User, error) {
	if !access.Valid() || access == model.AccessPartner {
		return model.User{}, fmt.Errorf("access %q is not one of viewer, operator, admin: %w", access, model.ErrInvalid)
	}
	return s.createUser(ctx, name, access, password, func(*sqldb.Queries) error { return nil })
}

// CreateFirstUser adds an admin, only while there is no user at all;
// model.ErrConflict otherwise. Of two callers at once, one succeeds.
func (s *Store) CreateFirstUser(ctx context.Context, name, password string) (model.User, error) {
	return s.createUser(ctx, name, model.AccessAdmin, password, func(q *sqldb.Queries) error {
		n, err := q.CountUsers(ctx)
		if err == nil && n > 0 {
			return fmt.Errorf("the first user was made already; sign in: %w", model.ErrConflict)
		}
		return wrap(err, "count users")
	})
}

func (s *Store) createUser(ctx context.Context, name string, access model.Access, password string, allowed func(*sqldb.Queries) error) (model.User, error) {
	if err := checkName(name); err != nil {
		return model.User{}, err
	}
	hash, err := s.newPassword(ctx, password)
	if err != nil {
		return model.User{}, err
	}
	now := fromNanos(nanos(s.now()))
	err = s.tx(ctx, func(q *sqldb.Queries) error {
		if err := allowed(q); err != nil {
			return err
		}
		n, err := q.InsertUser(ctx, sqldb.InsertUserParams{Name: name, Access: string(access), Password: hash, Created: nanos(now)})
		if err == nil && n == 0 {
			err = model.ErrExists
		}
		return wrap(err, "user %q", name)
	})
	if err != nil {
		return model.User{}, err
	}
	return model.User{Name: name, Access: access, Created: now, PasswordSet: now}, nil
}

func checkName(name string) error {
	bad := strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-@", r)
	})
	if name == "" || len(name) > 64 || bad >= 0 {
		return fmt.Errorf("user: the name must be 1 to 64 letters, digits, and any of . _ - @: %w", model.ErrInvalid)
	}
	return nil
}

func (s *Store) newPassword(ctx context.Context, password string) (string, error) {
	if len(password) < 12 || len(password) > 256 {
		return "", fmt.Errorf("password: it must be 12 to 256 bytes long: %w", model.ErrInvalid)
	}
	return s.hashPassword(ctx, password)
}

// CheckPassword gives the user whose password it is and notes the time, or
// model.ErrLogin, after the same time for known and unknown names.
func (s *Store) CheckPassword(ctx context.Context, name, password string) (model.User, error) {
	row, err := s.db().GetUser(ctx, name)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return model.User{}, wrap(err, "sign in")
	}
	stored := s.decoy
	if known {
		stored = row.Password
	}
	same, err := s.samePassword(ctx, stored, password)
	if err != nil {
		return model.User{}, wrap(err, "sign in of %q", name)
	}
	if !known || !same {
		return model.User{}, model.ErrLogin
	}
	u := user(row)
	u.LastLogin = fromNanos(nanos(s.now()))
	err = sqldb.New(s.write).NoteLogin(ctx, sqldb.NoteLoginParams{Name: name, LastLogin: nanos(u.LastLogin)})
	return u, wrap(err, "sign in of %q", name)
}

// SetPassword changes a password, and so voids the user's sessions.
func (s *Store) SetPassword(ctx context.Context, name, password string) error {
	hash, err := s.newPassword(ctx, password)
	if err != nil {
		return err
	}
	n, err := sqldb.New(s.write).SetPassword(ctx, sqldb.SetPasswordParams{Name: name, Password: hash, PasswordSet: nanos(s.now())})
	return wrap(orNone(n, err), "password of %q", name)
}

// orNone turns a change of no row into the error for a missing one.
func orNone(rows int64, err error) error {
	if err == nil && rows == 0 {
		return sql.ErrNoRows
	}
	return err
}

// User gives one user; model.ErrNotFound.
func (s *Store) User(ctx context.Context, name string) (model.User, error) {
	row, err := s.db().GetUser(ctx, name)
	return user(row), wrap(err, "user %q", name)
}

func user(r sqldb.User) model.User {
	return model.User{
		Name: r.Name, Access: model.Access(r.Access), Created: fromNanos(r.Created),
		LastLogin: fromNanos(r.LastLogin), PasswordSet: fromNanos(r.PasswordSet),
	}
}

// Users lists all users by name.
func (s *Store) Users(ctx context.Context) ([]model.User, error) {
	rows, err := s.db().ListUsers(ctx)
	if err != nil {
		return nil, wrap(err, "users")
	}
	list := make([]model.User, len(rows))
	for i, r := range rows {
		list[i] = user(r)
	}
	return list, nil
}

// DeleteUser removes a user and the user's API tokens; model.ErrConflict for
// the last admin, after whom nobody could let anybody in.
func (s *Store) DeleteUser(ctx context.Context, name string) error {
	return s.tx(ctx, func(q *sqldb.Queries) error {
		u, err := q.GetUser(ctx, name)
		if err != nil {
			return wrap(err, "user %q", name)
		}
		admins, err := q.CountUsersWithAccess(ctx, string(model.AccessAdmin))
		if err != nil {
			return wrap(err, "count admins")
		}
		if u.Access == string(model.AccessAdmin) && admins == 1 {
			return fmt.Errorf("user %q is the last admin; make another one first: %w", name, model.ErrConflict)
		}
		if err := q.DeleteAPITokensOf(ctx, name); err != nil {
			return wrap(err, "API tokens of %q", name)
		}
		_, err = q.DeleteUser(ctx, name)
		return wrap(err, "user %q", name)
	})
}
