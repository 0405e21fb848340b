// Package event keeps the events of all parts. It knows the shape of the store
// that the ingest pipeline writes and that people and correlation read, and
// the rules every implementation follows; the implementations are in folders
// below (duckdb) and all pass the contract suite in eventtest. It does not know
// where events come from or who asks.
package event

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/model"
)

// Mark is the highest batch of one part's epoch that the store holds. Batches
// of an epoch are stored in order, so everything at or below it is stored.
type Mark struct {
	Part  model.PartID
	Epoch uint64
	Seq   uint64
}

// Block is what one Append stores: events and the marks that go with them.
type Block struct {
	Events []*model.Event
	Marks  []Mark
}

// Store keeps events. One goroutine appends at a time (calls are serialised);
// any number may read meanwhile, and sees whole blocks only.
type Store interface {
	// Append stores the block, events and marks together or not at all, and
	// returns when it is durable. The block is the caller's again afterwards.
	// Text that is not UTF-8 is stored with U+FFFD in place of what is wrong.
	Append(ctx context.Context, b Block) error
	// Marks gives all marks, one for each part and epoch.
	Marks(ctx context.Context) ([]Mark, error)

	// Search gives the newest matching events first, at most limit (1 to
	// 10000), and the cursor that continues; an empty cursor begins and, when
	// returned, says that there is no more.
	Search(ctx context.Context, q query.Query, limit int, before Cursor) ([]model.Event, Cursor, error)
	// Get gives one event, or ErrNotFound.
	Get(ctx context.Context, id model.ID) (model.Event, error)
	// Count gives how many stored events match.
	Count(ctx context.Context, q query.Query) (uint64, error)
	// Histogram counts matching events in steps of time from from to to, by
	// the values of one field (severity, layer, kind, device, reporter, rule,
	// technique) or, with the empty field, under the empty value. Every step
	// has a bucket, also when it is empty; at most MaxBuckets.
	Histogram(ctx context.Context, q query.Query, from, to time.Time, step time.Duration, by query.Field) ([]Bucket, error)
	// Top gives the n values of a field that most events have, most first.
	// Fields as in Histogram, and subject.
	Top(ctx context.Context, q query.Query, field query.Field, n int) ([]TopValue, error)

	// Groups joins the matching events of each device that have the same
	// observables and last happened between from and to, and yields at most n
	// groups, those with the largest totals first, until yield says false. It
	// may be called from within no other call of the store.
	Groups(ctx context.Context, q query.Query, from, to time.Time, n int, yield func(Group) bool) error

	// Retain forgets events stored before the given time, as far as the store
	// can do so cheaply (whole days), and says how many files it dropped.
	// Marks are kept.
	Retain(ctx context.Context, olderThan time.Time) (dropped int, err error)
	// Export writes the matching events as one Parquet file.
	Export(ctx context.Context, q query.Query, w io.Writer) error
	// Usage says how large the store is.
	Usage(ctx context.Context) (Usage, error)
	// Close ends the store; reads that still run fail.
	Close() error
}

// MaxBuckets is how many buckets a histogram may have.
const MaxBuckets = 10_000

// MaxSearch is how many events one Search gives at most.
const MaxSearch = 10_000

// Cursor continues a search after its last event. It is opaque and URL-safe.
type Cursor string

// Bucket is one step of a histogram.
type Bucket struct {
	Time   time.Time         `json:"time"` // start of the step, UTC
	Counts map[string]uint64 `json:"counts"`
}

// TopValue is one value of a field, with how many stored events have it and
// the sum of their counts.
type TopValue struct {
	Value  string `json:"value"`
	Events uint64 `json:"events"`
	Total  uint64 `json:"total"`
}

// Group is events of one device with the same observables.
type Group struct {
	Device      model.DeviceID
	Observables []model.Observable
	Events      uint64 // stored
	Total       uint64 // sum of their counts
	First, Last time.Time
}

// MaxGroups is how many groups are given at most.
const MaxGroups = 1_000_000

// Usage says how much a store holds.
type Usage struct {
	Events uint64    `json:"events"`
	Bytes  int64     `json:"bytes"` // on disk
	Files  int       `json:"files"`
	Oldest time.Time `json:"oldest,omitzero"` // earliest event time
	Newest time.Time `json:"newest,omitzero"`
}

// ErrNotFound says that there is no such event.
var ErrNotFound = errors.New("event store: no such event")

// ErrArgument is the cause of errors about a caller's argument, such as a
// malformed cursor or a field that cannot be counted.
var ErrArgument = errors.New("bad argument")
