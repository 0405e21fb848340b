package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/spool"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// rule marks the events of this test.
const rule = "test.chaos"

const (
	turn       = 20 * time.Millisecond
	eachTurn   = 6 // events: 300 a second
	floodEvery = 2 * time.Second
	spoolBytes = 64 << 20 // far more than waits at any time: none may be dropped
)

// reporter is a part that submits numbered events.
type reporter struct {
	dir        string
	generation uint64
	id         *identity.Store
	spool      *spool.Spool
	client     *client.Client

	flushed, acked, sets *ledger

	mu      sync.Mutex // held by OnAck: two lanes call it
	decoder wire.Decoder

	held   sync.Mutex
	status map[model.ID]model.PartStatus
}

// runReporter is the whole life of a reporter process. SIGTERM makes it stop
// submitting, and end once all it has is acknowledged.
func runReporter(dir, generation string) error {
	r := &reporter{dir: dir, status: make(map[model.ID]model.PartStatus)}
	var err error
	if r.generation, err = strconv.ParseUint(generation, 10, 32); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.client.Run(ctx) }()
	r.submit(stop)
	for r.spool.Stats().Waiting > 0 {
		time.Sleep(turn)
	}
	end()
	if err := <-done; err != nil {
		return err
	}
	if n := r.spool.Stats().Dropped; n > 0 {
		return fmt.Errorf("%d events were dropped from the spool", n)
	}
	return r.spool.Close()
}

func (r *reporter) open() (err error) {
	if r.id, err = identity.Open(r.dir); err != nil {
		return err
	}
	if r.spool, err = spool.Open(spool.Config{Dir: filepath.Join(r.dir, "spool"), MaxBytes: spoolBytes}); err != nil {
		return err
	}
	for _, l := range []struct {
		to   **ledger
		name string
		size int64
	}{{&r.flushed, flushedLedger, numberSize}, {&r.acked, ackedLedger, numberSize}, {&r.sets, setsLedger, setLineSize}} {
		if *l.to, err = openLedger(r.dir, l.name, l.size); err != nil {
			return err
		}
	}
	r.client, err = client.New(client.Config{
		Identity: r.id, Spool: r.spool, Software: "chaos", ReportEvery: 200 * time.Millisecond,
		Log:   slog.New(slog.NewTextHandler(os.Stderr, nil)),
		State: r.state, OnAck: r.onAck,
		Sets: map[string]func(uint64, []byte) error{wire.SetPolicy: r.takePolicy, wire.SetActions: r.takeActions},
	})
	return err
}

// submit makes events until ctx ends, and notes in the ledger which of them
// are in the spool for certain.
func (r *reporter) submit(ctx context.Context) {
	next := r.generation << 32
	tick := time.NewTicker(turn)
	defer tick.Stop()
	flood := time.Now().Add(floodEvery / 2)
	for {
		for range eachTurn {
			r.client.Submit(numbered(r.id.Device(), next))
			next++
		}
		if now := time.Now(); now.After(flood) {
			r.client.Submit(r.flood(next))
			next++
			flood = now.Add(floodEvery)
		}
		if err := r.spool.Flush(); err != nil {
			panic(err)
		}
		r.flushed.number(next)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// onAck notes the events of a batch that the control plane acknowledged.
func (r *reporter) onAck(b *spool.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []byte
	err := r.decoder.Batch(b.Events, r.id.Part(), func(e *model.Event) error {
		if e.Rule != rule { // the client's own
			return nil
		}
		n, err := counter(e)
		out = binary.LittleEndian.AppendUint64(out, n)
		return err
	})
	if err != nil {
		panic(err)
	}
	r.acked.write(out)
}

func (r *reporter) noteSet(name string, version uint64, payload []byte) {
	sum := sha256.Sum256(payload)
	r.sets.write(fmt.Appendf(nil, setLine, name, r.generation, version, binary.BigEndian.Uint64(sum[:])))
}

func (r *reporter) takePolicy(version uint64, payload []byte) error {
	r.noteSet(wire.SetPolicy, version, payload)
	_, err := wire.DecodePolicy(version, payload)
	return err
}

func (r *reporter) takeActions(version uint64, payload []byte) error {
	r.noteSet(wire.SetActions, version, payload)
	actions, _, err := wire.DecodeActions(payload)
	r.held.Lock()
	defer r.held.Unlock()
	clear(r.status)
	for _, a := range actions {
		r.status[a.ID] = model.PartStatus{Applied: true, At: time.Now()}
	}
	return err
}

func (r *reporter) state() *wire.PartState {
	r.held.Lock()
	defer r.held.Unlock()
	s := &wire.PartState{}
	for id, st := range r.status {
		s.Actions = append(s.Actions, wire.ActionStatus{ID: id, PartStatus: st})
	}
	return s
}

// severity is a function of the counter, so that a reader can tell whether
// number and content still belong together.
func severity(n uint64) model.Severity { return model.Severity(n % 5) }

func numbered(device model.DeviceID, n uint64) *model.Event {
	now := time.Now()
	return &model.Event{ID: model.NewID(now), Time: now, Last: now, Device: device, Layer: model.LayerDevice,
		Kind: model.KindFileChanged, Severity: severity(n), Rule: rule, Subject: strconv.FormatUint(n, 10), Count: 1,
		Explanation: "A file of this test was changed.", File: &model.FileEvidence{Path: "/etc/chaos"}}
}

// flood makes the control plane open incidents, send actions and take them
// back: the target changes every few seconds, and now and then a flood ends.
func (r *reporter) flood(n uint64) *model.Event {
	e := numbered(r.id.Device(), n)
	e.Kind, e.File = model.KindFloodOutbound, nil
	if e.Time.UnixNano()%4 == 0 {
		e.Kind = model.KindFloodEnded
	}
	target := netip.AddrFrom4([4]byte{203, 0, 113, byte(e.Time.Unix() / 8 % 250)})
	e.Flood = &model.FloodEvidence{Vector: model.VectorUDP, PPS: 20000, Sources: 1,
		Shape: model.Shape{Proto: 17, Dst: netip.PrefixFrom(target, 32), DstPort: 9000, LenMin: 540, LenMax: 540}}
	return e
}

func counter(e *model.Event) (uint64, error) {
	n, err := strconv.ParseUint(e.Subject, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("event %s: subject %q is no number", e.ID, e.Subject)
	}
	if e.Severity != severity(n) {
		return n, fmt.Errorf("event %s: number %d with severity %d", e.ID, n, e.Severity)
	}
	return n, nil
}
