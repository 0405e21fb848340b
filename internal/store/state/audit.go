package state

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// AppendAudit adds a line to the audit trail; Seq, Previous and Hash are
// filled in, and Time when it is zero.
func (s *Store) AppendAudit(ctx context.Context, e model.AuditEntry) (model.AuditEntry, error) {
	var out model.AuditEntry
	err := s.tx(ctx, func(q *sqldb.Queries) (err error) {
		out, err = s.audit(ctx, q, e)
		return err
	})
	return out, err
}

// audit adds a line in the caller's transaction.
func (s *Store) audit(ctx context.Context, q *sqldb.Queries, e model.AuditEntry) (model.AuditEntry, error) {
	head, err := auditHead(ctx, q)
	if err != nil {
		return e, err
	}
	if e.Time.IsZero() {
		e.Time = s.now()
	}
	e.Time = e.Time.UTC()
	e.Seq = uint64(head.Seq) + 1
	hash := chain([32]byte(head.Hash), &e)
	e.Previous, e.Hash = hex.EncodeToString(head.Hash), hex.EncodeToString(hash[:])
	// The end moves first: on PostgreSQL that makes others who add a line wait
	// or try again, before they meet the same number.
	if err := q.PutAuditHead(ctx, sqldb.PutAuditHeadParams{Seq: int64(e.Seq), Hash: hash[:]}); err != nil {
		return e, wrap(err, "audit trail: move its end")
	}
	err = q.InsertAudit(ctx, sqldb.InsertAuditParams{
		Seq: int64(e.Seq), Time: nanos(e.Time), Actor: e.Actor, Operation: e.Operation,
		Object: e.Object, Detail: e.Detail, Address: e.Address, Hash: hash[:],
	})
	return e, wrap(err, "audit trail: add a line")
}

func auditHead(ctx context.Context, q *sqldb.Queries) (sqldb.AuditHead, error) {
	head, err := q.GetAuditHead(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return sqldb.AuditHead{Hash: make([]byte, sha256.Size)}, nil
	}
	if err == nil && len(head.Hash) != sha256.Size {
		err = &AuditBreak{Seq: uint64(head.Seq), Reason: "the stored end of the chain is not a hash"}
	}
	return head, wrap(err, "audit trail: read its end")
}

// chain gives the hash of a line: SHA-256 over the hash before, the number,
// the time, and each text with its length in front.
func chain(previous [32]byte, e *model.AuditEntry) [32]byte {
	b := append(make([]byte, 0, 256), previous[:]...)
	b = binary.BigEndian.AppendUint64(b, e.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(nanos(e.Time)))
	for _, text := range []string{e.Actor, e.Operation, e.Object, e.Detail, e.Address} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	return sha256.Sum256(b)
}

// Audit gives a page of the trail, newest first.
func (s *Store) Audit(ctx context.Context, p model.Page) (list []model.AuditEntry, next string, err error) {
	before, err := numberBefore(p)
	if err != nil {
		return nil, "", err
	}
	limit, n := most(p)
	rows, err := s.db().ListAudit(ctx, sqldb.ListAuditParams{Before: before, Most: n})
	if err != nil {
		return nil, "", wrap(err, "audit trail")
	}
	list = make([]model.AuditEntry, len(rows))
	for i, r := range rows {
		list[i] = auditEntry(r)
		list[i].Previous = hex.EncodeToString(make([]byte, sha256.Size))
		if i > 0 {
			list[i-1].Previous = list[i].Hash
		}
	}
	// The row beyond the page has given the last line its Previous.
	list, next = cut(list, limit, func(e model.AuditEntry) string { return strconv.FormatUint(e.Seq, 10) })
	return list, next, nil
}

func auditEntry(r sqldb.Audit) model.AuditEntry {
	return model.AuditEntry{
		Seq: uint64(r.Seq), Time: fromNanos(r.Time), Actor: r.Actor, Operation: r.Operation,
		Object: r.Object, Detail: r.Detail, Address: r.Address, Hash: hex.EncodeToString(r.Hash),
	}
}

// AuditBreak says where the audit trail was changed from outside.
type AuditBreak struct {
	Seq    uint64 // the first line that does not fit
	Reason string
}

// Error implements error.
func (b *AuditBreak) Error() string {
	return fmt.Sprintf("the audit trail does not hold at line %d: %s", b.Seq, b.Reason)
}

// VerifyAudit reads the whole trail and gives its length, or an *AuditBreak
// that says where the chain does not hold. Whoever can write to the database
// can make a whole new chain: compare the newest hash with one kept elsewhere
// to see that.
func (s *Store) VerifyAudit(ctx context.Context) (uint64, error) {
	q := s.db()
	head, err := auditHead(ctx, q) // first: lines may be added while we read
	if err != nil {
		return 0, err
	}
	var last [32]byte
	seq := int64(0)
	for seq < head.Seq {
		rows, err := q.ListAuditFrom(ctx, sqldb.ListAuditFromParams{First: seq + 1, Most: 1000})
		if err != nil {
			return 0, wrap(err, "audit trail")
		}
		if len(rows) == 0 {
			return 0, &AuditBreak{Seq: uint64(seq + 1), Reason: "the newest lines are missing"}
		}
		for _, r := range rows {
			if last, err = follow(last, seq, r); err != nil {
				return 0, err
			}
			if seq = r.Seq; seq == head.Seq && last != [32]byte(head.Hash) {
				return 0, &AuditBreak{Seq: uint64(seq), Reason: "the end of the chain is another"}
			}
		}
	}
	return uint64(seq), nil
}

func follow(last [32]byte, seq int64, r sqldb.Audit) ([32]byte, error) {
	if r.Seq != seq+1 {
		return last, &AuditBreak{Seq: uint64(seq + 1), Reason: "the line is missing"}
	}
	e := auditEntry(r)
	hash := chain(last, &e)
	if len(r.Hash) != len(hash) || [32]byte(r.Hash) != hash {
		return last, &AuditBreak{Seq: uint64(r.Seq), Reason: "its content is not what its hash says"}
	}
	return hash, nil
}

// auditLine is a short form for changes that the store itself writes down.
func auditLine(actor, operation, object, detail string, at time.Time) model.AuditEntry {
	if actor == "" {
		actor = "control"
	}
	return model.AuditEntry{Time: at, Actor: actor, Operation: operation, Object: object, Detail: detail}
}
