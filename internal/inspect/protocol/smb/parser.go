package smb

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// NetBIOS session service packet types (RFC 1002 section 4.3.1).
const (
	nbssMessage   = 0x00
	nbssRequest   = 0x81
	nbssPositive  = 0x82
	nbssKeepAlive = 0x85
)

const (
	nbssSize  = 4
	maxRecord = 1 << 20 // longest message that is looked at whole
	maxHead   = 64 << 10
	streamMin = 128 // bytes of a write or read response from which its data is passed on
)

// side is what is held of one direction.
type side struct {
	held  []byte
	shown []byte // the message filled up last, which frames may show until the next
	skip  uint64 // bytes of the message under way that are not looked at
	file  uint64 // of these, the first that belong to a file …
	tx    *Tx    // … of this transaction
	lost  bool   // bytes are missing: look for the next message
}

// parser follows one connection.
type parser struct {
	cfg        *config
	txs        txlist.List[Tx, *Tx]
	sides      [2]side
	book       book
	dialect    dialect
	negotiated bool
	lastID     [16]byte // the file opened last: what related requests mean
	env        *protocol.Env
}

// Reset makes the parser ready for another connection.
func (p *parser) Reset() {
	p.txs.Reset()
	p.book.reset()
	for d := range p.sides {
		p.sides[d] = side{held: p.sides[d].held[:0], shown: p.sides[d].shown[:0]}
	}
	*p = parser{cfg: p.cfg, txs: p.txs, sides: p.sides, book: p.book}
}

// Txs are the transactions.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the transactions that are done.
func (p *parser) Sweep() {
	done := func(t *Tx) bool { return t.inspection.Done }
	p.book.forget(done)
	for d := range p.sides {
		if t := p.sides[d].tx; t != nil && done(t) {
			p.sides[d].tx = nil
		}
	}
	p.txs.Sweep()
}

// isMagic says whether b begins as a message does.
func isMagic(b []byte) bool {
	return len(b) >= 4 && b[1] == 'S' && b[2] == 'M' && b[3] == 'B' && (b[0] == 0xff || b[0] == 0xfe || b[0] == 0xfd || b[0] == 0xfc)
}

// Parse takes bytes of the connection.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	p.env = env
	s := &p.sides[d]
	for _, t := range p.txs.Live() {
		if t.kind == kindFile {
			t.files[d].Trim(&t.inspection, d)
		}
	}
	for len(data) > 0 {
		switch {
		case s.skip > 0:
			data = p.pass(s, d, data)
		case s.lost:
			data = p.resync(s, data)
		case len(s.held) > 0:
			data = p.fill(s, d, data)
		default:
			used := p.message(s, d, data)
			if used == 0 {
				s.held = append(s.held, data...)
				return protocol.Status{}
			}
			data = data[used:]
		}
	}
	return protocol.Status{}
}

// pass gives bytes of a message under way to their file, or drops them.
func (p *parser) pass(s *side, d packet.Direction, data []byte) []byte {
	n := min(s.skip, uint64(len(data)))
	if f := min(n, s.file); f > 0 {
		if s.tx != nil {
			p.write(s.tx, d, data[:f])
		}
		s.file -= f
	}
	s.skip -= n
	return data[n:]
}

// resync looks for the next message behind missing bytes.
func (p *parser) resync(s *side, data []byte) []byte {
	for i := 0; i+8 <= len(data); i++ {
		if data[i] == nbssMessage && isMagic(data[i+4:]) {
			s.lost = false
			return data[i:]
		}
	}
	return nil
}

// fill adds to the held message until it is whole, or enough to go on with.
func (p *parser) fill(s *side, d packet.Direction, data []byte) []byte {
	want := streamMin
	if len(s.held) >= nbssSize {
		total := length(s.held)
		want = min(nbssSize+total, nbssSize+maxRecord)
		if len(s.held) < streamMin {
			want = min(want, nbssSize+streamMin)
		}
	} else {
		want = nbssSize
	}
	n := min(max(want-len(s.held), 0), len(data))
	s.held = append(s.held, data[:n]...)
	data = data[n:]
	used := p.message(s, d, s.held)
	switch {
	case s.lost || used == 0 && n == 0:
		s.held, s.lost = s.held[:0], true
	case used > 0:
		s.held, s.shown = append(s.shown[:0], s.held[min(used, len(s.held)):]...), s.held
	}
	return data
}

// length is the length of a message from its session header.
func length(b []byte) int {
	return int(binary.BigEndian.Uint32(b) & 0xffffff)
}

// message takes the message that data begins with and gives the number of
// bytes used, 0 when more are needed.
func (p *parser) message(s *side, d packet.Direction, data []byte) int {
	if len(data) < nbssSize {
		return 0
	}
	n := length(data)
	if data[0] != nbssMessage {
		p.session(d, data, n)
		return p.control(s, data, n)
	}
	if len(data) >= 8 && !isMagic(data[4:]) {
		p.event(eventMalformed)
		s.lost = true
		return min(nbssSize, len(data))
	}
	have := len(data) - nbssSize
	if have >= n {
		p.session(d, data, n)
		p.record(d, record(data[nbssSize:nbssSize+n]), n)
		return nbssSize + n
	}
	if have >= streamMin && p.streams(d, record(data[nbssSize:])) {
		p.session(d, data, n)
		p.record(d, record(data[nbssSize:]), n)
		s.skip = uint64(n - have)
		return len(data)
	}
	if n > maxRecord && have >= maxHead {
		p.event(eventRecordOverflow)
		p.session(d, data, n)
		p.record(d, record(data[nbssSize:]), n)
		s.skip, s.file, s.tx = uint64(n-have), 0, nil
		return len(data)
	}
	return 0
}

// control takes a session packet that is no message.
func (p *parser) control(s *side, data []byte, n int) int {
	switch data[0] {
	case nbssRequest, nbssPositive, nbssKeepAlive, 0x83, 0x84:
		used := min(nbssSize+n, len(data))
		s.skip, s.file, s.tx = uint64(nbssSize+n-used), 0, nil
		return used
	}
	p.event(eventMalformed)
	s.lost = true
	return nbssSize
}

// streams says whether a message that is not whole carries bytes of a file
// that can be passed on at once.
func (p *parser) streams(d packet.Direction, r record) bool {
	switch r[0] {
	case 0xfe:
		if r.u32(20) != 0 {
			return false
		}
		if d == packet.ToServer {
			return r.u16(12) == smb2Write && !p.book.isPipe(r.u32(36))
		}
		return r.u16(12) == smb2Read && !p.book.isPipe(r.u32(36))
	case 0xff:
		if p.book.isPipe(uint32(r.u16(24))) {
			return false
		}
		return d == packet.ToServer && r.u8(4) == smb1WriteAndX || d == packet.ToClient && r.u8(4) == smb1ReadAndX
	}
	return false
}

// record takes a message of total bytes, of which r may be the beginning only.
func (p *parser) record(d packet.Direction, r record, total int) {
	if len(r) < 4 {
		p.event(eventMalformed)
		return
	}
	p.frames(d, r)
	switch r[0] {
	case 0xff:
		p.smb1(d, r, total)
	case 0xfe:
		p.smb2(d, r, total)
	}
}

// Gap says that n bytes are missing.
func (p *parser) Gap(d packet.Direction, n uint64, env *protocol.Env) protocol.Status {
	p.env = env
	s := &p.sides[d]
	if s.skip >= n && len(s.held) == 0 {
		if f := min(n, s.file); f > 0 {
			if s.tx != nil && s.tx.files[d].Last() != nil {
				s.tx.files[d].Last().Gap(f)
			}
			s.file -= f
		}
		s.skip -= n
		return protocol.Status{}
	}
	s.held, s.skip, s.file, s.tx, s.lost = s.held[:0], 0, 0, nil, true
	for _, h := range p.book.handles {
		h.held[d] = h.held[d][:0]
	}
	return protocol.Status{}
}

// End says that a side has ended.
func (p *parser) End(d packet.Direction, env *protocol.Env) {
	p.env = env
	for _, t := range p.txs.Live() {
		if t.kind == kindFile {
			p.closeFile(t, false)
		}
		t.raise(d, protocol.StageDone)
	}
}

// event raises an event on the youngest transaction, making one when there is none.
func (p *parser) event(e uint8) {
	live := p.txs.Live()
	if len(live) == 0 {
		t := p.begin(kindOther)
		t.raise(packet.ToServer, protocol.StageDone)
		t.raise(packet.ToClient, protocol.StageDone)
		t.event(e)
		return
	}
	live[len(live)-1].event(e)
}

// begin makes a transaction; when too many wait the oldest are given up.
func (p *parser) begin(k kind) *Tx {
	over := uint64(len(p.txs.Live())) >= max(p.cfg.maxTx, 16)
	if over {
		for _, t := range p.txs.Live()[:len(p.txs.Live())/2] {
			t.inspection.Done = true
		}
		p.Sweep()
	}
	t := p.txs.New()
	t.kind, t.dialect = k, p.dialect
	t.raise(packet.ToServer, protocol.StageStart)
	t.raise(packet.ToClient, protocol.StageStart)
	if over {
		t.event(eventTransactions)
	}
	return t
}
