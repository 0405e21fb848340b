package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/link/server"
)

// Publisher is the way into the bus; *bus.Aggregator is one.
type Publisher interface {
	Publish(ctx context.Context, b bus.Batch) error
}

// LinkSink hands the link server's batches to the bus, and says why one is
// not taken in the words that the link passes on to parts. It implements
// server.Sink.
type LinkSink struct{ Bus Publisher }

// Publish implements server.Sink.
func (s LinkSink) Publish(ctx context.Context, b server.Batch) error {
	err := s.Bus.Publish(ctx, bus.Batch{Part: b.Part, Role: b.Role, Device: b.Device, Epoch: b.Epoch, Seq: b.Seq,
		Received: b.Received, Events: b.Events})
	switch {
	case errors.Is(err, bus.ErrFull), errors.Is(err, bus.ErrClosed):
		return fmt.Errorf("%w: %w", server.ErrBusy, err)
	case errors.Is(err, bus.ErrMalformed):
		return fmt.Errorf("%w: %w", server.ErrMalformed, err)
	}
	return err
}
