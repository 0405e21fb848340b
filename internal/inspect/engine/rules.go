package engine

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// rulesOn inspects a packet with its stream and transactions in its direction.
func (e *Engine) rulesOn(p *packet.Packet, o flow.Outcome, last bool) *rule.Verdict {
	c := &e.ctx
	*c = rule.Context{Packet: p, Flow: o.Flow, Dir: o.Dir, Outcome: o, Now: e.now, Last: last, Frames: c.Frames[:0]}
	e.current = p
	if p.Source == packet.SourceTunnel {
		c.Outer = &e.packets[0]
	}
	f := o.Flow
	if f == nil {
		return e.report(c)
	}
	a := e.app(f)
	c.App = f.App
	c.AppEvents, a.events = a.events, protocol.Events{}
	if o.RawDue || last {
		c.Raw, c.RawOffset, c.RawFresh = e.table.Raw(f, o.Dir)
	}
	if a.before != nil {
		e.earlier(c, a)
	}
	if a.parser != nil && !a.turning {
		c.App, c.Txs = e.specs[a.spec].ID, a.parser.Txs()
	}
	if e.known.of != nil && e.known.fed {
		e.known.fed = false
		e.consult(c, a)
	}
	c.Frames = a.frames.of(o.Dir, c.Frames)
	if e.framed != nil {
		for i := range c.Frames {
			e.framed.Frame(f, &c.Frames[i], p)
		}
	}
	v := e.report(c)
	if e.odd != nil && !c.AppEvents.Empty() {
		e.odd.Oddities(p, flow.Outcome{Flow: f, Dir: o.Dir}, c.AppEvents)
	}
	if c.Raw != nil {
		e.table.RawDone(f, o.Dir)
		e.restOfRaw(f, o, last)
	}
	a.frames.clear(o.Dir)
	e.obey(f, v)
	a.owed[o.Dir] = false
	e.settle(f, o.Dir, p)
	return v
}

// earlier inspects the transactions of the protocol that the flow spoke before
// it switched; they are reported with the same packet.
func (e *Engine) earlier(c *rule.Context, a *app) {
	made := e.made(&e.aside, c.Flow, c.Dir)
	b := rule.Context{Packet: made, Flow: c.Flow, Dir: c.Dir, Outcome: c.Outcome, Now: c.Now, Last: true,
		App: e.specs[a.beforeSpec].ID, Txs: a.before.Txs(), TxOnly: true}
	e.report(&b)
	e.current = c.Packet
}

// restOfRaw inspects what lies behind gaps of the raw stream, each part by
// itself with a made packet.
func (e *Engine) restOfRaw(f *flow.Flow, o flow.Outcome, last bool) {
	for range 64 {
		data, offset, fresh := e.table.Raw(f, o.Dir)
		if len(data) <= fresh {
			return
		}
		made := e.made(&e.aside, f, o.Dir)
		b := rule.Context{Packet: made, Flow: f, Dir: o.Dir, Outcome: flow.Outcome{Flow: f, Dir: o.Dir, Established: o.Established},
			Now: e.now, Last: last, App: f.App, Raw: data, RawOffset: offset, RawFresh: fresh}
		e.report(&b)
		e.table.RawDone(f, o.Dir)
	}
}

// made is a packet that carries nothing but the flow's addresses in d.
// It is written into p, which belongs to the engine, and returned.
func (e *Engine) made(p *packet.Packet, f *flow.Flow, d packet.Direction) *packet.Packet {
	*p = packet.Packet{Source: packet.SourceFlowEnd, Time: e.now, IPVersion: f.IPVersion, Proto: f.Proto, VLAN: f.VLAN, VLANs: f.VLANs,
		Src: f.Client, Dst: f.Server, SrcPort: f.ClientPort, DstPort: f.ServerPort}
	if d == packet.ToClient {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	switch f.Proto {
	case 6:
		p.Has |= packet.HasTCP
	case 17:
		p.Has |= packet.HasUDP
	}
	if f.IPVersion == 6 {
		p.Has |= packet.HasIPv6
	} else if f.IPVersion == 4 {
		p.Has |= packet.HasIPv4
	}
	return p
}

// report runs the rules and tells the sink what fired.
func (e *Engine) report(c *rule.Context) *rule.Verdict {
	v := e.inspect.Inspect(c)
	e.stats.Discarded += uint64(v.Discarded)
	if len(v.Alerts) == 0 && !v.Tagged {
		return v
	}
	e.stats.Alerts += uint64(len(v.Alerts))
	if c.Flow != nil && len(v.Alerts) > 0 {
		c.Flow.Flags |= flow.FlagAlerted
	}
	if e.sink != nil {
		e.sink.Alerts(c, v)
	}
	return v
}

// obey does to the flow what the verdict says.
func (e *Engine) obey(f *flow.Flow, v *rule.Verdict) {
	switch {
	case v.DropFlow:
		e.table.SetFlags(f, flow.FlagDropped)
	case v.PassFlow:
		e.table.SetFlags(f, flow.FlagNoInspect)
	case v.Bypass:
		e.table.SetFlags(f, flow.FlagBypassed)
	}
	if v.Unlogged {
		e.app(f).unlogged = true
	}
}
