package engine

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/detect"
)

// Bounds of what is kept of a flow whose protocol is not known yet.
const (
	maxPieces    = 24
	maxDatagrams = 4 // that a flow may send in a direction before it counts as unknown
	portDNS      = 53
	tooFew       = 24 // bytes (HTTP/2's preface) below which a direction is not said to be of no protocol
)

// app is the application layer of one flow, beside its entry in the flow table.
type app struct {
	parser     protocol.Parser
	before     protocol.Parser // of the protocol spoken before a switch, until its transactions are done
	spec       int16           // index of parser's spec
	beforeSpec int16
	question   detect.Question
	known      bool    // the protocol is known; parser is nil when it is over
	over       [2]bool // no more bytes are parsed in the direction
	none       [2]bool // no protocol takes the direction's first bytes
	probed     [2]bool // the direction's first bytes have been compared with the known protocol
	unsure     [2]bool // the direction's first bytes, which came first, are no proof of the protocol
	ended      [2]bool
	turning    bool // the protocol is switched: the next one's first bytes have not come
	done       bool // the parser wants nothing more
	unlogged   bool
	tries      [2]uint8
	events     protocol.Events // of protocol detection
	held       []byte          // bytes before the protocol is known, both directions
	pieces     []piece         // of held, in the order they came
	frames     frames
	expected   int16 // spec that another flow announced, plus one
	name       []byte
	download   bool
	epoch      uint32  // of the engine when the flow was last looked at
	owed       [2]bool // reopened, and not yet inspected in the direction
	met        met     // what of it the reputation was asked for
}

// piece is a part of app.held that came in one direction.
type piece struct {
	dir packet.Direction
	n   int
}

func (e *Engine) app(f *flow.Flow) *app {
	for int(f.Slot) >= len(e.apps) {
		e.apps = append(e.apps, app{})
	}
	return &e.apps[f.Slot]
}

// Bytes implements flow.Consumer.
func (e *Engine) Bytes(f *flow.Flow, d packet.Direction, data []byte) {
	e.renew(f)
	if f.Flags&(flow.FlagNoApp|flow.FlagNoInspect|flow.FlagDropped|flow.FlagListed) != 0 {
		return
	}
	e.feed(f, d, data, false)
}

// Gap implements flow.Consumer.
func (e *Engine) Gap(f *flow.Flow, d packet.Direction, n uint64) {
	a := e.app(f)
	if a.parser == nil {
		a.none[d] = true
		e.giveUp(f, a)
		return
	}
	if !a.over[d] && !a.done {
		e.prepare(f)
		e.follow(f, a, d, nil, a.parser.Gap(d, n, &e.env))
	}
}

// End implements flow.Consumer.
func (e *Engine) End(f *flow.Flow, d packet.Direction) {
	a := e.app(f)
	if a.ended[d] {
		return
	}
	a.ended[d] = true
	if a.parser != nil {
		e.prepare(f)
		a.parser.End(d, &e.env)
		a.frames.add(e.env.Frames)
	}
}

// datagram feeds one UDP payload; it is true when the flow was turned round.
func (e *Engine) datagram(f *flow.Flow, d packet.Direction, data []byte) bool {
	turned := f.Flags & flow.FlagReversed
	e.feed(f, d, data, true)
	return f.Flags&flow.FlagReversed != turned
}

// feed hands bytes to the flow's parser, or finds out which it is.
func (e *Engine) feed(f *flow.Flow, d packet.Direction, data []byte, udp bool) {
	a := e.app(f)
	if !a.known && !udp {
		a.expectedHere(e, f)
	}
	if a.known {
		e.turned(f, a)
		if a.parser != nil && !a.done {
			e.compare(f, a, d, data, udp)
			e.parse(f, a, d, data)
		}
		return
	}
	if udp {
		e.firstDatagrams(f, a, d, data)
		return
	}
	e.firstBytes(f, a, d, data)
}

// firstDatagrams asks for the protocol of a datagram; each stands for itself.
func (e *Engine) firstDatagrams(f *flow.Flow, a *app, d packet.Direction, data []byte) {
	if a.none[d] {
		return
	}
	a.question = detect.Question{}
	i, _ := e.detector.Probe(&a.question, d, data, f.ClientPort, f.ServerPort, true)
	if i == detect.None {
		// The flow counts as unknown from here on; a later datagram may still tell.
		f.App, f.AppDir[d] = protocol.Failed, protocol.Failed
		if f.ServerPort == portDNS || f.ClientPort == portDNS {
			return // whoever sends rubbish first gets no query by
		}
		if a.tries[d]++; a.tries[d] >= maxDatagrams {
			a.none[d] = true
			e.giveUp(f, a)
		}
		return
	}
	d = e.turn(f, i, d, data, true)
	e.settleOn(f, a, i, d)
	e.parse(f, a, d, data)
}

// firstBytes holds a stream's first bytes until a protocol takes them.
func (e *Engine) firstBytes(f *flow.Flow, a *app, d packet.Direction, data []byte) {
	if len(a.pieces) >= maxPieces || len(a.held)+len(data) > 4*detect.MaxBytes {
		data = data[:max(0, min(len(data), 4*detect.MaxBytes-len(a.held)))]
		a.none[d] = a.none[d] || len(data) == 0
	}
	a.held, a.pieces = append(a.held, data...), append(a.pieces, piece{d, len(data)})
	if a.none[d] {
		e.giveUp(f, a)
		return
	}
	first := a.first(d)
	i, open := e.detector.Probe(&a.question, d, first, f.ClientPort, f.ServerPort, false)
	if i == detect.None {
		a.none[d] = !open
		e.giveUp(f, a)
		return
	}
	if f.Flags&flow.FlagMidstream == 0 && a.pieces[0].dir == packet.ToClient && clientFirst(e.specs[i].ID) {
		a.events.Set(1)
	}
	if now := e.turn(f, i, d, first, false); now != d {
		for j := range a.pieces {
			a.pieces[j].dir = a.pieces[j].dir.Other()
		}
		a.none[0], a.none[1] = a.none[1], a.none[0]
		d = now
	}
	other := a.first(d.Other())
	a.unsure[d] = !e.tells(i, d, first)
	e.settleOn(f, a, i, d)
	if len(other) > 0 {
		e.compare(f, a, d.Other(), other, false)
	}
	held, pieces := a.held, a.pieces
	for _, p := range pieces {
		e.parse(f, a, p.dir, held[:p.n])
		held = held[p.n:]
	}
	a.held, a.pieces = a.held[:0], a.pieces[:0]
}

// first puts what was held of a direction in one piece. Both directions'
// pieces alternate rarely before a protocol is known, so this copies little.
func (a *app) first(d packet.Direction) []byte {
	one := true
	for _, p := range a.pieces {
		one = one && p.dir == d
	}
	if one {
		return a.held
	}
	var out []byte
	at := 0
	for _, p := range a.pieces {
		if p.dir == d {
			out = append(out, a.held[at:at+p.n]...)
		}
		at += p.n
	}
	return out
}

// clientFirst says whether a server that speaks first in a protocol is an event
// of its own.
func clientFirst(id protocol.ID) bool {
	switch id {
	case protocol.HTTP1, protocol.TLS, protocol.DNP3:
		return true
	}
	return false
}

// turn swaps the ends of a flow whose bytes show that it was seen the wrong way
// round, and gives the direction that d is now.
func (e *Engine) turn(f *flow.Flow, spec int, d packet.Direction, data []byte, udp bool) packet.Direction {
	s := &e.specs[spec]
	if s.Reversed == nil || !s.Reversed(d, data, udp) {
		return d
	}
	e.table.Swap(f)
	return d.Other()
}

// settleOn makes a spec's parser the flow's.
func (e *Engine) settleOn(f *flow.Flow, a *app, spec int, d packet.Direction) {
	a.known, a.spec, a.parser, a.turning = true, int16(spec), e.take(spec), false
	a.probed[d] = true
	f.App = e.specs[spec].ID
	f.AppDir[d] = f.App
	e.stats.Flows[f.App]++
	if x, ok := a.parser.(protocol.Expected); ok && a.expected != 0 {
		x.Expect(a.name, a.download)
	}
	if depth := e.depths[spec]; depth >= 0 && f.Proto == 6 {
		e.table.SetDepth(f, uint64(depth))
	}
	e.needs(f)
}

// needs tells the flow table whether the raw stream must be kept.
func (e *Engine) needs(f *flow.Flow) {
	if f.Proto == 6 && !e.rules.WantsRaw(f) {
		e.table.SetFlags(f, flow.FlagNoRaw)
	}
}

// tells says whether the first bytes in d show a protocol by themselves.
func (e *Engine) tells(spec int, d packet.Direction, first []byte) bool {
	s := &e.specs[spec]
	return s.Tells == nil || s.Tells(d, first)
}

// compare looks whether the first bytes of the other direction are of the same
// protocol too, for the events that rules can name.
func (e *Engine) compare(f *flow.Flow, a *app, d packet.Direction, data []byte, udp bool) {
	if a.probed[d] || udp {
		return
	}
	a.probed[d] = true
	i, open := detect.None, false
	if !a.none[d] {
		i, open = e.detector.Probe(&a.question, d, data, f.ClientPort, f.ServerPort, udp)
	}
	switch {
	case i == int(a.spec) && a.unsure[d.Other()]:
		f.AppDir[d], f.AppDir[d.Other()] = f.App, protocol.Failed
		a.events.Set(2)
	case !e.tells(int(a.spec), d, data):
		f.AppDir[d] = protocol.Failed
		a.events.Set(2)
	case i == int(a.spec) || i == detect.None && open:
		f.AppDir[d] = f.App
	case i == detect.None && len(data) < tooFew:
	case i == detect.None:
		f.AppDir[d] = protocol.Failed
		a.events.Set(2)
	case e.specs[i].ID != f.App:
		f.AppDir[d] = e.specs[i].ID
		a.events.Set(0)
	}
}

// giveUp ends the search when neither direction is of any protocol.
func (e *Engine) giveUp(f *flow.Flow, a *app) {
	if a.known || !a.none[0] || !a.none[1] {
		return
	}
	a.known, a.turning = true, false
	a.held, a.pieces = a.held[:0], a.pieces[:0]
	f.App, f.AppDir = protocol.Failed, [2]protocol.ID{protocol.Failed, protocol.Failed}
	e.stats.Flows[protocol.Failed]++
	e.needs(f)
}
