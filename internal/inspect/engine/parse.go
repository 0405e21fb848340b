package engine

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/detect"
)

// expected is a flow that another has announced (FTP data).
type expected struct {
	server   packet.Addr
	port     uint16
	spec     int16
	name     []byte
	download bool
	until    int64 // nanoseconds since 1970
}

// Bounds of announced flows.
const (
	maxExpected  = 1024
	expectedLife = 30e9 // nanoseconds
)

// prepare fills the environment for a call of the flow's parser.
func (e *Engine) prepare(f *flow.Flow) {
	v := &e.env
	v.Now, v.Client, v.Server, v.ClientPort, v.ServerPort = e.now, f.Client, f.Server, f.ClientPort, f.ServerPort
	v.UDP, v.Consumed, v.TriggerRawStream, v.NoPayload, v.Flush = f.Proto == 17, 0, false, false, false
	v.Frames, v.Expect = v.Frames[:0], v.Expect[:0]
	e.known.fed = true
	v.WantFrames = e.framed != nil || e.rules.WantsFrames(f.App)
}

// parse hands bytes to the parser and does what it answers.
func (e *Engine) parse(f *flow.Flow, a *app, d packet.Direction, data []byte) {
	if a.over[d] || a.done || a.parser == nil {
		return
	}
	e.prepare(f)
	e.follow(f, a, d, data, a.parser.Parse(d, data, &e.env))
}

// follow does what a parser's status asks for.
func (e *Engine) follow(f *flow.Flow, a *app, d packet.Direction, data []byte, s protocol.Status) {
	a.frames.add(e.env.Frames)
	if e.env.TriggerRawStream && f.Proto == 6 {
		e.table.TriggerRaw(f, d)
	}
	if e.env.Flush {
		e.over = f
	}
	if e.env.NoPayload {
		e.table.HidePayload(f)
	}
	for i := range e.env.Expect {
		e.announce(&e.env.Expect[i])
	}
	switch s.Code {
	case protocol.StatusFailed:
		a.over[d] = true
		e.stats.ParserFailed++
	case protocol.StatusDone:
		a.done = true
	case protocol.StatusRename:
		e.rename(f, a, s.Next)
	case protocol.StatusSwitch:
		e.change(f, a, d, data, s.Next)
	}
}

// change goes on with another protocol in the middle of a flow.
func (e *Engine) change(f *flow.Flow, a *app, d packet.Direction, data []byte, next protocol.ID) {
	rest := data[min(e.env.Consumed, len(data)):]
	if a.before != nil {
		e.release(a.before, int(a.beforeSpec))
	}
	a.before, a.beforeSpec = a.parser, a.spec
	f.AppOriginal = f.App
	a.parser, a.known = nil, false
	a.over, a.none, a.probed, a.done = [2]bool{}, [2]bool{}, [2]bool{}, false
	a.question = detect.Question{}
	for i := range e.specs {
		if next == protocol.Unknown || e.specs[i].ID != next {
			continue
		}
		e.settleOn(f, a, i, d)
		f.App = f.AppOriginal // until its first bytes come
		a.probed = [2]bool{true, true}
		if u, ok := a.parser.(protocol.Upgraded); ok {
			if txs := a.before.Txs(); len(txs) > 0 {
				u.Upgrade(txs[len(txs)-1], &e.env)
			}
		}
		break
	}
	a.turning = true
	if len(rest) > 0 {
		e.feed(f, d, rest, false)
	}
}

// turned begins with the protocol that was switched to, at its first bytes.
func (e *Engine) turned(f *flow.Flow, a *app) {
	if a.turning && a.parser != nil {
		a.turning = false
		f.App = e.specs[a.spec].ID
	}
}

// rename gives a flow another protocol whose parser is the same.
func (e *Engine) rename(f *flow.Flow, a *app, next protocol.ID) {
	for i := range e.specs {
		if e.specs[i].ID != next {
			continue
		}
		a.spec = int16(i)
		f.AppOriginal, f.App, f.AppDir = f.App, next, [2]protocol.ID{next, next}
		e.stats.Flows[next]++
		e.needs(f)
		return
	}
}

// announce remembers a flow that is to come.
func (e *Engine) announce(x *protocol.Expectation) {
	for i := range e.specs {
		if e.specs[i].ID != x.ID {
			continue
		}
		n := expected{server: x.Server, port: x.ServerPort, spec: int16(i), name: append([]byte(nil), x.Name...), download: x.Download, until: e.now + expectedLife}
		if len(e.expect) >= maxExpected {
			copy(e.expect, e.expect[1:])
			e.expect = e.expect[:len(e.expect)-1]
		}
		e.expect = append(e.expect, n)
		return
	}
}

// expectedHere takes the protocol that another flow has announced for this one.
func (a *app) expectedHere(e *Engine, f *flow.Flow) {
	for i := len(e.expect) - 1; i >= 0; i-- {
		x := &e.expect[i]
		if x.until < e.now || x.port != f.ServerPort || x.server != f.Server {
			continue
		}
		a.expected, a.name, a.download = x.spec+1, x.name, x.download
		e.settleOn(f, a, int(x.spec), packet.ToServer)
		a.probed, f.AppDir = [2]bool{true, true}, [2]protocol.ID{f.App, f.App}
		e.expect = append(e.expect[:i], e.expect[i+1:]...)
		return
	}
}

// take gives a parser ready for a new flow.
func (e *Engine) take(spec int) protocol.Parser {
	list := e.free[spec]
	var p protocol.Parser
	if n := len(list); n > 0 {
		p, e.free[spec] = list[n-1], list[:n-1]
	} else {
		p = e.makers[spec]()
	}
	p.Reset()
	return p
}

// maxFree bounds the idle parsers kept of each protocol.
const maxFree = 4096

func (e *Engine) release(p protocol.Parser, spec int) {
	if p != nil && len(e.free[spec]) < maxFree {
		e.free[spec] = append(e.free[spec], p)
	}
}
