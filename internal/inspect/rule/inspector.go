package rule

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/memory"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/prefilter"
)

// Inspector runs a Set. It remembers what rules remember across packets
// (flowbits, thresholds …) within the bounds of its InspectorConfig. One
// goroutine uses it.
type Inspector struct {
	set     *Set
	cfg     InspectorConfig
	verdict Verdict

	flows      *memory.Flows
	bits       *memory.Bits
	thresholds *memory.Thresholds
	tags       *memory.Tags
	datasets   []*memory.DatasetState
	epoch      uint32
	former     [maxFormer][]uint32 // by epoch: where the rules of that set are in the next, plus one
	once       []once              // by flow slot

	scratch   prefilter.Scratch
	state     payload.State
	work      payload.Workspace
	transform []transformed // results of this transaction

	gate       []uint32 // by rule about transactions: the packet in which a literal of its contents was found last
	packet     uint32   // counts packets, for gate
	seen       []uint32 // by rule: generation in which it became a candidate
	generation uint32
	candidates []uint32
	pending    []uint32 // candidates of a transaction with their step
	hits       []hit
	kind       []byte // of the file under inspection
	headers    headerCache

	c     *Context
	tx    protocol.Tx
	who   memory.Who
	facts facts
}

// once is what was looked at once for each direction of a flow, by the rules of
// an epoch.
type once struct {
	flow   uint64
	epoch  uint32
	ipOnly [2]bool
	apps   [2]protocol.ID // the protocol for which rules about protocols were looked at
}

// facts are what rules ask first of a packet.
type facts struct {
	over      transports
	group     transport
	needs     needs // conditions that are met
	ports     bool
	fragment  bool
	hidden    bool // the packet's payload is encrypted and left out
	packet    bool // the packet's payload can be looked at
	payload   bool // it, or some of the stream, can
	real      bool
	flushed   bool // not real, but rules about packets see it
	app       protocol.ID
	dir       protocol.Dirs
	ipVersion uint8
}

// hit is a rule that has matched, before limits.
type hit struct {
	rule   uint32
	tx     protocol.Tx
	txID   uint64
	frame  *protocol.Frame
	stream bool
}

// NewInspector makes an Inspector for a set.
func NewInspector(set *Set, cfg InspectorConfig) *Inspector {
	if cfg.PacketAlertMax <= 0 {
		cfg.PacketAlertMax = 15
	}
	in := &Inspector{
		cfg:   cfg,
		flows: memory.NewFlows(cfg.FlowMemory), bits: memory.NewBits(cfg.HostMemory),
		thresholds: memory.NewThresholds(cfg.HostMemory), tags: memory.NewTags(0),
	}
	in.state.Limit = cfg.RecursionLimit
	in.state.Caller = in
	in.use(set)
	return in
}

func (in *Inspector) use(set *Set) {
	in.set = set
	in.seen = make([]uint32, len(set.rules))
	in.generation = 0
	in.gate, in.packet = make([]uint32, len(set.rules)), 0
	in.headers.reset(len(set.headers))
	in.datasets = make([]*memory.DatasetState, len(set.memory.datasets))
	for i, d := range set.memory.datasets {
		in.datasets[i] = d.Open()
	}
}

// ForgetFlow frees what was remembered of the flow in a slot of the flow
// table. Call it when the flow has finished.
func (in *Inspector) ForgetFlow(slot int32) {
	in.flows.Forget(slot)
	if slot >= 0 && int(slot) < len(in.once) {
		in.once[slot] = once{}
	}
}

// maxFormer is how many swaps back it is known which rules have fired on a
// transaction; one older than that may be told of again.
const maxFormer = 8

// Adopt goes on with another set from the next packet on. Flowbits, xbits,
// hostbits and data sets are kept by name, thresholds by rule. Transactions
// in flight are looked at anew from where they are; a rule that has fired on
// one does not fire on it again when it is in the new set with the same
// revision.
func (in *Inspector) Adopt(set *Set) {
	old, states := in.set, in.datasets
	in.use(set)
	in.former[in.epoch%maxFormer] = successors(old.metas, set.metas)
	in.epoch++
	in.flows.Rename(old.names, set.names)
	in.bits.Rename(old.names, set.names, 0)
	for i, d := range set.memory.datasets {
		for j, was := range old.memory.datasets {
			if was.Name == d.Name {
				in.datasets[i].Adopt(states[j])
			}
		}
	}
}

// Datasets calls yield for every data set that is to be saved, with its text.
func (in *Inspector) Datasets(yield func(file string, text []byte)) {
	for i, d := range in.set.memory.datasets {
		if d.Save != "" {
			yield(d.Save, in.datasets[i].AppendText(nil))
		}
	}
}

// Flowbits calls yield with the names of what is remembered of a flow: marks
// (number false) and numbers.
func (in *Inspector) Flowbits(slot int32, yield func(name string, number bool, value uint32)) {
	in.flows.Each(slot, func(n uint32, counter bool, value uint32) {
		space := memory.SpaceFlow
		if counter {
			space = memory.SpaceCounter
		}
		yield(in.set.names.Name(space, n), counter, value)
	})
}

// Inspect runs every rule that may apply to a packet, its stream and its
// transactions.
func (in *Inspector) Inspect(c *Context) *Verdict {
	in.verdict = Verdict{Alerts: in.verdict.Alerts[:0]}
	in.c, in.tx, in.hits = c, nil, in.hits[:0]
	if in.packet++; in.packet == 0 {
		clear(in.gate)
		in.packet = 1
	}
	in.who = whoOf(c.Packet, c)
	in.learn(c)
	if !c.TxOnly {
		in.packetRules(c)
	}
	if len(c.Txs) > 0 {
		in.txRules(c)
	}
	if len(c.Frames) > 0 {
		in.frameRules(c)
	}
	in.conclude(c)
	in.c, in.tx = nil, nil
	return &in.verdict
}

// learn gathers the facts of a packet.
func (in *Inspector) learn(c *Context) {
	p := c.Packet
	f := &in.facts
	*f = facts{over: transportOf(p), ipVersion: p.IPVersion, dir: 1 << c.Dir, app: c.App}
	f.real = p.Source != packet.SourceFlowEnd && p.Source != packet.SourceStreamDone
	f.flushed = p.Source == packet.SourceStreamDone
	f.group = f.over.group()
	f.hidden = c.Outcome.NoPayload
	f.ports = f.over&(overTCP|overUDP|overSCTP) != 0
	f.fragment = p.Has&packet.HasFragment != 0
	f.packet = f.real && !f.hidden && !f.fragment && len(p.Payload) > 0
	f.payload = f.packet || c.RawFresh < len(c.Raw)
	if f.fragment {
		f.needs |= needFragment
	} else {
		f.needs |= needNoFragment
	}
	if f.real {
		f.needs |= needRealPacket
	}
	if c.Flow != nil {
		f.needs |= needFlow
		if c.Outcome.Established {
			f.needs |= needEstablished
		} else {
			f.needs |= needNotEstablished
		}
		if c.Flow.Packets[c.Dir] == 1 {
			f.needs |= needFlowStart
		}
	}
	f.needs |= needDecoder | needUnverified
	in.headers.begin(c)
}

// may says whether a rule's cheap conditions hold.
func (in *Inspector) may(r *rule, c *Context) bool {
	f := &in.facts
	if r.needs&^f.needs != 0 || r.over&f.over == 0 || r.apps != 0 && r.apps&(1<<f.app) == 0 || r.dirs&f.dir == 0 {
		return false
	}
	if r.ipVersion != 0 && r.ipVersion != in.facts.ipVersion {
		return false
	}
	if r.header != 0 && !in.header(r.header, c) {
		return false
	}
	for _, k := range r.checks {
		if !k.holds(in, c) {
			return false
		}
	}
	return true
}
