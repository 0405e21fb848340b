// Package ingest takes event batches from the bus into the event store, each
// exactly once, and shows every event to the correlator and to live viewers on
// its way. It knows the order of things: decode, drop what is stored already,
// hand on, commit, acknowledge. It does not know what events mean. The control
// role runs one Pipeline for each consumer of the bus.
package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// Source is the way out of the bus; *bus.Consumer is one.
type Source interface {
	Fetch(ctx context.Context, max int, wait time.Duration) ([]bus.Delivery, error)
	Ack(d bus.Delivery) error
	Lane() string
}

// Sink is what the pipeline needs of the event store; event.Store is one.
type Sink interface {
	Append(ctx context.Context, b event.Block) error
	Marks(ctx context.Context) ([]event.Mark, error)
}

// Config wires a pipeline.
type Config struct {
	Source Source
	Sink   Sink
	// OnEvents sees new events as soon as they are decoded, before they are
	// committed; after a crash it may see the same events again (same ids).
	// The slice is valid only during the call; the events may be kept and must
	// not be changed. May be nil. It is called by one goroutine a pipeline, and
	// what it takes is time that no event is read.
	OnEvents func(events []*model.Event)
	// MaxEvents is how many events are committed at once at most; default
	// 61,440, a row group of the store, which it takes in most cheaply.
	// MinAge and MaxAge say how long a block waits for more: MinAge (default
	// 250 ms) when few events come, the nearer MaxAge (default 4 s) the more
	// come. An event is found by searches after that time.
	MaxEvents      int
	MinAge, MaxAge time.Duration
	Log            *slog.Logger
}

// Stats says what a pipeline did since it was made.
type Stats struct {
	Events     uint64 `json:"events"`     // stored
	Batches    uint64 `json:"batches"`    // stored
	Repeated   uint64 `json:"repeated"`   // batches that were stored before
	Missing    uint64 `json:"missing"`    // batches that did not come on this lane before a later one of the part
	Unreadable uint64 `json:"unreadable"` // batches or messages that could not be decoded
	Commits    uint64 `json:"commits"`
}
