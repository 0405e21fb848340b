package ssh

import (
	"bytes"
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/framer"
)

const (
	maxBanner = 256      // RFC 4253 section 4.2 allows 255 with the line end
	maxRecord = 35000    // the least that RFC 4253 section 6.1 asks for
	maxKex    = 16 << 10 // key exchange offers that are kept
	maxLines  = 50       // lines before a banner
)

// Message numbers (RFC 4253 section 12).
const (
	msgKexInit = 20
	msgNewKeys = 21
)

// state is what comes next in a direction.
type state uint8

const (
	inBanner state = iota
	inRestOfLine
	inRecords
	finished
)

// parser follows one flow.
type parser struct {
	cfg   *config
	tx    Tx
	txs   []protocol.Tx
	sides [2]side
}

// side is how far one direction is read.
type side struct {
	state   state
	line    []byte // banner not yet whole
	lines   int
	head    [6]byte // length, padding, message number
	headLen int
	left    int  // bytes of the record still to come
	keep    bool // they belong to a key exchange offer
	frames  framer.Framer
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	p.tx.clear()
	p.txs = p.txs[:0]
	for i := range p.sides {
		s := &p.sides[i]
		s.frames.Reset()
		*s = side{line: s.line[:0], frames: s.frames}
	}
}

// Txs is the session, once something of it was seen.
func (p *parser) Txs() []protocol.Tx { return p.txs }

// Sweep frees the session once it is done.
func (p *parser) Sweep() {
	if len(p.txs) > 0 && p.tx.inspection.Done {
		p.txs = p.txs[:0]
	}
}

// Parse takes bytes of the flow.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	s := &p.sides[d]
	if s.state == finished {
		return p.status(env)
	}
	if len(p.txs) == 0 {
		p.txs = append(p.txs, &p.tx)
	}
	p.tx.reach(d, protocol.StageStart)
	if env.WantFrames {
		s.frames.Call()
	}
	for len(data) > 0 {
		var ok bool
		all, was := data, s.state
		switch s.state {
		case inBanner:
			data, ok = p.banner(d, data)
		case inRestOfLine:
			data, ok = skipLine(s, data), true
		case inRecords:
			data, ok = p.record(d, data)
		case finished:
			return p.status(env)
		}
		if env.WantFrames && was == inRecords {
			p.frame(d, all[:len(all)-len(data)], env)
		}
		if !ok {
			return p.fail()
		}
	}
	return p.status(env)
}

// frame notes bytes of a record for rules that name frames.
func (p *parser) frame(d packet.Direction, b []byte, env *protocol.Env) {
	s := &p.sides[d]
	s.frames.Add(b)
	if s.left == 0 && s.headLen == 0 {
		s.frames.Emit(env, d, len(s.head), framer.Names{Head: "record.hdr", Data: "record.data", All: "record.pdu"})
	}
}

func (p *parser) status(env *protocol.Env) protocol.Status {
	if p.sides[0].state == finished && p.sides[1].state == finished && !p.cfg.full {
		env.NoPayload, env.Flush = true, true
		return protocol.Status{Code: protocol.StatusDone}
	}
	return protocol.Status{}
}

func (p *parser) fail() protocol.Status {
	p.sides[0].state, p.sides[1].state = finished, finished
	p.tx.reach(packet.ToServer, protocol.StageDone)
	p.tx.reach(packet.ToClient, protocol.StageDone)
	return protocol.Status{Code: protocol.StatusFailed}
}

// banner takes lines until one begins with SSH-. A server may send others
// before (RFC 4253 section 4.2).
func (p *parser) banner(d packet.Direction, data []byte) ([]byte, bool) {
	s := &p.sides[d]
	end := bytes.IndexByte(data, '\n')
	take := len(data)
	if end >= 0 {
		take = end + 1
	}
	n := min(take, maxBanner-len(s.line))
	s.line = append(s.line, data[:n]...)
	switch {
	case n < take:
		return data[n:], p.longBanner(d)
	case end < 0:
		return nil, true
	}
	ok := p.bannerLine(d, s.line)
	s.line = s.line[:0]
	return data[take:], ok
}

// longBanner reads what there is of a banner longer than the bound.
func (p *parser) longBanner(d packet.Direction) bool {
	s := &p.sides[d]
	p.tx.event(eventLongBanner)
	ok := p.bannerLine(d, s.line)
	s.line = s.line[:0]
	if s.state == inRecords {
		s.state = inRestOfLine
	}
	return ok
}

func skipLine(s *side, data []byte) []byte {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		return nil
	}
	s.state = inRecords
	return data[end+1:]
}

func (p *parser) bannerLine(d packet.Direction, line []byte) bool {
	s, e := &p.sides[d], &p.tx.ends[d]
	rest, ok := bytes.CutPrefix(line, prefix)
	if !ok {
		p.tx.event(eventInvalidBanner)
		s.lines++
		return s.lines <= maxLines
	}
	rest = bytes.TrimRight(rest, "\r\n")
	version, software, ok := bytes.Cut(rest, []byte("-"))
	if !ok {
		p.tx.event(eventInvalidBanner)
		return false
	}
	if i := bytes.IndexByte(software, ' '); i >= 0 {
		software = software[:i]
	}
	e.proto = append(e.proto[:0], version...)
	e.software = append(e.software[:0], software...)
	s.state = inRecords
	p.tx.reach(d, protocol.StageLine)
	return true
}

// record takes bytes of the binary packet protocol (RFC 4253 section 6).
func (p *parser) record(d packet.Direction, data []byte) ([]byte, bool) {
	s, e := &p.sides[d], &p.tx.ends[d]
	if s.left > 0 {
		n := min(s.left, len(data))
		s.left -= n
		if s.keep {
			e.kex = append(e.kex, data[:n]...)
		}
		if s.left == 0 && s.keep {
			s.keep, e.hasKex = false, true
			p.tx.reach(d, protocol.StageHeaders)
		}
		return data[n:], true
	}
	n := copy(s.head[s.headLen:], data)
	s.headLen += n
	if s.headLen < len(s.head) {
		return data[n:], true
	}
	s.headLen = 0
	return data[n:], p.begin(d, binary.BigEndian.Uint32(s.head[:]), s.head[5])
}

// begin begins a record of length bytes, of which two are read.
func (p *parser) begin(d packet.Direction, length uint32, message byte) bool {
	s, e := &p.sides[d], &p.tx.ends[d]
	if length < 2 || length > maxRecord || int(s.head[4])+1 > int(length) {
		p.tx.event(eventInvalidRecord)
		return false
	}
	s.left = int(length) - 2
	switch message {
	case msgKexInit:
		if e.hasKex {
			break
		}
		if s.left > maxKex {
			p.tx.event(eventLongKexRecord)
			break
		}
		s.keep, e.kex, e.padding = true, e.kex[:0], int(s.head[4])
	case msgNewKeys:
		s.state = finished
		p.tx.reach(d, protocol.StageDone)
	}
	return true
}

// Gap makes a direction unreadable.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	s := &p.sides[d]
	if s.state == finished {
		return protocol.Status{}
	}
	if s.state == inRecords && !s.keep && n <= uint64(s.left) {
		s.left -= int(n)
		return protocol.Status{}
	}
	return p.fail()
}

// End ends a direction.
func (p *parser) End(d packet.Direction, _ *protocol.Env) {
	if len(p.txs) > 0 {
		p.tx.reach(d, protocol.StageDone)
	}
}
