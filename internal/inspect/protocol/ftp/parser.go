package ftp

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/framer"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

const maxTxs = 1024 // commands that wait for replies or for the engine

// parser follows one session.
type parser struct {
	limit          int
	txs            txlist.List[Tx, *Tx]
	client, server line.Reader
	cut, replyCut  bool
	multiline      bool
	code           [3]byte // of the reply in several lines
	answering      *Tx     // the command that such a reply answers
	greeted        bool    // the server has said something
	port           uint16  // of the next data connection, 0 for none
	active         bool    // the server opens it
	frames         framer.Framer
}

// Reset makes the parser ready for another session.
func (p *parser) Reset() {
	p.txs.Reset()
	p.client.Reset()
	p.server.Reset()
	p.frames.Reset()
	*p = parser{limit: p.limit, txs: p.txs, client: p.client, server: p.server, frames: p.frames}
}

// Txs are the commands.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the commands that are done.
func (p *parser) Sweep() {
	if p.answering != nil && p.answering.inspection.Done {
		p.answering = nil
	}
	p.txs.Sweep()
}

// Parse takes bytes of the session.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if env.WantFrames {
		p.frames.Call()
	}
	if d == packet.ToClient {
		return p.parseReplies(data, env)
	}
	for len(data) > 0 {
		text, end, rest, ok := p.client.Next(data, p.limit)
		if !ok {
			break
		}
		data = rest
		continued := p.cut
		p.cut = end == line.Cut
		if !continued {
			if env.WantFrames {
				p.frames.Line(env, d, "command_line", text, end)
			}
			p.command(text, env)
		}
	}
	return protocol.Status{}
}

// command takes a line of the client.
func (p *parser) command(text []byte, env *protocol.Env) {
	if len(text) == 0 {
		return
	}
	t := p.begin()
	if t == nil {
		return
	}
	var data []byte
	t.command, data = split(t.command[:0], text)
	t.data = append(t.data[:0], data...)
	t.known, t.verb = known(t.command), verbOf(t.command)
	t.raise(packet.ToServer, protocol.StageDone)
	t.raise(packet.ToClient, protocol.StageStart)
	if p.cut {
		t.truncated = true
		t.inspection.Raise(eventRequestTooLong)
	}
	switch t.verb {
	case verbPort:
		if n, ok := numbers(t.data); ok {
			p.port, p.active = uint16(n[4])<<8|uint16(n[5]), true
			t.port, t.active, t.bounce = p.port, true, address(n) != env.Client
		}
	case verbEprt:
		if port, ok := extendedPort(t.data); ok {
			p.port, p.active = port, true
			t.port, t.active = port, true
		}
	case verbRetr, verbStor:
		p.transfer(t, env)
	}
}

// begin makes a transaction, nil when too many wait.
func (p *parser) begin() *Tx {
	if len(p.txs.Live()) >= maxTxs {
		for _, t := range p.txs.Live()[:maxTxs/2] {
			t.inspection.Done = true
		}
		p.Sweep()
	}
	return p.txs.New()
}

// transfer announces the data connection on which the file will pass.
func (p *parser) transfer(t *Tx, env *protocol.Env) {
	if p.port == 0 {
		return
	}
	e := protocol.Expectation{Server: env.Server, ServerPort: p.port, ID: protocol.FTPData, Name: t.data, Download: t.verb == verbRetr}
	if p.active {
		e.Server = env.Client
	}
	env.Expect = append(env.Expect, e)
	p.port = 0
}

// parseReplies takes bytes of the server.
func (p *parser) parseReplies(data []byte, env *protocol.Env) protocol.Status {
	for rest := data; len(rest) > 0; {
		text, end, after, ok := p.server.Next(rest, p.limit)
		if !ok {
			break
		}
		rest = after
		continued := p.replyCut
		p.replyCut = end == line.Cut
		if continued || len(text) == 0 {
			continue
		}
		if env.WantFrames {
			p.frames.Line(env, packet.ToClient, "response_line", text, end)
		}
		if p.reply(text) {
			env.Consumed = len(data) - len(rest)
			return protocol.Status{Code: protocol.StatusSwitch, Next: protocol.TLS}
		}
	}
	return protocol.Status{}
}

// reply takes a line of a reply; true says that TLS begins.
func (p *parser) reply(text []byte) bool {
	t := p.answering
	if t == nil {
		t = p.oldest(!p.greeted && bytes.HasPrefix(text, []byte("220")))
	}
	p.greeted = true
	p.answering = t
	t.addReply(text)
	t.raise(packet.ToClient, protocol.StageStart)
	t.inspection.Again(packet.ToClient)
	if p.replyCut {
		t.replyTruncated = true
		t.inspection.Raise(eventResponseTooLong)
	}
	if p.unfinished(text) {
		return false
	}
	p.answering = nil
	return p.finish(t, text)
}

// unfinished says whether more lines of the reply follow: "230-" up to a line
// with "230 " (RFC 959 section 4.2).
func (p *parser) unfinished(text []byte) bool {
	coded := hasCode(text)
	if p.multiline {
		p.multiline = !(coded && (len(text) == 3 || text[3] == ' ') && [3]byte(text[:3]) == p.code)
		return p.multiline
	}
	if coded && len(text) > 3 && text[3] == '-' {
		p.multiline, p.code = true, [3]byte(text[:3])
	}
	return p.multiline
}

// finish takes the last line of a reply. Preliminary replies (1xx) leave the
// command open.
func (p *parser) finish(t *Tx, text []byte) bool {
	if text[0] == '1' {
		return false
	}
	t.raise(packet.ToClient, protocol.StageDone)
	code := string(text[:min(3, len(text))])
	switch {
	case t.verb == verbPasv && code == "227", t.verb == verbEpsv && code == "229":
		if port, ok := passivePort(t.verb, text[3:]); ok {
			p.port, p.active = port, false
			t.port, t.active = port, false
		}
	case t.verb == verbAuth && code == "234":
		return true
	}
	return false
}

// oldest is the first command without a reply. A reply that no command asked
// for (the greeting) makes a transaction of its own.
func (p *parser) oldest(greeting bool) *Tx {
	for _, t := range p.txs.Live() {
		if !greeting && t.stage[packet.ToClient] != protocol.StageDone {
			return t
		}
	}
	t := p.begin()
	t.raise(packet.ToServer, protocol.StageDone)
	return t
}

// Gap says that bytes are missing.
func (p *parser) Gap(d packet.Direction, _ uint64, _ *protocol.Env) protocol.Status {
	if d == packet.ToClient {
		p.server.Reset()
		p.multiline, p.replyCut, p.answering = false, true, nil
		for _, t := range p.txs.Live() {
			t.raise(packet.ToClient, protocol.StageDone)
		}
		return protocol.Status{}
	}
	p.client.Reset()
	p.cut = true
	return protocol.Status{}
}

// End says that a side has ended; a line without its end still counts.
func (p *parser) End(d packet.Direction, env *protocol.Env) {
	if d == packet.ToServer {
		if text := p.client.Rest(); len(text) > 0 && !p.cut {
			p.command(text, env)
		}
		return
	}
	for _, t := range p.txs.Live() {
		t.raise(packet.ToClient, protocol.StageDone)
	}
}
