package bench

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/masugata/masugata/internal/bus"
	"github.com/masugata/masugata/internal/control/ingest"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/server"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event/duckdb"
)

// plane is the receiving side: what a control plane has on the event path.
type plane struct {
	ca    *identity.CA
	token identity.Token
	bus   *bus.Bus
	store *duckdb.Store
	pipes []*ingest.Pipeline
	link  *server.Server
	ln    net.Listener
	group errgroup.Group
	stop  context.CancelFunc
}

func openPlane(ctx context.Context, dir string, log *slog.Logger) (p *plane, err error) {
	p = &plane{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.store, err = duckdb.Open(ctx, duckdb.Config{Dir: filepath.Join(dir, "events"), Log: log}); err != nil {
		return p, err
	}
	if p.bus, err = bus.Open(ctx, bus.Config{Dir: filepath.Join(dir, "bus"), Log: log}); err != nil {
		return p, err
	}
	if p.ca, err = identity.OpenCA(filepath.Join(dir, "ca"), time.Now()); err != nil {
		return p, err
	}
	p.token = identity.NewToken(p.ca.DER())
	signer, err := identity.OpenSigner(filepath.Join(dir, "ca"))
	if err != nil {
		return p, err
	}
	reg := &register{hash: p.token.Hash(), parts: map[model.PartID]model.Part{}}
	p.link, err = server.New(server.Config{CA: p.ca, SigningKey: signer.PublicKey().String(), Tokens: reg, Parts: reg,
		Sink: ingest.LinkSink{Bus: p.bus.Aggregator()}, States: reg, Sets: reg}, slog.New(slog.DiscardHandler)) // refused reports are counted by the agents
	if err != nil {
		return p, err
	}
	if p.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return p, fmt.Errorf("bench: listen: %w", err)
	}
	return p, p.start(ctx, log)
}

func (p *plane) start(ctx context.Context, log *slog.Logger) error {
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	for shard := range p.bus.Shards() {
		pipe, err := ingest.New(ingest.Config{Source: p.bus.Consumer(shard), Sink: p.store, Log: log})
		if err != nil {
			return err
		}
		p.pipes = append(p.pipes, pipe)
		p.group.Go(func() error { return pipe.Run(ctx) })
	}
	p.group.Go(func() error { return p.link.Serve(ctx, p.ln) })
	return nil
}

// stats adds up the pipelines.
func (p *plane) stats() (s ingest.Stats) {
	for _, pipe := range p.pipes {
		x := pipe.Stats()
		s.Events += x.Events
		s.Batches += x.Batches
		s.Repeated += x.Repeated
		s.Missing += x.Missing
		s.Unreadable += x.Unreadable
		s.Commits += x.Commits
	}
	return s
}

// drain waits until nothing is left on the bus.
func (p *plane) drain(ctx context.Context) error {
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		u, err := p.bus.Usage(ctx)
		if err != nil {
			return err
		}
		if u.Messages == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return fmt.Errorf("bench: events still wait on the bus ten minutes after the last report")
}

func (p *plane) close() {
	if p.stop != nil {
		p.stop()
		// An error of the pipeline or the link was logged when it happened.
		_ = p.group.Wait()
	}
	if p.bus != nil {
		p.bus.Close()
	}
	if p.store != nil {
		_ = p.store.Close()
	}
}

// register keeps the parts of one run in memory. There are no signed sets.
type register struct {
	hash  string
	mu    sync.Mutex
	parts map[model.PartID]model.Part
}

// UseToken implements server.Tokens: the run's one token is good for all.
func (r *register) UseToken(_ context.Context, hash string, _ model.Role, _ time.Time) (string, error) {
	if hash != r.hash {
		return "", server.ErrTokenInvalid
	}
	return "", nil
}

// Register implements server.Parts.
func (r *register) Register(_ context.Context, p model.Part, _ server.Certificate) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[p.ID] = p
	return nil
}

// Renewed implements server.Parts.
func (r *register) Renewed(context.Context, model.PartID, server.Certificate) error { return nil }

// Part implements server.Parts.
func (r *register) Part(_ context.Context, id model.PartID) (model.Part, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.parts[id]
	if !ok {
		return p, server.ErrUnknownPart
	}
	return p, nil
}

// State implements server.States.
func (r *register) State(context.Context, model.PartID, time.Time, *wire.PartState) error { return nil }

// Latest implements server.Sets.
func (r *register) Latest(model.PartID, model.DeviceID, string) *wire.SignedSet { return nil }

// Difference implements server.Sets.
func (r *register) Difference(context.Context, model.PartID, string, *wire.SignedSet, uint64) []byte {
	return nil
}

// Changed implements server.Sets.
func (r *register) Changed() <-chan struct{} { return nil }

// Content implements server.Sets.
func (r *register) Content(context.Context, []byte) ([]byte, error) { return nil, nil }
