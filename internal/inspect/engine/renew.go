package engine

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// renew has a flow that began under former rules inspected as the present ones
// want. A flow that was bypassed is inspected at least once in each direction;
// where its parser was not done, what it speaks is found out anew, because the
// parser has missed bytes.
func (e *Engine) renew(f *flow.Flow) {
	a := e.app(f)
	if a.epoch == e.epoch {
		return
	}
	reopened := f.Flags&flow.FlagReopened != 0
	if f.Flags&flow.FlagBypassed != 0 {
		return // not taken up yet
	}
	a.epoch = e.epoch
	f.Flags &^= flow.FlagReopened
	if reopened {
		a.owed = [2]bool{true, true}
		if a.parser != nil && !a.done {
			e.forget(f, a)
		}
	}
	if f.Flags&flow.FlagNoRaw != 0 && e.rules.WantsRaw(f) {
		f.Flags &^= flow.FlagNoRaw
	}
}

// forget makes a flow one whose protocol is not known, and records what was
// found of it so far.
func (e *Engine) forget(f *flow.Flow, a *app) {
	p := e.made(&e.closing, f, packet.ToServer)
	if a.before != nil {
		e.records(f, a, a.before, int(a.beforeSpec), p, true)
		e.release(a.before, int(a.beforeSpec))
	}
	e.records(f, a, a.parser, int(a.spec), p, true)
	e.release(a.parser, int(a.spec))
	epoch, owed, unlogged, met := a.epoch, a.owed, a.unlogged, a.met
	*a = a.blank()
	a.epoch, a.owed, a.unlogged, a.met = epoch, owed, unlogged, met
	f.App, f.AppOriginal, f.AppDir = protocol.Unknown, protocol.Unknown, [2]protocol.ID{}
	f.Flags &^= flow.FlagNoApp
}

// blank is the application layer of a new flow, with the memory of this one.
func (a *app) blank() app {
	return app{held: a.held[:0], pieces: a.pieces[:0], met: met{name: a.met.name[:0]}}
}
