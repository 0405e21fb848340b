package bench

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

type agentsOptions struct {
	Endpoint string
	Rate     int
	Duration time.Duration
	Devices  int
	Every    time.Duration
	Profile  string
}

// invitation is what the generator's process reads first.
type invitation struct {
	CA    []byte `json:"ca"` // DER
	Token string `json:"token"`
}

// progress is what it writes, one JSON value a line: when it begins, every
// second, and at the end.
type progress struct {
	Began   time.Time `json:"began"`
	Acked   uint64    `json:"acked"`   // events
	Late    uint64    `json:"late"`    // reports that took over a second
	Retried uint64    `json:"retried"` // reports that were sent again
	Done    bool      `json:"done,omitempty"`
	Use     use       `json:"use"`
}

// runAgents enrols the fleet and lets it report; the whole generator.
func runAgents(ctx context.Context, o agentsOptions, in io.Reader, out io.Writer) error {
	var inv invitation
	if err := json.NewDecoder(in).Decode(&inv); err != nil {
		return fmt.Errorf("bench agents: invitation: %w", err)
	}
	ca, err := x509.ParseCertificate(inv.CA)
	if err != nil {
		return fmt.Errorf("bench agents: CA: %w", err)
	}
	stop, err := startProfile(o.Profile, "agents")
	if err != nil {
		return err
	}
	defer stop()
	var n counts
	fleet, err := enrollFleet(ctx, o, ca, inv.Token, &n)
	if err != nil {
		return err
	}
	began := time.Now()
	write := json.NewEncoder(out)
	tell := func(done bool) error {
		return write.Encode(progress{Began: began, Acked: n.acked.Load(), Late: n.late.Load(), Retried: n.retried.Load(), Done: done, Use: ownUse()})
	}
	if err := tell(false); err != nil {
		return err
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		runFleet(ctx, fleet, o, began)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := tell(false); err != nil {
				return err
			}
		case <-finished:
			return tell(true)
		}
	}
}

// runFleet spreads the agents' reports over the time between two of one.
func runFleet(ctx context.Context, fleet []*agent, o agentsOptions, began time.Time) {
	var wg sync.WaitGroup
	for i, a := range fleet {
		first := began.Add(o.Every * time.Duration(i) / time.Duration(len(fleet)))
		wg.Go(func() {
			a.run(ctx, float64(o.Rate)/float64(len(fleet)), o.Every, began, first, began.Add(o.Duration))
		})
	}
	wg.Wait()
}

func enrollFleet(ctx context.Context, o agentsOptions, ca *x509.Certificate, token string, n *counts) ([]*agent, error) {
	fleet := make([]*agent, o.Devices)
	for i := range fleet {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10))
		if err != nil {
			return nil, fmt.Errorf("bench agents: compressor: %w", err)
		}
		var epoch [8]byte
		_, _ = rand.Read(epoch[:]) // never fails, see crypto/rand
		a := &agent{endpoint: o.Endpoint, device: deviceID(i), epoch: binary.LittleEndian.Uint64(epoch[:])>>1 | 1,
			enc: enc, words: newGenerator(i), counts: n}
		if err := a.enroll(ctx, ca, token); err != nil {
			return nil, err
		}
		fleet[i] = a
	}
	return fleet, nil
}
