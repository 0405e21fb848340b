package ingest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/link/server"
)

// answer is a bus that always answers the same.
type answer struct{ err error }

func (a answer) Publish(context.Context, bus.Batch) error { return a.err }

func TestLinkSinkSpeaksTheLinksWords(t *testing.T) {
	other := errors.New("disk on fire")
	for _, c := range []struct{ bus, link error }{
		{nil, nil},
		{fmt.Errorf("%w (maximum bytes exceeded)", bus.ErrFull), server.ErrBusy},
		{bus.ErrClosed, server.ErrBusy},
		{fmt.Errorf("%w: cut off", bus.ErrMalformed), server.ErrMalformed},
		{other, other},
	} {
		err := LinkSink{answer{c.bus}}.Publish(t.Context(), server.Batch{})
		if !errors.Is(err, c.link) || !errors.Is(err, c.bus) || (c.link == other) == (errors.Is(err, server.ErrBusy) || errors.Is(err, server.ErrMalformed)) && c.bus != nil {
			t.Errorf("%v became %v, want %v", c.bus, err, c.link)
		}
	}
}
