package smtp

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/framer"
	"github.com/masugata/masugata/internal/inspect/protocol/line"
	"github.com/masugata/masugata/internal/inspect/protocol/smtp/mime"
	"github.com/masugata/masugata/internal/inspect/protocol/txlist"
)

const (
	maxCommand = 510  // RFC 5321 section 4.5.3.1.4, without CR LF
	maxDataLn  = 4096 // longest line of a mail that is looked at in one piece
	maxPending = 1024 // commands that wait for their replies
	maxTxs     = 256  // mails that wait for the engine; older ones are given up
)

// mode is how the client's bytes are to be read.
type mode uint8

const (
	modeCommand mode = iota
	modeData
	modeBdat
)

// parser follows one session.
type parser struct {
	cfg            *config
	txs            txlist.List[Tx, *Tx]
	cur            *Tx // the last one made; it may be done
	client, server line.Reader
	body           line.Reader // lines of a mail in BDAT chunks, which need not end with lines
	mode           mode
	cut            bool // the last piece of client's line was cut
	replyCut       bool
	lost           bool // bytes of the mail are missing
	left           uint64
	lastChunk      bool
	midLine        bool // the last chunk ended within a line
	helo           []byte
	pending        []verb
	greeted        bool
	multiline      bool
	pipelining     bool            // the server offers it
	early          protocol.Events // what was wrong before the first command
	attachment     attachment
	frames         [2]framer.Framer
}

func newParser(cfg *config) *parser {
	p := &parser{cfg: cfg}
	p.attachment.cfg = cfg
	return p
}

// Reset makes the parser ready for another session.
func (p *parser) Reset() {
	p.txs.Reset()
	p.client.Reset()
	p.server.Reset()
	p.body.Reset()
	p.frames[0].Reset()
	p.frames[1].Reset()
	*p = parser{cfg: p.cfg, txs: p.txs, client: p.client, server: p.server, body: p.body, helo: p.helo[:0], pending: p.pending[:0], attachment: attachment{cfg: p.cfg}, frames: p.frames}
}

// Txs are the mails.
func (p *parser) Txs() []protocol.Tx { return p.txs.Txs() }

// Sweep frees the mails that are done.
func (p *parser) Sweep() {
	if p.cur != nil && p.cur.inspection.Done {
		p.cur = nil
	}
	p.txs.Sweep()
}

// Parse takes bytes of the session.
func (p *parser) Parse(d packet.Direction, data []byte, env *protocol.Env) protocol.Status {
	if env.WantFrames {
		p.frames[d].Call()
	}
	if d == packet.ToClient {
		return p.parseServer(data, env)
	}
	p.attachment.env = env
	if p.cur != nil {
		p.cur.files.Trim(&p.cur.inspection, packet.ToServer)
	}
	for len(data) > 0 {
		before, mode := data, p.mode
		switch mode {
		case modeCommand:
			data = p.parseCommand(data, env)
		case modeData:
			data = p.parseData(data, env)
		case modeBdat:
			data = p.parseChunk(data, env)
		}
		if env.WantFrames && mode != modeCommand {
			p.mailFrame(before[:len(before)-len(data)], env)
		}
	}
	return protocol.Status{}
}

// mailFrame notes bytes of a mail, which is a frame once it has ended.
func (p *parser) mailFrame(b []byte, env *protocol.Env) {
	f := &p.frames[packet.ToServer]
	f.Add(b)
	if p.mode == modeCommand {
		f.Emit(env, packet.ToServer, 0, framer.Names{All: "data"})
	}
}

func (p *parser) parseCommand(data []byte, env *protocol.Env) []byte {
	text, end, rest, ok := p.client.Next(data, maxCommand)
	if !ok {
		return nil
	}
	continued := p.cut
	p.cut = end == line.Cut
	if !continued {
		if env.WantFrames {
			p.frames[packet.ToServer].Line(env, packet.ToServer, "command_line", text, end)
		}
		p.command(text, env)
	}
	if p.cut && !continued {
		p.event(eventCommandTooLong)
	}
	return rest
}

func (p *parser) parseData(data []byte, env *protocol.Env) []byte {
	text, end, rest, ok := p.client.Next(data, maxDataLn)
	if !ok {
		return nil
	}
	continued := p.cut
	p.cut = end == line.Cut
	if !continued && len(text) > 0 && text[0] == '.' {
		if len(text) == 1 && end != line.Cut {
			p.mode = modeCommand
			p.await(verbOther) // the end of the mail has a reply of its own
			p.endMail(env)
			return rest
		}
		text = text[1:]
	}
	p.mailLine(text, end)
	return rest
}

// parseChunk takes bytes of a BDAT chunk (RFC 3030).
func (p *parser) parseChunk(data []byte, env *protocol.Env) []byte {
	n := len(data)
	if uint64(n) > p.left {
		n = int(p.left)
	}
	p.left -= uint64(n)
	for chunk := data[:n]; len(chunk) > 0; {
		text, end, rest, ok := p.body.Next(chunk, maxDataLn)
		if !ok {
			break
		}
		p.mailLine(text, end)
		chunk = rest
	}
	if p.left > 0 {
		return data[n:]
	}
	p.mode = modeCommand
	p.midLine = p.body.Held() > 0
	if p.lastChunk {
		if p.midLine {
			p.mailLine(p.body.Rest(), line.LF)
		}
		p.endMail(env)
	}
	return data[n:]
}

// mailLine gives a line of the mail to whoever reads it.
func (p *parser) mailLine(text []byte, end line.Ending) {
	t := p.cur
	if t == nil || p.lost {
		return
	}
	if end == line.Cut {
		p.event(eventTruncatedLine)
	}
	if p.cfg.raw {
		p.attachment.rawLine(text, end)
		return
	}
	if !t.hasMail {
		return
	}
	t.mail.Line(text, end)
	p.mailEvents(t)
	if t.mail.HeadersDone() {
		t.raise(packet.ToServer, protocol.StageBody)
	}
}

func (p *parser) mailEvents(t *Tx) {
	for e := range uint8(mime.NumEvents) {
		if t.mail.Events&(1<<e) != 0 {
			t.inspection.Raise(eventMIME + e)
		}
	}
}

// startMail begins the mail behind DATA or the first BDAT.
func (p *parser) startMail(t *Tx) {
	if t.hasMail || p.attachment.raw {
		return
	}
	t.raise(packet.ToServer, protocol.StageHeaders)
	p.lost, p.cut = false, false
	switch {
	case p.cfg.raw:
		p.attachment.openRaw(t)
	case p.cfg.decode:
		t.hasMail = true
		p.attachment.t = t
		t.mail.Reset(&p.cfg.mime, &p.attachment)
	}
}

// endMail ends the mail and with it the transaction.
func (p *parser) endMail(env *protocol.Env) {
	p.mode, p.cut, p.lastChunk, p.midLine = modeCommand, false, false, false
	env.TriggerRawStream = true
	p.finish(p.cur, true)
}

// finish completes a transaction.
func (p *parser) finish(t *Tx, whole bool) {
	if t == nil || t.stage[packet.ToServer] == protocol.StageDone {
		return
	}
	p.attachment.closeRaw(whole && !p.lost)
	if t.hasMail {
		t.mail.End(whole && !p.lost)
		p.mailEvents(t)
	}
	t.raise(packet.ToServer, protocol.StageDone)
	if len(p.pending) == 0 {
		t.raise(packet.ToClient, protocol.StageDone)
	}
}

// Gap says that bytes are missing.
func (p *parser) Gap(d packet.Direction, n uint64, env *protocol.Env) protocol.Status {
	if d == packet.ToClient {
		p.server.Reset()
		p.pending, p.multiline, p.replyCut = p.pending[:0], false, false
		return protocol.Status{}
	}
	p.attachment.env = env
	p.client.Reset()
	p.body.Reset()
	switch p.mode {
	case modeData:
		p.lost = true
	case modeBdat:
		p.lost = true
		if n < p.left {
			p.left -= n
		} else {
			p.left, p.mode = 0, modeCommand
		}
	}
	p.cut = true // whatever comes next is not the beginning of a line
	return protocol.Status{}
}

// End says that a side has ended.
func (p *parser) End(d packet.Direction, env *protocol.Env) {
	if d == packet.ToServer {
		p.attachment.env = env
		p.finish(p.cur, false)
		return
	}
	for _, t := range p.txs.Live() {
		t.raise(packet.ToClient, protocol.StageDone)
	}
}

func (p *parser) event(e uint8) {
	if p.cur != nil {
		p.cur.inspection.Raise(e)
		return
	}
	p.early.Set(e)
}
