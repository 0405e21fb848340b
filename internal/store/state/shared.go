package state

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// Lease takes or renews a lease for a holder and says whether he has it. Another
// one's lease is taken over when it has ended by this process's clock: clocks of
// machines must not differ by as much as a life.
func (s *Store) Lease(ctx context.Context, name, holder string, life time.Duration) (held bool, err error) {
	err = s.tx(ctx, func(q *sqldb.Queries) error {
		now := s.now()
		old, err := q.GetLease(ctx, name)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return wrap(err, "lease %s", name)
		}
		if held = err != nil || old.Holder == holder || old.Ends < nanos(now); !held {
			return nil
		}
		return wrap(q.PutLease(ctx, sqldb.PutLeaseParams{Name: name, Holder: holder, Ends: nanos(now.Add(life))}), "lease %s", name)
	})
	return held && err == nil, err
}

// PutShared stores a thing under a name in a space, or notes with a nil value
// that it is gone; the space's version rises.
func (s *Store) PutShared(ctx context.Context, space, name string, value []byte) error {
	gone := int64(0)
	if value == nil {
		gone, value = 1, []byte{}
	}
	return s.tx(ctx, func(q *sqldb.Queries) error {
		version, err := q.GetSharedVersion(ctx, space)
		if err != nil {
			return wrap(err, "space %s", space)
		}
		return wrap(q.PutSharedItem(ctx, sqldb.PutSharedItemParams{Space: space, Name: name, Version: version + 1, Gone: gone, Value: value}), "%s %s", space, name)
	})
}

// Shared gives what changed in a space after a version, the oldest change first,
// at most most things.
func (s *Store) Shared(ctx context.Context, space string, above int64, most int) ([]model.SharedItem, error) {
	rows, err := s.db().ListSharedItems(ctx, sqldb.ListSharedItemsParams{Space: space, Version: above, Limit: int32(min(max(most, 1), math.MaxInt32))})
	if err != nil {
		return nil, wrap(err, "space %s", space)
	}
	out := make([]model.SharedItem, 0, len(rows))
	for _, r := range rows {
		out = append(out, sharedItem(r))
	}
	return out, nil
}

func sharedItem(r sqldb.SharedItem) model.SharedItem {
	i := model.SharedItem{Name: r.Name, Version: r.Version, Value: r.Value}
	switch {
	case r.Gone != 0:
		i.Value = nil
	case i.Value == nil: // SQLite's word for an empty one
		i.Value = []byte{}
	}
	return i
}

// SharedItem gives one thing of a space; model.ErrNotFound.
func (s *Store) SharedItem(ctx context.Context, space, name string) (model.SharedItem, error) {
	r, err := s.db().GetSharedItem(ctx, sqldb.GetSharedItemParams{Space: space, Name: name})
	if err != nil {
		return model.SharedItem{}, wrap(err, "%s %s", space, name)
	}
	return sharedItem(r), nil
}

// SharedNames are the names of a space's things, sorted.
func (s *Store) SharedNames(ctx context.Context, space string) ([]string, error) {
	names, err := s.db().ListSharedNames(ctx, space)
	return names, wrap(err, "space %s", space)
}

// DropShared removes a thing without a trace: nobody learns of it by versions.
func (s *Store) DropShared(ctx context.Context, space, name string) error {
	return s.tx(ctx, func(q *sqldb.Queries) error {
		return wrap(q.DeleteSharedItem(ctx, sqldb.DeleteSharedItemParams{Space: space, Name: name}), "%s %s", space, name)
	})
}
