package engine

import (
	"fmt"
	"math/bits"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/detect"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// Config is what an Engine needs to start.
type Config struct {
	Specs    []protocol.Spec // the parsers: protocol/all
	Rules    *rule.Set
	Flow     flow.Config
	Decoder  packet.Options
	Inspect  rule.InspectorConfig
	Settings Settings        // for the parsers: app-layer.protocols.…
	Sink     Sink            // nil: records are not made
	Hashes   protocol.Hashes // digests of files that records want, beside those of rules
	Known    Known           // says what is known of things that traffic names; nil: nothing is asked
}

// Sink takes what the engine finds. It is called on the engine's goroutine;
// nothing it is given may be kept.
type Sink interface {
	// Alerts tells of the rules that fired on a packet.
	Alerts(c *rule.Context, v *rule.Verdict)
	// Transaction tells of a transaction that is complete in d (or, when the
	// protocol has one record for both directions, in both).
	Transaction(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, d packet.Direction, p *packet.Packet)
	// File tells of a file that has ended.
	File(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, file *protocol.File, d packet.Direction, p *packet.Packet)
	// Anomaly tells of a protocol event of a transaction, by name.
	Anomaly(f *flow.Flow, spec *protocol.Spec, tx protocol.Tx, event string, d packet.Direction, p *packet.Packet)
	// FlowEnd tells of a flow that has left the table.
	FlowEnd(f *flow.Flow, why flow.Reason, now int64)
}

// Action is what is to be done with a frame.
type Action struct {
	Drop    bool
	Listed  bool       // dropped because of something of bad reputation, whatever the rules say
	Answer  bool       // with Listed: the frame is a DNS query that is best answered with "no such name", or an answer to be replaced by that
	Tell    Tell       // whom to tell that the frame was refused
	Rewrite []byte     // inline: nil, or the TCP payload as it has to be sent on
	Flow    *flow.Flow // of the outermost packet; nil for none; valid until the next call

	silent bool // dropped for what happened to its flow before
}

// Tell is a set of ends of a refused frame.
type Tell uint8

// The ends.
const (
	TellSender Tell = 1 << iota
	TellReceiver
)

// told is whom a rule's action tells.
func told(a rule.Action) Tell {
	switch a {
	case rule.ActionReject:
		return TellSender
	case rule.ActionRejectDst:
		return TellReceiver
	case rule.ActionRejectBoth:
		return TellSender | TellReceiver
	}
	return 0
}

// Stats are counters of the engine beside those of its flow table.
type Stats struct {
	Packets, Bytes uint64
	Invalid        uint64      // frames with a broken header
	Broken         uint64      // packets with a decoder event, those inside tunnels and fragments included
	BadSums        uint64      // packets with a wrong checksum
	Events         [256]uint64 // packets by decoder event
	Tagged         uint64      // packets with a VLAN tag
	Largest        uint64      // frame, in bytes
	Layers         [16]uint64  // packets by the bits of packet.Has…
	First, Last    int64       // times of the first and last frame, in nanoseconds since 1970
	Alerts         uint64
	Discarded      uint64 // alerts over packet-alert-max
	Transactions   [protocol.NumIDs]uint64
	Flows          [protocol.NumIDs]uint64
	Dropped        uint64
	ParserFailed   uint64
	Listed         uint64 // things of bad reputation that were met
	ListedStopped  uint64 // of those, that were stopped
}

// Engine inspects the frames of one goroutine.
type Engine struct {
	specs     []protocol.Spec
	makers    []func() protocol.Parser
	depths    []int64             // by spec: bytes of a stream that are followed, -1 for the general setting
	free      [][]protocol.Parser // by spec
	detector  *detect.Detector
	bypassTLS bool // app-layer.protocols.tls.encryption-handling: bypass
	decoder   *packet.Decoder
	table     *flow.Table
	rules     *rule.Set
	inspect   *rule.Inspector
	sink      Sink
	odd       PacketSink // sink, when it is one
	framed    FrameSink  // sink, when it wants frames
	listed    ListedSink // sink, when it is one
	hashes    protocol.Hashes

	apps    []app // by flow slot
	env     protocol.Env
	ctx     rule.Context
	packets [maxNested]packet.Packet
	aside   packet.Packet   // made for what is inspected beside another packet
	closing packet.Packet   // made at a flow's end, or to flush it
	segment [madeSize]byte  // of a made packet
	blank   *packet.Decoder // for it: without checksums
	over    *flow.Flow      // of the packet at hand: nothing more of it can be read
	now     int64
	number  uint64
	epoch   uint32         // counts Swap
	current *packet.Packet // under inspection, for records
	expect  []expected
	stats   Stats
	known   consultation
}

// bodyInline has bodies shown to rules as they come, however short: inline, a
// packet once sent on cannot be taken back.
const bodyInline = "libhtp.default-config.http-body-inline"

// maxNested bounds packets inside packets and fragments put together.
const maxNested = 8

// New makes an engine. The error names the setting that is wrong.
func New(cfg Config) (*Engine, error) {
	e := &Engine{
		specs: cfg.Specs, detector: detect.New(cfg.Specs), decoder: packet.NewDecoder(cfg.Decoder), blank: packet.NewDecoder(packet.Options{}),
		rules: cfg.Rules, inspect: rule.NewInspector(cfg.Rules, cfg.Inspect), sink: cfg.Sink,
		makers: make([]func() protocol.Parser, len(cfg.Specs)), free: make([][]protocol.Parser, len(cfg.Specs)), depths: make([]int64, len(cfg.Specs)),
	}
	e.bypassTLS = cfg.Settings["app-layer.protocols.tls.encryption-handling"] == "bypass"
	for i, s := range cfg.Specs {
		name := s.ID.String()
		settings := cfg.Settings.Below("app-layer.protocols." + name)
		if _, set := settings[bodyInline]; !set && cfg.Flow.Stream.Inline {
			settings[bodyInline] = "yes"
		}
		maker, err := s.Open(settings)
		if err != nil {
			return nil, fmt.Errorf("app-layer.protocols.%s: %w", name, err)
		}
		e.makers[i] = maker
		if s.StreamDepth != nil {
			e.depths[i] = int64(s.StreamDepth(settings))
		} else {
			e.depths[i] = -1
		}
	}
	e.odd, _ = cfg.Sink.(PacketSink)
	e.listed, _ = cfg.Sink.(ListedSink)
	e.known = consultation{of: cfg.Known, epoch: 1, asks: asking(cfg.Specs)}
	if s, ok := cfg.Sink.(FrameSink); ok && s.WantsFrames() {
		e.framed = s
	}
	e.hashes = cfg.Hashes
	table, err := flow.New(cfg.Flow, e)
	if err != nil {
		return nil, err
	}
	e.table = table
	e.wantHashes()
	return e, nil
}

// Frame inspects one frame. now is its time in nanoseconds since 1970, number
// its place in the capture (0 for live traffic). data is not kept.
func (e *Engine) Frame(link packet.LinkType, data []byte, now int64, number uint64) Action {
	e.now, e.number = now, number
	e.stats.Packets++
	e.stats.Bytes += uint64(len(data))
	e.stats.Largest = max(e.stats.Largest, uint64(len(data)))
	if e.stats.First == 0 {
		e.stats.First = now
	}
	e.stats.Last = max(e.stats.Last, now)
	e.table.Advance(now)
	p := &e.packets[0]
	e.decoder.Decode(p, link, data, now, number)
	if p.Invalid {
		e.stats.Invalid++
	}
	return e.nested(p, 0)
}

// nested inspects what is inside of p, then p itself.
func (e *Engine) nested(p *packet.Packet, depth int) Action {
	e.stats.count(p)
	var inside Action
	if depth+1 < maxNested {
		if q := &e.packets[depth+1]; p.Has&packet.HasTunnel != 0 && e.decoder.Next(p, q) {
			inside = e.nested(q, depth+1)
		}
	}
	a := e.one(p, depth)
	a.Drop, a.Tell, a.Listed = a.Drop || inside.Drop, a.Tell|inside.Tell, a.Listed || inside.Listed
	if a.Flow == nil {
		a.Flow = inside.Flow
	}
	return a
}

// one inspects a packet by itself.
func (e *Engine) one(p *packet.Packet, depth int) Action {
	if p.Has&packet.HasFragment != 0 {
		return e.fragment(p, depth)
	}
	e.over = nil
	o := e.table.Packet(p)
	if o.Flow != nil {
		e.renew(o.Flow)
		if o.Flow.Proto == 6 && (e.over == o.Flow || e.app(o.Flow).turning) {
			e.flush(o)
		}
	}
	if f := o.Flow; f != nil && p.Has&packet.HasUDP != 0 && len(p.Payload) > 0 && f.Flags&(flow.FlagNoApp|flow.FlagBypassed|flow.FlagListed) == 0 {
		if e.datagram(f, o.Dir, p.Payload) {
			o.Dir = o.Dir.Other()
		}
	}
	a := e.judge(p, o)
	e.remark(p, o, a)
	return a
}

// remark tells the sink what is odd about a packet.
func (e *Engine) remark(p *packet.Packet, o flow.Outcome, a Action) {
	if !p.Events.Empty() {
		e.stats.Broken++
		for i, word := range p.Events {
			for ; word != 0; word &= word - 1 {
				e.stats.Events[i<<6+bits.TrailingZeros64(word)]++
			}
		}
	}
	if e.odd == nil {
		return
	}
	if p.Has&packet.HasARP != 0 {
		e.odd.ARP(p)
	}
	if !p.Events.Empty() || !o.Events.Empty() {
		e.odd.Oddities(p, o, protocol.Events{})
	}
	switch {
	case a.silent:
		e.odd.Stopped(p, o, "flow drop")
	case o.Drop:
		e.odd.Stopped(p, o, "stream error")
	}
}

// fragment holds a fragment until its datagram is whole.
func (e *Engine) fragment(p *packet.Packet, depth int) Action {
	r := e.table.Defrag(p)
	if r.Events != 0 {
		for _, name := range r.Events.Names(p.IPVersion) {
			if n, ok := packet.EventByName(name); ok {
				p.Events.Set(n)
			}
		}
	}
	a := Action{Drop: r.Drop}
	if r.Whole != nil && depth+1 < maxNested {
		q := &e.packets[depth+1]
		e.decoder.DecodeIP(q, r.Whole, packet.SourceDefrag, p)
		a = e.nested(q, depth+1)
		a.Answer = false // the datagram is not in one frame
	}
	b := e.judge(p, flow.Outcome{})
	e.remark(p, flow.Outcome{}, b)
	a.Drop, a.Tell = a.Drop || b.Drop, a.Tell|b.Tell
	return a
}

// judge runs the rules over a packet and does what they say.
func (e *Engine) judge(p *packet.Packet, o flow.Outcome) Action {
	act := Action{Drop: o.Drop, Rewrite: o.Rewrite, Flow: o.Flow}
	if o.Reject {
		act.Tell = TellSender
	}
	f := o.Flow
	e.known.stop, e.known.answer, e.known.tell = false, false, 0
	if f != nil && e.known.of != nil {
		e.relook(p, o)
		if f.Flags&flow.FlagListed != 0 {
			e.refuse(&act)
			return act
		}
	}
	if o.Pass || f != nil && f.Flags&(flow.FlagBypassed|flow.FlagNoInspect) != 0 {
		if f != nil {
			e.settle(f, o.Dir, p)
		}
		return act
	}
	if f != nil && f.Flags&flow.FlagDropped != 0 {
		act.Drop, act.silent = true, true
		return act
	}
	v := e.rulesOn(p, o, false)
	if v.Action == rule.ActionDrop || v.Action >= rule.ActionReject && v.Action <= rule.ActionRejectBoth {
		act.Drop, act.Tell = true, act.Tell|told(v.Action)
		e.stats.Dropped++
	}
	if e.known.stop {
		e.refuse(&act)
	}
	return act
}

// Swap goes on with another rule set from the next frame on. Flows that were
// bypassed because the former set could find nothing more in them are inspected
// again.
func (e *Engine) Swap(set *rule.Set) {
	e.rules = set
	e.inspect.Adopt(set)
	e.wantHashes()
	e.epoch++
	e.table.Reopen()
}

// Missed says that frames may have gone by that the engine was not given. See
// flow.Table.Missed.
func (e *Engine) Missed() { e.table.Missed() }

// Advance finishes flows whose time has run out. Call it when no frame comes;
// now is in nanoseconds since 1970.
func (e *Engine) Advance(now int64) {
	e.now, e.number = max(e.now, now), 0
	e.table.Advance(e.now)
}

// Close finishes every flow, in the order in which they began.
func (e *Engine) Close() {
	e.number = 0
	e.table.Close()
}

// Stats are the counters so far.
func (e *Engine) Stats() Stats { return e.stats }

// FlowStats are the counters of the flow table.
func (e *Engine) FlowStats() flow.Stats { return e.table.Stats() }

// Inspector is the rule inspector, for what it remembers (data sets, flowbits).
func (e *Engine) Inspector() *rule.Inspector { return e.inspect }
