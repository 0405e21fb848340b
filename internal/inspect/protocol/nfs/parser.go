package nfs

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

const (
	maxRecord  = 2 << 20 // longest RPC message that is looked at
	maxTxs     = 1024
	maxPending = 1024
	maxName    = 255
)

// side is what is held of one direction of a stream.
type side struct {
	record []byte // fragments of messages put together in this call, then of the one under way …
	begin  int    // … which begins here
	held   []byte // beginning of a record mark
	left   uint32 // bytes of the fragment under way that are still to come
	last   bool   // it is the last one
	skip   bool   // the message is too long
	marked []byte // messages of this call with their marks, for frames
}

// pending is a call that waits for its reply.
type pending struct {
	xid       uint32
	version   uint32
	procedure uint32
	tx        *Tx
	handle    []byte
	offset    uint64
}

// parser follows one flow.
type parser struct {
	txs     txlist.List[Tx, *Tx]
	sides   [2]side
	waiting []pending
	files   book
	env     *protocol.Env
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	p.txs.Reset()
	p.files.reset()
	p.waiting = p.waiting[:0]
	for d := range p.sides {
		p.sides[d] = side{record: p.sides[d].record[:0], held: p.sides[d].held[:0], marked: p.sides[d].marked[:0]}
	}
}

// Txs are the transactions.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the transactions that are done.
func (p *parser) Sweep() {
	for i := range p.waiting {
		if t := p.waiting[i].tx; t != nil && t.inspection.Done {
			p.waiting[i].tx = nil
		}
	}
	p.files.forget()
	p.txs.Sweep()
}

// Parse takes a datagram, or bytes of a stream of marked records (RFC 5531
// section 11).
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	p.env = env
	for _, t := range p.txs.Live() {
		if t.isFile {
			t.files[d].Trim(&t.inspection, d)
		}
	}
	if env.UDP {
		p.message(d, data)
		return protocol.Status{}
	}
	s := &p.sides[d]
	s.marked = s.marked[:0]
	if s.begin > 0 {
		s.record, s.begin = s.record[:copy(s.record, s.record[s.begin:])], 0
	}
	for len(data) > 0 {
		if s.left == 0 {
			n := min(4-len(s.held), len(data))
			s.held, data = append(s.held, data[:n]...), data[n:]
			if len(s.held) < 4 {
				break
			}
			p.mark(s)
			if s.left == 0 {
				return protocol.Status{Code: protocol.StatusFailed}
			}
			continue
		}
		n := min(s.left, uint32(len(data)))
		if len(s.record)-s.begin+int(n) > maxRecord {
			s.skip = true
		}
		whole := s.last && s.left == n
		s.left -= n
		switch {
		case s.skip:
		case whole && len(s.record) == s.begin:
			p.message(d, data[:n])
		default:
			s.record = append(s.record, data[:n]...)
			if whole {
				p.message(d, s.record[s.begin:])
			}
		}
		if whole {
			s.begin, s.skip = len(s.record), false
		}
		data = data[n:]
	}
	return protocol.Status{}
}

// mark reads a record mark.
func (p *parser) mark(s *side) {
	v := binary.BigEndian.Uint32(s.held)
	s.held = s.held[:0]
	s.last, s.left = v&0x80000000 != 0, v&0x7fffffff
}

// message takes a whole RPC message.
func (p *parser) message(d packet.Direction, b []byte) {
	if p.env.WantFrames {
		p.rpcFrames(d, b)
	}
	r := reader{b: b}
	xid, kind := r.u32(), r.u32()
	switch {
	case kind == 0 && d == packet.ToServer:
		p.call(xid, &r)
	case kind == 1 && d == packet.ToClient:
		p.reply(xid, &r)
	case kind > 1 || r.bad:
		p.event(eventMalformed)
	}
}

// call takes a call.
func (p *parser) call(xid uint32, r *reader) {
	r.u32() // version of RPC
	number, version, procedure := r.u32(), r.u32(), r.u32()
	flavor, creds := r.u32(), r.opaque()
	r.u32()
	r.opaque()
	if r.bad {
		p.event(eventMalformed)
		return
	}
	if number != program {
		return
	}
	if version < 2 || version > 4 {
		p.event(eventVersion)
		return
	}
	c := call{xid: xid, version: version, procedure: procedure, flavor: flavor, creds: creds}
	switch version {
	case 2:
		p.call2(&c, r)
	case 3:
		p.call3(&c, r)
	case 4:
		p.call4(&c, r)
	}
}

// call is what the head of a call says.
type call struct {
	xid, version, procedure, flavor uint32
	creds                           []byte
}

// begin makes a transaction; the oldest are given up when too many wait.
func (p *parser) begin(c *call) *Tx {
	over := len(p.txs.Live()) >= maxTxs
	if over {
		for _, t := range p.txs.Live()[:maxTxs/2] {
			t.inspection.Done = true
		}
		p.Sweep()
	}
	t := p.txs.New()
	t.xid, t.version, t.procedure, t.flavor = c.xid, c.version, c.procedure, c.flavor
	if c.flavor == 1 {
		r := reader{b: c.creds}
		r.u32() // stamp
		machine := r.opaque()
		t.machine = append(t.machine, machine[:min(len(machine), maxName)]...)
		t.uid, t.gid = r.u32(), r.u32()
	}
	if over {
		t.inspection.Raise(eventTransactions)
	}
	t.raise(packet.ToServer, protocol.StageStart)
	t.raise(packet.ToClient, protocol.StageStart)
	return t
}

// transaction makes the one of a call that waits for its reply.
func (p *parser) transaction(c *call, handle, name []byte) *Tx {
	t := p.begin(c)
	t.handle = append(t.handle, handle[:min(len(handle), maxHandle)]...)
	t.name = append(t.name, name[:min(len(name), maxName)]...)
	t.raise(packet.ToServer, protocol.StageDone)
	p.wait(pending{xid: c.xid, version: c.version, procedure: c.procedure, tx: t})
	return t
}

// wait remembers a call.
func (p *parser) wait(w pending) {
	if len(p.waiting) >= maxPending {
		p.waiting = append(p.waiting[:0], p.waiting[1:]...)
	}
	handle := w.handle
	if n := len(p.waiting); n < cap(p.waiting) {
		p.waiting = p.waiting[:n+1]
		w.handle = p.waiting[n].handle[:0]
	} else {
		p.waiting = append(p.waiting, pending{})
		w.handle = nil
	}
	w.handle = append(w.handle, handle[:min(len(handle), maxHandle)]...)
	p.waiting[len(p.waiting)-1] = w
}

// reply takes a reply.
func (p *parser) reply(xid uint32, r *reader) {
	at := -1
	for i := range p.waiting {
		if p.waiting[i].xid == xid {
			at = i
			break
		}
	}
	if at < 0 {
		return
	}
	w := p.waiting[at]
	// The memory of the handle goes to the end, for the next call.
	copy(p.waiting[at:], p.waiting[at+1:])
	p.waiting[len(p.waiting)-1] = w
	p.waiting = p.waiting[:len(p.waiting)-1]

	rpc := r.u32()
	accepted := uint32(0)
	if rpc == 0 {
		r.u32()
		r.opaque()
		accepted = r.u32()
	}
	if r.bad {
		p.event(eventMalformed)
		return
	}
	if t := w.tx; t != nil {
		t.answered, t.rpc = true, rpc
	}
	if rpc == 0 && accepted == 0 && w.procedure != 0 {
		p.outcome(&w, r)
	}
	if t := w.tx; t != nil && !t.isFile {
		t.raise(packet.ToClient, protocol.StageDone)
	}
}

// outcome reads the results of a call.
func (p *parser) outcome(w *pending, r *reader) {
	status := r.u32()
	if w.tx != nil {
		w.tx.status = status
	}
	switch w.version {
	case 2:
		p.outcome2(w, status, r)
	case 3:
		p.outcome3(w, status, r)
	case 4:
		p.outcome4(w, r)
	}
}

func (p *parser) event(e uint8) {
	if live := p.txs.Live(); len(live) > 0 {
		live[len(live)-1].inspection.Raise(e)
		return
	}
	t := p.begin(&call{})
	t.raise(packet.ToServer, protocol.StageDone)
	t.raise(packet.ToClient, protocol.StageDone)
	t.inspection.Raise(e)
}

// Gap says that bytes are missing: within a message they cost that message,
// otherwise what follows cannot be told apart.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	s := &p.sides[d]
	if uint64(s.left) > n {
		s.left -= uint32(n)
		s.skip = true
		return protocol.Status{}
	}
	if uint64(s.left) == n && n > 0 {
		s.left, s.record, s.begin, s.skip = 0, s.record[:0], 0, false
		return protocol.Status{}
	}
	return protocol.Status{Code: protocol.StatusFailed}
}

// End says that a side has ended.
func (p *parser) End(d packet.Direction, _ *protocol.Env) {
	for _, t := range p.txs.Live() {
		if t.isFile {
			t.close(protocol.FileTruncated)
		}
		t.raise(d, protocol.StageDone)
	}
}
