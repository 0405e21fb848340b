package http2

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/byterange"
	"github.com/masugata/masugata/internal/inspect/protocol/framer"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// Frame types (RFC 9113 section 6).
const (
	frameData = iota
	frameHeaders
	framePriority
	frameReset
	frameSettings
	framePush
	framePing
	frameGoAway
	frameWindow
	frameContinuation
)

// Frame flags.
const (
	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4
	flagPadded     = 8
	flagPriority   = 32
)

const (
	frameHead = 9
	maxFrame  = 64 << 10 // frames other than DATA that are read; longer ones are skipped
)

// head is a frame's head.
type head struct {
	length int
	kind   uint8
	flags  uint8
	stream uint32
}

func readHead(b []byte) head {
	return head{int(b[0])<<16 | int(b[1])<<8 | int(b[2]), b[3], b[4], binary.BigEndian.Uint32(b[5:]) & 0x7fffffff}
}

// parser follows one flow.
type parser struct {
	cfg          *config
	txs          txlist.List[Tx, *Tx]
	flows        [2]reader
	last         *Tx // the transaction of the newest frame, for events
	files        uint32
	highest      uint32           // stream that the client has opened
	doh, renamed bool             // a stream carries DNS; that was told
	ranges       *byterange.Shelf // shared by the parsers of an engine
	key          []byte           // of a file in it
}

// reader is how far one direction is read.
type reader struct {
	begun   bool // the preface is passed
	head    [len(magic)]byte
	headLen int
	frame   head
	left    int    // bytes of the frame still to come
	pad     int    // of them padding; -1 when its length is still to come
	kept    []byte // a frame not yet whole
	skip    bool
	block   []byte // header block of HEADERS and CONTINUATION
	blockOf uint32 // stream of the block begun, 0 for none
	blockTo *Tx
	lost    bool // the block is too long
	end     bool // the block's HEADERS ended the stream
	hpack   decoder
	frames  framer.Framer
}

// Reset makes the parser ready for another flow.
func (p *parser) Reset() {
	p.txs.Reset()
	for i := range p.flows {
		r := &p.flows[i]
		r.hpack.table.reset()
		r.frames.Reset()
		*r = reader{frames: r.frames, kept: r.kept[:0], block: r.block[:0], hpack: decoder{table: r.hpack.table, most: p.cfg.maxTable}}
	}
	*p = parser{cfg: p.cfg, txs: p.txs, flows: p.flows, ranges: p.ranges, key: p.key[:0]}
}

// Txs are the streams and the connection's frames.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the transactions that are done.
func (p *parser) Sweep() {
	if p.last != nil && p.last.inspection.Done {
		p.last = nil
	}
	for i := range p.flows {
		if r := &p.flows[i]; r.blockTo != nil && r.blockTo.inspection.Done {
			r.blockTo = nil
		}
	}
	p.txs.Sweep()
}

// Parse takes bytes of the flow.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	r := &p.flows[d]
	if !r.begun {
		if d == packet.ToServer {
			data = p.preface(r, data)
		} else {
			r.begun = true
		}
	}
	if env.WantFrames {
		r.frames.Call()
	}
	for len(data) > 0 && r.begun {
		n, ok := p.take(d, data, env)
		if env.WantFrames {
			r.frames.Add(data[:n])
			if r.left == 0 && r.headLen == 0 {
				r.frames.Emit(env, d, frameHead, framer.Names{Head: "hdr", Data: "data", All: "pdu"})
			}
		}
		if !ok {
			return protocol.Status{Code: protocol.StatusFailed}
		}
		data = data[n:]
	}
	if p.doh && !p.renamed {
		p.renamed = true
		return protocol.Status{Code: protocol.StatusRename, Next: protocol.DOH2}
	}
	return protocol.Status{}
}

// take takes bytes of a frame's head or of its body, and says how many.
func (p *parser) take(d packet.Direction, data []byte, env *protocol.Env) (n int, ok bool) {
	r := &p.flows[d]
	if r.left > 0 {
		n = min(r.left, len(data))
		r.left -= n
		p.body(d, data[:n], env)
		return n, true
	}
	n = copy(r.head[r.headLen:frameHead], data)
	r.headLen += n
	if r.headLen < frameHead {
		return n, true
	}
	r.headLen = 0
	return n, p.begin(d, readHead(r.head[:]), env)
}

// preface passes the client's preface; what is none is taken as frames.
func (p *parser) preface(r *reader, data []byte) []byte {
	n := copy(r.head[r.headLen:], data)
	r.headLen += n
	if string(r.head[:r.headLen]) == magic[:r.headLen] {
		if r.headLen == len(magic) {
			r.begun, r.headLen = true, 0
		}
		return data[n:]
	}
	r.begun = true
	if r.headLen == n { // nothing was taken before
		r.headLen = 0
		p.event(eventClientMagic)
		return data
	}
	p.event(eventClientMagic)
	r.headLen = min(r.headLen-n, frameHead-1)
	return data
}

// event raises an event on the newest transaction; when there is none, on one
// of its own.
func (p *parser) event(n uint8) {
	t := p.last
	if t == nil {
		t = p.global()
	}
	t.event(n)
}

// global adds a transaction for a frame of the connection as a whole.
func (p *parser) global() *Tx {
	t := p.txs.New()
	t.sides[0].stage, t.sides[1].stage = protocol.StageDone, protocol.StageDone
	t.sides[0].ended, t.sides[1].ended = true, true
	p.last = t
	return t
}

// streamTx is the transaction of a stream, made when there is none.
func (p *parser) streamTx(id uint32) *Tx {
	if id == 0 {
		return p.global()
	}
	live := p.txs.Live()
	for i := len(live) - 1; i >= 0; i-- {
		if live[i].stream == id {
			p.last = live[i]
			return live[i]
		}
	}
	if len(live) >= p.cfg.maxStreams {
		p.event(eventManyStreams)
		for _, old := range live {
			if old.stream != 0 && !(old.sides[0].ended && old.sides[1].ended) {
				old.abort(packet.ToServer)
				old.abort(packet.ToClient)
				break
			}
		}
	}
	t := p.txs.New()
	t.stream = id
	t.reach(packet.ToServer, protocol.StageStart)
	t.reach(packet.ToClient, protocol.StageStart)
	p.last = t
	return t
}

// begin begins a frame.
func (p *parser) begin(d packet.Direction, f head, env *protocol.Env) bool {
	r := &p.flows[d]
	r.frame, r.left, r.pad, r.skip = f, f.length, 0, false
	r.kept = r.kept[:0]
	if f.kind > frameContinuation {
		p.event(eventFrameHeader)
		if r.head[5]&0x80 != 0 || f.length > maxFrame {
			return false
		}
		r.skip = true
		return true
	}
	if f.kind == frameData {
		p.beginData(d)
	} else if f.length > maxFrame {
		p.event(eventLongFrame)
		r.skip = true
	}
	if r.left == 0 {
		p.body(d, nil, env)
	}
	return true
}

// body takes bytes of the frame begun.
func (p *parser) body(d packet.Direction, data []byte, env *protocol.Env) {
	r := &p.flows[d]
	switch {
	case r.skip:
	case r.frame.kind == frameData:
		p.data(d, data, env)
	case len(r.kept) == 0 && r.left == 0:
		p.frame(d, data, env)
	default:
		r.kept = append(r.kept, data...)
		if r.left == 0 {
			p.frame(d, r.kept, env)
			r.kept = r.kept[:0]
		}
	}
}

// Gap skips missing bytes within a body; else frames cannot be found again.
func (p *parser) Gap(d packet.Direction, n uint64, _ *protocol.Env) protocol.Status {
	r := &p.flows[d]
	if r.left > 0 && n <= uint64(r.left) && r.frame.kind == frameData && r.pad >= 0 {
		r.left -= int(n)
		if t := p.find(r.frame.stream); t != nil {
			t.sides[d].body.Gap(n)
			t.sides[d].at += n
		}
		if r.left == 0 {
			p.endData(d)
		}
		return protocol.Status{}
	}
	p.End(d, nil)
	return protocol.Status{Code: protocol.StatusFailed}
}

// End ends a direction.
func (p *parser) End(d packet.Direction, _ *protocol.Env) {
	for _, t := range p.txs.Live() {
		t.abort(d)
		t.reach(d, protocol.StageDone)
	}
}

func (p *parser) find(id uint32) *Tx {
	live := p.txs.Live()
	for i := len(live) - 1; i >= 0; i-- {
		if live[i].stream == id {
			return live[i]
		}
	}
	return nil
}
