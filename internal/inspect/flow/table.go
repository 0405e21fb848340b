package flow

import (
	"github.com/masugata/masugata/internal/inspect/packet"
)

// Table knows all flows of one goroutine. It is not safe for concurrent use.
type Table struct {
	cfg   Config
	sink  Consumer
	now   int64
	made  uint64 // flows made so far
	stats Stats

	entries  slab[entry]
	buckets  []int32
	lists    [numLists]list
	timeouts [numLists]int64

	sessions slab[session]
	segments slab[heldSegment]
	others   slab[otherSyn]
	arena    arena
	rewrite  []byte // inline: the payload as it has to be sent on
	cur      *packet.Packet
	outcome  Outcome
	out      *Outcome // &outcome while a TCP segment is handled, else nil
	frags    fragments
	closing  bool
	epoch    uint32 // counts Reopen
	misses   uint32 // counts Missed
}

// entry is a flow with what only the table needs to know.
type entry struct {
	flow         Flow
	cp, sp       uint32 // the key's ports, of client and server
	hash         uint32
	chain        int32 // next entry of the bucket, -1 at its end
	prev, next   int32 // neighbours in its list
	sess         int32 // TCP session, -1 is none
	order        uint64
	epoch        uint32 // of the table when its last packet came
	vlan         [3]uint16
	depth        uint8
	list         uint8
	seen         uint8 // bit d: a packet went in direction d
	live         bool
	finishing    bool
	everFinished bool
}

// New makes an empty table that hands what it finds to c.
func New(cfg Config, c Consumer) (*Table, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	t := &Table{cfg: cfg, sink: c, buckets: make([]int32, 1<<10)}
	for i := range t.buckets {
		t.buckets[i] = -1
	}
	for i := range t.lists {
		t.lists[i] = list{first: -1, last: -1}
	}
	for class, to := range [4]Timeouts{cfg.Other, cfg.TCP, cfg.UDP, cfg.ICMP} {
		t.timeouts[class*4+int(StateNew)] = int64(to.New)
		t.timeouts[class*4+int(StateEstablished)] = int64(to.Established)
		t.timeouts[class*4+int(StateClosed)] = int64(to.Closed)
		t.timeouts[class*4+listBypassed] = int64(to.Bypassed)
	}
	t.arena.limit = cfg.Stream.Memory
	t.frags.init(cfg.Defrag)
	return t, nil
}

// Packet finds or makes the packet's flow and follows its session. The
// Consumer is called from within. The packet must be valid during the call,
// and Outcome.Rewrite is valid until the next one.
func (t *Table) Packet(p *packet.Packet) Outcome {
	t.outcome = Outcome{}
	out := &t.outcome
	t.tick(p.Time)
	t.stats.Packets++
	var k key
	if !t.keyOf(p, &k) {
		return *out
	}
	slot, d := t.lookup(p, &k)
	if slot < 0 {
		if icmp4Error(p) {
			return *out
		}
		if slot = t.admit(p, &k); slot < 0 {
			t.stats.FlowMemcap++
			t.refuse(out)
			return *out
		}
		d, out.New = packet.ToServer, true
	}
	e := t.entries.at(slot)
	out.Flow, out.Dir = &e.flow, d
	t.touch(slot, e, p, out)
	if e.epoch != t.epoch {
		t.reopen(slot, e, p)
	}
	if e.flow.Flags&FlagDropped != 0 {
		out.Drop = true
	}
	if e.flow.Proto == protoTCP && p.Has&packet.HasTCP != 0 && e.flow.Flags&FlagBypassed == 0 {
		t.tcp(slot, e, p, out)
		if e.live {
			t.relist(slot, e)
		}
	}
	return *out
}

// refuse applies the policy for a packet that found no room in the table.
func (t *Table) refuse(out *Outcome) {
	switch t.cfg.MemcapPolicy {
	case PolicyDropPacket, PolicyDropFlow:
		out.Drop = true
	case PolicyReject:
		out.Drop, out.Reject = true, true
	case PolicyPassPacket, PolicyPassFlow, PolicyBypass:
		out.Pass = true
	}
}

// lookup finds the packet's flow, or gives -1. A flow whose time has run out,
// or whose session is over while the packet begins another, is finished first.
func (t *Table) lookup(p *packet.Packet, k *key) (int32, packet.Direction) {
	if slot, d := t.quoted(p); slot >= 0 {
		return slot, d
	}
	slot, d := t.find(k)
	if slot < 0 {
		return slot, d
	}
	e := t.entries.at(slot)
	if due := t.due(e); due >= 0 && t.now-e.flow.Last > due {
		t.finish(slot, ReasonTimeout)
		return -1, 0
	}
	if e.flow.Proto == protoTCP && e.sess >= 0 && t.reused(t.sessions.at(e.sess), p, d) {
		t.finish(slot, ReasonReused)
		return -1, 0
	}
	return slot, d
}

// quoted finds the flow that an ICMP error speaks of.
func (t *Table) quoted(p *packet.Packet) (int32, packet.Direction) {
	if p.Has&(packet.HasICMPv4|packet.HasICMPv6) == 0 {
		return -1, 0
	}
	var q key
	if !t.quotedKey(p, &q) {
		return -1, 0
	}
	slot, d := t.find(&q)
	if slot < 0 {
		return -1, 0
	}
	// The error goes against the datagram that it quotes.
	return slot, d.Other()
}

func (t *Table) find(k *key) (int32, packet.Direction) {
	for slot := t.buckets[k.hash&uint32(len(t.buckets)-1)]; slot >= 0; {
		e := t.entries.at(slot)
		if d, ok := e.same(k); ok {
			return slot, d
		}
		slot = e.chain
	}
	return -1, 0
}

// admit makes a flow, evicting another when there is no room.
func (t *Table) admit(p *packet.Packet, k *key) int32 {
	if t.entries.used >= t.cfg.MaxFlows && !t.evict() {
		return -1
	}
	if t.entries.used >= len(t.buckets) && len(t.buckets) < 1<<26 {
		t.rehash()
	}
	slot := t.entries.take()
	e := t.entries.at(slot)
	t.made++
	*e = entry{cp: k.sp, sp: k.dp, hash: k.hash, depth: k.depth, vlan: k.vlan, sess: -1, order: t.made, epoch: t.epoch, live: true}
	e.flow = Flow{
		ID: flowID(t.made, t.cfg.Seed), Slot: slot, Client: k.src, Server: k.dst,
		ClientPort: p.SrcPort, ServerPort: p.DstPort, VLAN: p.VLAN, VLANs: p.VLANs,
		IPVersion: k.ip, Proto: k.proto, Start: p.Time, Last: p.Time, FirstNumber: p.Number,
	}
	if p.Has&(packet.HasICMPv4|packet.HasICMPv6) != 0 {
		e.flow.ClientPort, e.flow.ServerPort = uint16(p.ICMPType), uint16(p.ICMPCode)
	}
	b := &t.buckets[k.hash&uint32(len(t.buckets)-1)]
	e.chain, *b = *b, slot
	t.enlist(slot, e, listOf(&e.flow))
	t.stats.Flows++
	t.stats.count(k)
	return slot
}

// flowID spreads the flow's number over 52 bits: distinct for all flows of a
// capture, the same in each run, and safe in JSON readers that know only
// doubles.
func flowID(n, seed uint64) uint64 {
	const mask = 1<<52 - 1
	return (n*0x9e3779b97f4a7 + seed) & mask
}

func (t *Table) rehash() {
	old := t.buckets
	t.buckets = make([]int32, 2*len(old))
	for i := range t.buckets {
		t.buckets[i] = -1
	}
	for _, slot := range old {
		for slot >= 0 {
			e := t.entries.at(slot)
			next := e.chain
			b := &t.buckets[e.hash&uint32(len(t.buckets)-1)]
			e.chain, *b = *b, slot
			slot = next
		}
	}
}

// touch counts the packet and says how the flow stood before it.
func (t *Table) touch(slot int32, e *entry, p *packet.Packet, out *Outcome) {
	f, d := &e.flow, out.Dir
	out.NoPayload = f.Flags&FlagNoPayload != 0
	f.Packets[d]++
	f.Bytes[d] += uint64(len(p.Data))
	f.Last = max(f.Last, p.Time)
	if f.Proto == protoTCP && p.Has&packet.HasTCP != 0 {
		f.TCPSeen[d] |= p.TCPFlags
	}
	if f.Proto == p.Proto {
		e.seen |= 1 << d // an error about a flow is no answer in it
	}
	switch {
	case f.State == StateEstablished:
		out.Established = true
	case f.Proto == protoTCP:
		out.Established = e.sess >= 0 && t.sessions.at(e.sess).state >= TCPEstablished
	case e.seen == 3:
		f.State, out.Established = StateEstablished, true
	}
	t.relist(slot, e)
}

// setState moves the session on, and the flow's state with it.
func (t *Table) setState(s *session, state TCPState) {
	f := &t.entries.at(s.flow).flow
	s.state, f.TCPState = state, state
	switch state {
	case TCPEstablished, TCPFinWait1, TCPFinWait2, TCPClosing, TCPCloseWait:
		f.State = StateEstablished
	case TCPLastAck, TCPTimeWait, TCPClosed:
		f.State = StateClosed
	}
}
