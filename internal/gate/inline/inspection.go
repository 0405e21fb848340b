package inline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/afxdp"
	"github.com/masugata/masugata/internal/gate/listed"
	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/rule"
	"github.com/masugata/masugata/internal/model"
)

// Kernel is the data path's part of an inspection; xdp.Datapath is one.
type Kernel interface {
	// SetSocket has a worker's frames of a queue go to a socket.
	SetSocket(side datapath.Side, queue, worker, fd int) error
	SetWorkers(n int) error
}

// Verdicts tells the kernel what becomes of flows; xdp.Verdicts does. Its
// methods may be called from every worker.
type Verdicts interface {
	Alive()
	Gone()
	Set(id *datapath.FlowID, fate datapath.Fate) error
	Forget()
}

// Stats are the counters of an Inspection, all workers together.
type Stats struct {
	Inspected uint64 `json:"inspected"` // frames
	Forwarded uint64 `json:"forwarded"`
	Dropped   uint64 `json:"dropped"`
	Rejected  uint64 `json:"rejected"` // of these, with word to the ends
	RingFull  uint64 `json:"ring_full"`
	Alerts    uint64 `json:"alerts"`
	Settled   uint64 `json:"settled_flows"` // handed to the kernel: nothing more can be found
	Blocked   uint64 `json:"blocked_flows"` // that the kernel drops
	Reloads   uint64 `json:"reloads"`       // that every worker has taken
	Errors    uint64 `json:"errors"`        // verdicts and records that could not be written

	Listed        uint64 `json:"listed"`         // things of bad reputation that were met
	ListedStopped uint64 `json:"listed_stopped"` // of these, that were stopped
	Denied        uint64 `json:"denied_names"`   // DNS queries answered with "no such name"
	Unsure        uint64 `json:"unsure"`         // that fitted an entry which could not be confirmed, and passed
}

// add adds up the counters of workers; Reloads is the least of them.
func (s *Stats) add(o *Stats) {
	s.Inspected += o.Inspected
	s.Forwarded += o.Forwarded
	s.Dropped += o.Dropped
	s.Rejected += o.Rejected
	s.RingFull += o.RingFull
	s.Alerts += o.Alerts
	s.Settled += o.Settled
	s.Blocked += o.Blocked
	s.Reloads = min(s.Reloads, o.Reloads)
	s.Errors += o.Errors
	s.Listed += o.Listed
	s.ListedStopped += o.ListedStopped
	s.Denied += o.Denied
	s.Unsure += o.Unsure
}

// Status is how an Inspection stands.
type Status struct {
	Stats
	Mode    model.Mode    `json:"mode"`             // of devices without one of their own
	Own     int           `json:"devices_own_mode"` // devices with a mode of their own
	Workers []uint64      `json:"workers"`          // frames that each has inspected
	Rules   Loaded        `json:"rules"`
	Listing ListingStatus `json:"reputation"`
	Error   string        `json:"error,omitempty"` // of the last reload or of the running
}

// Inspection is the engine on live traffic, one for each worker over rules that
// all share. Make it with New, give it its sockets with Attach, run it with
// Run; Reload, SetModes, Status and Fetch may be called from any goroutine.
type Inspection struct {
	cfg      Config
	workers  []*worker
	journal  *journal // nil for none
	crossing *afxdp.Crossing
	verdicts Verdicts
	modes    atomic.Pointer[Modes]
	listing  atomic.Pointer[Listing]
	lived    int64 // when the kernel was last told that inspection goes on; the first worker's once Run is called

	mu     sync.Mutex
	status Status
}

// New compiles the rules and makes an engine for each worker.
func New(cfg Config) (*Inspection, error) {
	cfg.Workers = max(cfg.Workers, 1)
	set, loaded, err := compile(&cfg)
	if err != nil {
		return nil, err
	}
	i := &Inspection{cfg: cfg}
	i.status.Rules = loaded
	if cfg.Eve.Path != "" {
		if i.journal, err = openJournal(cfg.Eve); err != nil {
			return nil, err
		}
	}
	for n := range cfg.Workers {
		w, err := i.newWorker(n, set)
		if err != nil {
			return nil, fmt.Errorf("inspection.settings: %w", err)
		}
		i.workers = append(i.workers, w)
	}
	i.SetModes(cfg.Modes)
	return i, nil
}

// newWorker makes a worker with its share of flows and memory.
func (i *Inspection) newWorker(n int, set *rule.Set) (*worker, error) {
	s := i.cfg.settings()
	// Streams are always read as if packets could be stopped, because a reload
	// may make it so; what only observes has its verdicts softened.
	flows, err := engine.FlowConfig(s, true)
	if err != nil {
		return nil, err
	}
	most := max(i.cfg.Flows/i.cfg.Workers, minFlows)
	flows.MaxFlows, flows.Stream.Memory = most, max(i.cfg.Memory/i.cfg.Workers, minMemory)
	flows.Stream.Live = true
	flows.Seed += uint64(n) << 47 // flow numbers differ between workers
	w := &worker{in: i, number: n, sink: &alerts{list: make(map[Key]*Alert)}, known: listed.NewReader()}
	if i.journal != nil {
		w.sink.records = engine.NewRecords(i.journal, recordOptions(&i.cfg))
	}
	w.engine, err = engine.New(engine.Config{
		Specs: offline.Specs(s), Rules: set, Flow: flows, Settings: s, Sink: w.sink, Known: w.known,
		Decoder: engine.DecoderOptions(s, s.Bool("stream.checksum-validation", true)),
		Inspect: rule.InspectorConfig{
			PacketAlertMax: int(s.Size("packet-alert-max", 15)), RecursionLimit: int(s.Size("detect.inspection-recursion-limit", 3000)),
			FlowMemory: most, IPS: true,
		},
	})
	return w, err
}

// The least that a worker gets.
const (
	minFlows  = 256
	minMemory = 1 << 20
)

func recordOptions(cfg *Config) engine.RecordOptions {
	o := engine.RecordOptions{IPS: true}
	if len(cfg.Eve.Types) > 0 {
		o.Types = make(map[string]bool)
		for _, t := range cfg.Eve.Types {
			o.Types[t] = true
		}
	}
	return o
}

// Attach opens sockets on the ports, in the network namespace of the calling
// thread. The error wraps afxdp.ErrUnavailable when the machine has none.
func (i *Inspection) Attach(v Verdicts, k Kernel) error {
	c, err := afxdp.Open(afxdp.Config{Inside: i.cfg.Inside, Outside: i.cfg.Outside, Bind: k.SetSocket, Workers: len(i.workers)})
	if err != nil {
		return err
	}
	if err = k.SetWorkers(len(i.workers)); err != nil {
		return errors.Join(err, c.Close())
	}
	i.crossing, i.verdicts = c, v
	for n, w := range i.workers {
		w.crossing = c.Worker(n)
	}
	v.Forget() // of a former process, that had perhaps other rules
	v.Alive()
	i.lived = time.Now().UnixNano()
	return nil
}

// Discard gives back what New took, of an Inspection that is never run.
func (i *Inspection) Discard() error {
	for _, w := range i.workers {
		w.engine.Close()
	}
	if i.journal == nil {
		return nil
	}
	return i.journal.close()
}

// Run inspects until ctx ends or a worker fails. Each worker keeps a thread.
func (i *Inspection) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(i.workers))
	var wg sync.WaitGroup
	began := time.Now().UnixNano()
	for _, w := range i.workers {
		w.beat.Store(began)
	}
	for n, w := range i.workers {
		wg.Go(func() {
			errs[n] = w.run(ctx)
			cancel() // one missing worker is a share of the traffic that nobody inspects
		})
	}
	wg.Wait()
	i.verdicts.Gone()
	errs = append(errs, i.crossing.Close())
	for _, w := range i.workers {
		w.engine.Close()
	}
	if i.journal != nil {
		errs = append(errs, i.journal.close())
	}
	return errors.Join(errs...)
}

// beatFor is how long a worker may be silent before the kernel hears that the
// inspection does not go on.
const beatFor = int64(500 * time.Millisecond)

// silentFor is how long the kernel may have heard nothing before it is taken
// to have passed frames on uninspected; it does so after two seconds.
const silentFor = int64(1500 * time.Millisecond)

// alive tells the kernel that inspection goes on, if every worker does. Only
// the first worker calls it.
func (i *Inspection) alive(now int64) {
	for _, w := range i.workers {
		if now-w.beat.Load() > beatFor {
			return
		}
	}
	if now-i.lived > silentFor {
		for _, w := range i.workers {
			w.missed.Store(true) // before frames come again
		}
	}
	i.lived = now
	i.verdicts.Alive()
}

// SetModes says what is done to whose traffic from the next frame on.
func (i *Inspection) SetModes(m Modes) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if old := i.modes.Swap(&m); old != nil && !old.equal(&m) {
		for _, w := range i.workers {
			w.asked.Store(true)
		}
	}
	i.status.Mode, i.status.Own = m.All, len(m.Devices)
}

// Reload compiles the rules beside the ones in force, which hold when it
// fails, and puts them into force between two frames of each worker.
func (i *Inspection) Reload(cfg Config) error {
	set, loaded, err := compile(&cfg)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		i.status.Error = err.Error()
		return err
	}
	for _, w := range i.workers {
		w.next.Store(set)
	}
	i.status.Rules, i.status.Error = loaded, ""
	return nil
}

// Status is how the inspection stands.
func (i *Inspection) Status() Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.status
	s.Stats, s.Workers = i.workers[0].told, nil
	for n, w := range i.workers {
		s.Workers = append(s.Workers, w.told.Inspected)
		if n > 0 {
			s.Stats.add(&w.told)
		}
	}
	return s
}

// Fetch gives the alerts since the last call, and how many more there were
// than are kept.
func (i *Inspection) Fetch() (list map[Key]*Alert, lost uint64) {
	for _, w := range i.workers {
		more, n := w.sink.fetch()
		lost += n
		if list == nil {
			list = more
			continue
		}
		for k, a := range more {
			if old := list[k]; old != nil {
				a.join(old)
			}
			list[k] = a
		}
	}
	return list, lost
}
