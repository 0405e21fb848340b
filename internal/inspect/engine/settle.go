package engine

import (
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// settle records what is complete after an inspection and frees it.
func (e *Engine) settle(f *flow.Flow, d packet.Direction, p *packet.Packet) {
	a := e.app(f)
	if a.before != nil {
		if e.records(f, a, a.before, int(a.beforeSpec), p, false) == 0 {
			e.release(a.before, int(a.beforeSpec))
			a.before = nil
		}
	}
	if a.parser == nil || a.turning {
		return
	}
	left := e.records(f, a, a.parser, int(a.spec), p, false)
	if a.done && left == 0 && a.before == nil && f.Flags&flow.FlagBypassed == 0 {
		e.retire(f)
	}
}

// retire ends the inspection of a flow whose parser wants nothing more, as
// soon as no rule can match on it. Encrypted flows that are to be bypassed go
// once their raw streams have been inspected to where they were clear.
func (e *Engine) retire(f *flow.Flow) {
	if a := e.app(f); a.owed[0] || a.owed[1] {
		return
	}
	bypass := e.bypassTLS && f.App == protocol.TLS
	if f.Flags&flow.FlagNoApp == 0 {
		e.table.SetFlags(f, flow.FlagNoApp)
		if bypass {
			e.table.TriggerRaw(f, packet.ToServer)
			e.table.TriggerRaw(f, packet.ToClient)
		}
	}
	if e.rules.Settled(f) || bypass && !e.rawLeft(f, packet.ToServer) && !e.rawLeft(f, packet.ToClient) {
		e.table.SetFlags(f, flow.FlagBypassed)
	}
}

// rawLeft says whether raw stream bytes in d were not inspected yet.
func (e *Engine) rawLeft(f *flow.Flow, d packet.Direction) bool {
	data, _, fresh := e.table.Raw(f, d)
	return len(data) > fresh
}

// records writes the records of complete transactions (of all with end), and
// gives the number of those that are left.
func (e *Engine) records(f *flow.Flow, a *app, parser protocol.Parser, spec int, p *packet.Packet, end bool) int {
	txs := parser.Txs()
	if len(txs) == 0 {
		return 0
	}
	s := &e.specs[spec]
	done := 0
	for _, tx := range txs {
		if e.record(f, a, s, tx, p, end) {
			done++
		}
	}
	if done > 0 {
		parser.Sweep()
	}
	return len(txs) - done
}

// record writes what is new of one transaction and says whether it is done.
func (e *Engine) record(f *flow.Flow, a *app, s *protocol.Spec, tx protocol.Tx, p *packet.Packet, end bool) bool {
	in := tx.Inspection()
	if in.Done {
		return true
	}
	if in.Events != in.Reported {
		e.anomalies(f, s, tx, in, p)
	}
	if s.Files {
		e.files(f, s, tx, p, end)
	}
	up := end || tx.Stage(packet.ToServer) == protocol.StageDone
	down := end || tx.Stage(packet.ToClient) == protocol.StageDone
	e.log(f, a, s, tx, p, up, down)
	skipped := f.Flags&(flow.FlagNoInspect|flow.FlagBypassed) != 0
	seen := skipped || in.Inspected[0] == protocol.StageDone && in.Inspected[1] == protocol.StageDone
	if end || up && down && seen {
		in.Done = true
		e.stats.Transactions[s.ID]++
	}
	return in.Done
}

func (e *Engine) log(f *flow.Flow, a *app, s *protocol.Spec, tx protocol.Tx, p *packet.Packet, up, down bool) {
	in := tx.Inspection()
	if e.sink == nil || a.unlogged || s.Record == "" {
		return
	}
	if !s.RecordEach {
		if !in.Logged[0] && (up && down || recordable(tx)) {
			in.Logged[0] = true
			e.sink.Transaction(f, s, tx, packet.ToServer, p)
		}
		return
	}
	for d, ready := range [2]bool{up, down} {
		if ready && !in.Logged[d] {
			in.Logged[d] = true
			e.sink.Transaction(f, s, tx, packet.Direction(d), p)
		}
	}
}

func recordable(tx protocol.Tx) bool {
	early, ok := tx.(protocol.EarlyRecorder)
	return ok && early.Recordable()
}

func (e *Engine) anomalies(f *flow.Flow, s *protocol.Spec, tx protocol.Tx, in *protocol.Inspection, p *packet.Packet) {
	if e.sink != nil {
		for n, name := range s.Events {
			if in.Events.Has(uint8(n)) && !in.Reported.Has(uint8(n)) {
				e.sink.Anomaly(f, s, tx, name, packet.ToServer, p)
			}
		}
	}
	in.Reported = in.Events
}

func (e *Engine) files(f *flow.Flow, s *protocol.Spec, tx protocol.Tx, p *packet.Packet, end bool) {
	for d := packet.ToServer; d <= packet.ToClient; d++ {
		for _, file := range tx.Files(d) {
			if file.Logged || file.State == protocol.FileOpen && !end {
				continue
			}
			file.Logged = true
			if e.sink != nil {
				e.sink.File(f, s, tx, file, d, p)
			}
		}
	}
}

// Drained implements flow.Consumer: the flow is inspected a last time in d.
// What a parser finds in the last bytes to the client is not seen to the server.
func (e *Engine) Drained(f *flow.Flow, d packet.Direction) {
	e.End(f, d)
	if f.Flags&(flow.FlagBypassed|flow.FlagNoInspect|flow.FlagDropped|flow.FlagListed) == 0 && e.due(f, e.app(f), d) {
		p := e.made(&e.closing, f, d)
		e.rulesOn(p, flow.Outcome{Flow: f, Dir: d, Established: f.State != flow.StateNew}, true)
	}
}

// Finish implements flow.Consumer: the flow's records are written and its
// memory is freed.
func (e *Engine) Finish(f *flow.Flow, why flow.Reason) {
	a := e.app(f)
	p := e.made(&e.closing, f, packet.ToServer)
	for _, old := range [2]struct {
		parser protocol.Parser
		spec   int16
	}{{a.before, a.beforeSpec}, {a.parser, a.spec}} {
		if old.parser != nil {
			e.records(f, a, old.parser, int(old.spec), p, true)
			e.release(old.parser, int(old.spec))
		}
	}
	if e.sink != nil && !a.unlogged {
		e.sink.FlowEnd(f, why, e.now)
	}
	e.inspect.ForgetFlow(f.Slot)
	*a = a.blank()
}

// due says whether something of the flow was not yet inspected in d.
func (e *Engine) due(f *flow.Flow, a *app, d packet.Direction) bool {
	if !a.events.Empty() || len(a.frames.list) > 0 {
		return true
	}
	if f.TCPState >= flow.TCPEstablished && f.TCPState != flow.TCPClosed && !a.done {
		return true // it may go on: what there is of it was not inspected as a whole
	}
	if a.before != nil && open(&e.specs[a.beforeSpec], a.before, d) || a.parser != nil && open(&e.specs[a.spec], a.parser, d) {
		return true
	}
	return e.rawLeft(f, d)
}

// open says whether some transaction was not inspected to its end in d, or not
// recorded.
func open(s *protocol.Spec, parser protocol.Parser, d packet.Direction) bool {
	for _, tx := range parser.Txs() {
		in := tx.Inspection()
		recorded := s.Record == "" || in.Logged[0] && (!s.RecordEach || in.Logged[1])
		if in.Inspected[d] != protocol.StageDone || !recorded {
			return true
		}
	}
	return false
}
