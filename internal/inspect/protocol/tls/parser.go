package tls

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/framer"
)

const (
	maxRecord      = 16384 + 2048 // RFC 5246 section 6.2.3, the longest of all versions
	maxMessage     = 64 << 10     // handshake messages that are put together; longer ones are skipped
	maxEmptyAtOnce = 256          // empty records in one call before an event is raised
)

// Record types.
const (
	recordChangeCipher = 20
	recordAlert        = 21
	recordHandshake    = 22
	recordData         = 23
	recordHeartbeat    = 24
)

// parser follows one flow.
type parser struct {
	cfg       *config
	tx        Tx
	txs       []protocol.Tx
	sides     [2]side
	closed    bool // nothing more is read
	heartbeat heartbeat
	asked     bool // heartbeats were agreed on or seen
}

// side is how far the bytes of one direction are read.
type side struct {
	head      [5]byte
	headLen   int
	kind      uint8 // of the record begun
	left      int   // bytes of it still to come
	length    int
	v2        bool // the record is of SSL 2.0
	records   int
	message   []byte // a handshake message not yet whole
	skip      int    // bytes of a message too long to keep
	beat      []byte // head of a heartbeat message
	changed   bool   // a change of cipher was seen, if only for compatibility
	encrypted bool
	empty     int
	frames    framer.Framer
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	p.tx.clear()
	p.txs = p.txs[:0]
	for i := range p.sides {
		s := &p.sides[i]
		m := s.message[:0]
		if cap(m) > maxMessage {
			m = nil
		}
		s.frames.Reset()
		*s = side{message: m, beat: s.beat[:0], frames: s.frames}
	}
	p.closed, p.heartbeat, p.asked = false, heartbeat{}, false
}

// Txs is the handshake, once something of it was seen.
func (p *parser) Txs() []protocol.Tx { return p.txs }

// Sweep frees the handshake once it is done.
func (p *parser) Sweep() {
	if len(p.txs) > 0 && p.tx.inspection.Done {
		p.txs = p.txs[:0]
		p.closed = true // what comes after belongs to no transaction
	}
}

// Parse takes bytes of the flow.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if env.WantFrames {
		p.sides[d].frames.Call()
	}
	if p.closed {
		return p.closedTo(d, data, env)
	}
	if len(p.txs) == 0 {
		p.txs = append(p.txs, &p.tx)
	}
	t, s := &p.tx, &p.sides[d]
	t.now = env.Now
	t.reach(packet.ToServer, protocol.StageStart) // in both directions: ssl_state is the same for both
	t.reach(packet.ToClient, protocol.StageStart)
	s.empty = 0
	for len(data) > 0 {
		rest, ok := p.record(d, data, env)
		if !ok {
			return p.fail()
		}
		data = rest
		if p.settled() {
			p.closed = true
			return p.closedTo(d, data, env)
		}
	}
	return protocol.Status{}
}

// record takes a record, or what has come of it, off data.
func (p *parser) record(d packet.Direction, data []byte, env *protocol.Env) ([]byte, bool) {
	s := &p.sides[d]
	all := data
	if s.left == 0 {
		var ok, whole bool
		if data, whole, ok = p.header(d, data); !ok || !whole {
			p.frame(d, all[:len(all)-len(data)], false, env)
			return data, ok
		}
	}
	n := min(s.left, len(data))
	s.left -= n
	ok := p.body(d, data[:n], env)
	data = data[n:]
	p.frame(d, all[:len(all)-len(data)], s.left == 0, env)
	p.tx.shown = p.tx.shown || s.left == 0 && p.tx.ends[packet.ToClient].cert.known
	return data, ok
}

// settled says whether both directions are opaque from here.
func (p *parser) settled() bool {
	if p.tx.stage[0] != protocol.StageDone || p.tx.stage[1] != protocol.StageDone {
		return false
	}
	return p.cfg.handling == handleBypass || p.cfg.handling == handleDefault && !p.asked
}

func (p *parser) fail() protocol.Status {
	p.tx.reach(packet.ToServer, protocol.StageDone)
	p.tx.reach(packet.ToClient, protocol.StageDone)
	return protocol.Status{Code: protocol.StatusFailed}
}

// header takes the head of a record off data. It is not ok when it cannot be one.
func (p *parser) header(d packet.Direction, data []byte) (rest []byte, whole, ok bool) {
	s := &p.sides[d]
	for s.headLen < 5 && len(data) > 0 {
		s.head[s.headLen] = data[0]
		s.headLen++
		data = data[1:]
		if s.headLen == 3 && p.isV2(d) {
			return data, true, p.beginV2(d)
		}
	}
	if s.headLen < 5 {
		return data, false, true
	}
	s.headLen = 0
	s.records++
	s.kind, s.length = s.head[0], int(binary.BigEndian.Uint16(s.head[3:]))
	s.left, s.v2 = s.length, false
	version := binary.BigEndian.Uint16(s.head[1:])
	if s.kind&0xc0 != 0 {
		return data, false, false // not even the look of a record
	}
	if !validVersion(version) {
		p.tx.event(eventRecordVersion)
		return data, false, false
	}
	if s.kind < recordChangeCipher || s.kind > recordHeartbeat {
		p.tx.event(eventRecordType)
		return data, false, false
	}
	if s.length > maxRecord {
		return data, false, false
	}
	if s.length == 0 {
		if s.empty++; s.empty > maxEmptyAtOnce {
			p.tx.event(eventManyRecords)
			return data, false, false
		}
		return data, len(data) > 0, true
	}
	if e := &p.tx.ends[d]; !e.has {
		e.version = version
	}
	return data, true, true
}

// validVersion says whether a record may carry this version: those of the RFCs
// and the drafts of TLS 1.3.
func validVersion(v uint16) bool {
	return v >= 0x0300 && v <= 0x0304 || v == 0x0002 || v>>8 == 0x7f || v>>8 == 0xfb
}

// body takes bytes of the record begun.
func (p *parser) body(d packet.Direction, data []byte, env *protocol.Env) bool {
	t, s := &p.tx, &p.sides[d]
	if s.v2 {
		return p.bodyV2(d, data)
	}
	if len(data) == 0 {
		return true
	}
	switch s.kind {
	case recordChangeCipher:
		p.changeCipher(d)
	case recordHandshake:
		if s.encrypted {
			t.reach(d, protocol.StageHeaders)
			return true
		}
		return p.handshake(d, data, env)
	case recordData:
		p.data(d, env)
	case recordHeartbeat:
		return p.beat(d, data)
	}
	return true
}

// changeCipher marks the rest of the direction as encrypted; a server that does
// so without a certificate resumes a session.
func (p *parser) changeCipher(d packet.Direction) {
	t := &p.tx
	p.sides[d].changed = true
	if t.v13 && d == packet.ToClient || p.offers13(d) {
		return // compatibility mode (RFC 8446 appendix D.4): it means nothing
	}
	p.sides[d].encrypted = true
	if d == packet.ToClient && t.ends[d].has && t.ends[d].chained == 0 {
		t.resumed = true
	}
	t.reach(d, protocol.StageHeaders)
	if d == packet.ToClient {
		t.reach(d, protocol.StageBody)
	}
	if p.sides[0].encrypted && p.sides[1].encrypted {
		t.reach(packet.ToServer, protocol.StageBodyDone)
		t.reach(packet.ToClient, protocol.StageBodyDone)
	}
}

// offers13 says whether a client's change of cipher may be one of TLS 1.3 whose
// server hello was not seen yet.
func (p *parser) offers13(d packet.Direction) bool {
	return d == packet.ToServer && (p.tx.v13 || p.tx.ends[0].has && !p.tx.ends[1].has && len(p.tx.ends[0].hello.Versions) > 0)
}

// data is application data: the handshake is over, unless it is early data of
// a client that has no answer yet.
func (p *parser) data(d packet.Direction, env *protocol.Env) {
	t := &p.tx
	if d == packet.ToServer && t.ends[packet.ToServer].has && !t.ends[packet.ToClient].has {
		return
	}
	p.sides[0].encrypted, p.sides[1].encrypted = true, true
	env.NoPayload = env.NoPayload || p.cfg.handling != handleFull
	t.reach(packet.ToServer, protocol.StageDone)
	t.reach(packet.ToClient, protocol.StageDone)
}

// Gap skips missing bytes of a record that is not read anyway; else the
// records cannot be found again.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	s := &p.sides[d]
	if s.left > 0 && n <= uint64(s.left) && (s.encrypted || s.kind == recordData) {
		s.left -= int(n)
		return protocol.Status{}
	}
	return p.fail()
}

// End ends a direction.
func (p *parser) End(d packet.Direction, _ *protocol.Env) {
	if len(p.txs) > 0 {
		p.tx.reach(packet.ToServer, protocol.StageDone)
		p.tx.reach(packet.ToClient, protocol.StageDone)
	}
}
