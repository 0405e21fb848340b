package inline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/afxdp"
	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/rule"
	"github.com/masugata/masugata/internal/model"
)

// Verdicts tells the kernel what becomes of flows; xdp.Verdicts does.
type Verdicts interface {
	Alive()
	Gone()
	Set(id *datapath.FlowID, fate datapath.Fate) error
	Forget()
}

// Stats are the counters of an Inspection.
type Stats struct {
	Inspected uint64 `json:"inspected"` // frames
	Forwarded uint64 `json:"forwarded"`
	Dropped   uint64 `json:"dropped"`
	Rejected  uint64 `json:"rejected"` // of these, with word to the ends
	RingFull  uint64 `json:"ring_full"`
	Alerts    uint64 `json:"alerts"`
	Settled   uint64 `json:"settled_flows"` // handed to the kernel: nothing more can be found
	Blocked   uint64 `json:"blocked_flows"` // that the kernel drops
	Reloads   uint64 `json:"reloads"`
	Errors    uint64 `json:"errors"` // verdicts and records that could not be written
}

// Status is how an Inspection stands.
type Status struct {
	Stats
	Mode  model.Mode `json:"mode"`             // of devices without one of their own
	Own   int        `json:"devices_own_mode"` // devices with a mode of their own
	Rules Loaded     `json:"rules"`
	Error string     `json:"error,omitempty"` // of the last reload or of the running
}

// Inspection is the engine on live traffic. Make it with New, give it its
// sockets with Attach, run it with Run; Reload, SetModes, Status and Fetch may be called
// from any goroutine.
type Inspection struct {
	cfg      Config
	engine   *engine.Engine
	sink     *alerts
	journal  *journal // nil for none
	crossing *afxdp.Crossing
	verdicts Verdicts
	now      int64
	stats    Stats
	buf      [256]byte // of a refusal

	next  atomic.Pointer[rule.Set]
	modes atomic.Pointer[Modes]
	asked atomic.Bool // the kernel must ask again about every flow

	mu     sync.Mutex
	status Status
}

// New compiles the rules and makes the engine.
func New(cfg Config) (*Inspection, error) {
	set, loaded, err := compile(&cfg)
	if err != nil {
		return nil, err
	}
	i := &Inspection{cfg: cfg, sink: &alerts{list: make(map[Key]*Alert)}}
	i.status.Rules = loaded
	i.SetModes(cfg.Modes)
	s := cfg.settings()
	// Streams are always read as if packets could be stopped, because a reload
	// may make it so; what only observes has its verdicts softened.
	flows, err := engine.FlowConfig(s, true)
	if err != nil {
		return nil, fmt.Errorf("inspection.settings: %w", err)
	}
	flows.MaxFlows, flows.Stream.Memory = cfg.Flows, cfg.Memory
	if cfg.Eve.Path != "" {
		if i.journal, err = openJournal(cfg.Eve); err != nil {
			return nil, err
		}
		i.sink.records = engine.NewRecords(i.journal, recordOptions(&cfg))
	}
	i.engine, err = engine.New(engine.Config{
		Specs: offline.Specs(s), Rules: set, Flow: flows, Settings: s, Sink: i.sink,
		Decoder: engine.DecoderOptions(s, s.Bool("stream.checksum-validation", true)),
		Inspect: rule.InspectorConfig{
			PacketAlertMax: int(s.Size("packet-alert-max", 15)), RecursionLimit: int(s.Size("detect.inspection-recursion-limit", 3000)),
			FlowMemory: cfg.Flows, IPS: true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("inspection.settings: %w", err)
	}
	return i, nil
}

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
func (i *Inspection) Attach(v Verdicts, bind func(side datapath.Side, queue, fd int) error) error {
	c, err := afxdp.Open(afxdp.Config{Inside: i.cfg.Inside, Outside: i.cfg.Outside, Bind: bind})
	if err != nil {
		return err
	}
	i.crossing, i.verdicts = c, v
	v.Forget() // of a former process, that had perhaps other rules
	v.Alive()
	return nil
}

const (
	idleWait   = 50                     // milliseconds
	aliveEvery = 200 * time.Millisecond // how often the kernel hears that inspection goes on
)

// Run inspects until ctx ends. It keeps its thread.
func (i *Inspection) Run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var told int64
	var failed error
	for ctx.Err() == nil && failed == nil {
		i.now = time.Now().UnixNano()
		i.swap()
		n, err := i.crossing.Turn(i, idleWait)
		failed = err
		if i.now-told >= int64(aliveEvery) || n == 0 && i.now-told >= int64(aliveEvery)/2 {
			told = i.now
			i.verdicts.Alive()
			i.engine.Advance(i.now)
			i.tell()
		}
	}
	return errors.Join(failed, i.close())
}

// swap goes on with the rules of a reload, and with other modes.
func (i *Inspection) swap() {
	if i.asked.Swap(false) {
		i.verdicts.Forget()
	}
	set := i.next.Swap(nil)
	if set == nil {
		return
	}
	i.engine.Swap(set)
	i.verdicts.Forget()
	i.stats.Reloads++
}

// tell puts the counters where others see them, and records on disk.
func (i *Inspection) tell() {
	if i.journal != nil {
		if err := i.journal.flush(); err != nil {
			i.stats.Errors++
		}
	}
	s := i.stats
	c := i.crossing.Stats()
	s.Inspected, s.Forwarded, s.Dropped, s.RingFull = c.Received, c.Forwarded, c.Dropped, c.RingFull
	s.Alerts = i.sink.count()
	i.mu.Lock()
	i.status.Stats = s
	i.mu.Unlock()
}

// close lets the kernel go on alone, judges what it handed over before, and
// finishes the flows.
func (i *Inspection) close() error {
	i.verdicts.Gone()
	for range 100 { // so many turns empty every ring
		if n, err := i.crossing.Turn(i, 1); n == 0 || err != nil {
			break
		}
	}
	i.tell()
	err := i.crossing.Close()
	i.engine.Close()
	if i.journal != nil {
		err = errors.Join(err, i.journal.close())
	}
	return err
}

// Judge implements afxdp.Judge.
func (i *Inspection) Judge(side datapath.Side, frame []byte) []byte {
	device := deviceOf(side, frame)
	mode := i.modes.Load().of(device)
	if mode == model.ModeOff {
		i.settle(side, frame, nil, datapath.FateForward)
		return frame
	}
	i.sink.device, i.sink.harm = device, mode == model.ModeEnforce
	a := i.engine.Frame(packet.LinkEthernet, frame, i.now, 0)
	if f := a.Flow; f != nil {
		i.sink.belongs(f.Slot)
		switch {
		case f.Flags&flow.FlagDropped != 0 && mode == model.ModeEnforce:
			i.settle(side, frame, f, datapath.FateDrop)
		case f.Flags&flow.FlagBypassed != 0:
			i.settle(side, frame, f, datapath.FateForward)
		}
	}
	if mode != model.ModeEnforce {
		return frame
	}
	if a.Drop {
		if a.Tell != 0 {
			i.reject(side, frame, a.Tell)
		}
		return nil
	}
	if a.Rewrite != nil {
		rewrite(frame, a.Rewrite)
	}
	return frame
}

// SetModes says what is done to whose traffic from the next frame on.
func (i *Inspection) SetModes(m Modes) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if old := i.modes.Swap(&m); old != nil && !old.equal(&m) {
		i.asked.Store(true)
	}
	i.status.Mode, i.status.Own = m.All, len(m.Devices)
}

// settle has the kernel deal with the rest of a flow, if it can name it. f is
// nil when nothing is known of the flow.
func (i *Inspection) settle(side datapath.Side, frame []byte, f *flow.Flow, fate datapath.Fate) {
	h, ok := readHeads(frame)
	if !ok || f != nil && !sameFlow(&h, f) {
		return
	}
	id := h.flowID(side, frame)
	if err := i.verdicts.Set(&id, fate); err != nil {
		i.stats.Errors++
		return
	}
	switch {
	case f == nil || !i.sink.fresh(f):
	case fate == datapath.FateDrop:
		i.stats.Blocked++
	default:
		i.stats.Settled++
	}
}

// sameFlow says whether the outermost headers are those of the flow: of
// tunnels the engine may speak of a flow inside.
func sameFlow(h *heads, f *flow.Flow) bool {
	return h.proto == f.Proto && h.version == f.IPVersion &&
		(h.srcPort == f.ClientPort && h.dstPort == f.ServerPort || h.srcPort == f.ServerPort && h.dstPort == f.ClientPort)
}

// Reload compiles the rules beside the ones in force, which hold when it
// fails, and puts them into force between two frames.
func (i *Inspection) Reload(cfg Config) error {
	set, loaded, err := compile(&cfg)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		i.status.Error = err.Error()
		return err
	}
	i.next.Store(set)
	i.status.Rules, i.status.Error = loaded, ""
	return nil
}

// Status is how the inspection stands.
func (i *Inspection) Status() Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.status
}

// Fetch gives the alerts since the last call, and how many more there were
// than are kept.
func (i *Inspection) Fetch() (list map[Key]*Alert, lost uint64) { return i.sink.fetch() }
