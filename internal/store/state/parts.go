package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// SavePart stores a newly enrolled part (model.ErrExists) with its first
// certificate, which gives the part's NotAfter.
func (s *Store) SavePart(ctx context.Context, p model.Part, c model.Certificate) error {
	p.NotAfter, p.Revoked = c.NotAfter, false
	if p.Enrolled.IsZero() {
		p.Enrolled = s.now().UTC()
	}
	doc, err := encode(p)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(q *sqldb.Queries) error {
		n, err := q.InsertPart(ctx, sqldb.InsertPartParams{ID: string(p.ID), Enrolled: nanos(p.Enrolled), Doc: doc})
		if err == nil && n == 0 {
			err = model.ErrExists
		}
		if err != nil {
			return wrap(err, "part %s", p.ID)
		}
		if err := putCertificate(ctx, q, p.ID, c); err != nil {
			return err
		}
		_, err = s.audit(ctx, q, auditLine("part:"+string(p.ID), "part.enrolled", string(p.ID), p.Name, s.now()))
		return err
	})
}

func putCertificate(ctx context.Context, q *sqldb.Queries, part model.PartID, c model.Certificate) error {
	n, err := q.InsertCertificate(ctx, sqldb.InsertCertificateParams{
		Serial: c.Serial, Part: string(part), Sha256: c.SHA256, NotBefore: nanos(c.NotBefore), NotAfter: nanos(c.NotAfter),
	})
	if err == nil && n == 0 {
		err = model.ErrExists
	}
	return wrap(err, "certificate %s of %s", c.Serial, part)
}

// SaveCertificate stores a renewed certificate and sets the part's NotAfter.
// A revoked part gets none: model.ErrConflict.
func (s *Store) SaveCertificate(ctx context.Context, c model.Certificate) error {
	return s.tx(ctx, func(q *sqldb.Queries) error {
		row, err := q.GetPart(ctx, string(c.Part))
		if err != nil {
			return wrap(err, "part %s", c.Part)
		}
		if row.Revoked {
			return fmt.Errorf("part %s is revoked: %w", c.Part, model.ErrConflict)
		}
		p, err := loadPart(row)
		if err != nil {
			return err
		}
		p.NotAfter = c.NotAfter
		if err := putCertificate(ctx, q, c.Part, c); err != nil {
			return err
		}
		return putPart(ctx, q, p)
	})
}

func putPart(ctx context.Context, q *sqldb.Queries, p model.Part) error {
	doc, err := encode(p)
	if err != nil {
		return err
	}
	return wrap(q.UpdatePart(ctx, sqldb.UpdatePartParams{ID: string(p.ID), Doc: doc}), "part %s", p.ID)
}

// Certificates lists all certificates of a part, the one that ends last first.
// The long tests check with it what a crash has left.
func (s *Store) Certificates(ctx context.Context, part model.PartID) ([]model.Certificate, error) {
	rows, err := s.db().ListCertificates(ctx, string(part))
	if err != nil {
		return nil, wrap(err, "certificates of %s", part)
	}
	list := make([]model.Certificate, len(rows))
	for i, r := range rows {
		list[i] = model.Certificate{
			Serial: r.Serial, Part: model.PartID(r.Part), SHA256: r.Sha256,
			NotBefore: fromNanos(r.NotBefore), NotAfter: fromNanos(r.NotAfter),
		}
	}
	return list, nil
}

// UpdateParts stores what parts say of themselves (Name and Device if they
// are given, Version, LastSeen, Coverage, Spooled, Dropped, SetsSeen) in one
// transaction. Unknown parts are left out.
func (s *Store) UpdateParts(ctx context.Context, parts []model.Part) error {
	if len(parts) == 0 {
		return nil
	}
	return s.tx(ctx, func(q *sqldb.Queries) error {
		for _, said := range parts {
			row, err := q.GetPart(ctx, string(said.ID))
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return wrap(err, "part %s", said.ID)
			}
			p, err := loadPart(row)
			if err != nil {
				return err
			}
			if err := putPart(ctx, q, mergePart(p, said)); err != nil {
				return err
			}
		}
		return nil
	})
}

func mergePart(p, said model.Part) model.Part {
	if said.Name != "" {
		p.Name = said.Name
	}
	if said.Device != "" {
		p.Device = said.Device
	}
	if said.Version != "" {
		p.Version = said.Version
	}
	if said.LastSeen.After(p.LastSeen) {
		p.LastSeen = said.LastSeen
	}
	p.Coverage, p.Spooled, p.Dropped, p.SetsSeen = said.Coverage, said.Spooled, said.Dropped, said.SetsSeen
	return p
}

func loadPart(row sqldb.Part) (model.Part, error) {
	p, err := decode[model.Part](row.Doc)
	p.Revoked = row.Revoked
	return p, err
}

// Part gives one part; model.ErrNotFound.
func (s *Store) Part(ctx context.Context, id model.PartID) (model.Part, error) {
	row, err := s.db().GetPart(ctx, string(id))
	if err != nil {
		return model.Part{}, wrap(err, "part %s", id)
	}
	return loadPart(row)
}

// Parts lists all parts in the order of enrolment.
func (s *Store) Parts(ctx context.Context) ([]model.Part, error) {
	rows, err := s.db().ListParts(ctx)
	if err != nil {
		return nil, wrap(err, "parts")
	}
	list := make([]model.Part, len(rows))
	for i, row := range rows {
		if list[i], err = loadPart(row); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// RevokePart ends the trust in a part and all its certificates, for ever;
// model.ErrNotFound, model.ErrConflict when it was revoked before.
func (s *Store) RevokePart(ctx context.Context, id model.PartID, by, reason string) (model.Part, error) {
	var out model.Part
	err := s.tx(ctx, func(q *sqldb.Queries) error {
		row, err := q.GetPart(ctx, string(id))
		if err != nil {
			return wrap(err, "part %s", id)
		}
		now := s.now()
		n, err := q.RevokePart(ctx, sqldb.RevokePartParams{ID: string(id), RevokedAt: nanos(now), RevokeReason: reason})
		if err != nil {
			return wrap(err, "part %s", id)
		}
		if n == 0 {
			return fmt.Errorf("part %s is revoked already: %w", id, model.ErrConflict)
		}
		row.Revoked = true
		if out, err = loadPart(row); err != nil {
			return err
		}
		_, err = s.audit(ctx, q, auditLine(by, "part.revoked", string(id), reason, now))
		return err
	})
	return out, err
}
