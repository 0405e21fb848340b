package http

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

// state is where one direction of a connection stands.
type state uint8

const (
	stateIdle state = iota
	stateLine
	stateVersion09 // after a request line without a version
	stateHeaders
	stateKnown      // a body of known length
	stateChunked    // a chunked body
	stateTrailer    // the fields after a chunked body
	stateUntilClose // a body that ends with the connection
	stateFinalize   // the message is complete, what follows at once may still belong to it
	stateIgnore     // everything up to the end is ignored
	stateLost       // bytes are missing: wait for the beginning of a message
)

// side is one direction of a connection.
type side struct {
	state   state
	failed  bool
	m       *message // the message being read, nil when idle
	pending []byte   // an unfinished line before a chunk
	chunk   chunkState
	left    uint64 // bytes to come of a chunk or of a body of known length
	decoder decoder
	frame   []byte // the message so far, when frames are wanted
}

// Parser follows one HTTP/1 connection. It is a protocol.Parser.
type Parser struct {
	cfg     *config
	pool    *pool
	side    [2]side
	txs     txlist.List[transaction, *transaction]
	env     *protocol.Env
	fileID  uint32
	status  protocol.Status
	early   []byte // bytes of the client after CONNECT, before it is answered
	waiting bool   // CONNECT is not answered yet
}

// maxEarly bounds what is kept of a client that goes on before its CONNECT is
// answered.
const maxEarly = 16 << 10

func newParser(cfg *config, pool *pool) *Parser { return &Parser{cfg: cfg, pool: pool} }

// Reset forgets everything and keeps memory for the next flow.
func (p *Parser) Reset() {
	for d := range p.side {
		s := &p.side[d]
		*s = side{pending: s.pending[:0], decoder: s.decoder, frame: s.frame[:0]}
		s.decoder.m, s.decoder.used = nil, 0
		s.decoder.release()
	}
	for _, t := range p.txs.Live() {
		t.release(p.pool)
	}
	p.txs.Reset()
	p.fileID, p.status, p.early, p.waiting = 0, protocol.Status{}, p.early[:0], false
}

// Txs are the transactions not yet swept, oldest first.
func (p *Parser) Txs() []protocol.Tx { return p.txs.Txs() }

// manyTxs is how many transactions at once are so many that their memory is
// not kept for the next ones.
const manyTxs = 4

// Sweep frees transactions that the engine is done with.
func (p *Parser) Sweep() {
	live := p.txs.Live()
	for _, t := range live {
		if !t.insp.Done {
			continue
		}
		t.release(p.pool)
		if len(live) > manyTxs {
			t.msg = [2]message{}
		}
	}
	p.txs.Sweep()
}

// Parse takes the next bytes of the stream in d.
func (p *Parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	s := &p.side[d]
	if s.failed {
		return protocol.Status{Code: protocol.StatusFailed}
	}
	if d == packet.ToServer && p.waiting {
		p.early = append(p.early, data[:min(len(data), maxEarly-len(p.early))]...)
		return protocol.Status{}
	}
	p.env, p.status = env, protocol.Status{}
	total := len(data)
	for len(data) > 0 && !s.failed && p.status.Code == protocol.StatusOK {
		n := p.step(s, d, data)
		if env.WantFrames {
			s.noteFrame(data[:n])
		}
		data = data[n:]
	}
	if s.state == stateFinalize {
		p.complete(d)
	}
	p.touch(d)
	env.Consumed = total - len(data)
	if s.failed {
		p.abandon(d)
		return protocol.Status{Code: protocol.StatusFailed}
	}
	if d == packet.ToClient && len(p.early) > 0 && !p.waiting && p.status.Code == protocol.StatusOK {
		p.replay(env)
	}
	return p.status
}

// touch notes that more of the message in progress has come.
func (p *Parser) touch(d packet.Direction) {
	m := p.side[d].m
	if m == nil {
		return
	}
	live := p.txs.Live()
	for i := range live {
		t := live[i]
		if d == packet.ToServer {
			t = live[len(live)-1-i]
		}
		if &t.msg[d] == m {
			t.insp.Fresh[d] = true
			return
		}
	}
}

// replay parses what the client sent before its CONNECT was refused.
func (p *Parser) replay(env *protocol.Env) {
	early := p.early
	p.early = nil
	consumed := env.Consumed
	p.Parse(packet.ToServer, early, env)
	env.Consumed, p.status = consumed, protocol.Status{}
	p.early = early[:0]
}

// step lets the present state take bytes; it returns how many.
func (p *Parser) step(s *side, d packet.Direction, data []byte) int {
	switch s.state {
	case stateIdle:
		return p.begin(s, d, data)
	case stateLine:
		return p.firstLine(s, d, data, false)
	case stateVersion09:
		return p.version09(s, data)
	case stateHeaders, stateTrailer:
		return p.headers(s, data, false)
	case stateKnown:
		return s.readKnown(s.m, data)
	case stateChunked:
		return s.readChunked(s.m, data)
	case stateUntilClose:
		s.decoder.write(data)
		return len(data)
	case stateFinalize:
		return p.afterMessage(s, d, data)
	case stateLost:
		return p.findMessage(s, d, data)
	}
	return len(data)
}

// begin starts a message, at a byte that is no line end.
func (p *Parser) begin(s *side, d packet.Direction, data []byte) int {
	skip := 0
	for skip < len(data) && (data[skip] == '\r' || data[skip] == '\n') {
		skip++
	}
	if skip == len(data) || skip > 0 && d == packet.ToClient {
		return skip
	}
	var t *transaction
	if d == packet.ToServer {
		t = p.newRequest()
	} else {
		t = p.answered()
	}
	if t == nil {
		s.failed = true
		return skip
	}
	s.m = &t.msg[d]
	s.m.advance(protocol.StageStart)
	s.state, s.chunk, s.left = stateLine, chunkLine, 0
	s.frame = s.frame[:0]
	if d == packet.ToClient && t.http09 {
		s.m.coding = codingIdentity
		s.m.advance(protocol.StageHeaders)
		s.decoder.begin(s.m)
		s.state = stateUntilClose
	}
	return skip
}

// newRequest makes a transaction, nil when there are too many.
func (p *Parser) newRequest() *transaction {
	if len(p.txs.Live()) >= p.cfg.maxTx {
		return nil
	}
	t := p.txs.New()
	for d := range t.msg {
		t.msg[d].p = p
	}
	return t
}

// unseenTarget stands for the target of a request that was not seen.
var unseenTarget = []byte("/libhtp::request_uri_not_seen")

// answered is the transaction that the next response belongs to: the oldest
// one without a response, or one made for it.
func (p *Parser) answered() *transaction {
	for _, t := range p.txs.Live() {
		if t.msg[packet.ToClient].stage == protocol.StageNone {
			return t
		}
	}
	t := p.newRequest()
	if t == nil {
		return nil
	}
	t.unmatched = true
	t.insp.Events.Set(evUnmatchedResponse)
	t.uri = unseenTarget
	t.path = unseenTarget
	t.msg[packet.ToServer].stage = protocol.StageDone
	return t
}

// headers reads a header block or trailers.
func (p *Parser) headers(s *side, data []byte, final bool) int {
	m := s.m
	n, done := m.headerLines(data, final)
	if !done && !final || s.failed {
		return n
	}
	m.flushField()
	if s.state == stateTrailer {
		m.advance(protocol.StageTrailer)
		s.state = stateFinalize
		return n
	}
	m.advance(protocol.StageHeaders)
	switch {
	case !done:
		s.state = stateFinalize
	case m.dir == packet.ToServer:
		p.requestHeaders(s)
	default:
		p.responseHeaders(s)
	}
	if s.state == stateKnown || s.state == stateChunked || s.state == stateUntilClose {
		m.advance(protocol.StageBody)
	}
	return n
}

// complete ends the message being read in d.
func (p *Parser) complete(d packet.Direction) {
	s := &p.side[d]
	m := s.m
	s.state, s.m = stateIdle, nil
	if m == nil {
		return
	}
	s.decoder.finish()
	m.closeBody(protocol.FileClosed)
	m.stage = protocol.StageDone
	p.env.TriggerRawStream = true
	if p.env.WantFrames {
		p.addFrame(s, d)
	}
}

// abandon ends the message being read in d, which cannot be read on.
func (p *Parser) abandon(d packet.Direction) {
	s := &p.side[d]
	if m := s.m; m != nil {
		s.decoder.used = 0
		m.closeBody(protocol.FileTruncated)
		m.stage = protocol.StageDone
		s.m = nil
	}
	if d == packet.ToClient {
		p.endResponses()
	}
}

// endResponses says of every transaction that no response will come.
func (p *Parser) endResponses() {
	for _, t := range p.txs.Live() {
		t.msg[packet.ToClient].stage = protocol.StageDone
	}
}

// Gap says that n bytes of the stream in d are missing: a hole in a body when
// they lie in one, else what follows is searched for the next message.
func (p *Parser) Gap(d packet.Direction, n uint64, env *protocol.Env) protocol.Status {
	s := &p.side[d]
	if s.failed || s.state == stateIgnore {
		return protocol.Status{}
	}
	p.env = env
	inBody := s.state == stateUntilClose || (s.state == stateKnown || s.state == stateChunked && s.chunk == chunkData) && n <= s.left
	if !inBody {
		p.abandonGap(s, n)
		return protocol.Status{}
	}
	s.m.taken += n
	s.m.bodyGap(n)
	s.decoder.gap()
	if s.state == stateUntilClose {
		return protocol.Status{}
	}
	if s.left -= n; s.left > 0 {
		return protocol.Status{}
	}
	if s.state == stateChunked {
		s.chunk = chunkEnd
		return protocol.Status{}
	}
	p.complete(d)
	return protocol.Status{}
}

// abandonGap gives the message up and waits for the next one.
func (p *Parser) abandonGap(s *side, n uint64) {
	if m := s.m; m != nil {
		if s.state == stateKnown {
			m.bodyGap(min(n, s.left))
		}
		s.decoder.used = 0
		m.closeBody(protocol.FileTruncated)
		m.stage = protocol.StageDone
		s.m = nil
	}
	s.pending = s.pending[:0]
	s.state = stateLost
}

// findMessage looks whether data begin a message; if not they are passed over.
func (p *Parser) findMessage(s *side, d packet.Direction, data []byte) int {
	found := bytes.HasPrefix(data, []byte("HTTP/"))
	if d == packet.ToServer {
		sp := bytes.IndexByte(data[:min(len(data), 20)], ' ')
		found = sp > 0 && methodOf(data[:sp]) != methodUnknown
	}
	if !found {
		return len(data)
	}
	s.state = stateIdle
	return 0
}

// End says that no more bytes will come in d.
func (p *Parser) End(d packet.Direction, env *protocol.Env) {
	s := &p.side[d]
	p.env, p.status = env, protocol.Status{}
	if s.failed {
		p.endIfClient(d)
		return
	}
	if s.state == stateLine {
		p.firstLine(s, d, nil, true)
	}
	if s.state == stateHeaders || s.state == stateTrailer {
		p.headers(s, nil, true)
	}
	if s.state == stateChunked && len(s.pending) > 0 {
		s.pending = s.pending[:0]
	}
	p.complete(d)
	s.state = stateIgnore
	p.endIfClient(d)
}

func (p *Parser) endIfClient(d packet.Direction) {
	if d == packet.ToClient {
		p.endResponses()
	}
}
