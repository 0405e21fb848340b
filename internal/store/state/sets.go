package state

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// keptSets is how many versions of each set are kept, so that parts can still
// fetch the content of one that was replaced while they asked.
const keptSets = 16

// SaveSet stores a new version of a signed set; model.ErrConflict unless its
// version is above the newest. The last 16 versions are kept.
func (s *Store) SaveSet(ctx context.Context, set model.SignedSet) error {
	return s.tx(ctx, func(q *sqldb.Queries) error {
		newest, err := q.GetNewestSet(ctx, set.Name)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return wrap(err, "set %s", set.Name)
		}
		if set.Version <= uint64(newest.Version) {
			return fmt.Errorf("set %s: version %d is not above %d: %w", set.Name, set.Version, newest.Version, model.ErrConflict)
		}
		payload := set.Payload
		if payload == nil {
			payload = []byte{}
		}
		err = q.InsertSet(ctx, sqldb.InsertSetParams{
			Name: set.Name, Version: int64(set.Version), Payload: payload, Minisig: set.Minisig,
			Sha256: hex.EncodeToString(set.SHA256[:]), Issued: nanos(set.Issued), Expires: nanos(set.Expires),
		})
		if err != nil {
			return wrap(err, "set %s version %d", set.Name, set.Version)
		}
		below := int64(set.Version) - keptSets + 1
		return wrap(q.DeleteSetsBelow(ctx, sqldb.DeleteSetsBelowParams{Name: set.Name, Version: below}), "old versions of set %s", set.Name)
	})
}

// Set gives the newest version of a set; model.ErrNotFound.
func (s *Store) Set(ctx context.Context, name string) (model.SignedSet, error) {
	r, err := s.db().GetNewestSet(ctx, name)
	if err != nil {
		return model.SignedSet{}, wrap(err, "set %s", name)
	}
	set := model.SignedSet{
		Name: r.Name, Version: uint64(r.Version), Payload: r.Payload, Minisig: r.Minisig,
		Issued: fromNanos(r.Issued), Expires: fromNanos(r.Expires),
	}
	if _, err := hex.Decode(set.SHA256[:], []byte(r.Sha256)); err != nil || len(r.Sha256) != 64 {
		return model.SignedSet{}, fmt.Errorf("set %s version %d: the stored SHA-256 is damaged", name, r.Version)
	}
	return set, nil
}

// Content gives the payload with the given SHA-256; model.ErrNotFound.
func (s *Store) Content(ctx context.Context, sha256 [32]byte) ([]byte, error) {
	b, err := s.db().GetContent(ctx, hex.EncodeToString(sha256[:]))
	return b, wrap(err, "content %x", sha256)
}

// SavePolicy stores a new version of the policy text and gives its number,
// one above the newest.
func (s *Store) SavePolicy(ctx context.Context, text, author string) (model.PolicyText, error) {
	var out model.PolicyText
	err := s.tx(ctx, func(q *sqldb.Queries) error {
		newest, err := q.GetNewestPolicy(ctx)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return wrap(err, "policy")
		}
		now := fromNanos(nanos(s.now()))
		out = model.PolicyText{Version: uint64(newest.Version) + 1, Text: text, Author: author, Time: now}
		err = q.InsertPolicy(ctx, sqldb.InsertPolicyParams{Version: int64(out.Version), Text: text, Author: author, Time: nanos(now)})
		if err != nil {
			return wrap(err, "policy version %d", out.Version)
		}
		_, err = s.audit(ctx, q, auditLine(author, "policy.set", strconv.FormatUint(out.Version, 10), "", now))
		return err
	})
	return out, err
}

// Policy gives the newest policy text; model.ErrNotFound before the first.
func (s *Store) Policy(ctx context.Context) (model.PolicyText, error) {
	r, err := s.db().GetNewestPolicy(ctx)
	return policyText(r), wrap(err, "policy")
}

func policyText(r sqldb.PolicyText) model.PolicyText {
	return model.PolicyText{Version: uint64(r.Version), Text: r.Text, Author: r.Author, Time: fromNanos(r.Time)}
}
