package http2

import (
	"encoding/binary"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// mark notes a frame's type; several in a row count once.
func (p *parser) mark(t *Tx, d packet.Direction, kind uint8) {
	s := &t.sides[d]
	if n := len(s.frames); n > 0 && s.frames[n-1] == kind && kind == frameData {
		t.touch()
		return
	}
	s.frames = note(s.frames, kind)
	t.inspection.Again(d)
	t.touch()
}

// frame takes a whole frame other than DATA.
func (p *parser) frame(d packet.Direction, b []byte, env *protocol.Env) {
	f := p.flows[d].frame
	switch f.kind {
	case frameHeaders, framePush:
		p.headers(d, b, env)
	case frameContinuation:
		p.continuation(d, b, env)
	case frameSettings:
		p.settings(d, b)
	default:
		p.control(d, b)
	}
}

// controlLen is the length that frames of a type must have.
var controlLen = [...]int{framePriority: 5, frameReset: 4, framePing: 8, frameWindow: 4}

// control takes PRIORITY, RST_STREAM, PING, GOAWAY and WINDOW_UPDATE.
func (p *parser) control(d packet.Direction, b []byte) {
	f := p.flows[d].frame
	t := p.streamTx(f.stream)
	s := &t.sides[d]
	p.mark(t, d, f.kind)
	if want := controlLen[f.kind]; want > 0 && len(b) != want || f.kind == frameGoAway && len(b) < 8 {
		t.event(eventFrameLength)
		return
	}
	switch f.kind {
	case framePriority:
		s.weights = note(s.weights, b[4])
	case frameReset:
		s.errors, s.reset = note(s.errors, binary.BigEndian.Uint32(b)), true
		t.abort(packet.ToServer)
		t.abort(packet.ToClient)
	case frameGoAway:
		s.errors = note(s.errors, binary.BigEndian.Uint32(b[4:]))
	case frameWindow:
		s.windows = note(s.windows, binary.BigEndian.Uint32(b)&0x7fffffff)
	}
}

// settings takes SETTINGS (RFC 9113 section 6.5).
func (p *parser) settings(d packet.Direction, b []byte) {
	f := p.flows[d].frame
	if f.flags&flagAck != 0 && len(b) == 0 {
		p.acknowledge(d)
		return
	}
	t := p.streamTx(f.stream)
	p.mark(t, d, frameSettings)
	if len(b)%6 != 0 {
		t.event(eventFrameLength)
		return
	}
	p.applySettings(t, d, b)
}

// acknowledge adds an acknowledgement to the settings that it answers, if those
// are still there: it is no transaction of its own.
func (p *parser) acknowledge(d packet.Direction) {
	for _, t := range p.txs.Live() {
		if t.stream == 0 && !t.acked && len(t.sides[d.Other()].setting) > 0 {
			t.acked = true
			p.mark(t, d, frameSettings)
			return
		}
	}
}

func (p *parser) applySettings(t *Tx, d packet.Direction, b []byte) {
	s := &t.sides[d]
	for ; len(b) >= 6; b = b[6:] {
		id, v := binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:])
		s.setting = note(s.setting, uint64(id)<<32|uint64(v))
		if id == 1 { // the table of those who write to this side
			other := &p.flows[d.Other()].hpack
			other.most = int(min(uint64(v), uint64(p.cfg.maxTable)))
			other.table.limit = min(other.table.limit, other.most)
			other.table.evict(other.table.limit)
		}
	}
}

// headers takes HEADERS and PUSH_PROMISE.
func (p *parser) headers(d packet.Direction, b []byte, env *protocol.Env) {
	r := &p.flows[d]
	f := r.frame
	known := p.find(f.stream)
	t := p.streamTx(f.stream)
	p.mark(t, d, f.kind)
	if f.kind == frameHeaders && f.stream != 0 && (known == nil && f.stream <= p.highest || known != nil && known.sides[0].ended && known.sides[1].ended) {
		t.event(eventStreamReuse)
	}
	if d == packet.ToServer {
		p.highest = max(p.highest, f.stream)
	}
	b, ok := p.fragment(t, d, b)
	if !ok {
		t.event(eventFrameData)
		return
	}
	r.block, r.lost = r.block[:0], false
	r.end = f.kind == frameHeaders && f.flags&flagEndStream != 0
	if f.flags&flagEndHeaders != 0 {
		r.blockOf = 0
		p.decode(t, d, b, env)
		return
	}
	r.blockOf, r.blockTo = f.stream, t
	p.gather(t, d, b)
}

// fragment cuts padding, priority and promised stream off HEADERS.
func (p *parser) fragment(t *Tx, d packet.Direction, b []byte) ([]byte, bool) {
	f := p.flows[d].frame
	if f.flags&flagPadded != 0 {
		if len(b) == 0 || int(b[0]) > len(b)-1 {
			return nil, false
		}
		b = b[1 : len(b)-int(b[0])]
	}
	if f.kind == framePush {
		if len(b) < 4 {
			return nil, false
		}
		return b[4:], true
	}
	if f.flags&flagPriority != 0 {
		if len(b) < 5 {
			return nil, false
		}
		t.sides[d].weights = note(t.sides[d].weights, b[4])
		b = b[5:]
	}
	return b, true
}

// gather keeps a header block that goes on in CONTINUATION.
func (p *parser) gather(t *Tx, d packet.Direction, b []byte) {
	r := &p.flows[d]
	if len(r.block)+len(b) > p.cfg.maxReassembly {
		t.event(eventReassembly)
		r.lost = true
		return
	}
	r.block = append(r.block, b...)
}

func (p *parser) continuation(d packet.Direction, b []byte, env *protocol.Env) {
	r := &p.flows[d]
	t := p.streamTx(r.frame.stream)
	p.mark(t, d, frameContinuation)
	if r.blockOf == 0 || r.blockOf != r.frame.stream {
		t.event(eventFrameData)
		return
	}
	if !r.lost {
		p.gather(t, d, b)
	}
	if r.frame.flags&flagEndHeaders != 0 {
		r.blockOf = 0
		if !r.lost {
			p.decode(t, d, r.block, env)
		}
	}
}

// decode reads a whole header block.
func (p *parser) decode(t *Tx, d packet.Direction, block []byte, env *protocol.Env) {
	r, s := &p.flows[d], &t.sides[d]
	switch r.hpack.decode(block, &s.headers) {
	case blockBroken:
		t.event(eventHeader)
	case blockOverflow:
		t.event(eventIntegerOverflow)
	}
	if d == packet.ToServer {
		t.checkAuthority()
	}
	if s.stage >= protocol.StageBody {
		t.reach(d, protocol.StageTrailer)
	}
	t.reach(d, protocol.StageHeaders)
	p.expectDNS(t, d)
	t.inspection.Again(d)
	if r.end {
		t.finish(d)
	}
	env.TriggerRawStream = true
}

// checkAuthority compares :authority with Host.
func (t *Tx) checkAuthority() {
	h := &t.sides[packet.ToServer].headers
	a, ok := h.find(":authority", 0)
	if !ok {
		return
	}
	for _, c := range a {
		if c == '@' {
			t.event(eventUserInfo)
			break
		}
	}
	host, ok := h.find("host", 0)
	if !ok || len(host) == len(a) && string(host) == string(a) {
		return
	}
	if len(host) != len(a) {
		t.event(eventAuthorityHost)
		return
	}
	for i := range a {
		x, y := a[i], host[i]
		if x >= 'A' && x <= 'Z' {
			x |= 0x20
		}
		if y >= 'A' && y <= 'Z' {
			y |= 0x20
		}
		if x != y {
			t.event(eventAuthorityHost)
			return
		}
	}
}
